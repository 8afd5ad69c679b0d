// Package cutoff tells how the end of a context cut something short, and who wanted it.
package cutoff

import (
	"context"
	"errors"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// ErrLiveDeadline is the cause of a context that our own deadline ended.
var ErrLiveDeadline = errors.New("the live deadline passed")

// ErrAskDeadline is the cause of a context of an offer that the API was asked about in vain.
var ErrAskDeadline = errors.New("the deadline of what is asked before an offer passed")

// ErrSilent is the cause of a context that ended because the API was silent.
var ErrSilent = errors.New("the API fell silent")

// endedError tells that the end of a context cut something short. It matches the
// context's error, its cause, and what it led to, which may be nothing.
type endedError struct {
	ctx, cause error
	told       bool   // cause says more than ctx
	when       string // such as "before the request was made"
	err        error
	more       bool // err says more than ctx and cause
}

// Error returns the error of what ctx cut short: err tells of the same, or is nil. That
// the API was silent is our own business with a context, and no wish of whoever gave it.
func Error(ctx context.Context, when string, err error) error {
	e := &endedError{ctx: ctx.Err(), cause: context.Cause(ctx), when: when, err: err}
	if e.ctx == nil || e.cause == ErrSilent {
		return err
	}
	e.told = !matches(e.ctx, e.cause) && !matches(e.cause, ErrLiveDeadline) && !matches(e.cause, ErrAskDeadline)
	// net/http says the cause once more.
	e.more = err != nil && !matches(e.ctx, err) && !matches(err, e.cause)
	return e
}

// matches is errors.Is, also for causes that == panics for.
func matches(err, target error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, target)
}

func (e *endedError) Error() string {
	s := "the context was cancelled"
	switch {
	case e.cause == ErrLiveDeadline, e.cause == ErrAskDeadline:
		s = e.cause.Error()
	case e.ctx == context.DeadlineExceeded:
		s = "the deadline of the context passed"
	}
	s += " " + e.when
	if e.told {
		s += ": " + clean.Error{Err: e.cause}.Error()
	}
	if e.more {
		s += ": " + e.err.Error()
	}
	return s
}

func (e *endedError) Unwrap() []error {
	errs := []error{e.ctx, e.cause}
	if e.err != nil {
		errs = append(errs, e.err)
	}
	return errs
}

// Wish reports whether a context that ended did so because somebody wanted it. A
// deadline, ours or our caller's, is the fault of who did not answer.
func Wish(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return ctx.Err() != context.DeadlineExceeded && cause != context.DeadlineExceeded && cause != ErrSilent
}

// ErrNoTime matches [context.DeadlineExceeded]: the deadline is why.
var ErrNoTime error = noTime{}

type noTime struct{}

func (noTime) Error() string { return "the deadline left too little time for a request" }

func (noTime) Is(target error) bool { return target == context.DeadlineExceeded }

// What contexts cut short.
const (
	BeforeRequest = "before the request was made"
	InSameCall    = "while the same call was being texted"
	InOtherCall   = "while another call of the same caller was being texted"
	InTurn        = "while as many requests as allowed were under way"
	BeforeNext    = "before another attempt"
	BeforeSent    = "before the request had left this machine, or was taken"
	BeforeAnswer  = "before the answer was there"
	InReport      = "before all of it was read"
)
