// Package apis makes what a configuration says of LivePerson's APIs ready for use: the
// backends of its profiles, who tells them hosts, and who tells whether agents are on shift.
package apis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Options are what the APIs need beside a configuration; the zero value is none of it.
type Options struct {
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Transport  http.RoundTripper // of every request; nil is one of each API's own
	Store      liveperson.Store  // of the hosts that the Domain API tells
	Rate       func(account string, perSecond int) c2m.Rate
}

// APIs are those of a configuration. They are safe for concurrent use, but for Reload, which
// is for one at a time.
type APIs struct {
	Live *livedeflect.Client // nil where the configuration does not speak it
	C2M  *c2m.Client         // likewise

	options  Options
	first    string // of the two
	backends map[string]deflect.Backend
	domains  *liveperson.Domains // nil where no host is asked for

	mu      sync.Mutex
	asked   *liveperson.ShiftsConfig // of shifts
	shifts  *liveperson.Shifts       // nil where nobody asks for them
	hearing func(call string, r deflect.Reason)
}

// Open makes the APIs of a configuration, and completes it: with whom its profiles ask
// whether agents are on shift. It does not touch the network.
func Open(file config.File, o Options) (*APIs, config.File, error) {
	a := &APIs{options: o, first: file.API(), backends: map[string]deflect.Backend{}}
	file, err := a.complete(file)
	if err != nil {
		return nil, file, err
	}
	if file.Speaks(config.LiveDeflect) {
		cfg := file.LiveDeflect
		cfg.Transport, cfg.Logger, cfg.Registerer = o.Transport, o.Logger, o.Registerer
		if a.Live, err = livedeflect.New(cfg); err != nil {
			return nil, file, fmt.Errorf("configure LiveDeflect: %w", err)
		}
		a.backends[config.LiveDeflect] = &liveBackend{a.Live, a}
	}
	if file.Speaks(config.C2M) {
		cfg := a.connect(file)
		cfg.Transport, cfg.Logger = o.Transport, o.Logger
		if a.C2M, err = c2m.New(cfg); err != nil {
			a.Close()
			return nil, file, fmt.Errorf("configure Connect to Messaging: %w", err)
		}
		a.backends[config.C2M] = &c2mBackend{a.C2M, a}
	}
	return a, file, nil
}

// complete makes who is asked for hosts and shifts, unless they are there, and returns the
// file that asks them.
func (a *APIs) complete(file config.File) (config.File, error) {
	if file.Domains != nil && a.domains == nil {
		cfg := *file.Domains
		cfg.Store, cfg.Transport, cfg.Logger = a.options.Store, a.options.Transport, a.options.Logger
		domains, err := liveperson.NewDomains(cfg)
		if err != nil {
			return file, fmt.Errorf("configure the Domain API: %w", err)
		}
		a.domains = domains
	}
	if a.domains != nil {
		file = file.WithDomains(a.domains)
	}
	if file.Shifts == nil {
		a.ask(nil, nil)
		return file, nil
	}
	cfg := *file.Shifts
	cfg.Transport, cfg.Logger = a.options.Transport, a.options.Logger
	a.mu.Lock()
	asked, shifts := a.asked, a.shifts
	a.mu.Unlock()
	if asked != nil {
		cfg.Auth = liveperson.Kept(asked.Auth, cfg.Auth)
	}
	if asked == nil || !same(*asked, cfg) {
		var err error
		if shifts, err = liveperson.NewShifts(cfg); err != nil {
			return file, fmt.Errorf("configure the shift status: %w", err)
		}
	}
	a.ask(&cfg, shifts)
	return file.WithShifts(shifts), nil
}

// same reports whether two configurations ask the same of the same.
func same(a, b liveperson.ShiftsConfig) bool {
	return a.Account == b.Account && a.URL == b.URL && a.Domains == b.Domains && a.Auth == b.Auth
}

// ask goes on with who tells shifts, and with who hears of the requests for them.
func (a *APIs) ask(cfg *liveperson.ShiftsConfig, shifts *liveperson.Shifts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked, a.shifts = cfg, shifts
	if a.hearing != nil && shifts != nil {
		shifts.OnRequest(a.hearing)
	}
}

