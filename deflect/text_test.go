package deflect

import (
	"strings"
	"testing"
)

func TestTextTemplate(t *testing.T) {
	policy, err := NewPolicy("sales", Rules{})
	if err != nil {
		t.Fatal(err)
	}
	call := Call{
		ANI: "+14043438646", FirstName: "Jane", LastName: "Doe", Skill: "billing", Policy: policy,
		CallerInfo: map[string]any{"plan": "Gold", "orders": 3, "none": nil, "markup": "{{.FirstName}} <b>"},
	}
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"Thanks for calling.", "Thanks for calling."},
		{"  two\nlines ", "two\nlines"},
		{"Hi {{.FirstName}} {{.LastName}}, {{.Skill}} of {{.Profile}} here.", "Hi Jane Doe, billing of sales here."},
		{"{{with .Info.plan}}Your plan is {{.}}.{{end}}", "Your plan is Gold."},
		{"{{.Info.orders}} orders", "3 orders"},
		{"[{{.Info.none}}{{.Info.unknown}}{{index .Info \"not there\"}}]", "[]"},
		{"{{.Info.markup}}", "{{.FirstName}} <b>"}, // what a call says is no template
		{"{{if .FirstName}}Hi {{.FirstName}}{{else}}Hi{{end}}!", "Hi Jane!"},
	} {
		tmpl, err := ParseText(tt.text)
		if err != nil {
			t.Errorf("ParseText(%q): %v", tt.text, err)
			continue
		}
		if got, err := tmpl.Render(call); got != tt.want || err != nil {
			t.Errorf("%q renders as %q, %v, want %q", tt.text, got, err, tt.want)
		}
		if _, err := tmpl.Render(Call{}); err != nil {
			t.Errorf("%q for a call that knows nothing: %v", tt.text, err)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{"{{.FirstName", "is not a template: 1: unclosed action"},
		{"Hi {{.ANI}}", "is not a template: 1:5: there is no field ANI; fields are FirstName, LastName, Skill, Profile and Info"},
		{"{{.Digits}}", "there is no field Digits"},
		{"{{.Profile.Rules}}", "Rules"},
		{"{{template \"x\"}}", "not defined"},
		{"{{range 100000}}spam {{end}}", "comes to more than 16384 bytes"},
		{"{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "exceeded maximum template depth"},
	} {
		if _, err := ParseText(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseText(%q) = %v, want %q", tt.text, err, tt.want)
		}
	}
	long, err := ParseText("{{.Info.long}}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.Render(Call{CallerInfo: map[string]any{"long": strings.Repeat("x", 17<<10)}}); err == nil {
		t.Error("an endless text was rendered")
	}
}

func TestSegments(t *testing.T) {
	gsm, ucs := strings.Repeat, strings.Repeat
	for _, tt := range []struct {
		name, text   string
		count, units int
		ucs2         bool
		foreign      rune
		position     int
	}{
		{"empty", "", 0, 0, false, 0, 0},
		{"short", "Thanks!", 1, 7, false, 0, 0},
		{"all of GSM-7", gsmBasic, 1, 127, false, 0, 0},
		{"extension counts twice", "[€]", 1, 6, false, 0, 0},
		{"160", gsm("a", 160), 1, 160, false, 0, 0},
		{"161", gsm("a", 161), 2, 161, false, 0, 0},
		{"306", gsm("a", 306), 2, 306, false, 0, 0},
		{"307", gsm("a", 307), 3, 307, false, 0, 0},
		{"80 euros", gsm("€", 80), 1, 160, false, 0, 0},
		{"an escape is not cut in two", gsm("a", 152) + "€" + gsm("a", 152), 3, 306, false, 0, 0},
		{"a curly quote", "don’t", 1, 5, true, '’', 4},
		{"backquote", "`", 1, 1, true, '`', 1},
		{"lower-case c with cedilla", "ç", 1, 1, true, 'ç', 1}, // GSM-7 has only the capital
		{"70", ucs("я", 70), 1, 70, true, 'я', 1},
		{"71", ucs("я", 71), 2, 71, true, 'я', 1},
		{"134", ucs("я", 134), 2, 134, true, 'я', 1},
		{"135", ucs("я", 135), 3, 135, true, 'я', 1},
		{"35 emoji", ucs("😀", 35), 1, 70, true, '😀', 1},
		{"an emoji is not cut in two", ucs("я", 66) + "😀" + ucs("я", 66), 3, 134, true, 'я', 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := SegmentsOf(tt.text)
			if s.Count != tt.count || s.Units != tt.units || s.UCS2 != tt.ucs2 || s.Foreign != tt.foreign || s.Position != tt.position {
				t.Errorf("%+v, want %+v", s, tt)
			}
		})
	}
}
