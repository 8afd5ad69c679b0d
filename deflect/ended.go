package deflect

import (
	"context"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

// waiting says why a context that ended stopped the wait for an answer: a
// deadline, ours or our caller's, is the API's fault, any other end a wish.
func waiting(ctx context.Context) Reason {
	if cutoff.Wish(ctx) {
		return ReasonCanceled
	}
	return ReasonTimeout
}

// late is the end of a text whose time was over before its request could begin.
func late(ctx context.Context, when string) Attempt {
	if ctx.Err() == nil {
		return failed(ReasonDeadline, cutoff.ErrNoTime)
	}
	a := failed(ReasonDeadline, cutoff.Error(ctx, when, nil))
	if waiting(ctx) == ReasonCanceled {
		a.Reason = ReasonCanceled
	}
	return a
}
