package deflect_test

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// idsOfCalls are ids as phone systems and callers make them, and how logs show them.
var idsOfCalls = map[string]string{
	"":                                     "",
	"3e0068c6-dcda-4c96-a87d-305d62b539f6": "3e0068c6-dcda-4c96-a87d-305d62b539f6",
	"12345678-1234-4567-8901-123456789012": "12345678-1234-4567-8901-123456789012",
	"84b4c76e66710@10.20.30.40:5060":       "84b4c76e66710@10.20.30.40:5060",
	"3e006812-1234-4c96-a817-305462153916@10.20.30.40":    "3e006812-1234-4c96-a817-305462153916@10.20.30.40",
	"1c2b3d4e5f60718293a4b5c6d7e8f901@[2001:db8::1]:5060": "1c2b3d4e5f60718293a4b5c6d7e8f901@[2001:db8::1]:5060",
	"CAab12345678ab12345678ab12345678ab":                  "CAab12345678ab12345678ab12345678ab",
	"call-1":                                              "call-1",
	"crm_1.2":                                             "crm_1.2",
	"a84b4c76e66710":                                      "a84b4c76e66710",
	"(4)<a>*!~+:/?=":                                      "(4)<a>*!~+:/?=",
	// Numbers, however they got there.
	"14043438646":                  "***46",
	"+14043438646":                 "+***46",
	"+1-404-343-8646":              "+***46",
	"(404)343-8646":                "(***46",
	"404.343.8646":                 "***46",
	"12.34.56.78":                  "***78",
	"14043438646@10.20.30.40:5060": "***46@10.20.30.40:5060",
	"sip:+14043438646@example.com": "sip:+***46@example.com",
	"call-14043438646-1732672000":  "call-***00",
	"tel14043438646x5":             "tel***46x5",
	"20123456-3e0068c6-dcda-4c96-a87d-305d62b539f6":    "***56-3e0068c6-dcda-4c96-a87d-305d62b539f6",
	"abcdef14043438646abcdef":                          "abcdef***46abcdef",
	"3e0068c6-dcda-4c96-a87d-305d62b539f6-14043438646": "3e0068c6-dcda-4c96-a87d-305d62b539f6-***46",
	"14043438646@14043438646":                          "***46",
	"4043438646@10.20.30.40@4043438646":                "***46@10.20.30.40@***46",
	"404343@8646":                                      "***46",
	"1732672000.4711":                                  "***11",
	// No ids.
	"Jane Doe":       "?",
	"Zoë":            "?",
	"${system(id)}":  "?",
	"a\nlevel=ERROR": "?",
	`a"b`:            "?",
	"\x00":           "?",
	"\xff":           "?",
	"\u202eabc":      "?",
	"\u0661\u0664\u0660\u0664\u0663\u0664\u0663\u0668\u0666\u0664\u0666": "?",
	strings.Repeat("a", 255): strings.Repeat("a", 255),
	strings.Repeat("a", 256): "?",
}

func TestLogID(t *testing.T) {
	for id, want := range idsOfCalls {
		if got := deflect.LogID(id); got != want {
			t.Errorf("LogID(%q) = %q, want %q", id, got, want)
		}
		// Whatever shows a call shows its id so.
		for _, v := range []slog.LogValuer{
			deflect.Call{ExternalCallID: id}, livedeflect.Event{ExternalCallID: id}, funnel.Journey{ExternalCallID: id},
		} {
			shown := ""
			for _, a := range v.LogValue().Group() {
				if a.Key == "call_id" {
					shown = a.Value.String()
				}
			}
			if shown != want {
				t.Errorf("%T logs the id %q as %q, want %q", v, id, shown, want)
			}
			if text := fmt.Sprintf("%v %+v %#v", v, v, v); want == "?" && len(id) > 1 && strings.Contains(text, id) {
				t.Errorf("%T shows %s", v, text)
			}
		}
	}
}

func FuzzLogID(f *testing.F) {
	for id := range idsOfCalls {
		f.Add(id)
	}
	form := regexp.MustCompile(`^[!-~]{0,255}$`)
	number := regexp.MustCompile(`[0-9]([^0-9A-Za-z]{0,3}[0-9]){6,}`)
	machine := regexp.MustCompile(`\b([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{16,})\b|@\[?[0-9A-Fa-f.:]+`)
	whole := regexp.MustCompile(`[0-9]{13,}`) // what no UUID has
	f.Fuzz(func(t *testing.T, id string) {
		got := deflect.LogID(id)
		if !form.MatchString(got) || strings.ContainsAny(got, "\"'`\\${};,") {
			t.Errorf("LogID(%q) = %q", id, got)
		}
		if n := number.FindString(machine.ReplaceAllString(got, "x")) + whole.FindString(got); n != "" {
			t.Errorf("LogID(%q) = %q shows %q", id, got, n)
		}
		if id != "" && got == "" || deflect.LogID(id) != got {
			t.Errorf("LogID(%q) = %q", id, got)
		}
	})
}
