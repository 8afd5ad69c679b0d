package deflect

import (
	"context"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// Trace is hooks that hear, step by step, what a [Client] does: for a trace of a call, such
// as that of OpenTelemetry. Any of them may be nil.
//
// A hook is called where the step is made, which waits for it: it must return at once, as
// must the function that it returns. It is called for many calls at the same time. What it is
// given holds telephone numbers and names, is good until it returns, and is not to be
// changed. A hook that panics is logged, and the call goes on without it.
//
// A hook that begins something returns the context that all inside of it runs with, down to
// that of [Backend].Send: the one it was given, or one made of it, with its deadline. The
// function that it returns is called once, when that has ended, also by a panic of the
// backend; nil is a call that nobody traces, and its verdicts are not told.
type Trace struct {
	// Offer begins with [Client.Offer], and ends with what that returns.
	Offer func(ctx context.Context, call *Call) (context.Context, func(*Offer, error))
	// Check begins with [Client.Check], as of a number that the caller has keyed in, and ends
	// with what that returns.
	Check func(ctx context.Context, call *Call) (context.Context, func(error))
	// Deflect begins with [Client.Deflect] or [Offer.Deflect], and ends with what that returns.
	Deflect func(ctx context.Context, call *Call) (context.Context, func(Result, error))
	// Later begins when a text that waits ([Later]) is tried, tries times so far, or is given
	// up. It ends as Deflect does: Deferred for a text that goes on waiting. The context is of
	// nobody's call.
	Later func(ctx context.Context, call *Call, tries int) (context.Context, func(Result, error))
	// Verdict hears the answer of each rule that is asked within Offer, Check, Deflect and
	// Later, in their order. The last one decides when it refuses.
	Verdict func(ctx context.Context, v Verdict)
	// Ask begins when an [Asker] is asked, inside of Offer or Deflect.
	Ask func(ctx context.Context, t *Text) (context.Context, func(Attempt))
	// Attempt begins when the backend is to send a text, the wait for a turn
	// (Config.MaxRequests) included: up to three times inside of a Deflect or Later.
	Attempt func(ctx context.Context, t *Text) (context.Context, func(Attempt))
	// Settled hears how an uncertain text was settled, after that was logged.
	Settled func(Settlement)
}

// hook calls one of the hooks. Whoever embeds the engine has made it, and a defect there
// must cost no caller the text.
func (c *Client) hook(call func()) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("a hook of Trace panicked: what it traces has a gap", "panic", clean.Panic(p))
		}
	}()
	call()
}

// within is the context that a hook returned, if it still ends when the call has to.
func within(ctx, returned context.Context) context.Context {
	if returned == nil {
		return ctx
	}
	if until, ok := ctx.Deadline(); ok {
		if d, ok := returned.Deadline(); !ok || d.After(until) {
			return ctx
		}
	}
	return returned
}

// begun calls a hook that begins something, and returns the context that all inside of it
// runs with, and its end: nil for a call that nobody traces.
func begun[Of, End any](ctx context.Context, c *Client, hook func(context.Context, Of) (context.Context, End), of Of) (context.Context, End) {
	var end End
	c.hook(func() {
		var inside context.Context
		inside, end = hook(ctx, of)
		ctx = within(ctx, inside)
	})
	return ctx, end
}

type attemptHook = func(ctx context.Context, t *Text) (context.Context, func(Attempt))
