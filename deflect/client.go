package deflect

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/metric"
)

// Client sends texts through a [Backend], one at most for each call. It is safe for
// concurrent use; make one with [New] and keep it. One that was not made by New, nil
// included, sends nothing: what would need the account is refused as [ErrInternal].
type Client struct {
	setup      atomic.Pointer[setup]
	reloading  sync.Mutex
	cooldowns  Cooldowns
	budgets    Budgets
	journal    Journal
	durable    bool  // the journal is not ours
	calls      turns // of external ids
	turns      turns // of cooldowns
	requests   requestTurns
	warnings   map[string]Warnings // by the name of a backend; changed while reloading
	trace      Trace
	metrics    *metrics
	settler    *settler
	later      *later
	vacating   *vacating
	closing    sync.Once
	collectors []prometheus.Collector // on the Registerer
	pulse      pulse
	log        *slog.Logger
}

// New returns a Client. The error lists every problem of the configuration, see
// [Config.Validate]. What its Journal holds of texts that have not ended is taken up: what
// was being sent is in doubt and looked up, and what waits is sent at its time, which may be
// now. Else New does not touch the network.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	m, collectors := newMetrics()
	c := &Client{metrics: m, cooldowns: cfg.Cooldowns, budgets: cfg.Budgets, log: cfg.Logger, requests: newRequestTurns(cfg.MaxRequests), warnings: map[string]Warnings{}}
	c.pulse.missed = func(gap time.Duration) {
		c.log.Warn("this process did not run for a while: what timed out then does not count against the API", "gap", gap)
	}
	if cfg.Trace != nil {
		c.trace = *cfg.Trace
	}
	if c.journal = cfg.Journal; c.journal == nil {
		c.journal = newMemoryJournal(cfg.MaxCooldowns)
	} else {
		c.durable = true
	}
	if both, is := c.journal.(Cooldowns); is && c.cooldowns == nil {
		c.cooldowns = both
	}
	if c.cooldowns == nil {
		own := newMemoryCooldowns(cfg.MaxCooldowns, m.cooldownsEvicted.Inc)
		c.cooldowns = own
	}
	if c.budgets == nil {
		c.budgets = newMemoryBudgets()
	}
	if store, is := c.cooldowns.(interface{ OnEvicted(func()) }); is {
		store.OnEvicted(m.cooldownsEvicted.Inc)
	}
	if store, is := c.cooldowns.(interface{ Cooling() int }); is {
		collectors = append(collectors, c.cooldownGauges(store.Cooling)...)
	}
	c.settler, c.later, c.vacating = newSettler(c), newLater(c), newVacating()
	collectors = append(collectors, c.later.gauges()...)
	c.setup.Store(c.newSetup(cfg))
	collectors = append(collectors, breakerGauge{c})
	if err := metric.Register(cfg.Registerer, collectors); err != nil {
		return nil, &ConfigError{Field: "Registerer", Err: err}
	}
	c.collectors = collectors
	c.hearWarnings(c.setup.Load())
	if err := c.takeUp(); err != nil {
		c.Close()
		return nil, &ConfigError{Field: "Journal", Err: err}
	}
	return c, nil
}

// Close ends what runs in the background, waits for it, for calls of OnSettled and for a
// store that is taking back places of a budget, and takes the metrics off the Registerer; the backend is left to who made
// it. Calls in progress go on; what is asked for afterwards is
// refused with [ErrClosed]. Uncertain deflections that are not settled yet, or end
// uncertain later, are settled as unknown; each gets a line in the log. With a Journal they
// are left in it, as are texts that wait, for the next Client; close the Journal after
// the Client.
//
// Close may be called more than once, and beside calls, but not by OnSettled.
func (c *Client) Close() {
	if !c.made() {
		return
	}
	c.later.close()
	c.settler.close()
	c.vacating.close()
	c.closing.Do(func() {
		c.reloading.Lock()
		defer c.reloading.Unlock()
		for _, w := range c.warnings {
			w.OnWarned(func() {})
		}
		metric.Unregister(c.setup.Load().Registerer, c.collectors)
	})
}

