package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// httpStop is how long a scrape in progress may take when all else is over.
const httpStop = 5 * time.Second

// Options are what a daemon is made of. Only Config is required.
type Options struct {
	Config config.File
	Logger *slog.Logger                // nil discards
	Level  *slog.LevelVar              // of Logger, for Reload to set; optional
	Queue  *LogQueue                   // of Logger, for the metric of what it loses; optional
	Load   func() (config.File, error) // what Reload loads; without it Reload fails
	Build  Build                       // zero is ReadBuild

	WebConfig string    // file of TLS and passwords of the HTTP port, see CheckWebConfig; "" for none
	Inherited Inherited // sockets to use in place of the addresses of Config; Run closes them

	Transport http.RoundTripper    // nil is liveperson.NewTransport; for tests
	Registry  *prometheus.Registry // nil is a new one
}

// Daemon serves the calls of one configuration.
type Daemon struct {
	apis    *apis.APIs
	journal *journal.Journal // nil without state.dir
	fleet   *fleet.Fleet     // nil without redis
	local   bool             // while it is away, each daemon goes by its own memory
	client  *deflect.Client
	funnel  *funnel.Live // nil where the report is not polled
	server  *freeswitch.Server
	traces  *traces
	http    *http.Server
	status  *statusPage // nil where it is switched off
	log     *slog.Logger
	about   []any // what the line at the start says
	room    Descriptors

	reloader *reloader

	calls, web net.Listener
	webConfig  string
	profiled   atomic.Bool // profiles of Go are served
	held       *held       // calls, where a supervisor holds them too
	stopping   atomic.Bool
	unwritten  func() error // why the journal is not written now
	optional   atomic.Bool  // texts go out without the journal too
}

// New listens on both addresses of the configuration, so that Addr and HTTPAddr
// are known and a port that is taken shows here, as does a journal that cannot be used.
// No call and no request is served before Run, but texts that wait in the journal can go
// out from here on. None does when New fails.
func New(o Options) (_ *Daemon, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Build == (Build{}) {
		o.Build = ReadBuild()
	}
	reg := o.Registry
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	reloader, reloads := newReloader(o)
	for _, c := range append(reloads,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), o.Build.collector(),
		lostLines(o.Queue),
	) {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("daemon: register metrics: %w", err)
		}
	}

	d := &Daemon{log: o.Logger, reloader: reloader, local: o.Config.AwayLocal, webConfig: o.WebConfig}
	defer func() {
		if err != nil {
			d.undo()
		}
	}()
	room := ShareDescriptors(o.Config)
	if d.journal, err = openJournal(o.Config, o.Logger); err != nil {
		return nil, err
	}
	if err = d.openFleet(o.Config, reg); err != nil {
		return nil, err
	}
	if o.Config, err = d.openAPIs(o, reg); err != nil {
		return nil, err
	}
	o.Config = d.shared(o.Config)
	if err = d.listen(o); err != nil {
		return nil, err
	}
	engine := o.Config.Deflect
	engine.Backend, engine.Backends = d.apis.Backend(), d.apis.Backends(o.Config)
	engine.Logger, engine.Registerer = o.Logger, reg
	engine.MaxRequests = room.Requests
	d.unwritten = func() error { return nil }
	if d.journal != nil {
		engine.Journal, d.unwritten = d.journal, d.journal.Err
	}
	if d.fleet != nil {
		engine.Cooldowns, engine.Budgets, engine.Warnings = d.fleet.Cooldowns(), d.fleet.Budgets(), d.fleet.Warnings()
	}
	if engine.Policies, err = o.Config.Policies(); err != nil {
		return nil, fmt.Errorf("daemon: configure the profiles: %w", err)
	}
	if polls := o.Config.Funnel; polls.Every > 0 {
		polls.Logger, polls.Registerer = o.Logger, reg
		if d.funnel, err = funnel.NewLive(d.apis.Live, d.apis.C2M, polls); err != nil {
			return nil, fmt.Errorf("daemon: configure the report: %w", err)
		}
	}
	d.sayGone(o.Config.FreeSWITCH.Profiles)
	// It takes up what waits, and may send it soon: all that can keep this daemon from
	// starting comes before, but for what needs it.
	d.traces = newTraces(engine.DefaultRegion, o.Config.Traced())
	engine.Trace = d.traces.engineHooks()
	if d.client, err = deflect.New(engine); err != nil {
		return nil, fmt.Errorf("daemon: configure the engine: %w", err)
	}
	fs := o.Config.FreeSWITCH
	fs.Client, fs.Logger, fs.Registerer = d.client, o.Logger, reg
	fs.MaxCalls = room.Calls
	fs.Trace = d.traces.switchHooks()
	if d.fleet != nil {
		fs.Claims = d.fleet.Claims()
	}
	if d.server, err = freeswitch.New(fs); err != nil {
		return nil, fmt.Errorf("daemon: configure FreeSWITCH: %w", err)
	}
	var keeper state.Keeper
	if d.journal != nil {
		keeper = state.Local{Journal: d.journal, Region: engine.DefaultRegion, Changed: d.client.ReadJournal}
	}
	d.optional.Store(engine.JournalOptional)
	served := endpoints{
		registry: reg, ready: d.ready, reload: d.Reload,
		state: newStateHandler(keeper, d.traces, o.Logger),
		trace: &traceHandler{d.traces, o.Logger},
		api:   newAPIHandler(d.apis.ProveDouble, d.Addr()),
		pprof: profiles(&d.profiled),
		log:   o.Logger,
	}
	if !o.Config.NoStatus {
		d.status = newStatusPage(d, reg, o.Build, max(1, room.HTTP/4), o.Logger)
		d.status.set(o.Config, engine.Policies, room.Calls)
		served.status = d.status
	}
	d.http = newHTTPServer(served)
	d.profiled.Store(o.Config.Pprof)

	guests := newGuests(d.web, room.HTTP)
	d.web, d.http.ConnState, d.http.ConnContext = guests, guests.changed, guests.known
	d.http.Handler = guests.served(d.http.Handler)
	d.about = []any{
		"version", o.Build.Version, "outbound", d.Addr(), "http", d.HTTPAddr(), "profiles", names(fs.Profiles),
		"max_calls", room.Calls, "apis", d.apis.Names(),
	}
	if o.Config.StateDir != "" {
		d.about = append(d.about, "state", o.Config.StateDir)
	}
	if d.fleet != nil {
		d.about = append(d.about, "redis", o.Config.Fleet.Addresses)
	}
	d.room = room
	d.sayElsewhere("freeswitch.outbound.listen", o.Config.OutboundListen, d.calls)
	d.sayElsewhere("http.listen", o.Config.HTTPListen, d.web)
	if len(fs.Inbound) > 0 {
		d.about = append(d.about, "watching", d.server.Away()) // all of them, as yet
	}
	return d, nil
}

