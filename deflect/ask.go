package deflect

import (
	"context"
	"errors"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

// askBefore asks the backend before an offer. It reports false when the breaker did not
// let it.
func (c *Client) askBefore(q *inquiry) (a Attempt, ran bool) {
	ctx, cancel := q.bound(q.ctx)
	defer cancel()
	ran = q.setup.breaker.run(func() (h health) {
		a, h = c.ask(ctx, q)
		return h
	})
	if ran && a.Outcome != Sent {
		a = a.unoffered()
	}
	return a, ran
}

// askAgain asks the backend before a text, unless the answer of before the offer still
// counts. It sends nothing, and the caller has asked for the text: what failed is repeated
// while there is time. When it reports false, no text can be sent, as no says. That is before
// the cooldown begins: a process that dies while it asks would leave it behind without a text.
func (c *Client) askAgain(ctx context.Context, q *inquiry) (no Attempt, asked bool) {
	asker := q.setup.asker
	if asker == nil || q.asked && asker.Fresh(q.text) {
		return no, true
	}
	ran := q.setup.breaker.run(func() health {
		for n := 1; ; n++ {
			q.text.Ticket, q.text.CallID = nil, ""
			if q.tooLate(ctx) {
				no = late(ctx, cutoff.BeforeRequest)
				return silent
			}
			a, h := c.ask(ctx, q)
			switch {
			case a.Outcome != Sent:
			case q.tooLate(ctx): // the API took all of it
				no = late(ctx, cutoff.BeforeRequest)
				return unanswered
			default:
				asked = true
				return h
			}
			no = a.unsent()
			mayPass := no.Reason == ReasonEligibilityUnknown && (a.Outcome == Uncertain || a.Reason.row().again == soon)
			if !mayPass || n == maxAttempts || !pause(ctx, pauseBefore(n)) {
				return h
			}
		}
	})
	if !ran {
		no = failed(ReasonBreakerOpen, nil)
	}
	return no, asked
}

// tooLate reports whether the time that is left could hardly end in anything but doubt.
func (q *inquiry) tooLate(ctx context.Context) bool {
	deadline, _ := ctx.Deadline()
	return ctx.Err() != nil || time.Until(deadline) < min(minAttempt, q.setup.LiveDeadline/2)
}

// ask asks the backend once, and returns what that told about the API: that it answers is no
// sign that texts are sent.
func (c *Client) ask(ctx context.Context, q *inquiry) (Attempt, health) {
	wait, asked := c.pulse.wait(), time.Now()
	defer wait.end() // a panic ends the wait too
	a := c.attempt(ctx, c.trace.Ask, q.setup.questions, q.setup.asker.Ask, q.text)
	if !clean.IsCallID(q.text.CallID) {
		q.text.CallID = ""
	}
	switch h := sign(ctx, ending{Attempt: a}, q.now, asked, wait.end()); h {
	case healthy:
		return a, answered
	case sick:
		return a, unanswered
	default:
		return a, h
	}
}

// unoffered is what a question before an offer, that was not answered with yes, makes of it.
func (a Attempt) unoffered() Attempt {
	switch {
	case a.Reason == ReasonUnauthorized, a.Reason == ReasonCanceled:
		a.Outcome = Failed // nobody judged this caller
	case a.Reason == ReasonRateLimited:
		a.Outcome = Ineligible
	case a.Outcome != Ineligible:
		a.Err = unaskedError{a.Reason, a.Err}
		a.Outcome, a.Reason = Ineligible, ReasonEligibilityUnknown
	}
	return a
}

// unsent is what a question before a text, that was not answered with yes, makes of it:
// certainly none was sent, and what may pass lets it wait.
func (a Attempt) unsent() Attempt {
	switch {
	case a.Reason == ReasonRateLimited:
		a.Outcome = Failed
	case a.Outcome == Ineligible:
	case a.Reason == ReasonUnauthorized, a.Reason == ReasonCanceled, a.Reason == ReasonDeadline:
		a.Outcome = Failed
	case a.Reason == ReasonTimeout:
		a.Outcome, a.Reason = Failed, ReasonDeadline
	default:
		a.Err = unaskedError{a.Reason, a.Err}
		a.Outcome, a.Reason = Failed, ReasonEligibilityUnknown
	}
	return a
}

// unaskedError is why a backend could not be asked before a text.
type unaskedError struct {
	reason Reason
	err    error
}

func (e unaskedError) Error() string {
	if e.err == nil {
		return "asking the API ended with " + string(e.reason)
	}
	return "asking the API ended with " + string(e.reason) + ": " + e.err.Error()
}

func (e unaskedError) Unwrap() error { return e.err }

// Is matches the class of the reason.
func (e unaskedError) Is(target error) bool { return errors.Is(e.reason.Class(), target) }