// refuses returns why a Client does nothing: it was not made by [New], or is closed.
func (c *Client) refuses() *Error {
	switch {
	case !c.made():
		return &Error{Outcome: Failed, Reason: ReasonInternal, Err: errNotMade}
	case c.settler.ctx.Err() != nil:
		return &Error{Outcome: Failed, Reason: ReasonShutdown, Err: ErrClosed}
	}
	return nil
}

// DefaultRegion returns the region of numbers without a plus sign.
func (c *Client) DefaultRegion() string {
	if !c.made() {
		return ""
	}
	return c.setup.Load().DefaultRegion
}

func (c *Client) made() bool { return c != nil && c.setup.Load() != nil }

var errNotMade = fmt.Errorf("%w: this Client was not made by New", ErrInternal)

// Deflect asks the backend to send the call's text and to hand its context to
// the agents. It returns within the live deadline (a second more, should
// a store of cooldowns not take back what it was told; a quarter of a second more, when a text
// that has to wait is written down). The Result is filled in any
// case; the error is nil exactly when its outcome is [Sent], else an [*Error].
//
// At most one request that the API may have processed is sent: an attempt is
// repeated only when nothing of it left this machine, when HTTP/2 says that it was not
// processed, or when a 429 names a time
// that fits the deadline, unless the backend is an [Asker]. An [Uncertain]
// outcome means that a text may be on its way, so do not call Deflect again for
// the same key press.
//
// The rules of Call.Policy that protect who is texted are asked again: number,
// country, consent, do-not-text list and cooldown. The others are about the moment of
// the offer, and an offer that was made is kept; without an offer, the text needs a place in
// the budget. While another call of the same caller
// is being texted, this one waits for how that ends.
//
// A call whose text was sent, may have been, is being sent or waits, by its ExternalCallID,
// gets none again: the Result is that of before, and Repeated.
//
// Cancelling ctx gives up the wait, not the text: what has left has left. The error is
// [ErrCanceled] then, and matches [context.Canceled] and the cause. A deadline of ctx
// that comes before the live deadline counts like it, as the API's failure; the errors
// of both match [context.DeadlineExceeded].
func (c *Client) Deflect(ctx context.Context, call Call) (Result, error) {
	if no := c.refuses(); no != nil {
		return Result{Outcome: no.Outcome, Reason: no.Reason}, no
	}
	res, err := c.run(ctx, call, nil)
	c.count(call.Policy, res)
	return res, err
}

// count counts a call once: a repeated one was counted before.
func (c *Client) count(p *Policy, res Result) {
	if res.Repeated {
		c.metrics.repeated.Inc()
		return
	}
	c.CountOutcome(p, res.Outcome, res.Reason)
}

// run sends the text of a call, which had an offer or nil.
func (c *Client) run(ctx context.Context, call Call, o *Offer) (Result, error) {
	if no := c.refuses(); no != nil {
		if o != nil {
			c.vacate(o.place)
		}
		return Result{Outcome: no.Outcome, Reason: no.Reason}, no
	}
	q := c.inquireAgain(ctx, call, o)
	q.final = true
	if c.trace.Deflect != nil {
		return c.runTraced(q, o)
	}
	e, attempts := c.deflect(q, o)
	return e.result(attempts, q.now)
}

// inquireAgain is inquire of a call that had an offer, or nil. What one backend was asked
// about is sent by that one, also when its policy has another one by now.
func (c *Client) inquireAgain(ctx context.Context, call Call, o *Offer) *inquiry {
	if o == nil {
		return c.inquire(ctx, call, time.Now())
	}
	return c.inquireOf(c.today(o.by), ctx, call, time.Now())
}

// today returns the setup that a backend has now, or had last.
func (c *Client) today(s *setup) *setup { return cmp.Or(c.setup.Load().named(s.name), s) }

