package deflect

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTextTemplate(t *testing.T) {
	policy, err := NewPolicy("sales", Rules{})
	if err != nil {
		t.Fatal(err)
	}
	loop := map[string]any{}
	loop["loop"] = loop
	call := Call{
		ANI: "+14043438646", FirstName: "Jane", LastName: "Doe", Skill: "billing", Policy: policy,
		CallerInfo: map[string]any{"plan": "Gold", "orders": 3, "none": nil, "markup": "{{.FirstName}} <b>",
			"order-id": "7", "id": 12345678.0, "number": json.Number("12345678"), "share": 0.25, "yes": true, "list": []int{1}, "loop": loop, "lines": "a\nb\r\n\tc"},
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
		{"{{with .Info.plan}}{{$.FirstName}}: {{.}}{{else}}{{.LastName}}{{end}}", "Jane: Gold"},
		{"{{.Info.id}} {{.Info.number}} {{.Info.share}} {{.Info.yes}}", "12345678 12345678 0.25 true"},
		{"[{{.Info.list}}{{.Info.loop}}]", "[]"},
		{"{{.Info.lines}}", "a b c"},
		{"{{if and (eq .Skill \"sales\" \"billing\") (not .Info.none) (ne .FirstName .LastName)}}!{{else}}?{{end}}", "!"},
		{"{{with index .Info \"order-id\"}}{{if eq . \"7\"}}{{.}} {{end}}{{$.Info.plan}}{{end}}{{/* no more */}}", "7 Gold"},
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
		{"Hi {{.ANI}}", "has no field .ANI; fields are .FirstName, .LastName, .Skill, .Profile and .Info.NAME"},
		{"{{if .FirstName}}{{.Digits}}{{end}}", "has no field .Digits"},
		{"{{if .FirstName}}{{else}}{{$.Digits}}{{end}}", "has no field .Digits"},
		{"{{with .Info.a}}{{.Digits}}{{end}}", "write $.Digits"},
		{"{{with .Info.a}}{{else}}{{.Digits}}{{end}}", "has no field .Digits"},
		{"{{.Profile.Rules}}", "has no field .Profile.Rules"},
		{"{{.Info.a.b}}", "has no field .Info.a.b"},
		{"{{.}}", "which is no field"},
		{"{{.Info}}", "has no field .Info;"},
		{"{{$}}", "which is no field"},
		{"{{(.Info).a}}", "which is no field"},
		{"{{$x := .Info.a}}", "cannot have variables and pipes"},
		{"{{$ := .FirstName}}", "cannot have variables and pipes"},
		{"{{.FirstName | print}}", "cannot have variables and pipes"},
		{"{{len .FirstName}}", "has the function len; functions are and, or, not, eq, ne and index"},
		{"{{slice .FirstName 0 3}}", "has the function slice"},
		{"{{printf .FirstName}}", "has the function printf"},
		{"{{call .Info.a}}", "has the function call"},
		{"{{if .FirstName}}{{index .FirstName 9}}{{end}}", "index is for .Info"},
		{"{{index .Info .Nobody}}", "index is for .Info"},
		{"{{with .FirstName}}{{index .Info \"a\"}}{{end}}", "index is for .Info"},
		{"{{not}}", "too few or too many"},
		{"{{not .FirstName .LastName}}", "too few or too many"},
		{"{{eq .FirstName}}", "too few or too many"},
		{"{{eq .FirstName 1}}", "has 1, which is no field"},
		{"{{eq .FirstName (not .LastName)}}", "which is no text"},
		{"{{.FirstName 1}}", "which is no function"},
		{"{{nil}}", "has nil, which is no field"},
		{"{{with not .FirstName}}{{eq . \"x\"}}{{end}}", "a with over something else than a field"},
		{"{{template \"x\"}}", "a text can hold fields, if and with"},
		{"{{define \"a\"}}x{{end}}", "defines a template"},
		{"{{block \"a\" .}}x{{end}}", "defines a template"},
		{"{{range .Info}}{{end}}", "a text can hold fields, if and with"},
		{"{{range 20000000}}{{end}}", "a text can hold fields, if and with"},
		{strings.Repeat("x", 17<<10), "comes to more than 16384 bytes"},
	} {
		if _, err := ParseText(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseText(%.60q) = %v, want %q", tt.text, err, tt.want)
		}
	}
	many := Call{CallerInfo: map[string]any{"x": strings.Repeat("x", 5000)}}
	long, err := ParseText(strings.Repeat("{{.Info.x}}", 20))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := long.Render(many); err == nil {
		t.Errorf("an endless text was rendered: %d bytes", len(text))
	}
}

// Whatever the template is: one that is accepted can be made for any call, unless it
// is too long.
func FuzzTextTemplate(f *testing.F) {
	f.Add("Hi {{.FirstName}}{{with .Info.a}} {{.}}{{end}}", "Jane", "x")
	f.Add("{{range $k, $v := .Info}}{{$k}}{{printf \"%100000d\" 1}}{{end}}", "", "")
	f.Fuzz(func(t *testing.T, text, name, info string) {
		tmpl, err := ParseText(text)
		if err != nil {
			return
		}
		for _, call := range []Call{{}, {FirstName: name, CallerInfo: map[string]any{"a": info, name: 1}}} {
			got, err := tmpl.Render(call)
			if err == nil && len(got) > maxRenderedBytes || err != nil && err != errLongText {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if err == nil && !strings.Contains(text, "{{") && got != strings.TrimSpace(text) {
				t.Errorf("%q became %q", text, got)
			}
		}
	})
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