// listen listens on both addresses, unless a supervisor does.
func (d *Daemon) listen(o Options) (err error) {
	if d.calls, d.held = o.Inherited.Calls, o.Inherited.held; d.calls == nil {
		if d.calls, err = freeswitch.Listen(o.Config.OutboundListen); err != nil {
			return fmt.Errorf("daemon: listen for calls: %w", err)
		}
	}
	if d.web = o.Inherited.HTTP; d.web == nil {
		if d.web, err = net.Listen("tcp", o.Config.HTTPListen); err != nil {
			return fmt.Errorf("daemon: listen for HTTP: %w", err)
		}
	}
	return nil
}

// undo lets go of what New has opened, when it fails.
func (d *Daemon) undo() {
	d.client.Close() // before the journal, which it writes to
	if d.funnel != nil {
		d.funnel.Close()
	}
	d.apis.Close()
	d.closeFleet() // before the journal too
	if d.journal != nil {
		d.journal.Close()
	}
	if d.calls != nil && d.held == nil { // or callers would wait for a start that has failed
		d.calls.Close()
	}
	if d.web != nil {
		d.web.Close()
	}
}

// Addr is where FreeSWITCH's socket application connects to.
func (d *Daemon) Addr() string { return d.calls.Addr().String() }

// HTTPAddr is where metrics, health and readiness are served.
func (d *Daemon) HTTPAddr() string { return d.web.Addr().String() }

