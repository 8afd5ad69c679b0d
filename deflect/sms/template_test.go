package sms

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	loop := map[string]any{}
	loop["loop"] = loop
	call := Fields{
		FirstName: "Jane", LastName: "Doe", Skill: "billing", Profile: "sales",
		Info: map[string]any{"plan": "Gold", "orders": 3, "none": nil, "markup": "{{.FirstName}} <b>",
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
		tmpl, err := ParseTemplate(tt.text)
		if err != nil {
			t.Errorf("ParseTemplate(%q): %v", tt.text, err)
			continue
		}
		if got, err := tmpl.Render(call); got != tt.want || err != nil {
			t.Errorf("%q renders as %q, %v, want %q", tt.text, got, err, tt.want)
		}
		if _, err := tmpl.Render(Fields{}); err != nil {
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
		if _, err := ParseTemplate(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseTemplate(%.60q) = %v, want %q", tt.text, err, tt.want)
		}
	}
	many := Fields{Info: map[string]any{"x": strings.Repeat("x", 5000)}}
	long, err := ParseTemplate(strings.Repeat("{{.Info.x}}", 20))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := long.Render(many); err == nil {
		t.Errorf("an endless text was rendered: %d bytes", len(text))
	}
}

// Whatever the template is: one that is accepted can be made for any call, unless it
// is too long.
func FuzzTemplate(f *testing.F) {
	f.Add("Hi {{.FirstName}}{{with .Info.a}} {{.}}{{end}}", "Jane", "x")
	f.Add("{{range $k, $v := .Info}}{{$k}}{{printf \"%100000d\" 1}}{{end}}", "", "")
	f.Fuzz(func(t *testing.T, text, name, info string) {
		tmpl, err := ParseTemplate(text)
		if err != nil {
			return
		}
		for _, call := range []Fields{{}, {FirstName: name, Info: map[string]any{"a": info, name: 1}}} {
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
