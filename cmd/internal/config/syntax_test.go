package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What is no YAML is shown where it is, not at the block around it or above that, with
// what to do about it.
func TestSyntaxErrors(t *testing.T) {
	const (
		neighbours = "is it indented as its neighbours, and does the line above end as it should?"
		within     = `is a quote within the text?`
		comma      = "is a comma or a closing bracket missing, or a quote?"
		colon      = "a key ends with a colon and a blank"
	)
	for _, tt := range []struct {
		name, lines string // after line 6, which begins a profile
		line, seen  int
		hint        string
	}{
		{"not as far in", "    skill: b\n   text: c\n", 8, 0, neighbours},
		{"further in", "    skill: b\n      text: c\n    gap: 3s\n", 8, 0, neighbours},
		{"comments and blank lines", "    text: Hello\n    # x\n\n   # y\n   gap: 3s\n# x\n\nlog: {}", 11, 0, neighbours},
		{"key of the list", "  name: b\n    gap: 3s\n", 7, 0, neighbours},
		{"another list", "  - name: b\n    gap: 3s\n -  name: c\n", 9, 0, neighbours},
		{"tab", "\tskill: b\n    gap: 3s\n", 7, 0, "not with tabs"},
		{"tab within", "    skill:\tb\n \tgap: 3s\n", 8, 0, "not with tabs"},

		{"open quote", "    text: \"Hello\n    skill: b\n    gap: 3s\n", 7, 0, "a quote that is opened here is not closed"},
		{"open quote, closed by the next", "    text: \"Hello\n    skill: b\n    text_tag: \"x\"\n    gap: 3s\n", 7, 9, within},
		{"quote within", "    text: 'Don't wait'\n    skill: b\n", 7, 0, within},
		{"text after a quote", "    text: \"a\" b\n    gap: 3s\n", 7, 0, within},
		{"backslash", "    text: \"a\\qb\"\n    gap: 3s\n", 7, 0, "for a backslash"},

		{"open brace", "    prompts: {sent: a\n    skill: b\n    gap: 3s\n", 7, 8, comma},
		{"open bracket", "    dialed: [\"+1\", \"+2\"\n    skill: b\n    gap: 3s\n", 7, 8, comma},
		{"no comma", "    dialed: [\"+1\" \"+2\"]\n    skill: b\n    gap: 3s\n", 7, 0, comma},
		{"in the middle of a flow", "    prompts: {sent: a,\n      wait: b c: d,\n      failed: e}\n    gap: 3s\n", 7, 8, comma},
		{"closing brace", "    skill: b\n}\nlog: {}\n", 8, 0, neighbours},

		{"no blank after a colon", "    skill:b\n    gap: 3s\n", 7, 0, "a blank belongs behind the colon"},
		{"no colon", "    skill b\n    gap: 3s\n", 7, 0, colon},
		{"colon within", "    text: Hello: you\n    gap: 3s\n", 7, 0, "text that holds a colon and a blank in quotes"},
		{"template, then text", "    text: {{.FirstName}}, hello\n    gap: 3s\n", 7, 0, "text that begins with {{ in quotes"},
		{"template, then a template", "    text: {{.FirstName}} {{.LastName}}\n    gap: 3s\n", 7, 0, "text that begins with {{ in quotes"},
		{"template with words", "    text: {{with .FirstName}}Hi {{.}}{{end}}\n    gap: 3s\n", 7, 0, "text that begins with {{ in quotes"},
		{"bracket", "    text: [now] call\n    gap: 3s\n", 7, 0, "text that begins with [ in quotes"},
		{"at", "    text: @home\n    gap: 3s\n", 7, 0, "text that begins with @ in quotes"},
		{"percent", "    text: %now\n    gap: 3s\n", 7, 0, "text that begins with % in quotes"},
		{"backquote", "    text: `Hello`\n    gap: 3s\n", 7, 0, "text that begins with ` in quotes"},
		{"greater than", "    text: > Hello\n    gap: 3s\n", 7, 0, "text that begins with > in quotes"},
		{"hyphen", "    text: - Hello\n    gap: 3s\n", 7, 0, "text that begins with - in quotes"},
		{"star", "    text: *1 now\n    gap: 3s\n", 7, 0, "text that begins with * in quotes"},
		{"alias", "    text: &x\n    gap: *y\n", 8, 0, "text that begins with * in quotes"},

		{"control character", "    text: \"a\x01b\"\n    gap: 3s\n", 7, 0, "control characters are not allowed"},
		{"no UTF-8", "    text: \"a\xffb\"\n    gap: 3s\n", 7, 0, "save it as UTF-8"},
		{"second document", "---\nlog: {level: info\n", 8, 0, comma},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const before = "livedeflect:\n  site_id: \"1\"\n  domain: va\n  consumer_key: KEY\nprofiles:\n  - name: a\n"
			for _, lines := range []string{tt.lines, strings.ReplaceAll(tt.lines, "\n", "\r\n")} {
				_, err := Parse("x.yaml", []byte(before+lines), consumer)
				var bad *Error
				if !errors.As(err, &bad) {
					t.Fatal(err)
				}
				p := bad.Problems[0]
				if p.Line != tt.line || !strings.HasPrefix(p.Text, "is not YAML: ") || !strings.Contains(p.Text, tt.hint) {
					t.Errorf("%s, want line %d and %q", err, tt.line, tt.hint)
				}
				if seen := fmt.Sprintf("noticed in line %d ", tt.seen); strings.Contains(p.Text, seen) != (tt.seen > 0) {
					t.Errorf("%s, want %q", err, seen)
				}
			}
		})
	}
}

func TestSyntaxErrorInTheFirstLine(t *testing.T) {
	_, err := Parse("x.yaml", []byte("text: \"abc\nd: e\n"), consumer)
	if err == nil || !strings.HasPrefix(err.Error(), "x.yaml:1: is not YAML: found unexpected end of stream") {
		t.Error(err)
	}
}

// A template alone is YAML: a mapping in a mapping.
func TestTemplateWithoutQuotes(t *testing.T) {
	for _, text := range []string{"{{.FirstName}}", "{now}", "[now]"} {
		_, err := Parse("x.yaml", []byte(frame("text: "+text)), consumer)
		if err == nil || !strings.Contains(err.Error(), "x.yaml:5: profiles[0].text: must be text: put it in quotes, as it begins with { or [") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A fault far below where it began is not looked for without end.
func TestSyntaxErrorFarBelow(t *testing.T) {
	text := frame("text: \"open") + strings.Repeat("    # comment\n", 5000) + "\"closed\": 1\n"
	f := fault{text: "did not find expected key", lines: bytes.SplitAfter([]byte(text), []byte("\n")), left: reparsed(len(text))}
	from, to := f.find(4)
	if to != 5006 || from != to || f.left < -len(text) {
		t.Errorf("lines %d to %d, %d bytes left", from, to, f.left)
	}
}
