package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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

// blamesBelow reports whether a problem was noted in the section at the path.
func (d *decoder) blamesBelow(at string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return strings.HasPrefix(p.Path, at+".") })
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
