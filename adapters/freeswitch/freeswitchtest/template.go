package freeswitchtest

import (
	_ "embed"
	"fmt"
	"strings"
)

// template.txt holds the headers of a channel as FreeSWITCH 1.10.12 sends
// them, in their order. Values are encoded; {word} is filled in.
//
//go:embed template.txt
var templateText string

var tmpl = parseTemplate(templateText)

type template struct {
	core, profile, state []header
	// vars are the channel's variables of all groups, one after another.
	vars   []header
	groups [groupCount]span
	index  map[string][]int // where a variable stands in vars
}

type header struct {
	name  string
	parts []part
}

// A part is a field to fill in, or text.
type part struct {
	field string
	text  string
}

type span struct{ from, to int }

// A group of variables appears on the channel at one moment.
type group int

const (
	groupChannel group = iota // the call came in
	groupAnswer               // it was answered
	groupAck                  // the caller's telephone confirmed that
	groupReport               // it is over
	groupCount
)

func parseTemplate(text string) *template {
	sections := parseSections(text)
	t := &template{
		core: sections["core"], profile: sections["profile"], state: sections["state"],
		index: map[string][]int{},
	}
	for g, section := range []string{groupChannel: "channel", groupAnswer: "answer", groupAck: "ack", groupReport: "report"} {
		from := len(t.vars)
		for _, h := range sections[section] {
			t.index[h.name] = append(t.index[h.name], len(t.vars))
			t.vars = append(t.vars, h)
		}
		t.groups[g] = span{from, len(t.vars)}
	}
	return t
}

// parseSections reads lists of headers, each under its name in brackets.
func parseSections(text string) map[string][]header {
	sections := map[string][]header{}
	var in string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "["); ok {
			in = strings.TrimSuffix(name, "]")
			continue
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			panic(fmt.Sprintf("freeswitchtest: template: %q is not a header", line))
		}
		sections[in] = append(sections[in], header{name: name, parts: parseParts(value)})
	}
	return sections
}

func parseParts(value string) []part {
	var parts []part
	for value != "" {
		text, rest, ok := strings.Cut(value, "{")
		if text != "" {
			parts = append(parts, part{text: text})
		}
		if !ok {
			break
		}
		var field string
		field, value, _ = strings.Cut(rest, "}")
		parts = append(parts, part{field: field})
	}
	return parts
}

// append adds the header as a line. A header with an empty value is not
// sent: a channel leaves out what it does not know.
func (h header) append(dst []byte, prefix string, fill func(dst []byte, field string) []byte) []byte {
	start := len(dst)
	dst = append(dst, prefix...)
	dst = append(dst, h.name...)
	dst = append(dst, ": "...)
	value := len(dst)
	for _, p := range h.parts {
		if p.field == "" {
			dst = append(dst, p.text...)
			continue
		}
		dst = fill(dst, p.field)
	}
	if len(dst) == value {
		return dst[:start]
	}
	return append(dst, '\n')
}
