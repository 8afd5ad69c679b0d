package freeswitch_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
)

// A prompt is one row: every field has its own, by whose words it can be found in a
// configuration, a metric and the folder of the shipped files.
func TestEveryPromptIsOneRow(t *testing.T) {
	var set freeswitch.Prompts
	fields := reflect.ValueOf(&set).Elem()
	i := 0
	for row, value := range set.All() {
		if i == fields.NumField() {
			t.Fatalf("%s is a row without a field", row.Field)
		}
		if name := fields.Type().Field(i).Name; row.Field != name || value != fields.Field(i).Addr().Interface().(*string) {
			t.Errorf("row %d is %s, or its value another one's; the field is %s", i, row.Field, name)
		}
		if key := snake(row.Field); row.Key != key || row.When == "" {
			t.Errorf("%s has the key %q and the words %q; want %q and some", row.Field, row.Key, row.When, key)
		}
		i++
	}
	if i != fields.NumField() {
		t.Errorf("%d fields have no row", fields.NumField()-i)
	}
}

func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
