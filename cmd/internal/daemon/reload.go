package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

var (
	errNoReload = errors.New("this daemon has no file to load")
	errStopping = errors.New("the daemon is stopping")
)

// watchStop is how long the end waits for looks at do-not-text lists: a file system
// may hang.
const watchStop = 2 * time.Second

// reloader is what a new configuration changes.
type reloader struct {
	load  func() (config.File, error)
	level *slog.LevelVar

	reloading chan struct{} // one at a time is in it, while files are read
	current   config.File

	mu      sync.Mutex // never held while files are read
	next    *reload    // has not begun; nil if nobody waits for one
	lists   []*donottext.File
	unwatch context.CancelFunc // ends the watches of lists; nil before the first
	watches sync.WaitGroup

	successful, at prometheus.Gauge
	info           *configInfo
}

func newReloader(o Options) (*reloader, []prometheus.Collector) {
	r := &reloader{
		load: o.Load, level: o.Level, current: o.Config, lists: o.Config.Lists, reloading: make(chan struct{}, 1), info: newConfigInfo(o.Config),
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflectd_config_last_reload_successful",
			Help: "1 if the last attempt to load the configuration succeeded, else 0: the one before is in use.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflectd_config_last_reload_success_timestamp_seconds",
			Help: "When a configuration was loaded successfully for the last time.",
		}),
	}
	r.successful.Set(1)
	r.at.SetToCurrentTime()
	whole := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "deflectd_do_not_text_whole",
		Help: "1 while every do-not-text list could be read as it is, else 0: those known before are kept.",
	}, r.whole)
	return r, []prometheus.Collector{r.successful, r.at, whole, r.info}
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

// watch looks after do-not-text lists, and no longer after those before. A list
// that was known keeps its entries until a look at the file drops them.
func (r *reloader) watch(lists []*donottext.File, log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range lists {
		for _, before := range r.lists {
			if l.Name() == before.Name() {
				l.Keep(before)
			}
		}
	}
	r.watchLocked(lists, log)
}

// begin looks after the lists of the start, unless a reload was faster.
func (r *reloader) begin(log *slog.Logger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unwatch == nil {
		r.watchLocked(r.lists, log)
	}
}

func (r *reloader) watchLocked(lists []*donottext.File, log *slog.Logger) {
	if r.unwatch != nil {
		r.unwatch()
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.unwatch, r.lists = cancel, lists
	for _, l := range lists {
		r.watches.Go(func() { l.Watch(ctx, log) })
	}
}

// close ends the watches.
func (r *reloader) close() {
	r.mu.Lock()
	if r.unwatch != nil {
		r.unwatch()
	}
	r.mu.Unlock()
	ended := make(chan struct{})
	go func() { defer close(ended); r.watches.Wait() }()
	select {
	case <-ended:
	case <-time.After(watchStop):
	}
}

// reload is one that several may wait for.
type reload struct {
	ended chan struct{}
	err   error // once ended
}

// Reload loads the configuration anew and goes on with it; calls in progress keep
// theirs. With any problem everything stays as it was, and the error tells every
// problem. It is safe for concurrent use: while one runs, those who come share the
// next one, so that each gets the answer of a reload that began after it came.
func (d *Daemon) Reload() error {
	r := d.reloader
	r.mu.Lock()
	mine, first := r.next, r.next == nil
	if first {
		mine = &reload{ended: make(chan struct{})}
		r.next = mine
	}
	r.mu.Unlock()
	if !first {
		<-mine.ended
		return mine.err
	}
	r.reloading <- struct{}{}
	defer func() { <-r.reloading }()
	r.mu.Lock()
	r.next = nil
	r.mu.Unlock()
	defer close(mine.ended)
	mine.err = d.loadAnew()
	return mine.err
}

// loadAnew is one reload.
func (d *Daemon) loadAnew() error {
	r := d.reloader
	d.notifyReloading()
	err := d.reload()
	defer d.notifyReloaded(err)
	switch {
	case errors.Is(err, errStopping):
		d.log.Info("configuration not reloaded", "err", err)
	case err != nil:
		r.successful.Set(0)
		d.log.Error("configuration not reloaded, going on with the one before", "err", err)
	default:
		r.successful.Set(1)
		r.at.SetToCurrentTime()
		d.log.Info("configuration reloaded", "profiles", names(r.current.FreeSWITCH.Profiles))
		d.sayGone(r.current.FreeSWITCH.Profiles)
	}
	return err
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
	switch {
	case err != nil:
		return err
	case d.stopping.Load(): // by now
		return errStopping
	}
	if err := next.Follows(r.current); err != nil {
		return err
	}
	// Whatever can be wrong was found by now: a File was checked as it was loaded.
	if next, err = d.apis.Reload(next); err != nil {
		return err
	}
	next = d.shared(next)
	fs := next.FreeSWITCH
	fs.Client = d.client
	room := ShareDescriptors(next).keeping(d.room.Requests)
	fs.MaxCalls = room.Calls
	engine := next.Deflect
	engine.Backends = d.apis.Backends(next)
	if engine.Policies, err = next.Policies(); err != nil {
		return err
	}
	if d.funnel != nil {
		if err := d.funnel.Reload(next.Funnel); err != nil {
			return err
		}
	}
	// Before anybody asks the lists, which are to know what those before them knew.
	r.watch(next.Lists, d.log)
	if err := d.client.Reload(engine); err != nil {
		return err
	}
	d.optional.Store(engine.JournalOptional)
	d.profiled.Store(next.Pprof)
	if err := d.server.Reload(fs); err != nil {
		return err
	}
	for _, w := range next.Warnings {
		d.log.Warn("configuration", "at", config.Located(next.Name, w))
	}
	if r.level != nil {
		r.level.Set(Level(next.Log))
	}
	d.sayShort(room)
	d.traces.setProfiles(next.Traced())
	r.mu.Lock()
	r.current = next
	r.mu.Unlock()
	r.info.set(next)
	d.status.set(next, engine.Policies, room.Calls)
	return nil
}
