package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var syntaxForm = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)

// syntax notes what the parser says, where it is and what to do, but for the two
// messages that quote the file.
func (d *decoder) syntax(data []byte, err error) {
	line, text := saidBy(err)
	f := fault{text: text, lines: bytes.SplitAfter(data, []byte("\n")), left: reparsed(len(data))}
	from, to := f.find(line)
	hint := f.hint(from)
	switch {
	case strings.Contains(text, "referenced"):
		text, hint = "an alias has no anchor", "put text that begins with * in quotes"
	case strings.Contains(text, "cannot decode"):
		text, hint = "a value does not fit the tag before it", "remove the tag"
	}
	if to > from {
		text += fmt.Sprintf(", noticed in line %d", to)
	}
	if hint != "" {
		text += " (" + hint + ")"
	}
	d.bad("", from, "is not YAML: %s", text)
}

func saidBy(err error) (line int, text string) {
	m := syntaxForm.FindStringSubmatch(err.Error())
	if m == nil {
		return 1, "cannot be parsed"
	}
	line, err = strconv.Atoi(m[1])
	if err != nil {
		line = 1
	}
	return line, m[2]
}

// fault looks for what is wrong with a text. The parser names the line before the block
// that the fault is in, or none: so parts of the text are parsed again.
type fault struct {
	text  string // what the parser says
	lines [][]byte
	left  int // bytes that may still be parsed
}

// reparsed is how much may be parsed again, in bytes: enough for some dozens of lines of
// a usual file, and for what the parser looks ahead in a large one; some seconds at most.
func reparsed(size int) int { return min(256<<10+6*size, 8<<20) }

// find returns the line where what is wrong begins and the line where that shows. They
// differ for quotes and brackets that are not closed.
func (f *fault) find(said int) (from, to int) {
	last := len(f.lines)
	if len(f.lines[last-1]) == 0 {
		last--
	}
	reader := &lineReader{lines: f.lines}
	_ = f.parse(reader, 0) // fails as before
	to = max(1, min(reader.given, last))
	flow := strings.Contains(f.text, "expected ',' or")
	switch {
	case strings.Contains(f.text, "end of stream"):
		to = max(1, min(said, last)) // a quote: to the end of the file it is no help
	case !flow:
		for to > 1 && f.fails(to-1) == f.text { // the parser looks ahead
			to--
		}
	}
	from = to
	for from > 1 && f.fails(from-1) != "" {
		from--
	}
	if f.left < 0 {
		from = to // not found in time
	}
	if flow {
		for n := from; n < to; n++ {
			if !f.closes(n) {
				to = n
			}
		}
	}
	return from, to
}

func (f *fault) size(n int) (bytes int) {
	for _, l := range f.lines[:n] {
		bytes += len(l)
	}
	return bytes
}

// fails returns what the parser says to the first lines, "" if nothing is wrong, or if
// that would take too long to know.
func (f *fault) fails(n int, more ...byte) string {
	lines := append(f.lines[:n:n], more)
	err := f.parse(&lineReader{lines: lines}, f.size(n))
	if err == nil {
		return ""
	}
	_, text := saidBy(err)
	return text
}

// closes reports whether the brackets that are open after so many lines can be closed.
func (f *fault) closes(n int) bool {
	for _, brackets := range []string{"}", "]", "}}", "]}", "}]", "]]"} {
		if f.fails(n, []byte(brackets)...) == "" {
			return true
		}
	}
	return false
}

func (f *fault) parse(r io.Reader, size int) error {
	if f.left -= size; f.left < 0 {
		return nil
	}
	dec := yaml.NewDecoder(r)
	for {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// lineReader gives a line at a time, so that it knows how far somebody has read.
type lineReader struct {
	lines [][]byte
	given int
	rest  []byte
}

// Read gives the rest of a line.
func (r *lineReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.given == len(r.lines) {
			return 0, io.EOF
		}
		r.rest = r.lines[r.given]
		r.given++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

var (
	valueForm  = regexp.MustCompile(`^\s*(?:- +)*(?:[^\s:'"{\[]+: +)?(.*)$`)
	gluedForm  = regexp.MustCompile(`^\s*(?:- +)*[a-z][a-z0-9_]*:\S`)
	colonsForm = regexp.MustCompile(`: .*: `)
)

// hint says what to do about a line, without a word of it.
func (f *fault) hint(line int) string {
	text := strings.TrimRight(string(f.lines[line-1]), "\r\n")
	value := valueForm.FindStringSubmatch(text)[1]
	first := value[:min(1, len(value))]
	flow := strings.Contains(f.text, "expected ',' or")
	switch {
	case strings.Contains(f.text, "UTF-8"):
		return "save it as UTF-8"
	case strings.Contains(f.text, "control characters"):
		return ""
	case strings.Contains(f.text, "tab ") || strings.HasPrefix(strings.TrimLeft(text, " "), "\t"):
		return "indent with blanks, not with tabs"
	case strings.Contains(f.text, "escape"):
		return `write \\ for a backslash within ", or put the text in '`
	case strings.HasPrefix(value, "{{"):
		return "put text that begins with {{ in quotes"
	case flow:
		return "is a comma or a closing bracket missing, or a quote?"
	case first != "" && strings.Contains("{[*&!%@`|>?-", first):
		return "put text that begins with " + first + " in quotes"
	case strings.Contains(f.text, "end of stream"):
		return "a quote that is opened here is not closed"
	case first == `"` || first == "'":
		return `is a quote within the text? Write \" within ", and '' within '`
	case gluedForm.MatchString(text):
		return "a blank belongs behind the colon of a key"
	case colonsForm.MatchString(text):
		return "put text that holds a colon and a blank in quotes"
	case strings.Contains(f.text, "expected ':'"):
		return "a key ends with a colon and a blank"
	}
	return "is it indented as its neighbours, and does the line above end as it should?"
}
