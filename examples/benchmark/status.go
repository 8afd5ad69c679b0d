package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What the status page is compared in: one daemon, in turns. Nobody looks in the second of
// them either, which tells how far two measurements of the same differ.
const (
	unwatched = "deflectd"
	again     = "the same again"
	watched   = "deflectd, pages open"
)

var turns = []string{unwatched, again, watched}

const (
	openPages = 10 // that follow by themselves
	// A page is told once a second, so that a turn of a second holds each cost of it once.
	turnLength = time.Second
	settling   = 100 * time.Millisecond // of a turn's begin, in which people come or go
)

// turn is a time in which people looked, or nobody did.
type turn struct {
	name     string
	from, to int64   // of the clock of marks
	cpu      float64 // of the daemon, in nanoseconds
}

// status measures what people who look at the status page add to a call.
func (l *lab) status(ctx context.Context) error {
	// As for latency: nobody has to wait for a core of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	binary := filepath.Join(l.Disk, "deflectd")
	build := exec.CommandContext(ctx, "go", "-C", "../..", "build", "-o", binary, "./cmd/deflectd")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build deflectd: %w\n%s", err, said)
	}
	rate, length := 2*l.Rate, min(turnLength, l.Time)
	rounds := max(1, int(4*l.Time/turnLength))
	request, cpu := newWaits(), map[string]figures{}
	for run := range l.Runs {
		fmt.Fprintf(l.news, "status: run %d of %d\n", run+1, l.Runs)
		err := l.withDaemon(ctx, binary, func(d *daemonProcess) error {
			if _, err := d.closed(l.WarmUp, parallel); err != nil {
				return err
			}
			p, all, err := d.inTurns(ctx, rate, rounds, length)
			if err != nil {
				return err
			}
			for _, t := range all {
				took := p.during(t.from, t.to)
				if len(took) == 0 {
					return fmt.Errorf("no key was pressed in %s: %d calls/s are too many for deflectd, or this machine", length, rate)
				}
				request.add(t.name, took)
				cpu[t.name] = append(cpu[t.name], t.cpu/float64(len(took)))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	l.title("Status: from the DTMF event to the request at the API, at %d calls/s, on one deflectd: %s a run, with three turns of %s each; in one of them a page is loaded each second, and %d stay open. Medians of all rounds, and in brackets their middle half. Ratios are of turns of the same round: with pages to both without, and those to one another, which is what two measurements of the same differ by.",
		rate, plural(rounds, "round"), length, openPages)
	t := newTable("", "p50", "ratio", "p90", "ratio", "p99", "ratio", "CPU a call", "ratio")
	for _, name := range turns {
		row := []string{name}
		for _, column := range []map[string]figures{request.p50, request.p90, request.p99, cpu} {
			against := ""
			switch name {
			case again:
				against = column[again].over(column[unwatched]).middle(ratio)
			case watched:
				against = column[watched].over(column[unwatched].mean(column[again])).middle(ratio)
			}
			row = append(row, column[name].show(ms), against)
		}
		t.add(row...)
	}
	t.print(l.out)
	return nil
}

// inTurns lets calls come at a rate all the time, while the turns alternate.
func (d *daemonProcess) inTurns(ctx context.Context, rate, rounds int, length time.Duration) (*phase, []turn, error) {
	ctx, cancel := context.WithCancel(ctx)
	var calls sync.WaitGroup
	defer calls.Wait()
	defer cancel()
	p := d.begin(callsAt(rate, time.Duration(rounds*len(turns)+2)*(length+2*settling)))
	calls.Go(func() {
		d.openUntil(ctx, p, rate)
	})
	time.Sleep(length) // as before every other turn, calls are in progress
	var all []turn
	for round := range rounds {
		// People come between the other two, which are first in turns.
		order := []string{unwatched, watched, again}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, name := range order {
			t := turn{name: name}
			err := d.lookedAt(ctx, name == watched, func() (err error) {
				time.Sleep(settling)
				before, err := processTime(d.pid)
				t.from = now()
				time.Sleep(length)
				t.to = now()
				after, err2 := processTime(d.pid)
				t.cpu = float64(after - before)
				return errors.Join(err, err2, p.err())
			})
			if err != nil {
				return nil, nil, err
			}
			all = append(all, t)
		}
	}
	cancel()
	calls.Wait()
	return p, all, p.err()
}

// daemonProcess is the deflectd that users run.
type daemonProcess struct {
	traffic
	web string // of its HTTP port
	pid int
}

// withDaemon runs something on a new one.
func (l *lab) withDaemon(ctx context.Context, binary string, something func(*daemonProcess) error) error {
	calls, err := freeAddress()
	if err != nil {
		return err
	}
	web, err := freeAddress()
	if err != nil {
		return err
	}
	file := filepath.Join(l.Disk, "status.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, `
livedeflect: {site_id: %q, base_url: %q, consumer_key: %s, token: %s}
freeswitch: {outbound: {listen: %q, max_calls: %d}}
http: {listen: %q}
profiles: [{name: sales, skill: %s, text: %q}]
`, siteID, l.api.url, keys.ConsumerKey, keys.Token, calls, 2*maxOpen, web, skill, textMessage), 0o600); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(l.Disk, "status.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	l.api.fresh()
	process := exec.CommandContext(ctx, binary, "--config", file)
	process.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(l.Cores), "GOGC=100",
		"DEFLECT_CONSUMER_SECRET="+keys.ConsumerSecret, "DEFLECT_TOKEN_SECRET="+keys.TokenSecret)
	process.Stderr = log
	process.Cancel = func() error { return process.Process.Signal(os.Interrupt) }
	process.WaitDelay = stopTimeout
	if err := process.Start(); err != nil {
		return err
	}
	d := &daemonProcess{traffic: traffic{rec: l.rec, api: l.api, address: calls}, web: "http://" + web, pid: process.Process.Pid}
	err = d.reach(ctx)
	if err == nil {
		err = something(d)
	}
	err = errors.Join(err, process.Process.Signal(os.Interrupt), process.Wait())
	if err == nil {
		return l.api.verdict()
	}
	said, _ := os.ReadFile(log.Name())
	return fmt.Errorf("deflectd: %w\nit said:\n%s", err, said[max(0, len(said)-tailBytes):])
}

// reach waits until it serves.
func (d *daemonProcess) reach(ctx context.Context) error {
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		_, err := d.get(ctx, "/readyz")
		if err == nil || time.Since(start) > startTimeout {
			return err
		}
	}
}

// get reads an answer to its end.
func (d *daemonProcess) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.web+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return string(body), err
}

// lookedAt runs something while people look, or nobody does.
func (d *daemonProcess) lookedAt(ctx context.Context, is bool, something func() error) error {
	if !is {
		return something()
	}
	ctx, leave := context.WithCancel(ctx)
	var people sync.WaitGroup
	var told atomic.Int64
	here := make(chan error, openPages+1)
	for range openPages {
		people.Go(func() {
			resp, err := d.follow(ctx)
			here <- err
			if err == nil {
				n, _ := io.Copy(io.Discard, resp.Body)
				told.Add(n)
				resp.Body.Close()
			}
		})
	}
	people.Go(func() {
		text, err := d.get(ctx, "/")
		if err == nil && !strings.Contains(text, "</html>") {
			err = errors.New("the status page is cut")
		}
		here <- err
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-tick.C:
				_, _ = d.get(ctx, "/") // the first one has shown that it can be
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	})
	var err error
	for range openPages + 1 {
		err = errors.Join(err, <-here)
	}
	if err == nil {
		err = something()
	}
	leave()
	people.Wait()
	if err == nil && told.Load() == 0 {
		err = errors.New("nobody was told anything by the open pages")
	}
	return err
}

// follow opens the stream of a page.
func (d *daemonProcess) follow(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.web+"/status/events", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = fmt.Errorf("/status/events: %s", resp.Status)
	}
	return resp, err
}
