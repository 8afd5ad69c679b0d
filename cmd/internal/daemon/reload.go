package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

var (
	errNoReload = errors.New("this daemon has no file to load")
	errStopping = errors.New("the daemon is stopping")
)

// reloader is what a new configuration changes.
type reloader struct {
	load  func() (config.File, error)
	level *slog.LevelVar

	mu      sync.Mutex // serializes reloading
	current config.File
	lists   []*deflect.DoNotTextFile
	watches sync.WaitGroup
	unwatch context.CancelFunc // ends the watches of lists

	successful, at prometheus.Gauge
}

func newReloader(o Options) (*reloader, []prometheus.Collector) {
	r := &reloader{
		load: o.Load, level: o.Level, current: o.Config, unwatch: func() {},
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflectd_config_last_reload_successful",
			Help: "1 if the last attempt to load the configuration succeeded, else 0: the one before is in use.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflectd_config_last_reload_success_timestamp_seconds",
			Help: "When a configuration was loaded successfully for the last time.",
		}),
	}
	r.done(true)
	whole := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "deflectd_do_not_text_whole",
		Help: "1 while every do-not-text list could be read as it is, else 0: those known before are kept.",
	}, r.whole)
	return r, []prometheus.Collector{r.successful, r.at, whole}
}

func (r *reloader) done(ok bool) {
	if !ok {
		r.successful.Set(0)
		return
	}
	r.successful.Set(1)
	r.at.SetToCurrentTime()
}

// whole is the value of the gauge.
func (r *reloader) whole() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lists {
		if !l.Whole() {
			return 0
		}
	}
	return 1
}

// watch looks after the do-not-text lists of the current configuration, and no
// longer after those before.
func (r *reloader) watch(log *slog.Logger) {
	r.unwatch()
	ctx, cancel := context.WithCancel(context.Background())
	r.unwatch, r.lists = cancel, r.current.Lists
	for _, l := range r.lists {
		r.watches.Go(func() { l.Watch(ctx, log) })
	}
}

// close ends the watches.
func (r *reloader) close() {
	r.mu.Lock()
	r.unwatch()
	r.mu.Unlock()
	r.watches.Wait()
}

// Reload loads the configuration anew and goes on with it; calls in progress keep
// theirs. With any problem everything stays as it was, and the error tells every
// problem. It is safe for concurrent use.
func (d *Daemon) Reload() error {
	r := d.reloader
	r.mu.Lock()
	defer r.mu.Unlock()
	err := d.reload()
	r.done(err == nil)
	if err != nil {
		d.log.Error("configuration not reloaded, going on with the one before", "err", err)
		return err
	}
	d.log.Info("configuration reloaded", "profiles", names(r.current.FreeSWITCH.Profiles))
	return nil
}

func (d *Daemon) reload() error {
	r := d.reloader
	switch {
	case r.load == nil:
		return errNoReload
	case d.stopping.Load():
		return errStopping
	}
	next, err := r.load()
	if err != nil {
		return err
	}
	if err := next.Follows(r.current); err != nil {
		return err
	}
	// The client first: the server reads numbers in its region.
	if err := d.client.Reload(next.Deflect); err != nil {
		return err
	}
	if err := d.server.Reload(next.FreeSWITCH); err != nil {
		return errors.Join(err, d.client.Reload(r.current.Deflect))
	}
	for _, w := range next.Warnings {
		d.log.Warn("configuration", "at", config.Located(next.Name, w))
	}
	if r.level != nil {
		r.level.Set(Level(next.Log))
	}
	r.current = next
	r.watch(d.log)
	return nil
}
