package livedeflect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// maxEventBytes bounds what is buffered of one entry of the report, or between
// two. The caller info in it is 16 KiB at most when it is sent, and may come back
// with every character escaped.
const maxEventBytes = 128 << 10

// What decoding makes of caller info and of unknown fields is larger than their
// text, at worst about so much: many small values.
const (
	infoGrowth = 16  // times
	fieldCost  = 100 // bytes
)

// entry is one entry of the report, or what is wrong with it.
type entry struct {
	event Event
	err   *EventError
	size  int // about how many bytes it holds
}

var (
	errStopped    = errors.New("the reader wants no more")
	errEntryLarge = errors.New("an entry of the report is larger than 128 KiB")
)

// refusedError is an answer with status 200 whose success is not true.
type refusedError struct{ message string }

func (e *refusedError) Error() string { return "the answer says that it is no success" }

// shapeError is an answer that is JSON, but no report.
type shapeError string

func (e shapeError) Error() string { return string(e) }

// reportStream decodes one answer of getLiveDeflectData/v2 while it reads it:
//
//	{"success": "true", "data": {"<callId>": [entry, ...], ...}}
type reportStream struct {
	src     *bounded
	dec     *jsontext.Decoder
	emit    func(entry) bool
	last    Event  // the entry before: most values of the next one are the same
	info    string // the caller info before, as text
	infoMap map[string]any
	grown   int // what decoding the current entry added
}

// readReport gives every entry to emit, until that returns false.
func readReport(r io.Reader, emit func(entry) bool) error {
	src := &bounded{r: r, left: maxEventBytes}
	s := &reportStream{src: src, emit: emit, dec: jsontext.NewDecoder(src,
		// Remembering the names of a million calls would cost memory. What comes
		// twice is noticed further on.
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	if k := s.dec.PeekKind(); k != '{' {
		return s.notReport(k)
	}
	return s.answer()
}

func (s *reportStream) notReport(k jsontext.Kind) error {
	if k == jsontext.KindInvalid {
		_, err := s.dec.ReadToken()
		if err == io.EOF {
			return shapeError("the answer is empty")
		}
		if s.src.first == '<' {
			return shapeError("the answer is an HTML page, not JSON")
		}
		return err
	}
	return shapeError("the answer is not a JSON object")
}

func (s *reportStream) answer() error {
	var success, message string
	data := false
	err := s.object(func(name string) error {
		var err error
		switch name {
		case "data":
			data = true
			return s.data()
		case "success":
			success, err = s.scalar()
		case "error", "message":
			var text string
			if text, err = s.scalar(); text != "" {
				message = clean.Text(text)
			}
		default:
			err = s.dec.SkipValue()
		}
		return err
	})
	said := strings.ToLower(strings.TrimSpace(success))
	switch {
	case said == "false", err == nil && said != "true" && message != "":
		// Also when the rest is no JSON: a sibling page shows a refusal with a
		// comma too many.
		return &refusedError{message}
	case err != nil:
		return err
	case said != "true" && !data:
		return errSaysNothing
	case !data:
		// Anything may say so; taken for an empty report, it would be proof that
		// no text was sent.
		return shapeError("the answer holds no data")
	}
	switch _, err := s.dec.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return shapeError("something follows the answer")
	default:
		return err
	}
}

// object calls member for each name of the object that comes next.
func (s *reportStream) object(member func(name string) error) error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for s.dec.PeekKind() != '}' {
		name, err := s.name()
		if err != nil {
			return err
		}
		if err := member(name); err != nil {
			return err
		}
		s.src.refill()
	}
	_, err := s.dec.ReadToken()
	return err
}

func (s *reportStream) name() (string, error) {
	v, err := s.dec.ReadValue()
	if err != nil {
		return "", err
	}
	return string(wire.Unquote(v)), nil
}

// data reads the calls. An empty list stands for no calls: that is how some
// servers write an empty map.
func (s *reportStream) data() error {
	switch s.dec.PeekKind() {
	case 'n':
		return s.dec.SkipValue()
	case '{':
		return s.object(s.call)
	case '[':
		if _, err := s.dec.ReadToken(); err != nil {
			return err
		}
		if s.dec.PeekKind() == ']' {
			_, err := s.dec.ReadToken()
			return err
		}
	case jsontext.KindInvalid:
		return s.dec.SkipValue() // says what is wrong
	}
	return shapeError("the answer's data is not a map of calls")
}

// call reads the entries of one call.
func (s *reportStream) call(id string) error {
	switch s.dec.PeekKind() {
	case 'n':
		return s.dec.SkipValue()
	case '[':
	default:
		if err := s.dec.SkipValue(); err != nil {
			return err
		}
		return s.give(entry{err: &EventError{CallID: id, Err: errors.New("not a list of events")}, size: len(id)})
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for i := 0; s.dec.PeekKind() != ']'; i++ {
		before := s.dec.InputOffset()
		s.grown = 0
		e, wrong, err := s.event(id)
		if err != nil {
			return err
		}
		next := entry{event: e, size: len(id) + int(s.dec.InputOffset()-before) + s.grown}
		if wrong != nil {
			next = entry{err: &EventError{CallID: id, Index: i, Err: wrong}, size: len(id)}
		}
		if err := s.give(next); err != nil {
			return err
		}
		s.src.refill()
	}
	_, err := s.dec.ReadToken()
	return err
}

func (s *reportStream) give(e entry) error {
	if !s.emit(e) {
		return errStopped
	}
	return nil
}

// event reads one entry. wrong is what makes it none; err ends the answer.
func (s *reportStream) event(callID string) (e Event, wrong, err error) {
	if s.dec.PeekKind() != '{' {
		return e, errors.New("not an object"), s.dec.SkipValue()
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return e, nil, err
	}
	for s.dec.PeekKind() != '}' {
		name, err := s.dec.ReadValue()
		if err != nil {
			return e, nil, err
		}
		key := wire.Unquote(name)
		read, known := eventFields[string(key)]
		extra := ""
		if !known {
			extra = string(key) // the bytes are gone with the next read
		}
		v, err := s.dec.ReadValue()
		switch {
		case err != nil:
			return e, nil, err
		case !known:
			if e.Extra == nil {
				e.Extra = map[string]json.RawMessage{}
			}
			e.Extra[extra] = json.RawMessage(v.Clone())
			s.grown += fieldCost
		default:
			if err := read(s, &e, v); err != nil && wrong == nil {
				wrong = err
			}
		}
	}
	if e.CallID == "" {
		e.CallID = callID
	}
	s.last = e
	_, err = s.dec.ReadToken()
	return e, wrong, err
}

func (s *reportStream) scalar() (string, error) {
	v, err := s.dec.ReadValue()
	if err != nil {
		return "", err
	}
	b, _ := scalarOf(v)
	return string(b), nil
}

// scalarOf returns the text of a string, the literal of a number or boolean, and
// nothing for null.
func scalarOf(v jsontext.Value) ([]byte, bool) {
	switch v.Kind() {
	case '"':
		return wire.Unquote(v), true
	case 'n':
		return nil, true
	case '{', '[':
		return nil, false
	}
	return v, true
}

// bounded lets at most left bytes through before the next refill, so that an
// endless entry is not buffered.
type bounded struct {
	r     io.Reader
	left  int
	first byte // of the answer, after white space
}

func (b *bounded) refill() { b.left = maxEventBytes }

func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errEntryLarge
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
