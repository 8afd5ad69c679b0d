package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
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
	firstByteWithin = 60 * time.Second
	nextByteWithin  = 30 * time.Second
)

// ErrStopped is that of a reader who wants no more of a report.
var ErrStopped = errors.New("the reader wants no more")

// Report posts a request for a report, and has read read the answer while it arrives. judge
// says what an answer means that is no success, unread what one does that read could not read
// to its end: [deflect.ReasonBadResponse], unless the answer said something else. Only the
// Reason of what it returns means anything where there was no answer.
func (l *Link) Report(ctx context.Context, url string, body []byte, judge Judge, read func(io.Reader) error, unread func(status int, err error) deflect.Attempt) deflect.Attempt {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(firstByteWithin, func() { cancel(cutoff.ErrSilent) })
	defer silence.Stop()

	resp, trip, err := l.Post(ctx, url, body)
	if err != nil {
		v := Broken(ctx, trip, err)
		if v.Reason == deflect.ReasonDeadline {
			v.Reason = deflect.ReasonTimeout // nobody waits for whether anything left
		}
		return v
	}
	defer resp.Body.Close()
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	defer stop()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		answer, err := ReadAnswer(Plain(resp.Header, resp.Body))
		return judge(resp.StatusCode, resp.Header, answer, err)
	}
	src := &watched{r: resp.Body, silence: silence}
	if err = read(Plain(resp.Header, src)); err == nil {
		return deflect.Attempt{Status: resp.StatusCode, Reason: deflect.ReasonOK}
	}
	v := unread(resp.StatusCode, err)
	switch {
	case ctx.Err() != nil:
		v.Reason, v.Err = Waiting(ctx), cutoff.Error(ctx, cutoff.InReport, v.Err)
	case err == ErrStopped:
		v.Reason = deflect.ReasonCanceled
	case v.Reason != deflect.ReasonBadResponse:
	case src.err != nil:
		v.Reason = Broken(ctx, trip, src.err).Reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		v.Reason = deflect.ReasonConnectionLost
	}
	return v
}

// A longer Retry-After is not waited for.
const maxRetryAfter = 2 * time.Minute

// reportPauses is the vendor's schedule for what is not live.
var reportPauses = [...]time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second}

// ReportPause is how long to wait before a report is asked for again that was, so many times,
// after an answer that asked for a pause itself, or for 0. It reports false when it is not
// asked for again.
func ReportPause(again int, retryAfter time.Duration) (time.Duration, bool) {
	if again >= len(reportPauses) || retryAfter > maxRetryAfter {
		return 0, false
	}
	return max(retryAfter, reportPauses[again]), true
}

// watched notices when the API falls silent in the middle of an answer. The time
// between two reads is the reader's own.
type watched struct {
	r       io.Reader
	silence *time.Timer
	begun   bool  // the first byte was there
	err     error // of the connection
}

func (w *watched) Read(p []byte) (int, error) {
	if w.begun {
		w.silence.Reset(nextByteWithin)
	}
	n, err := w.r.Read(p)
	if n > 0 {
		w.begun = true
	}
	if w.begun {
		w.silence.Stop()
	}
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
