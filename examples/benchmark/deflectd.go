package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// serveDeflectd serves calls with the project's packages, as the daemon sets them up,
// and returns where.
func serveDeflectd(ctx context.Context, api, _ string) (address string, err error) {
	return serveSession(ctx, api, nil)
}

// serveWithJournal is serveDeflectd with a journal in a new file.
func serveWithJournal(ctx context.Context, api, disk string) (address string, err error) {
	dir, err := os.MkdirTemp(disk, "journal-*")
	if err != nil {
		return "", err
	}
	// Not closed: that a process can end without is what it is for.
	kept, err := journal.Open(dir, journal.Options{})
	if err != nil {
		return "", err
	}
	return serveSession(ctx, api, func(cfg *deflect.Config) error {
		cfg.Journal = kept
		return nil
	})
}

func serveSession(ctx context.Context, api string, change func(*deflect.Config) error) (address string, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	log := jsonLogger(null)
	client, err := newClient(api, change, log, registry)
	if err != nil {
		return "", err
	}
	server, err := freeswitch.New(freeswitch.Config{
		Client:   client,
		Profiles: []freeswitch.Profile{{Name: "sales", Skill: skill, Text: textMessage}},
		MaxCalls: 20000,
		// Held calls are silent for as long as it takes to make them all.
		IdleTimeout: 10 * time.Minute,
		Logger:      log,
		Registerer:  registry,
	})
	if err != nil {
		return "", err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		if err := server.Serve(ctx, ln); err != nil {
			fmt.Fprintln(os.Stderr, "deflectd:", err)
		}
	}()
	return ln.Addr().String(), nil
}

// newClient returns a client of the API that is played here.
func newClient(api string, change func(*deflect.Config) error, log *slog.Logger, registry prometheus.Registerer) (*deflect.Client, error) {
	backend, err := livedeflect.New(livedeflect.Config{
		SiteID:  siteID,
		BaseURL: api,
		Auth: liveperson.OAuth1{
			ConsumerKey: keys.ConsumerKey, ConsumerSecret: deflect.NewSecret(keys.ConsumerSecret),
			Token: keys.Token, TokenSecret: deflect.NewSecret(keys.TokenSecret),
		},
		Logger:     log,
		Registerer: registry,
	})
	if err != nil {
		return nil, err
	}
	// Where a host takes the disk away for a moment, that is in the times, and not the end of a
	// run: a text that is not sent would be.
	cfg := deflect.Config{Backend: backend, JournalOptional: true, Logger: log, Registerer: registry}
	if change != nil {
		if err := change(&cfg); err != nil {
			return nil, err
		}
	}
	return deflect.New(cfg)
}

// jsonLogger is the logger of the daemon.
func jsonLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Value.Kind() == slog.KindDuration {
				a.Value = slog.Float64Value(a.Value.Duration().Round(time.Microsecond).Seconds())
			}
			return a
		},
	}))
}
