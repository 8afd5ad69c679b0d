package c2m

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Client talks to Connect to Messaging for one account: it is the [deflect.Backend] that is
// asked before a caller is offered a text, and sends it. It is safe for concurrent use; make
// one with [New] and keep it. One that was not made by New, nil included, sends nothing.
type Client struct {
	setup     atomic.Pointer[setup]
	reloading sync.Mutex
	own       *wire.Renewing // set when the transport is ours to close
	clock     wire.Clock
	invites   atomic.Int64 // those that wait for their turn
	questions atomic.Int64 // the same of callers who have asked for a text
	left      leftOut
	reports   *bucket                                      // the rate of requests for transactions
	hears     atomic.Pointer[func(string, deflect.Reason)] // who hears of other requests
	ctx       context.Context                              // ends with Close
	cancel    context.CancelFunc
}

var (
	_ deflect.Backend = (*Client)(nil)
	_ deflect.Asker   = (*Client)(nil)
	_ deflect.Teller  = (*Client)(nil)
	_ deflect.Meter   = (*Client)(nil)
)

// setup is what a Client works by, until [Client.Reload] replaces it. It does not
// change.
type setup struct {
	Config
	link *wire.Link
	own  *bucket // the rate of this Client alone
	at   atomic.Pointer[endpoints]
}

// New returns a Client. The error lists every problem of the configuration, see
// [Config.Validate]. New does not touch the network.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{reports: newBucket(reportRate)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if cfg.Transport == nil {
		c.own = wire.NewRenewing(liveperson.NewTransport)
		cfg.Transport = c.own
	}
	c.setup.Store(c.newSetup(cfg, nil))
	return c, nil
}

func (c *Client) newSetup(cfg Config, old *setup) *setup {
	s := &setup{Config: cfg, link: wire.NewLink(cfg.Auth, cfg.Transport, &c.clock)}
	if root, _ := cfg.root(); root != "" {
		s.at.Store(newEndpoints(root, cfg.Account))
	}
	if old != nil && old.RatePerSecond == cfg.RatePerSecond {
		s.own = old.own
	} else {
		s.own = newBucket(cfg.RatePerSecond)
	}
	if hear := c.hears.Load(); hear != nil {
		s.onRequest(*hear)
	}
	return s
}

// Name implements [deflect.Backend].
func (c *Client) Name() string { return "c2m" }

// Reload goes on with another configuration: credentials, handoff, channels, rate. What is
// in progress ends as it began. Transport, Domains and Logger stay as they were given to
// [New].
//
// The error lists every problem, see [Config.Validate] and [Config.Follows]; the Client
// then goes on as before. Account and BaseURL cannot change, because what is uncertain
// belongs to the account.
func (c *Client) Reload(cfg Config) error {
	if err := c.refuses(); err != nil {
		return err
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	old := c.setup.Load()
	cfg.Transport, cfg.Logger = old.Transport, old.Logger
	if cfg.Domains != nil && old.Domains != nil {
		cfg.Domains = old.Domains // it knows
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	cfg.Auth = liveperson.Kept(old.Auth, cfg.Auth)
	if err := cfg.Follows(old.Config); err != nil {
		return err
	}
	c.setup.Store(c.newSetup(cfg, old))
	return nil
}

// Close closes idle connections of the Client's own transport; close the [deflect.Client]
// that sends through it before. Requests in progress go on. Close may be called more than
// once, and beside calls.
func (c *Client) Close() {
	if !c.made() {
		return
	}
	c.cancel()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// Now is what the clock of the API shows at a time of ours, as its answers tell; ours
// when none has told.
func (c *Client) Now(at time.Time) time.Time {
	if !c.made() {
		return at.Round(0)
	}
	return c.clock.Show(at)
}

// meters are those of the requests that others make for this Client.
func (s *setup) meters() (list []deflect.Meter) {
	if m, ok := s.Auth.(deflect.Meter); ok {
		list = append(list, m)
	}
	if s.Domains != nil {
		list = append(list, s.Domains)
	}
	return list
}

func (s *setup) onRequest(hear func(call string, r deflect.Reason)) {
	for _, m := range s.meters() {
		m.OnRequest(hear)
	}
}

// Calls implements [deflect.Meter]: the requests for credentials, hosts and the report.
func (c *Client) Calls() (calls []string) {
	if !c.made() {
		return nil
	}
	calls = []string{callTransactions}
	for _, m := range c.setup.Load().meters() {
		calls = append(calls, m.Calls()...)
	}
	slices.Sort(calls)
	return slices.Compact(calls)
}

// OnRequest implements [deflect.Meter].
func (c *Client) OnRequest(hear func(call string, r deflect.Reason)) {
	if !c.made() {
		return
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	c.hears.Store(&hear)
	c.setup.Load().onRequest(hear)
}

func (c *Client) made() bool { return c != nil && c.setup.Load() != nil }

var errNotMade = fmt.Errorf("%w: this Client was not made by New", deflect.ErrInternal)

// refuses returns why a Client does nothing: it was not made by [New], or is closed.
func (c *Client) refuses() *deflect.Error {
	switch {
	case !c.made():
		return &deflect.Error{Outcome: deflect.Failed, Reason: deflect.ReasonInternal, Err: errNotMade}
	case c.ctx.Err() != nil:
		return &deflect.Error{Outcome: deflect.Failed, Reason: deflect.ReasonShutdown, Err: deflect.ErrClosed}
	}
	return nil
}
