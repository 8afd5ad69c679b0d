package deflect

import (
	"errors"
	"fmt"
	"strings"
)

// Classes of errors, for errors.Is. An [*Error] matches the one class
// of its Reason, [Reason.Class], and whatever its cause matches.
var (
	ErrInvalidConfig = errors.New("invalid configuration")
	ErrInvalidCall   = errors.New("invalid call")
	ErrIneligible    = errors.New("the policy does not let this caller be texted now")
	ErrBreakerOpen   = errors.New("the breaker is open: the API failed repeatedly and is left alone for a while")
	ErrUnauthorized  = errors.New("the API refused the keys")
	ErrRateLimited   = errors.New("the API is rate limiting")
	ErrRejected      = errors.New("the API refused the request")
	ErrUnavailable   = errors.New("the API did not answer")
	ErrBadResponse   = errors.New("the API's answer cannot be read")
	ErrCanceled      = errors.New("the context was cancelled")
	ErrJournal       = errors.New("the journal does not answer")
	ErrSwitch        = errors.New("the switch did not do its part")
	ErrInternal      = errors.New("a defect of this program, or a limit of this machine")
)

// ErrRestart is the problem of a setting that Reload cannot change.
var ErrRestart = errors.New("was changed, which needs a restart")

// ConfigError is one problem of a configuration.
type ConfigError struct {
	Field string // path of the field in Config, such as "Breaker.OpenFor"
	Err   error
}

func (e *ConfigError) Error() string {
	if e.Err == nil {
		return e.Field + ": is wrong"
	}
	return e.Field + ": " + e.Err.Error()
}

// Unwrap returns the problem.
func (e *ConfigError) Unwrap() error { return e.Err }

// Is makes every ConfigError an [ErrInvalidConfig].
func (e *ConfigError) Is(target error) bool { return target == ErrInvalidConfig }

// FieldCode names what is wrong with a field of a call.
type FieldCode string

// The codes of a [ValidationError].
const (
	CodeMissing     FieldCode = "missing"      // required and empty
	CodeHalfPair    FieldCode = "half_pair"    // one half of the customer id pair
	CodeHidden      FieldCode = "hidden"       // a withheld caller id, or a placeholder for one
	CodeNotANumber  FieldCode = "not_a_number" // not a telephone number that somebody can have
	CodeFixedLine   FieldCode = "fixed_line"   // a landline
	CodeNotTextable FieldCode = "not_textable" // premium rate, toll-free, personal, pagers and the like
	CodeTimeOrder   FieldCode = "time_order"   // a time in the future, of long ago, or accepted before the call began
	CodeTooLong     FieldCode = "too_long"     // over a length limit
	CodeCharacters  FieldCode = "characters"   // invalid UTF-8 or control characters
	CodeNotJSON     FieldCode = "not_json"     // caller info that cannot be encoded as JSON, or not so that all read the same
)

// ValidationError is one problem of a call.
type ValidationError struct {
	Field  string // field of Call, such as "DNIS"
	Code   FieldCode
	Detail string // what is wrong, without the value itself
}

func (e *ValidationError) Error() string { return e.Field + " " + e.Detail }

// Is makes every ValidationError an [ErrInvalidCall].
func (e *ValidationError) Is(target error) bool { return target == ErrInvalidCall }

// problems is every problem of one call.
type problems []*ValidationError

func (p problems) Error() string {
	parts := make([]string, len(p))
	for i, e := range p {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "; ")
}

func (p problems) Unwrap() []error {
	errs := make([]error, len(p))
	for i, e := range p {
		errs[i] = e
	}
	return errs
}

// Error is what [Client.Deflect] returns when no text was certainly sent. Its
// text says what failed and what it means; it holds no number and no secret.
type Error struct {
	Outcome Outcome // Failed, Uncertain, Deferred or Ineligible
	Reason  Reason
	Err     error // the cause; *ValidationError (one or more), or what the backend says, in its chain
}

func (e *Error) Error() string {
	var means string
	switch e.Outcome {
	case Uncertain:
		means = "a text may have been sent, do not send again"
	case Deferred:
		means = "the text waits, do not send again"
	default:
		means = "no text was sent"
	}
	if e.Err == nil {
		return fmt.Sprintf("deflect: %s: %s", e.Reason, means)
	}
	return fmt.Sprintf("deflect: %s: %s: %v", e.Reason, means, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches the class of the reason.
func (e *Error) Is(target error) bool { return target != nil && e.Reason.Class() == target }

// ReasonOf returns the reason that an error of this package carries, or one of a backend
// that has a method DeflectReason: [ReasonOK] for nil, [ReasonInternal] for an error that
// is not ours.
func ReasonOf(err error) Reason {
	var e *Error
	var other interface{ DeflectReason() Reason }
	switch {
	case err == nil:
		return ReasonOK
	case errors.As(err, &e):
		return e.Reason
	case errors.As(err, &other):
		return other.DeflectReason()
	case errors.Is(err, ErrBadResponse):
		return ReasonBadResponse
	case errors.Is(err, ErrInvalidCall):
		return ReasonInvalidCall // a ValidationError
	}
	return ReasonInternal
}

// NotSent reports whether err proves that no text was sent, so that the request
// may be made again. It is false for nil, for an uncertain outcome, and for an
// error that is not ours: not knowing is not a proof.
func NotSent(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Outcome == Failed || e.Outcome == Ineligible)
}