// runTraced is run with somebody who traces calls.
func (c *Client) runTraced(q *inquiry, o *Offer) (res Result, err error) {
	var end func(Result, error)
	q.ctx, end = begun(q.ctx, c, c.trace.Deflect, &q.text.Call)
	if q.traced = end != nil; q.traced {
		res, err = endedWith(Uncertain, ReasonInternal, errPanicked) // what a panic leaves
		defer func() { c.hook(func() { end(res, err) }) }()
	}
	e, attempts := c.deflect(q, o)
	return e.result(attempts, q.now)
}

func (c *Client) deflect(q *inquiry, o *Offer) (e ending, attempts int) {
	if o != nil {
		q.place = o.place
	}
	defer func() {
		// Not after a panic, which leaves no outcome: nobody knows what was sent.
		if e.repeated || e.Outcome == Failed || e.Outcome == Ineligible {
			c.vacate(q.place)
		}
	}()
	ctx, cancel := q.bound(q.ctx)
	defer cancel()
	done, ok := c.calls.take(ctx, q.text.Call.ExternalCallID)
	if !ok { // the text of the same call is being sent
		e.Outcome, e.Reason, e.repeated = Uncertain, waiting(ctx), true
		e.Err = cutoff.Error(ctx, cutoff.InSameCall, nil)
		return e, 0
	}
	defer done()
	if e, is := c.known(ctx, q); is {
		return e, 0
	}
	if no := q.refusal(protecting); no != nil {
		e.Attempt = Attempt{Outcome: no.Outcome, Reason: no.Reason, Err: no.Err}
		if no.Reason == ReasonInvalidCall {
			e.Outcome = Failed
		}
		return e, 0
	}
	if o != nil && !o.Later.IsZero() {
		return c.atOpening(q, o.Later), 0
	}
	e, attempts = c.send(ctx, q, o, "")
	if c.mayWait(q, e) {
		if kept, ok := c.tryLater(q, e); ok {
			return kept, attempts
		}
	}
	return e, attempts
}

// send asks for the text, of which the journal knows the state from; o is nil or the offer
// that there was. When certainly none was sent, the journal knows of none, or of one that
// waits as before.
func (c *Client) send(ctx context.Context, q *inquiry, o *Offer, from State) (e ending, attempts int) {
	if o != nil && o.asked != "" && o.asked == q.text.Customer.E164 {
		q.text.Ticket, q.text.CallID, q.asked = o.ticket, o.callID, true
	}
	q.text.Live = from == ""
	if no, asked := c.askAgain(ctx, q); !asked {
		return ending{Attempt: no}, 0
	}
	e.Attempt = c.once(ctx, q, func() Attempt {
		if no := q.takePlace(ctx); no.Answer == RuleRefuse {
			e.Attempt = failed(no.Reason, no.err)
			if no.Reason == ReasonBudget {
				e.Outcome = Ineligible
			}
			return e.Attempt
		}
		ran := q.setup.breaker.run(func() health {
			if q.tooLate(ctx) { // for waiting
				e.Attempt = late(ctx, cutoff.BeforeRequest)
				return silent
			}
			var ok bool
			if e, ok = c.begin(ctx, q, from); !ok {
				return silent
			}
			if e.Attempt, ok = c.confirm(ctx, q); !ok {
				return silent
			}
			wait, sent := c.pulse.wait(), time.Now()
			defer wait.end() // a panic ends the wait too
			e, attempts = c.attempts(ctx, q.setup, q.text)
			return sign(ctx, e, q.now, sent, wait.end())
		})
		if !ran {
			return failed(ReasonBreakerOpen, nil)
		}
		return e.Attempt
	})
	switch entry := q.entry(Doubted, e.Reason); {
	case e.Outcome == Sent:
		e.CallID = cmp.Or(e.CallID, entry.CallID)
		c.ended(entry, Sent, e.Reason, e.CallID)
	case e.Outcome == Uncertain:
		e.CallID = cmp.Or(entry.CallID, e.CallID) // what it was asked about can be looked up
		entry.CallID = e.CallID
		c.settler.add(q.setup, q.text, entry, q.now)
	case from == "" && !e.gone && q.written: // also when it may yet be kept
		c.erase(entry.ExternalCallID)
	}
	return e, attempts
}

