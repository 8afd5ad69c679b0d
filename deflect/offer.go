package deflect

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

// Offer is one caller who is offered a text, from [Client.Offer] to what came of it: the
// caller asked for it (Deflect), did not (End), or was forgotten (Release alone). It is
// counted once. That of a caller who gets none is nil, and the methods of a nil Offer do
// nothing.
//
// Its methods are safe for concurrent use; set its fields before.
type Offer struct {
	// Call is the call that was offered a text. Set what the caller has said since
	// before Deflect: Digits, NumberOverride, Accepted.
	Call Call
	// NeedsNumber says that the caller's own number cannot be texted: ask for
	// another one, put it into Call.NumberOverride and let [Client.Check] judge it.
	// It occurs only with Rules.AskNumber.
	NeedsNumber bool
	// Later is when the text will go out at the earliest, for a caller who calls while the
	// team is closed and can have it then ([Later].Closed); zero for at once. Deflect keeps
	// such a text, and ends as Deferred.
	Later time.Time

	client  *Client
	by      *setup // of the backend that it was made with
	ticket  any    // of an Asker, which was asked about ...
	asked   string // ... this number; "" when nobody was asked
	callID  string // of the API, of when it was asked
	release func()
	place   place // in the budget

	decided atomic.Bool // by Deflect or End, which counts the call
	deflect sync.Once
	result  Result
	err     error
}

var (
	errNoOffer    = errors.New("there is no offer: its caller was refused")
	errOfferEnded = errors.New("the offer has ended: its caller did not ask for a text, or left")
	errPanicked   = errors.New("the backend panicked")
)

// Deflect is [Client.Deflect] for the Offer's Call. Called again, it returns what the
// first call came to: one key press is one text. After End and Release it sends nothing.
func (o *Offer) Deflect(ctx context.Context) (Result, error) {
	if o == nil || o.client == nil {
		return endedWith(Failed, ReasonInternal, errNoOffer)
	}
	o.deflect.Do(func() {
		if o.decided.Swap(true) {
			o.result, o.err = endedWith(Failed, ReasonInternal, errOfferEnded)
			return
		}
		o.result, o.err = endedWith(Uncertain, ReasonInternal, errPanicked) // what a panic leaves
		defer func() { o.client.count(o.Call.Policy, o.result) }()
		o.result, o.err = o.client.run(ctx, o.Call, o)
	})
	return o.result, o.err
}

func endedWith(o Outcome, r Reason, why error) (Result, error) {
	return Result{Outcome: o, Reason: r}, &Error{Outcome: o, Reason: r, Err: why}
}

// End counts how the call of a caller ended who did not ask for a text: [Declined],
// [NoInput], [Abandoned], or [Failed] for what came in between. It releases the offer.
// Only the first end of an Offer counts, and none after Deflect was called.
func (o *Offer) End(outcome Outcome, reason Reason) {
	if o == nil || o.client == nil {
		return
	}
	if !o.decided.Swap(true) {
		o.client.CountOutcome(o.Call.Policy, outcome, reason)
		o.client.vacate(o.place)
	}
	o.free()
}

// Release ends the offer, so that another caller can be offered a text while the breaker is
// half open, or in its place in the budget. A caller of whom nothing was said before has left: [Abandoned]. It may be
// called more than once, and of a nil Offer, so that it can be deferred before the error
// is looked at.
func (o *Offer) Release() { o.End(Abandoned, ReasonHangup) }

func (o *Offer) free() {
	if o.release != nil {
		o.release()
	}
}

// Offer decides whether a caller is offered a text, and should be asked before
// one is: every rule of the call's policy, the caller's number, the breaker, and a
// backend that wants to be asked ([Asker]).
// The error is an [*Error] with the outcome [Ineligible] and the reason of the first
// rule that refuses, or of the backend; one that could not be asked in time is
// [ReasonEligibilityUnknown], with what it ended with in the error. It is [Failed] when ctx
// ended before they could all be asked, when the backend refused the credentials, and, with
// [ErrClosed], after [Client.Close]. It is not counted: [Client.CountOutcome] does.
//
// Where the backend is asked, an offer takes at most Config.AskDeadline. About a caller who
// has asked for a text already (call.Accepted is set) it is not asked here: Deflect does.
//
// While the breaker is half open, one caller at a time is offered a text, and an offer has a
// place in the budget: Release it as soon as its caller has decided.
func (c *Client) Offer(ctx context.Context, call Call) (*Offer, error) {
	if no := c.refuses(); no != nil {
		return nil, no
	}
	q := c.inquire(ctx, call, time.Now())
	if q.setup.asker != nil && call.Accepted.IsZero() {
		q.until, q.over = q.until.Add(q.setup.AskDeadline-q.setup.LiveDeadline), cutoff.ErrAskDeadline
	}
	if c.trace.Offer != nil {
		return c.offerTraced(q, call)
	}
	return c.offer(q, call)
}

