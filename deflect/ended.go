package deflect

import (
	"context"
	"errors"
)

// errLiveDeadline is the cause of a context that our own deadline ended.
var errLiveDeadline = errors.New("the live deadline passed")

// endedError tells that the end of a context cut something short. It matches the
// context's error, its cause, and what it led to, which may be nothing.
type endedError struct {
	ctx, cause error
	told       bool   // cause says more than ctx
	when       string // such as "before the request was made"
	err        error
	more       bool // err says more than ctx and cause
}

// ended returns the error of what ctx cut short: err tells of the same, or is nil. That
// the API was silent is our own business with a context, and no wish of whoever gave it.
func ended(ctx context.Context, when string, err error) error {
	e := &endedError{ctx: ctx.Err(), cause: context.Cause(ctx), when: when, err: err}
	if e.ctx == nil || e.cause == errSilent {
		return err
	}
	e.told = !matches(e.ctx, e.cause) && !matches(e.cause, errLiveDeadline)
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
	case e.cause == errLiveDeadline:
		s = errLiveDeadline.Error()
	case e.ctx == context.DeadlineExceeded:
		s = "the deadline of the context passed"
	}
	s += " " + e.when
	if e.told {
		s += ": " + cleanedError{e.cause}.Error()
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

// waiting says why a context that ended stopped the wait for an answer: a
// deadline, ours or our caller's, is the API's fault, any other end a wish.
func waiting(ctx context.Context) Reason {
	if cause := context.Cause(ctx); ctx.Err() == context.DeadlineExceeded || cause == context.DeadlineExceeded || cause == errSilent {
		return ReasonTimeout
	}
	return ReasonCanceled
}

// late is the verdict of a call whose time was over before its request could begin.
func late(ctx context.Context, when string) verdict {
	v := verdict{outcome: Failed, reason: ReasonDeadline, err: errNoTime}
	if ctx.Err() == nil {
		return v
	}
	v.err = ended(ctx, when, nil)
	if waiting(ctx) == ReasonCanceled {
		v.reason = ReasonCanceled
	}
	return v
}

// errNoTime matches [context.DeadlineExceeded]: the deadline is why.
var errNoTime error = noTime{}

type noTime struct{}

func (noTime) Error() string { return "the deadline left too little time for a request" }

func (noTime) Is(target error) bool { return target == context.DeadlineExceeded }

// What contexts cut short.
const (
	beforeRequest = "before the request was made"
	inOtherCall   = "while another call of the same caller was being texted"
	inCooldowns   = "while the store of cooldowns was asked"
	inTurn        = "while as many requests as allowed were under way"
	beforeNext    = "before another attempt"
	beforeSent    = "before the request had left this machine, or was taken"
	beforeAnswer  = "before the answer was there"
	inReport      = "before all of it was read"
)