// sign is what asking the API told about its health. A deadline is the API's failure, but
// not one that passed for the most part before the API was asked, or while this process
// did not run (slept). Nor does the end of one connection count more than once.
func sign(ctx context.Context, e ending, start, asked time.Time, slept bool) health {
	if ctx.Err() != nil && asked.Sub(start) > time.Since(asked) || e.Status == 0 && slept || e.NoSign {
		return silent
	}
	return cmp.Or(e.told, e.Reason).row().health
}

// once runs send unless the caller was texted within the cooldown. The cooldown
// begins before the request leaves, so that of several calls of one caller one gets
// a text, and ends at once when certainly none was sent.
func (c *Client) once(ctx context.Context, q *inquiry, send func() Attempt) Attempt {
	if q.policy.rules.NoCooldown {
		return send()
	}
	keys, token := q.cooldownKeys(), cmp.Or(q.token, rand.Text())
	q.keys, q.token = keys, token
	for _, key := range keys {
		done, ok := c.turns.take(ctx, key)
		if !ok {
			return late(ctx, cutoff.InOtherCall)
		}
		defer done()
	}
	taken := 0
	giveBack := func() { c.giveBack(ctx, q, keys[:taken], token) }
	for _, key := range keys {
		ok, err := c.cooldowns.Take(ctx, key, token, q.policy.rules.Cooldown)
		if ok || err != nil {
			taken++ // an error may have taken it
		}
		switch {
		case err != nil:
			giveBack()
			reason, err := storeError(ctx, theCooldowns, ReasonCooldownUnknown, err)
			return failed(reason, err)
		case !ok:
			giveBack()
			no := q.inCooldown()
			return Attempt{Outcome: Ineligible, Reason: no.Reason, Err: no.err}
		}
	}
	kept := true // also after a panic: nobody knows what was sent
	defer func() {
		if store, is := c.cooldowns.(interface{ Keep(key, token string) }); is && kept {
			for _, key := range keys {
				store.Keep(key, token)
			}
		}
	}()
	a := send()
	if a.Outcome == Failed || a.Outcome == Ineligible {
		kept = false
		giveBack()
	}
	return a
}

// confirm makes cooldowns last whatever becomes of this process. The journal knows of the
// text by now: were it the other way round, a process that dies in between would leave a
// caller in a cooldown without a text, and nobody would know.
func (c *Client) confirm(ctx context.Context, q *inquiry) (a Attempt, ok bool) {
	store, is := c.cooldowns.(interface {
		Confirm(ctx context.Context, key, token string) error
	})
	if !is {
		return a, true
	}
	for _, key := range q.keys {
		if err := store.Confirm(ctx, key, q.token); err != nil {
			reason, err := storeError(ctx, theCooldowns, ReasonCooldownUnknown, err)
			return failed(reason, err), false
		}
	}
	return a, true
}

// giveBack ends cooldowns, also when the time of the call is over: its caller waits
// a second more for all of them, see Deflect.
func (c *Client) giveBack(ctx context.Context, q *inquiry, keys []string, token string) {
	for _, key := range keys {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second/time.Duration(len(keys)))
		err := c.cooldowns.Release(ctx, key, token)
		cancel()
		if err != nil {
			c.log.LogAttrs(ctx, slog.LevelWarn, "cooldown not given back: its caller is not texted until it ends",
				slog.String("call_id", LogID(q.text.Call.ExternalCallID)), slog.Any("err", clean.Error{Err: err}))
		}
	}
}
