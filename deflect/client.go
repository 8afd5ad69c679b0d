package deflect

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Client sends deflections to one LiveDeflect account. It is safe for
// concurrent use; make one and keep it.
type Client struct {
	cfg     Config
	root    string // URL of the API without a trailing slash
	rt      http.RoundTripper
	own     *http.Transport // set when the transport is ours to close
	breaker breaker
	metrics *metrics
	settler *settler
	live    *liveFunnel // nil unless the report is polled
	log     *slog.Logger
}

// New returns a Client. The error lists every problem of the configuration, see
// [Config.Validate]. New does not touch the network.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, log: cfg.Logger}
	c.root, _, _ = cfg.endpoint()

	base := cfg.Transport
	if base == nil {
		c.own = NewTransport()
		base = c.own
	}
	c.rt = cfg.Auth.Transport(handoff{base})

	m, collectors := newMetrics()
	c.metrics = m
	c.breaker = newLocalBreaker(cfg.Breaker, cfg.Logger, func(to string) { m.transitions[to].Inc() })
	collectors = append(collectors, breakerGauge{c.breaker})
	if cfg.Report.Every > 0 {
		c.live = newLiveFunnel()
		collectors = append(collectors, c.live.collectors()...)
	}
	if err := register(cfg.Registerer, collectors); err != nil {
		return nil, err
	}
	c.settler = newSettler(c)
	return c, nil
}

// Close ends what runs in the background, waits for it, and closes idle
// connections of the client's own transport. Calls in progress go on. Uncertain
// deflections that are not settled yet, or end uncertain later, are settled as
// unknown; each gets a line in the log.
func (c *Client) Close() {
	c.settler.close()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// DefaultRegion returns the region of numbers without a plus sign.
func (c *Client) DefaultRegion() string { return c.cfg.DefaultRegion }

// Deflect asks LiveDeflect to send the call's text and to hand its context to
// the agents. It returns within the live deadline. The Result is filled in any
// case; the error is nil exactly when its outcome is [Sent], else an [*Error].
//
// At most one request that the API may have processed is sent: an attempt is
// repeated only when nothing of it left this machine, when its nonce was
// refused, or when a 429 names a time that fits the deadline. An [Uncertain]
// outcome means that a text may be on its way, so do not call Deflect again for
// the same key press.
//
// Cancelling ctx gives up the wait, not the text: what has left has left.
//
// A refused nonce is taken for proof that the request was not processed. That
// holds as long as nothing on the way delivers a request twice; the transport
// must not, see [Config].
func (c *Client) Deflect(ctx context.Context, call Call) (Result, error) {
	start := time.Now()
	v, attempts := c.deflect(ctx, call)
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

func (c *Client) deflect(ctx context.Context, call Call) (v verdict, attempts int) {
	k, problems := c.validate(call)
	if len(problems) > 0 {
		e := problems.refusal(Failed)
		return verdict{outcome: e.Outcome, reason: e.Reason, err: e.Err}, 0
	}
	body, err := c.encode(k)
	if err != nil {
		return verdict{outcome: Failed, reason: ReasonInternal, err: err}, 0
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.LiveDeadline, errLiveDeadline)
	defer cancel()
	ran := c.breaker.run(func() Reason {
		v, attempts = c.attempts(ctx, body)
		return v.reason
	})
	if !ran {
		return verdict{outcome: Failed, reason: ReasonBreakerOpen}, 0
	}
	if v.outcome == Uncertain {
		c.settler.add(k)
	}
	return v, attempts
}
