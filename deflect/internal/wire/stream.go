package wire

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxEntry bounds what is buffered of one entry of a report, or between two. Caller info
// in one is 16 KiB at most when it is sent, and may come back with every character escaped.
const MaxEntry = 128 << 10

// ErrEntryLarge is that of an answer with more than [MaxEntry] bytes of one entry.
var ErrEntryLarge = errors.New("an entry of the report is larger than 128 KiB")

// Stream reads an answer of JSON while it arrives: a report has no end that anybody knows.
type Stream struct {
	*jsontext.Decoder
	src *bounded
}

// NewStream returns a Stream of an answer.
func NewStream(r io.Reader) *Stream {
	src := &bounded{r: r, left: MaxEntry}
	// Remembering the names of a million entries would cost memory.
	return &Stream{jsontext.NewDecoder(src, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), src}
}

// Refill lets another entry through.
func (s *Stream) Refill() { s.src.left = MaxEntry }

// NoObject says why the answer does not begin as an object; nil when it does.
func (s *Stream) NoObject() error {
	switch s.PeekKind() {
	case jsontext.KindBeginObject:
		return nil
	case jsontext.KindInvalid:
		_, err := s.ReadToken()
		if err == io.EOF {
			return ShapeError("the answer is empty")
		}
		if s.src.first == '<' {
			return ShapeError("the answer is an HTML page, not JSON")
		}
		return err
	}
	return ShapeError("the answer is not a JSON object")
}

// End says what follows the answer; nil for nothing.
func (s *Stream) End() error {
	switch _, err := s.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return ShapeError("something follows the answer")
	default:
		return err
	}
}

// Object calls member for each name of the object that comes next.
func (s *Stream) Object(member func(name string) error) error {
	if _, err := s.ReadToken(); err != nil {
		return err
	}
	for s.PeekKind() != jsontext.KindEndObject {
		name, err := s.ReadValue()
		if err != nil {
			return err
		}
		if err := member(string(Unquote(name))); err != nil {
			return err
		}
		s.Refill()
	}
	_, err := s.ReadToken()
	return err
}

// List calls entry for each value of the list that comes next.
func (s *Stream) List(entry func(n int) error) error {
	if _, err := s.ReadToken(); err != nil {
		return err
	}
	for n := 0; s.PeekKind() != jsontext.KindEndArray; n++ {
		if err := entry(n); err != nil {
			return err
		}
		s.Refill()
	}
	_, err := s.ReadToken()
	return err
}

// Scalar reads a value: see [ScalarOf].
func (s *Stream) Scalar() (string, error) {
	v, err := s.ReadValue()
	if err != nil {
		return "", err
	}
	b, _ := ScalarOf(v)
	return string(b), nil
}

// ScalarOf returns the text of a string, the literal of a number or boolean, and nothing
// for null; it reports false for an object and a list. It may share the memory of v.
func ScalarOf(v jsontext.Value) ([]byte, bool) {
	switch v.Kind() {
	case jsontext.KindString:
		return Unquote(v), true
	case jsontext.KindNull:
		return nil, true
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		return nil, false
	}
	return v, true
}

// ShapeError is an answer that is JSON, but not what was asked for.
type ShapeError string

func (e ShapeError) Error() string { return string(e) }

// bounded lets at most left bytes through before the next refill, so that an
// endless entry is not buffered.
type bounded struct {
	r     io.Reader
	left  int
	first byte // of the answer, after white space
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, ErrEntryLarge
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	if b.first == 0 {
		if t := bytes.TrimLeft(p[:n], " \t\r\n"); len(t) > 0 {
			b.first = t[0]
		}
	}
	return n, err
}

// How long an API may be silent within the answer to a request for a report. It may have
// to collect a day before the first byte.
const (
	FirstByteWithin = 60 * time.Second
	nextByteWithin  = 30 * time.Second
)

// Watched notices when the API falls silent in the middle of an answer. The time
// between two reads is the reader's own.
type Watched struct {
	R       io.Reader
	Silence *time.Timer // began with [FirstByteWithin]
	Err     error       // of the connection
	begun   bool        // the first byte was there
}

// Read implements [io.Reader].
func (w *Watched) Read(p []byte) (int, error) {
	if w.begun {
		w.Silence.Reset(nextByteWithin)
	}
	n, err := w.R.Read(p)
	if n > 0 {
		w.begun = true
	}
	if w.begun {
		w.Silence.Stop()
	}
	if err != nil && err != io.EOF {
		w.Err = err
	}
	return n, err
}
