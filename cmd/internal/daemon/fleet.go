package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9/logging"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
)

// The client of Redis writes to standard error by itself, past the log, which tells the same.
func init() { logging.Disable() }

// openFleet makes what is shared with other daemons; nil where a configuration shares
// nothing. It does not connect.
func (d *Daemon) openFleet(file config.File, reg prometheus.Registerer) error {
	if file.Fleet == nil {
		return nil
	}
	cfg := *file.Fleet
	cfg.Logger, cfg.Registerer = d.log, reg
	if file.AwayLocal {
		cfg.Local = deflect.NewCooldowns(file.Deflect.MaxCooldowns)
		if d.journal != nil {
			cfg.Local = d.journal
		}
	}
	var err error
	if d.fleet, err = fleet.New(cfg); err != nil {
		return fmt.Errorf("daemon: configure Redis: %w", err)
	}
	return nil
}

// shared is a configuration whose profiles ask the do-not-text lists of the fleet.
func (d *Daemon) shared(file config.File) config.File {
	return file.WithOptOuts(func(set string) deflect.DoNotText { return d.fleet.OptOuts(set) })
}

// closeFleet ends it. The engine and the switches do not use it any more, and the journal
// that it may write to is still open.
func (d *Daemon) closeFleet() error {
	if d.fleet == nil {
		return nil
	}
	if err := d.fleet.Close(); err != nil {
		return fmt.Errorf("daemon: leave Redis: %w", err)
	}
	return nil
}

// away says what callers miss while Redis does not do what it is asked, "" while it does.
// Calls are served all the same.
func (d *Daemon) away() string {
	if d.fleet == nil {
		return ""
	}
	err := d.fleet.Err()
	switch {
	case err == nil:
		return ""
	case d.local:
		return "redis: this deflectd goes by its own memory, so that a caller can get a text from each; nobody is texted whose profile has do_not_text_redis, or who waits in a queue: " + err.Error()
	}
	return "redis: nobody is texted whose profile has a cooldown, a budget or do_not_text_redis, or who waits in a queue: " + err.Error()
}

const inspectTime = 5 * time.Second

// inspect tells the log what of Redis endangers what a fleet promises.
func (d *Daemon) inspect(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	findings, err := d.fleet.Inspect(ctx)
	for _, f := range findings {
		d.log.Log(ctx, f.Severity, "redis looked at", "finding", f.Text)
	}
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) { // as when the daemon stops
		d.log.Warn("redis could not be looked at", "err", err)
		return
	}
	if err := d.fleet.Introduce(ctx); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		d.log.Warn("redis does not take what tells other keys of the fleet from this one", "err", err)
	}
}

// configInfo is the metric that tells which configuration is in use.
type configInfo struct {
	desc *prometheus.Desc
	hash atomic.Value // func() string
}

func newConfigInfo(file config.File) *configInfo {
	c := &configInfo{desc: prometheus.NewDesc("deflectd_config_info",
		"Always 1; the label is the same for daemons that serve calls alike.", []string{"hash"}, nil)}
	c.set(file)
	return c
}

// set hashes a configuration when somebody asks.
func (c *configInfo) set(file config.File) { c.hash.Store(sync.OnceValue(file.Hash)) }

// Describe implements [prometheus.Collector].
func (c *configInfo) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements [prometheus.Collector].
func (c *configInfo) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, 1, c.hash.Load().(func() string)())
}