// connect is the configuration of Connect to Messaging, with its rate.
func (a *APIs) connect(file config.File) c2m.Config {
	cfg := *file.C2M
	if a.options.Rate != nil {
		places := cfg.RatePerSecond
		if places == 0 {
			places = c2m.DefaultConfig().RatePerSecond
		}
		cfg.Rate = a.options.Rate(cfg.Account, places)
	}
	return cfg
}

// Reload goes on with another configuration, of which Follows has said that it can, and
// returns it completed as Open does. With an error some of it may be in use already, which
// only a defect can bring about: the configuration was checked when it was loaded.
func (a *APIs) Reload(file config.File) (config.File, error) {
	file, err := a.complete(file)
	if err != nil {
		return file, err
	}
	if a.Live != nil {
		err = a.Live.Reload(file.LiveDeflect)
	}
	if a.C2M != nil {
		err = errors.Join(err, a.C2M.Reload(a.connect(file)))
	}
	return file, err
}

// Names are those of the backends, the first one that of profiles which say nothing of it.
func (a *APIs) Names() []string {
	names := []string{a.first}
	for _, api := range []string{config.LiveDeflect, config.C2M} {
		if api != a.first && a.backends[api] != nil {
			names = append(names, api)
		}
	}
	return names
}

// Backend is that of profiles which say nothing of it, for deflect.Config.
func (a *APIs) Backend() deflect.Backend { return a.backends[a.first] }

// Of is the name of the API by which callers of a profile are texted, and of those whom none
// serves.
func Of(file config.File, profile string) string {
	for i, p := range file.FreeSWITCH.Profiles {
		if p.Name == profile {
			return file.APIs[i]
		}
	}
	return file.API()
}

// Backends are those of the profiles that have another one, for deflect.Config.
func (a *APIs) Backends(file config.File) map[string]deflect.Backend {
	others := map[string]deflect.Backend{}
	for i, p := range file.FreeSWITCH.Profiles {
		if api := file.APIs[i]; api != a.first {
			others[p.Name] = a.backends[api]
		}
	}
	return others
}

// ProveDouble has every API prove that it is a simulator, which texts nobody. See
// livedeflect.Client and c2m.Client.
func (a *APIs) ProveDouble(ctx context.Context) error {
	var errs []error
	if a.Live != nil {
		errs = append(errs, named("LiveDeflect", a.Live.ProveDouble(ctx)))
	}
	if a.C2M != nil {
		errs = append(errs, named("Connect to Messaging", a.C2M.ProveDouble(ctx)))
	}
	return errors.Join(errs...)
}

func named(api string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", api, err)
}

// Close ends them. Close those that send through them before.
func (a *APIs) Close() {
	if a == nil {
		return
	}
	if a.Live != nil {
		a.Live.Close()
	}
	if a.C2M != nil {
		a.C2M.Close()
	}
}

// The backends count the requests for shifts too, which none of the APIs knows of.
type (
	liveBackend struct {
		*livedeflect.Client
		all *APIs
	}
	c2mBackend struct {
		*c2m.Client
		all *APIs
	}
)

func (b *liveBackend) Calls() []string { return b.all.calls(b.Name(), b.Client.Calls()) }
func (b *c2mBackend) Calls() []string  { return b.all.calls(b.Name(), b.Client.Calls()) }

func (b *liveBackend) OnRequest(hear func(call string, r deflect.Reason)) {
	b.Client.OnRequest(hear)
	b.all.onRequest(b.Name(), hear)
}

func (b *c2mBackend) OnRequest(hear func(call string, r deflect.Reason)) {
	b.Client.OnRequest(hear)
	b.all.onRequest(b.Name(), hear)
}

// calls are those of an API, and those for shifts with those of the first one.
func (a *APIs) calls(api string, calls []string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if api != a.first || a.shifts == nil {
		return calls
	}
	for _, call := range a.shifts.Calls() {
		if !slices.Contains(calls, call) {
			calls = append(calls, call)
		}
	}
	return calls
}

func (a *APIs) onRequest(api string, hear func(call string, r deflect.Reason)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if api == a.first {
		a.hearing = hear
		if a.shifts != nil {
			a.shifts.OnRequest(hear)
		}
	}
}
