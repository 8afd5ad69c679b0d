package livedeflect

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/metric"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Client talks to one LiveDeflect account: it is the [deflect.Backend] that sends texts
// there, and reads the account's report. It is safe for concurrent use; make one with
// [New] and keep it. One that was not made by New, nil included, sends nothing.
type Client struct {
	setup     atomic.Pointer[setup]
	reloading sync.Mutex
	own       *wire.Renewing // set when the transport is ours to close
	clock     wire.Clock
	hook      atomic.Pointer[func(string, deflect.Reason)] // of OnRequest
	reports   map[deflect.Reason]prometheus.Counter
	collector *prometheus.CounterVec // of reports
	log       *slog.Logger
	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	closing   sync.Once
}

var (
	_ deflect.Backend = (*Client)(nil)
	_ deflect.Teller  = (*Client)(nil)
	_ deflect.Meter   = (*Client)(nil)
)

// setup is what a Client works by, until [Client.Reload] replaces it. It does not
// change.
type setup struct {
	Config
	root string // URL of the API without a trailing slash; "" when Domains tells it
	link *wire.Link
}

// Name implements [deflect.Backend].
func (c *Client) Name() string { return "livedeflect" }

// at returns the URL of a path of the API. It waits for Domains as long as ctx allows.
func (s *setup) at(ctx context.Context, path string) (string, error) {
	if s.root != "" {
		return s.root + path, nil
	}
	root, err := s.Root(ctx)
	return root + path, err
}

// New returns a Client. The error lists every problem of the configuration, see
// [Config.Validate]. New does not touch the network.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Client{log: cfg.Logger, reports: map[deflect.Reason]prometheus.Counter{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if cfg.Transport == nil {
		c.own = wire.NewRenewing(liveperson.NewTransport)
		cfg.Transport = c.own
	}
	c.collector = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_report_requests_total",
		Help: "Requests for the report by what became of them.",
	}, []string{"result"})
	for r := range reportEnds {
		c.reports[r] = c.collector.WithLabelValues(string(r))
	}
	if err := metric.Register(cfg.Registerer, []prometheus.Collector{c.collector}); err != nil {
		return nil, &deflect.ConfigError{Field: "Registerer", Err: err}
	}
	c.setup.Store(c.newSetup(cfg))
	return c, nil
}

func (c *Client) newSetup(cfg Config) *setup {
	s := &setup{Config: cfg, link: wire.NewLink(cfg.Auth, cfg.Transport, &c.clock)}
	s.root, _, _ = cfg.endpoint()
	if f := c.hook.Load(); f != nil {
		s.onRequest(*f)
	}
	return s
}

// Reload goes on with another configuration: keys, forms of the request, report. What is
// in progress ends as it began. Transport, Domains, Logger and Registerer stay as they were
// given to [New].
//
// The error lists every problem, see [Config.Validate] and [Config.Follows]; the Client
// then goes on as before. SiteID, Domain and BaseURL cannot change, because what is
// uncertain belongs to the account.
func (c *Client) Reload(cfg Config) error {
	if err := c.refuses(); err != nil {
		return err
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	old := c.setup.Load()
	cfg.Transport, cfg.Logger, cfg.Registerer = old.Transport, old.Logger, old.Registerer
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
	c.setup.Store(c.newSetup(cfg))
	return nil
}

// Close takes the metrics off the Registerer and closes idle connections of the Client's
// own transport; close the [deflect.Client] that sends through it before. Requests in
// progress go on. A report that is asked for afterwards is refused with
// [deflect.ErrClosed]. Close may be called more than once, and beside calls.
func (c *Client) Close() {
	if !c.made() {
		return
	}
	c.cancel()
	// Only once: by then the metrics may be those of the next Client.
	c.closing.Do(func() { metric.Unregister(c.setup.Load().Registerer, []prometheus.Collector{c.collector}) })
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
