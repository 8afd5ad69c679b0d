package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder walks the nodes of a document. It notes every problem instead of
// stopping at the first, and where each key stands. It never repeats a value:
// one of them may be a secret in the wrong place.
type decoder struct {
	problems []Problem
	warnings []Problem
	lines    map[string]int // line of each key that the file has, by path
	left     int            // how many values may still be read
	more     int            // problems that were not noted any more
}

const maxProblems = 1000 // nobody reads more

// reader reads the value at a path.
type reader func(d *decoder, n *yaml.Node, at string)

// field is one key that a section may have.
type field struct {
	key  string
	read reader
}

func (d *decoder) bad(at string, line int, format string, args ...any) {
	if len(d.problems) >= maxProblems {
		d.more++
		return
	}
	d.problems = append(d.problems, Problem{Line: line, Path: at, Text: fmt.Sprintf(format, args...)})
}

// badAt is bad at the line of a path, or of what is around it when the file
// does not have the path itself.
func (d *decoder) badAt(at, format string, args ...any) {
	d.bad(at, d.lineOf(at), format, args...)
}

// warn notes what works but should not stay.
func (d *decoder) warn(at, format string, args ...any) {
	if len(d.warnings) >= maxProblems {
		return
	}
	d.warnings = append(d.warnings, Problem{Line: d.lineOf(at), Path: at, Text: fmt.Sprintf(format, args...)})
}

func (d *decoder) lineOf(at string) int {
	for at != "" {
		if line, ok := d.lines[at]; ok {
			return line
		}
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
	}
	return 1
}

// blamesIn reports whether a problem was noted at the path or in it.
func (d *decoder) blamesIn(at string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == at || strings.HasPrefix(p.Path, at+"[") })
}

// blames reports whether a problem was noted at the path or around it.
func (d *decoder) blames(at string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool {
		return p.Path == at || p.Path != "" && (strings.HasPrefix(at, p.Path+".") || strings.HasPrefix(at, p.Path+"["))
	})
}

// document returns the one document of a file, or nil after noting why not.
func (d *decoder) document(data []byte) *yaml.Node {
	if !d.measure(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		d.bad("", 1, "is empty: copy examples/freeswitch/starter.yaml and change it")
		return nil
	case err != nil:
		d.syntax(data, err)
		return nil
	}
	switch err := dec.Decode(&next); {
	case err == nil:
		d.bad("", next.Line, `begins a second document: remove the line "---" and what follows`)
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
	}
	if len(doc.Content) != 1 {
		d.bad("", 1, "is empty: copy examples/freeswitch/starter.yaml and change it")
		return nil
	}
	root := doc.Content[0]
	switch {
	case root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null":
		d.bad("", 1, "is empty: copy examples/freeswitch/starter.yaml and change it")
		return nil
	case root.Kind != yaml.MappingNode:
		d.bad("", root.Line, "is not a configuration: it must hold keys such as livedeflect and profiles")
		return nil
	}
	return root
}

var keyForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// section reads a mapping with the given keys and no others.
func section(fields ...field) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		n = resolve(n)
		if n.Kind != yaml.MappingNode {
			d.bad(at, n.Line, "must hold keys: %s", keysOf(fields))
			return
		}
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if !d.spend(key) {
				return
			}
			if !keyForm.MatchString(key.Value) {
				d.bad(at, key.Line, "has a key that is not a word; its keys are: %s", keysOf(fields))
				continue
			}
			path := key.Value
			if at != "" {
				path = at + "." + path
			}
			if first, ok := seen[key.Value]; ok {
				d.bad(path, key.Line, "is given twice, first in line %d: keep one", first)
				continue
			}
			seen[key.Value] = key.Line
			known := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
			if known < 0 {
				d.bad(path, key.Line, "is not a known key; known here: %s", keysOf(fields))
				continue
			}
			d.lines[path] = key.Line
			fields[known].read(d, value, path)
		}
	}
}

func keysOf(fields []field) string {
	keys := make([]string, 0, len(fields))
	for _, f := range fields {
		if !strings.HasSuffix(f.key, "_secret") && f.key != "password" { // known only to be refused
			keys = append(keys, f.key)
		}
	}
	return strings.Join(keys, ", ")
}

// list reads a sequence; item makes the reader of each.
func list(begin func(n int), item func(i int) reader) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		n = resolve(n)
		if n.Kind != yaml.SequenceNode {
			d.bad(at, n.Line, "must be a list: [..., ...] or lines that begin with -")
			return
		}
		begin(len(n.Content))
		for i, c := range n.Content {
			if !d.spend(c) {
				return
			}
			path := fmt.Sprintf("%s[%d]", at, i)
			d.lines[path] = c.Line
			item(i)(d, c, path)
		}
	}
}

// texts reads a list of texts. Values with one of the tags are texts as well, such
// as dates without quotes.
func texts(dst *[]string, tags ...string) reader {
	return list(
		func(n int) {
			if n > 0 {
				*dst = make([]string, n)
			}
		},
		func(i int) reader {
			return func(d *decoder, n *yaml.Node, at string) {
				if s, ok := scalar(n, tags...); ok {
					(*dst)[i] = s
					return
				}
				text(&(*dst)[i])(d, n, at)
			}
		})
}

