package livedeflect

import (
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

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

// refusedError is an answer with status 200 whose success is not true.
type refusedError struct{ message string }

func (e *refusedError) Error() string { return "the answer says that it is no success" }

// reportStream decodes one answer of getLiveDeflectData/v2 while it reads it:
//
//	{"success": "true", "data": {"<callId>": [entry, ...], ...}}
type reportStream struct {
	*wire.Stream
	emit    func(entry) bool
	last    Event  // the entry before: most values of the next one are the same
	info    string // the caller info before, as text
	infoMap map[string]any
	grown   int // what decoding the current entry added
}

// readReport gives every entry to emit, until that returns false.
func readReport(r io.Reader, emit func(entry) bool) error {
	s := &reportStream{Stream: wire.NewStream(r), emit: emit}
	if err := s.NoObject(); err != nil {
		return err
	}
	return s.answer()
}

func (s *reportStream) answer() error {
	var success, message string
	data := false
	err := s.Object(func(name string) error {
		var err error
		switch name {
		case "data":
			data = true
			return s.data()
		case "success":
			success, err = s.Scalar()
		case "error", "message":
			var text string
			if text, err = s.Scalar(); text != "" {
				message = clean.Text(text)
			}
		default:
			err = s.SkipValue()
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
		return wire.ShapeError("the answer holds no data")
	}
	return s.End()
}

// data reads the calls. An empty list stands for no calls: that is how some
// servers write an empty map.
func (s *reportStream) data() error {
	switch s.PeekKind() {
	case 'n':
		return s.SkipValue()
	case '{':
		return s.Object(s.call)
	case '[':
		if _, err := s.ReadToken(); err != nil {
			return err
		}
		if s.PeekKind() == ']' {
			_, err := s.ReadToken()
			return err
		}
	case jsontext.KindInvalid:
		return s.SkipValue() // says what is wrong
	}
	return wire.ShapeError("the answer's data is not a map of calls")
}

// call reads the entries of one call.
func (s *reportStream) call(id string) error {
	switch s.PeekKind() {
	case 'n':
		return s.SkipValue()
	case '[':
	default:
		if err := s.SkipValue(); err != nil {
			return err
		}
		return s.give(entry{err: &EventError{CallID: id, Err: errors.New("not a list of events")}, size: len(id)})
	}
	return s.List(func(i int) error {
		before := s.InputOffset()
		s.grown = 0
		e, wrong, err := s.event(id)
		if err != nil {
			return err
		}
		next := entry{event: e, size: len(id) + int(s.InputOffset()-before) + s.grown}
		if wrong != nil {
			next = entry{err: &EventError{CallID: id, Index: i, Err: wrong}, size: len(id)}
		}
		return s.give(next)
	})
}

func (s *reportStream) give(e entry) error {
	if !s.emit(e) {
		return wire.ErrStopped
	}
	return nil
}

// event reads one entry. wrong is what makes it none; err ends the answer.
func (s *reportStream) event(callID string) (e Event, wrong, err error) {
	if s.PeekKind() != '{' {
		return e, errors.New("not an object"), s.SkipValue()
	}
	if _, err := s.ReadToken(); err != nil {
		return e, nil, err
	}
	for s.PeekKind() != '}' {
		name, err := s.ReadValue()
		if err != nil {
			return e, nil, err
		}
		key := wire.Unquote(name)
		read, known := eventFields[string(key)]
		extra := ""
		if !known {
			extra = string(key) // the bytes are gone with the next read
		}
		v, err := s.ReadValue()
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
	_, err = s.ReadToken()
	return e, wrong, err
}
