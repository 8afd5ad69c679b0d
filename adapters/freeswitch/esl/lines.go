package esl

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

// lineIndex is a block of header lines and where each of them starts. Most
// headers of an event are never asked for; this finds those that are without
// reading the others.
type lineIndex struct {
	text   []byte
	starts []uint32 // of each line, and the end of the last one
}

// indexes holds room for the starts of an event's lines, of which an event has
// some 150, until their number is known.
var indexes = sync.Pool{New: func() any {
	s := make([]uint32, 0, 256)
	return &s
}}

// indexLines copies the header lines of block up to the empty line, which must
// be there. Each line must have a name.
func indexLines(block []byte, maxLines int) (lineIndex, error) {
	room := indexes.Get().(*[]uint32)
	starts := (*room)[:0]
	defer func() {
		*room = starts
		indexes.Put(room)
	}()
	size := 0
	for {
		i := bytes.IndexByte(block[size:], '\n')
		if i < 0 {
			return lineIndex{}, fault(KindMalformed, "event: no empty line after the headers")
		}
		line := block[size : size+i]
		starts = append(starts, uint32(size))
		if i == 0 || i == 1 && line[0] == '\r' {
			break
		}
		if len(starts) > maxLines {
			return lineIndex{}, fault(KindHeaderLines, fmt.Sprintf("event: more than %d lines", maxLines))
		}
		if bytes.IndexByte(line, ':') <= 0 {
			return lineIndex{}, fault(KindMalformed, fmt.Sprintf("event: header line %d has no name", len(starts)))
		}
		size += i + 1
	}
	text := block[:size]
	if bytes.IndexByte(text, 0) >= 0 {
		return lineIndex{}, fault(KindMalformed, "event: NUL in a header")
	}
	return lineIndex{slices.Clone(text), slices.Clone(starts)}, nil
}

func (x lineIndex) len() int { return max(len(x.starts)-1, 0) }

// at returns line i without its line end.
func (x lineIndex) at(i int) []byte {
	line := x.text[x.starts[i] : x.starts[i+1]-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// number returns the number of the first line with this name, or -1.
func (x lineIndex) number(name string) int {
	n := len(name)
	if n == 0 {
		return -1
	}
	for i := range x.len() {
		start := int(x.starts[i])
		if at := start + n; at < int(x.starts[i+1]) && x.text[at] == ':' && equalFold(x.text[start:at], name) {
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
	return headerValue(x.at(i)[len(name)+1:]), true
}
