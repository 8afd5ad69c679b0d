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
)

// Client sends deflections to one LiveDeflect account. It is safe for
// concurrent use; make one with [New] and keep it. One that was not made by New, nil
// included, sends nothing: what would need the account is refused as [ErrInternal].
type Client struct {
	setup      atomic.Pointer[setup]
	reloading  sync.Mutex
	own        *renewing // set when the transport is ours to close
	cooldowns  Cooldowns
	turns      turns
	requests   requestTurns
	metrics    *metrics
	settler    *settler
	closing    sync.Once
	collectors []prometheus.Collector // on the Registerer
	clock      apiClock
	pulse      pulse
	live       *liveFunnel // nil unless the report is polled
	log        *slog.Logger
}

// New returns a Client. The error lists every problem of the configuration, see
// [Config.Validate]. New does not touch the network.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	m, collectors := newMetrics()
	c := &Client{metrics: m, cooldowns: cfg.Cooldowns, log: cfg.Logger, requests: newRequestTurns(cfg.MaxRequests)}
	c.pulse.missed = func(gap time.Duration) {
		c.log.Warn("this process did not run for a while: what timed out then does not count against the API", "gap", gap)
	}
	if cfg.Transport == nil {
		c.own = newRenewing(NewTransport)
		cfg.Transport = c.own
	}
	if c.cooldowns == nil {
		own := newMemoryCooldowns(cfg.MaxCooldowns, m.cooldownsEvicted.Inc)
		c.cooldowns = own
		collectors = append(collectors, newCooldownGauge(own))
	}
	c.setup.Store(c.newSetup(cfg))
	collectors = append(collectors, breakerGauge{c})
	if cfg.Report.Every > 0 {
		c.live = newLiveFunnel()
		collectors = append(collectors, c.live.collectors()...)
	}
	if err := register(cfg.Registerer, collectors); err != nil {
		return nil, err
	}
	if cfg.Registerer != nil {
		c.collectors = collectors
	}
	c.settler = newSettler(c)
	return c, nil
}

// Close ends what runs in the background, PollReport too, waits for it and for calls
// of OnSettled, takes the metrics off the Registerer, and closes idle connections of the
// client's own transport. Calls in progress go on; what is asked for afterwards is
// refused with [ErrClosed]. Uncertain deflections that are not settled yet, or end
// uncertain later, are settled as unknown; each gets a line in the log.
//
// Close may be called more than once, and beside calls, but not by OnSettled.
func (c *Client) Close() {
	if !c.made() {
		return
	}
	c.settler.close()
	if c.live != nil {
		c.live.polling.Lock() // its poller has ended
		defer c.live.polling.Unlock()
	}
	c.closing.Do(func() {
		for _, m := range c.collectors {
			c.setup.Load().Registerer.Unregister(m)
		}
	})
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
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

// Deflect asks LiveDeflect to send the call's text and to hand its context to
// the agents. It returns within the live deadline (a second more, should
// a store of cooldowns not take back what it was told). The Result is filled in any
// case; the error is nil exactly when its outcome is [Sent], else an [*Error].
//
// At most one request that the API may have processed is sent: an attempt is
// repeated only when nothing of it left this machine, when HTTP/2 says that it was not
// processed, or when a 429 names a time
// that fits the deadline. An [Uncertain]
// outcome means that a text may be on its way, so do not call Deflect again for
// the same key press.
//
// The rules of Call.Policy that protect who is texted are asked again: number,
// country, consent, do-not-text list and cooldown. The others are about the moment of
// the offer, and an offer that was made is kept. While another call of the same caller
// is being texted, this one waits for how that ends.
//
// Cancelling ctx gives up the wait, not the text: what has left has left. The error is
// [ErrCanceled] then, and matches [context.Canceled] and the cause. A deadline of ctx
// that comes before the live deadline counts like it, as the API's failure; the errors
// of both match [context.DeadlineExceeded].
func (c *Client) Deflect(ctx context.Context, call Call) (Result, error) {
	if no := c.refuses(); no != nil {
		return Result{Outcome: no.Outcome, Reason: no.Reason}, no
	}
	start := time.Now()
	v, attempts := c.deflect(ctx, call, start)
	res := Result{
		Outcome:  v.outcome,
		Reason:   v.reason,
		CallID:   v.callID,
		Attempts: attempts,
		Status:   v.status,
		Duration: time.Since(start),
	}
	c.CountOutcome(res.Outcome, res.Reason)
	if res.Outcome == Sent {
		return res, nil
	}
	return res, &Error{Outcome: res.Outcome, Reason: res.Reason, Err: v.err}
}

func (c *Client) deflect(ctx context.Context, call Call, start time.Time) (v verdict, attempts int) {
	q := c.inquire(ctx, call, start)
	q.final = true
	if no := q.refusal(protecting); no != nil {
		v = verdict{outcome: no.Outcome, reason: no.Reason, err: no.Err}
		if no.Reason == ReasonInvalidCall {
			v.outcome = Failed
		}
		return v, 0
	}
	body := q.setup.encode(q.call)
	ctx, cancel := context.WithTimeoutCause(ctx, q.setup.LiveDeadline, cutoff.ErrLiveDeadline)
	defer cancel()
	v = c.once(ctx, q, func() (v verdict) {
		// Waiting may have left too little time for anything but doubt.
		if deadline, _ := ctx.Deadline(); ctx.Err() != nil || time.Until(deadline) < min(minAttempt, q.setup.LiveDeadline/2) {
			return late(ctx, cutoff.BeforeRequest)
		}
		sent := time.Now()
		ran := q.setup.breaker.run(func() health {
			wait := c.pulse.wait()
			defer wait.end() // a panic ends the wait too
			v, attempts = c.attempts(ctx, q.setup, q.call.call.ExternalCallID, body)
			// A deadline is the API's failure, but not one that passed for the most
			// part before the API was asked, or while this process did not run. Nor
			// does the end of one connection count more than once.
			if ctx.Err() != nil && sent.Sub(start) > time.Since(sent) || v.status == 0 && wait.end() || v.known {
				return silent
			}
			return cmp.Or(v.told, v.reason).row().health
		})
		if !ran {
			return verdict{outcome: Failed, reason: ReasonBreakerOpen}
		}
		return v
	})
	if v.outcome == Uncertain {
		c.settler.add(q.call, start)
	}
	return v, attempts
}

// once runs send unless the caller was texted within the cooldown. The cooldown
// begins before the request leaves, so that of several calls of one caller one gets
// a text, and ends at once when certainly none was sent.
func (c *Client) once(ctx context.Context, q *inquiry, send func() verdict) verdict {
	if q.policy.rules.NoCooldown {
		return send()
	}
	keys, token := q.cooldownKeys(), rand.Text()
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
			reason, err := storeError(ctx, err)
			return verdict{outcome: Failed, reason: reason, err: err}
		case !ok:
			giveBack()
			no := q.inCooldown()
			return verdict{outcome: Ineligible, reason: no.Reason, err: no.err}
		}
	}
	v := send() // a panic leaves the cooldown: nobody knows what was sent
	if v.outcome == Failed {
		giveBack()
	}
	return v
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
				slog.String("call_id", LogID(q.call.call.ExternalCallID)), slog.Any("err", clean.Error{Err: err}))
		}
	}
}
