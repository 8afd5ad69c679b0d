package esl

import "errors"

// ErrUnsafe is wrapped by the error of every command that must not be
// written: one whose arguments could start another command, be expanded by
// the switch, or mean something other than what the constructor says.
var ErrUnsafe = errors.New("unsafe command")

// Kind names one way in which a peer can break the rules. The list is closed,
// so a Kind is safe as a metric label value.
type Kind string

// The kinds of ProtocolError. The package comment says what each one means.
const (
	KindContentType     Kind = "content_type"
	KindContentLength   Kind = "content_length"
	KindHeaderSize      Kind = "header_size"
	KindHeaderLines     Kind = "header_lines"
	KindBodySize        Kind = "body_size"
	KindMalformed       Kind = "malformed"
	KindReply           Kind = "reply"
	KindUnexpectedReply Kind = "unexpected_reply"
	KindUnexpected      Kind = "unexpected"
	KindEventFlood      Kind = "event_flood"
	KindFirstFrame      Kind = "first_frame"
	KindSlowFrame       Kind = "slow_frame"
	KindIdle            Kind = "idle"
	KindWrite           Kind = "write"
)

// Kinds returns every Kind there is, in a new slice.
func Kinds() []Kind {
	return []Kind{
		KindContentType, KindContentLength, KindHeaderSize, KindHeaderLines,
		KindBodySize, KindMalformed, KindReply, KindUnexpectedReply,
		KindUnexpected, KindEventFlood, KindFirstFrame, KindSlowFrame,
		KindIdle, KindWrite,
	}
}

// ProtocolError says how the peer broke the rules. It ends the connection.
type ProtocolError struct {
	Kind Kind
	// Detail is short and safe to log: it holds no value of a header, and
	// of a content type at most 40 cleaned bytes without digits.
	Detail string
	Err    error // the cause, if there is one
}

// Error returns the kind, the detail and the cause in one line.
func (e *ProtocolError) Error() string {
	s := "esl: " + string(e.Kind)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

func fault(k Kind, detail string) *ProtocolError {
	return &ProtocolError{Kind: k, Detail: detail}
}

// clean makes bytes of a stranger fit for a log line. Digits go too, since
// they may be somebody's phone number.
func clean(b []byte) string {
	const most = 40
	out := make([]byte, 0, most)
	for _, c := range b[:min(len(b), most)] {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z',
			c == '/', c == '-', c == '_', c == '.':
		case c >= '0' && c <= '9':
			c = '#'
		default:
			c = '?'
		}
		out = append(out, c)
	}
	return `"` + string(out) + `"`
}
