package wire

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// Flat caller info is encoded as any other, or left to it.
func FuzzFlatInfo(f *testing.F) {
	f.Add("plan", "Gold", "wait", 120, true)
	f.Add("\u2028<\n", "\t\"\\", "", -1, false)
	f.Add("\x07", "\xff", "a", 0, false)
	f.Fuzz(func(t *testing.T, name1, text, name2 string, n int, flag bool) {
		info := map[string]any{name1: text, name2: n, "flag": flag}
		got, ok := flatInfo(info)
		want, err := encodeInfo(info)
		if ok != (err == nil) || ok && string(got) != string(want) {
			t.Errorf("flatInfo(%q) = %s, %t, want %s, %v", info, got, ok, want, err)
		}
	})
}

func TestFlatInfoLeavesTheRest(t *testing.T) {
	many := map[string]any{}
	for i := range 65 {
		many[strings.Repeat("x", i)] = 1
	}
	for name, info := range map[string]map[string]any{
		"nested": {"a": map[string]any{}}, "list": {"a": []string{"b"}}, "nothing": {"a": nil}, "fraction": {"a": 1.5},
		"no number": {"a": math.NaN()}, "JSON number": {"a": json.Number("1")}, "other integer": {"a": uint8(1)},
		"too large": {"a": strings.Repeat("x", MaxInfo)}, "many": many, "one of them": {"a": "x", "b": []any{}},
	} {
		if b, ok := flatInfo(info); ok {
			t.Errorf("%s: %s", name, b)
		}
	}
}