// offerTraced is offer with somebody who traces calls.
func (c *Client) offerTraced(q *inquiry, call Call) (o *Offer, err error) {
	var end func(*Offer, error)
	q.ctx, end = begun(q.ctx, c, c.trace.Offer, &q.text.Call)
	if q.traced = end != nil; q.traced {
		_, err = endedWith(Failed, ReasonInternal, errPanicked) // what a panic leaves
		defer func() { c.hook(func() { end(o, err) }) }()
	}
	return c.offer(q, call)
}

// offer is Offer of the call as it was given.
func (c *Client) offer(q *inquiry, call Call) (*Offer, error) {
	if no := q.refusal(every); no != nil {
		return nil, no
	}
	o := &Offer{Call: call, NeedsNumber: q.noNumber, Later: q.opens, client: c, by: q.setup}
	if !o.Later.IsZero() {
		return o, nil // the API is not asked for anything before
	}
	if b := q.setup.breaker; b.state() == "half_open" {
		release, ok := b.offer(q.setup.Breaker.OpenFor)
		if !ok {
			return nil, &Error{Outcome: Ineligible, Reason: ReasonBreakerOpen}
		}
		o.release = release
	}
	if q.setup.asker != nil && !q.noNumber && call.Accepted.IsZero() {
		a, ran := c.askBefore(q)
		switch {
		case !ran:
			o.free()
			return nil, &Error{Outcome: Ineligible, Reason: ReasonBreakerOpen}
		case a.Outcome != Sent:
			o.free()
			return nil, &Error{Outcome: a.Outcome, Reason: a.Reason, Err: a.Err}
		}
		o.ticket, o.callID, o.asked = q.text.Ticket, q.text.CallID, q.text.Customer.E164
	}
	if no := q.takePlace(q.ctx); no.Answer == RuleRefuse {
		o.free()
		return nil, refused(no)
	}
	o.place = q.place
	return o, nil
}

// Check reports whether Deflect would ask for a text: nil, or an [*Error] as from
// [Client.Offer]. It asks the rules that protect who is texted (number, country,
// consent, do-not-text list, cooldown) and whether the call is complete, but not those
// about the moment of an offer, which is kept once it was made. A number that another
// one has to be asked for is refused. A zero Accepted is fine. The error of a malformed
// call is [ErrInvalidCall] and lists every problem.
func (c *Client) Check(ctx context.Context, call Call) error {
	if no := c.refuses(); no != nil {
		return no
	}
	q := c.inquire(ctx, call, time.Now())
	q.final, q.traced = true, false
	if c.trace.Check != nil {
		return c.checkTraced(q)
	}
	return q.check()
}

// checkTraced is check with somebody who traces calls.
func (c *Client) checkTraced(q *inquiry) (err error) {
	var end func(error)
	q.ctx, end = begun(q.ctx, c, c.trace.Check, &q.text.Call)
	if q.traced = end != nil; q.traced {
		_, err = endedWith(Failed, ReasonInternal, errPanicked) // what a panic leaves
		defer func() { c.hook(func() { end(err) }) }()
	}
	return q.check()
}

// check asks what protects who is texted.
func (q *inquiry) check() error {
	if no := q.refusal(func(r rule) bool { return protecting(r) || r.name == "cooldown" }); no != nil {
		return no
	}
	return nil
}

// Preview returns the text that Deflect would send for the call, without sending it. The
// error is that of [Client.Check]; cooldowns are not asked.
func (c *Client) Preview(ctx context.Context, call Call) (*Text, error) {
	if no := c.refuses(); no != nil {
		return nil, no
	}
	q := c.inquire(ctx, call, time.Now())
	q.final, q.traced = true, false
	if no := q.refusal(protecting); no != nil {
		return nil, no
	}
	return q.text, nil
}

// Explain answers the question of [Client.Offer] for a moment of one's choice,
// with the verdict of every rule, in the order in which they are asked. The first
// one that refuses decides. Cooldowns, budgets and the breaker are those of this Client, now.
// A backend that has to be asked ([Asker]) is not.
func (c *Client) Explain(ctx context.Context, call Call, at time.Time) []Verdict {
	if !c.made() {
		return []Verdict{{Rule: "client", Answer: RuleRefuse, Reason: ReasonInternal, Detail: errNotMade.Error(), err: errNotMade}}
	}
	q := c.inquire(ctx, call, at)
	q.words = true
	verdicts := make([]Verdict, len(rules))
	for i, r := range rules {
		verdicts[i] = q.ask(r)
	}
	return verdicts
}
