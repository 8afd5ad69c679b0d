package deflect

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

const (
	maxAttempts = 3
	// An attempt with less time than this left could hardly end in anything but
	// doubt.
	minAttempt = 200 * time.Millisecond
)

// ending is what one text came to: its last attempt, or why there was none.
type ending struct {
	Attempt
	told     Reason // of the attempt, when the wait for the next one was cancelled
	repeated bool   // of an earlier call of Deflect
	gone     bool   // the text was not ours to send any more
	tried    int    // how often a text that waited was asked for
}

// result is what Deflect returns of a text that was begun at a time.
func (e ending) result(attempts int, start time.Time) (Result, error) {
	res := Result{
		Outcome:  e.Outcome,
		Reason:   e.Reason,
		CallID:   e.CallID,
		Attempts: attempts,
		Status:   e.Status,
		Repeated: e.repeated,
		Duration: time.Since(start),
	}
	if res.Outcome == Sent {
		return res, nil
	}
	return res, &Error{Outcome: res.Outcome, Reason: res.Reason, Err: e.Err}
}

// attempts tries until an attempt may not be repeated or the next one would not
// fit the deadline.
func (c *Client) attempts(ctx context.Context, s *setup, t *Text) (ending, int) {
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return ending{Attempt: late(ctx, cutoff.BeforeSent)}, n - 1
		}
		a := c.attempt(ctx, c.trace.Attempt, s.invites, s.Backend.Send, t)
		var wait time.Duration
		switch a.Reason.row().again {
		case soon:
			wait = pauseBefore(n)
		case whenAsked:
			// Of an Asker's API the caller was waited for already: it is left to the background.
			if wait = a.RetryAfter; wait <= 0 || s.asker != nil {
				return ending{Attempt: a}, n
			}
		default:
			return ending{Attempt: a}, n
		}
		if a.Outcome != Failed || n == maxAttempts {
			return ending{Attempt: a}, n
		}
		if !pause(ctx, wait) {
			e := ending{Attempt: a}
			if ctx.Err() != nil && waiting(ctx) == ReasonCanceled {
				e.told, e.Reason, e.Err = a.Reason, ReasonCanceled, cutoff.Error(ctx, cutoff.BeforeNext, a.Err)
			}
			return e, n
		}
	}
}

// pauseBefore is how long nothing is done after the nth attempt.
func pauseBefore(n int) time.Duration {
	return time.Duration(n*n)*100*time.Millisecond + rand.N(50*time.Millisecond)
}

// pause waits, unless ctx would then have too little time left.
func pause(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline)-minAttempt < wait {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// attempt asks the backend once, and lets hook hear of it, unless that is nil.
func (c *Client) attempt(ctx context.Context, hook attemptHook, of *callMetrics, ask func(context.Context, *Text) Attempt, t *Text) Attempt {
	if hook != nil {
		return c.attemptTraced(ctx, hook, of, ask, t)
	}
	return c.attemptOnce(ctx, of, ask, t)
}

func (c *Client) attemptTraced(ctx context.Context, hook attemptHook, of *callMetrics, ask func(context.Context, *Text) Attempt, t *Text) (a Attempt) {
	ctx, end := begun(ctx, c, hook, t)
	if end != nil {
		a = Attempt{Outcome: Uncertain, Reason: ReasonInternal, Err: errPanicked} // what a panic leaves
		defer func() { c.hook(func() { end(a) }) }()
	}
	return c.attemptOnce(ctx, of, ask, t)
}

func (c *Client) attemptOnce(ctx context.Context, of *callMetrics, ask func(context.Context, *Text) Attempt, t *Text) Attempt {
	done, no, ok := c.requests.take(ctx)
	if !ok {
		of.count(no.Reason)
		return no
	}
	defer done()
	start := time.Now()
	c.metrics.inFlight.Inc()
	defer c.metrics.inFlight.Dec()
	a := onTheList(ask(ctx, t))
	took := time.Since(start)
	of.duration.Observe(took.Seconds())
	of.count(a.Reason)
	if c.log.Enabled(ctx, slog.LevelDebug) {
		c.log.LogAttrs(ctx, slog.LevelDebug, "request ended",
			slog.String("call_id", LogID(t.Call.ExternalCallID)), slog.String("call", of.name), slog.String("outcome", string(a.Outcome)), slog.String("reason", string(a.Reason)),
			slog.Int("status", a.Status), slog.Duration("duration", took), slog.Any("err", a.Err))
	}
	return a
}

var errOffList = errors.New("the backend ended a request with an outcome or a reason that one cannot end with")

// onTheList is an attempt of a backend with words of the closed lists: what a backend
// says otherwise may have been a text.
func onTheList(a Attempt) Attempt {
	row := a.Reason.row()
	possible := a.Outcome == Sent || a.Outcome == Ineligible || a.Outcome == Failed || a.Outcome == Uncertain
	if !possible || !row.request || !slices.Contains(row.outcomes, a.Outcome) {
		a.Outcome, a.Reason, a.Err = Uncertain, ReasonInternal, cmp.Or(a.Err, errOffList)
	}
	if !clean.IsCallID(a.CallID) {
		a.CallID = ""
	}
	return a
}