// filledList reads a list of texts that, when given, is not empty.
func filledList(dst *[]string, instead string) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		if v := resolve(n); v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
			d.bad(at, n.Line, "is empty; remove the key for %s", instead)
			return
		}
		texts(dst)(d, n, at)
	}
}

// entryForm is a key that the file may choose: a language, or days.
var entryForm = regexp.MustCompile(`^[A-Za-z0-9_,-]{1,64}$`)

// mapping reads a mapping whose keys the file chooses.
func mapping[T any](dst *map[string]T, value func(*T) reader) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		n = resolve(n)
		if n.Kind != yaml.MappingNode {
			d.bad(at, n.Line, "must hold keys with values: KEY: VALUE")
			return
		}
		if len(n.Content) > 0 {
			*dst = map[string]T{}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, v := n.Content[i], n.Content[i+1]
			if !d.spend(key) {
				return
			}
			if !entryForm.MatchString(key.Value) {
				d.bad(at, key.Line, "has a key of characters other than letters, digits, comma, hyphen and underscore")
				continue
			}
			path := at + "." + key.Value
			if _, twice := (*dst)[key.Value]; twice {
				d.bad(path, key.Line, "is given twice, first in line %d: keep one", d.lines[path])
				continue
			}
			d.lines[path] = key.Line
			var t T
			value(&t)(d, v, path)
			(*dst)[key.Value] = t
		}
	}
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// scalar returns the text of a value with one of the tags.
func scalar(n *yaml.Node, tags ...string) (string, bool) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode || !slices.Contains(tags, n.ShortTag()) {
		return "", false
	}
	return n.Value, true
}

// text reads a text that may be empty.
func text(dst *string) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		s, ok := scalar(n, "!!str")
		switch {
		case ok:
			*dst = s
			d.doubt(n, at, s)
		case resolve(n).Kind == yaml.ScalarNode && resolve(n).ShortTag() != "!!null":
			d.bad(at, n.Line, "must be text: put it in quotes")
		case resolve(n).Style&yaml.FlowStyle != 0: // {{.FirstName}} is a mapping to YAML
			d.bad(at, n.Line, `must be text: put it in quotes, as it begins with { or [; write "" for none`)
		default:
			d.bad(at, n.Line, `must be text; write "" for none`)
		}
	}
}

// filled reads a text that, when given, is not empty.
func filled(dst *string, instead string) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		if s, ok := scalar(n, "!!str"); ok && s == "" {
			d.bad(at, n.Line, "is empty; remove the key for %s", instead)
			return
		}
		text(dst)(d, n, at)
	}
}

// choice reads one of some words.
func choice[T any](dst *T, words []string, values []T) reader {
	return oneOf("!!str", "", dst, words, values)
}

func boolean(dst *bool) reader {
	return oneOf("!!bool", ", without quotes", dst, []string{"true", "false"}, []bool{true, false})
}

func oneOf[T any](tag, how string, dst *T, words []string, values []T) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		s, ok := scalar(n, tag)
		i := slices.Index(words, s)
		if !ok || i < 0 {
			last := len(words) - 1
			d.bad(at, n.Line, "must be %s or %s%s", strings.Join(words[:last], ", "), words[last], how)
			return
		}
		*dst = values[i]
	}
}

// count reads a whole number from 1.
func count(dst *int) reader { return whole(1, math.MaxInt, "of 1 or more", dst) }

var (
	decimalForm = regexp.MustCompile(`^\+?(0|[1-9][0-9]*(_[0-9]+)*)$`)
	codedForm   = regexp.MustCompile(`^[-+]?0[0-9xXoObB_]`)
)

// whole reads a whole number that is written as people write it: to YAML 050 is 40 and
// 0x10 is 16, which nobody means in a configuration.
func whole(least, most int, span string, dst *int) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		s, ok := scalar(n, "!!int", "!!float") // 08 is a float
		v, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
		switch {
		case ok && codedForm.MatchString(s):
			d.bad(at, n.Line, "must be a whole number %s in plain decimal digits, such as 50: YAML takes 050 for 40 and 0x50 for 80", span)
		case !ok || resolve(n).ShortTag() != "!!int" || err != nil || !decimalForm.MatchString(s) || v < least || v > most:
			d.bad(at, n.Line, "must be a whole number %s, without quotes", span)
		default:
			*dst = v
		}
	}
}

// duration reads a time such as 4s, longer than none.
func duration(dst *time.Duration) reader { return atLeast(1, dst) }

// durationOrNone reads a time such as 4s, or 0s.
func durationOrNone(dst *time.Duration) reader { return atLeast(0, dst) }

func atLeast(least time.Duration, dst *time.Duration) reader {
	return func(d *decoder, n *yaml.Node, at string) {
		switch s, ok := scalar(n, "!!int", "!!float"); {
		case ok && s == "0" && least == 0:
			*dst = 0
			return
		case ok:
			d.bad(at, n.Line, "is a bare number: give it a unit, such as 4s or 500ms")
			return
		}
		s, ok := scalar(n, "!!str")
		v, err := time.ParseDuration(s)
		switch {
		case !ok || err != nil:
			d.bad(at, n.Line, "must be a time with its unit, such as 4s, 500ms or 1m30s")
		case v < least && least == 0:
			d.bad(at, n.Line, "must be 0s or longer")
		case v < least:
			d.bad(at, n.Line, "must be longer than 0s; remove the key for the default")
		default:
			*dst = v
		}
	}
}
