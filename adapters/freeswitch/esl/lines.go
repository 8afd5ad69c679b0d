package esl

import (
	"bytes"
	"fmt"
	"sync"
)

// lineIndex is a block of header lines and where each of them is. Most headers of an
// event are never asked for; this finds those that are without reading the others.
type lineIndex struct {
	text  []byte
	lines []headerLine // and one more for the end of the last one
}

// headerLine is where a line starts, and the length of the name that it starts with.
type headerLine struct{ start, name uint32 }

// lineRooms holds room for the index of an event's lines, of which an event has some
// 150, while somebody looks at it.
var lineRooms = sync.Pool{New: func() any {
	s := make([]headerLine, 0, 256)
	return &s
}}

// indexLines finds the header lines of block up to the empty line, which must be
// there. Each line must have a name. The index shares the memory of block; it is
// built in room, as far as that is large enough.
func indexLines(block []byte, maxLines int, room []headerLine) (lineIndex, error) {
	lines := room[:0]
	size := 0
	for {
		i := bytes.IndexByte(block[size:], '\n')
		if i < 0 {
			return lineIndex{}, fault(KindMalformed, "event: no empty line after the headers")
		}
		line := block[size : size+i]
		if i == 0 || i == 1 && line[0] == '\r' {
			break
		}
		if len(lines) >= maxLines {
			return lineIndex{}, fault(KindHeaderLines, fmt.Sprintf("event: more than %d lines", maxLines))
		}
		name := bytes.IndexByte(line, ':')
		if name <= 0 {
			return lineIndex{}, fault(KindMalformed, fmt.Sprintf("event: header line %d has no name", len(lines)+1))
		}
		lines = append(lines, headerLine{uint32(size), uint32(name)})
		size += i + 1
	}
	text := block[:size]
	if bytes.IndexByte(text, 0) >= 0 {
		return lineIndex{}, fault(KindMalformed, "event: NUL in a header")
	}
	return lineIndex{text, append(lines, headerLine{start: uint32(size)})}, nil
}

func (x lineIndex) len() int { return max(len(x.lines)-1, 0) }

// at returns line i without its line end.
func (x lineIndex) at(i int) []byte {
	line := x.text[x.lines[i].start : x.lines[i+1].start-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// name returns the name of line i.
func (x lineIndex) name(i int) []byte {
	l := x.lines[i]
	return x.text[l.start : l.start+l.name]
}

// number returns the number of the first line with this name, or -1.
func (x lineIndex) number(name string) int { return x.numberFrom(0, name) }

// numberFrom is number from line i on.
func (x lineIndex) numberFrom(i int, name string) int {
	n := uint32(len(name))
	if n == 0 {
		return -1
	}
	for ; i < len(x.lines); i++ {
		if l := x.lines[i]; l.name == n && equalFold(x.text[l.start:l.start+n], name) {
			return i
		}
	}
	return -1
}

// find returns the raw value of the first header with this name.
func (x lineIndex) find(name string) (value []byte, ok bool) {
	i := x.number(name)
	if i < 0 {
		return nil, false
	}
	return x.value(i), true
}

// value returns the raw value of line i.
func (x lineIndex) value(i int) []byte { return headerValue(x.at(i)[x.lines[i].name+1:]) }