// Run serves until ctx ends, and then until the last call is over. It returns
// nil after such a stop, else why the daemon could not go on; calls in progress
// are drained in both cases.
func (d *Daemon) Run(ctx context.Context) error {
	if d.held != nil {
		d.held.serve()
		defer d.held.Close()
	}
	d.log.Info("deflectd started", d.about...)
	d.sayShort(d.room)
	began := time.Now()
	serveCtx, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	served, webbed, watched := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	d.reloader.begin(d.log)
	polled := make(chan struct{})
	pollCtx, stopPolling := context.WithCancel(ctx)
	defer stopPolling()
	go func() {
		defer close(polled)
		if d.funnel != nil {
			d.funnel.Run(pollCtx)
		}
	}()
	var inspected sync.WaitGroup
	if d.fleet != nil {
		inspected.Go(func() { d.inspect(pollCtx) })
	}
	inspected.Go(func() { d.status.run(pollCtx) })
	go func() { served <- d.server.Serve(serveCtx, d.calls) }()
	go func() { watched <- d.server.Watch(serveCtx) }()
	go func() { webbed <- serveHTTP(d.http, d.web, d.webConfig, d.log) }()

	fed, feeding := context.WithCancel(context.WithoutCancel(ctx))
	var supervised sync.WaitGroup
	supervised.Go(func() { d.feed(fed) })
	defer supervised.Wait()
	defer feeding()
	d.notify(sd.SdNotifyReady, "STATUS=Takes calls")

	var callErr, webErr error
	calling, serving := true, true
	select {
	case <-ctx.Done():
	case webErr = <-webbed:
		serving = false
	case callErr = <-served:
		calling = false
	}

	d.stopping.Store(true)
	d.notifyStopping()
	d.log.Info("deflectd draining", "calls", d.server.Calls())
	stopServing()
	if calling {
		callErr = <-served
	}
	watchErr := <-watched
	d.status.close() // whoever watches has seen the last call end
	if serving {
		webErr = d.stopHTTP(webbed)
	}
	stopPolling()
	<-polled
	inspected.Wait()
	d.reloader.close()
	if d.funnel != nil {
		d.funnel.Close()
	}
	d.client.Close()
	d.apis.Close()
	err := errors.Join(broke("calls", callErr), broke("waiting calls", watchErr), broke("HTTP", webErr), d.closeFleet(), d.closeJournal())
	d.log.Info("deflectd stopped", "uptime", time.Since(began).Round(time.Millisecond))
	return err
}

// closeJournal writes what is left of it. Nobody uses it any more.
func (d *Daemon) closeJournal() error {
	if d.journal == nil {
		return nil
	}
	if err := d.journal.Close(); err != nil {
		return fmt.Errorf("daemon: close the journal: %w", err)
	}
	return nil
}

// Cut ends live calls now; their callers go on in the dialplan. It is for the
// second signal, after the end of Run's context.
func (d *Daemon) Cut() {
	d.log.Warn("deflectd cutting live calls", "calls", d.server.Calls())
	d.server.Cut()
}

// stopHTTP lets requests in progress end, but not for long.
func (d *Daemon) stopHTTP(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), httpStop)
	defer cancel()
	if d.http.Shutdown(ctx) != nil {
		d.http.Close()
	}
	return <-served
}

// ready reports whether calls are taken, and whether every switch is watched, and says
// what is not so. A journal that does not write keeps texts from going out where it is
// required: another deflectd of a fleet can do more for those callers.
func (d *Daemon) ready() (takesCalls, watches bool, about string) {
	if d.stopping.Load() {
		return false, false, "draining"
	}
	if d.server.Refusing() {
		return false, false, "full: no more calls until some end"
	}
	var lines []string
	switch err := d.unwritten(); {
	case err != nil && !d.optional.Load():
		return false, false, "journal: no text goes out, for none can be written down: " + err.Error()
	case err != nil:
		lines = append(lines, "journal: texts go out without being written down: "+err.Error())
	}
	if redis := d.away(); redis != "" {
		lines = append(lines, redis)
	}
	away := d.server.Away()
	if len(away) > 0 {
		lines = append(lines, "freeswitch away: "+strings.Join(away, ", "))
	}
	return true, len(away) == 0, strings.Join(lines, "\n")
}

// sayShort says that not as many calls are served as the configuration allows.
func (d *Daemon) sayShort(room Descriptors) {
	if room.Short() != "" {
		remedy := "raise it (ulimit -n, LimitNOFILE=)"
		if room.Calls < room.fresh {
			remedy += ", or restart"
		}
		d.log.Warn("max_calls lowered: more do not fit into the limit of open files; "+remedy,
			"to", room.Calls, "from", room.wanted, "open_files", room.Limit)
	}
}

func broke(what string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("daemon: serve %s: %w", what, err)
}

func names(profiles []freeswitch.Profile) []string {
	out := make([]string, len(profiles))
	for i, p := range profiles {
		out[i] = p.Name
	}
	return out
}
