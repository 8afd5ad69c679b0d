package livedeflect

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

var callIDForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func TestIsCallID(t *testing.T) {
	ids := []string{"", "473513", "a.B-c_9", "a b", strings.Repeat("x", 64), strings.Repeat("x", 65), "a\n", "é"}
	for c := range 256 {
		ids = append(ids, string([]byte{'a', byte(c)}))
	}
	for _, id := range ids {
		if got, want := clean.IsCallID(id), callIDForm.MatchString(id); got != want {
			t.Errorf("IsCallID(%q) = %t, want %t", id, got, want)
		}
	}
}

// parseSlowly is parseAnswer by encoding/json, for comparison.
func parseSlowly(body []byte) (a answer, ok bool) {
	var f map[string]json.RawMessage
	if json.Unmarshal(body, &f) != nil {
		return answer{}, false
	}
	text := func(name string) string {
		raw := f[name]
		if len(raw) == 0 || string(raw) == "null" {
			return ""
		}
		var s string
		if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
			return s
		}
		return string(raw)
	}
	success := strings.ToLower(strings.TrimSpace(text("success")))
	a.success = success == "true"
	a.said = a.success || success == "false"
	if id := text("callId"); callIDForm.MatchString(id) {
		a.callID = id
	}
	a.message = clean.Text(text("error"))
	if a.refused = a.message != ""; !a.refused {
		a.message = clean.Text(text("message"))
	}
	return a, true
}

func FuzzParseAnswer(f *testing.F) {
	for _, s := range []string{
		`{"callId" : "473513","success" : "true"}`, `{"success":false,"error":"Failed +1 404-343-8646"}`, "{\"message\":\"\\u202e\x80\"}",
		`{"succ\u0065ss":"true","success":null,"error":{"a": [1, 2]},"message":[ ]}`, ` null `, `null null`, `{} x`, `{"success":1e5,}`,
		`{"a":"\ud800\u0041\udc00","error":"\ud83d\ude00\ud800x"}`, `{"success":tru`, `{"error":-0.0e+1,"callId":12,"":""}`,
		"{\"error\":\"a\tb\"}", "{\"\x80\":1,\"error\":\"\xed\xa0\x80\"}", `[]`, `"x"`, "\ufeff{}", `{"success":"TRUE","success":"false"}`,
		`{"success":"fal` + "\u017f" + `e"}`, `{"Success":true}`, ``, `{"success":true}{}`, `{"callId":"473513"` + "\x00}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		got, err := parseAnswer(body)
		want, ok := parseSlowly(body)
		if got != want || (err == nil) != ok {
			t.Errorf("parseAnswer(%q) = %+v, %v, want %+v, %t", body, got, err, want, ok)
		}
		if !bytes.Equal(body, before) {
			t.Errorf("%q was changed to %q", before, body)
		}
	})
}

// Nesting is limited, and at the same depth as before.
func TestDeepAnswer(t *testing.T) {
	for depth := 9_998; depth <= 10_001; depth++ {
		body := []byte(`{"success":true,"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`)
		_, err := parseAnswer(body)
		if want := depth < 10_000; (err == nil) != want || json.Valid(body) != want {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}
