package config

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// What goes before the keys.
//
//go:embed reference_head.txt
var referenceHead string

// Reference documents every key in Markdown: what it may be, its default, whether a
// change needs a restart, and what it means.
func Reference() string {
	r := reference{told: map[string]bool{}}
	r.WriteString(referenceHead)
	for _, top := range sample().rows() {
		fmt.Fprintf(&r, "\n## `%s`\n\n", top.key)
		r.wrap("", "", strings.TrimPrefix(facts(top.value)+" "+top.words, " "))
		r.keys("", top)
	}
	return r.String()
}

type reference struct {
	strings.Builder
	told map[string]bool // fields of sections
}

// keys writes what is in a section, once for each kind of section.
func (r *reference) keys(indent string, of row) {
	if of.value.rows == nil || r.told[of.field] {
		return
	}
	r.told[of.field] = of.field != ""
	if indent == "" {
		r.WriteString("\n")
	}
	for _, row := range of.value.rows() {
		if !row.value.refused {
			r.wrap(indent+"- ", indent+"  ", "`"+row.key+"`"+strings.TrimSuffix(" "+facts(row.value), " ")+": "+row.words)
			r.keys(indent+"  ", row)
		}
	}
}

// facts are what the value of a key may be and what goes without it, in brackets.
func facts(v value) string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(v.form)
	if n := v.print(); n != nil && (n.Kind == yaml.ScalarNode || n.Style == yaml.FlowStyle) {
		add("default `" + inline(n) + "`")
	} else if v.without != "" {
		add("without it: " + v.without)
	}
	if v.restart != "" {
		add("*" + string(v.restart) + "*")
	}
	if parts == nil {
		return ""
	}
	return "(" + strings.Join(parts, "; ") + ")"
}

func inline(n *yaml.Node) string {
	out, err := yaml.Marshal(n)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(out))
}

const referenceWidth = 100

// wrap writes paragraphs with a first and a further indentation. What is in backticks
// stays on one line.
func (r *reference) wrap(first, further, text string) {
	for i, paragraph := range strings.Split(text, "\n") {
		line := first
		if i > 0 {
			r.WriteString("\n")
			line = further
		}
		used := false // whether the line has a word
		code := false
		for _, word := range strings.FieldsFunc(paragraph, func(c rune) bool {
			code = code != (c == '`')
			return c == ' ' && !code
		}) {
			if used && utf8.RuneCountInString(line+" "+word) > referenceWidth {
				r.WriteString(line + "\n")
				line, used = further, false
			}
			if used {
				line += " "
			}
			line, used = line+word, true
		}
		r.WriteString(line + "\n")
	}
}
