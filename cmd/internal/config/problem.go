package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a file, or that looks wrong.
type Problem struct {
	Line int    // line of the file, from 1; 0 when the file could not be read
	Path string // key at fault, such as "profiles[0].accept_digit"; empty for the file as a whole
	Text string // what is wrong and what to do; never a secret
}

// String shows the problem without the name of the file.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Text
	}
	return p.Path + ": " + p.Text
}

// Error is every problem of a file, in the order of its lines.
type Error struct {
	File     string
	Problems []Problem
}

// Error shows one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = Located(e.File, p)
	}
	return strings.Join(lines, "\n")
}

// Located shows a problem with its file and line, as editors and terminals
// understand it.
func Located(file string, p Problem) string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", file, p)
	}
	return fmt.Sprintf("%s:%d: %s", file, p.Line, p)
}

// inOrder sorts problems by line and keeps the order of those on one line.
func inOrder(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return problems
}
