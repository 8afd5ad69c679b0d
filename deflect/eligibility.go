package deflect

import (
	"context"
	"time"
)

// Offer is the leave to offer one caller a text, see [Client.Offer]. That of a
// caller who gets none is nil, and the methods of a nil Offer do nothing.
type Offer struct {
	// NeedsNumber says that the caller's own number cannot be texted: ask for
	// another one, put it into Call.NumberOverride and let [Client.Check] judge it.
	// It occurs only with Rules.AskNumber.
	NeedsNumber bool

	release func()
}

// Release ends the offer: its caller has decided or is gone. It may be called more
// than once, and of a nil Offer, so that it can be deferred before the error is looked at.
func (o *Offer) Release() {
	if o != nil && o.release != nil {
		o.release()
	}
}

// Offer decides whether a caller is offered a text, and should be asked before
// one is: every rule of the call's policy, the caller's number, and the breaker.
// The error is an [*Error] with the outcome [Ineligible] and the reason of the first
// rule that refuses. It is [Failed] when ctx ended before they could all be asked, and, with
// [ErrClosed], after [Client.Close].
//
// While the breaker is half open, one caller at a time is offered a text: Release
// the offer as soon as its caller has decided.
func (c *Client) Offer(ctx context.Context, call Call) (*Offer, error) {
	if no := c.refuses(); no != nil {
		return nil, no
	}
	q := c.inquire(ctx, call, time.Now())
	if no := q.refusal(every); no != nil {
		return nil, no
	}
	o := &Offer{NeedsNumber: q.noNumber}
	if b := q.setup.breaker; b.state() == "half_open" {
		release, ok := b.offer(q.setup.Breaker.OpenFor)
		if !ok {
			return nil, &Error{Outcome: Ineligible, Reason: ReasonBreakerOpen}
		}
		o.release = release
	}
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
	q.final = true
	if no := q.refusal(func(r rule) bool { return protecting(r) || r.name == "cooldown" }); no != nil {
		return no
	}
	return nil
}

// Explain answers the question of [Client.Offer] for a moment of one's choice,
// with the verdict of every rule, in the order in which they are asked. The first
// one that refuses decides. Cooldowns and the breaker are those of this Client, now.
func (c *Client) Explain(ctx context.Context, call Call, at time.Time) []Verdict {
	if !c.made() {
		return []Verdict{{Rule: "client", Answer: Refuse, Reason: ReasonInternal, Detail: errNotMade.Error(), err: errNotMade}}
	}
	q := c.inquire(ctx, call, at)
	q.words = true
	verdicts := make([]Verdict, len(rules))
	for i, r := range rules {
		verdicts[i] = q.ask(r)
	}
	return verdicts
}
