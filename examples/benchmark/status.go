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
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What the status page is compared in: the same daemon, with and without people who look.
const (
	unwatched = "deflectd"
	watched   = "deflectd, pages open"
)

const (
	openPages   = 10 // that follow by themselves
	statusTurns = 2  // of each, in a run
)

// status measures what people who look at the status page add to a call.
func (l *lab) status(ctx context.Context) error {
	// As for latency: nobody has to wait for a core of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	binary := filepath.Join(l.Disk, "deflectd")
	build := exec.CommandContext(ctx, "go", "-C", "../..", "build", "-o", binary, "./cmd/deflectd")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build deflectd: %w\n%s", err, said)
	}
	rate := 2 * l.Rate
	request, cpu := newWaits(), map[string]figures{}
	for run := range l.Runs {
		fmt.Fprintf(l.news, "status: run %d of %d\n", run+1, l.Runs)
		took, used, calls := map[string][]time.Duration{}, map[string]float64{}, map[string]int{}
		err := l.withDaemon(ctx, binary, func(d *daemonProcess) error {
			if _, err := d.closed(l.WarmUp, parallel); err != nil {
				return err
			}
			for turn := range 2 * statusTurns {
				name := []string{unwatched, watched}[(run+turn+turn/2)%2] // in the order A B B A
				err := d.lookedAt(ctx, name == watched, func() error {
					before, err := d.cpu(ctx)
					if err != nil {
						return err
					}
					p, err := d.open(rate, l.Time)
					if err != nil {
						return err
					}
					after, err := d.cpu(ctx)
					requests, _ := p.since()
					took[name] = append(took[name], requests...)
					used[name], calls[name] = used[name]+after-before, calls[name]+len(p.marks)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, name := range []string{unwatched, watched} {
			request.add(name, took[name])
			cpu[name] = append(cpu[name], used[name]*1e9/float64(calls[name]))
		}
	}
	l.title("Status: from the DTMF event to the request at the API, at %d calls/s, %d times %s of each a run, in turns on one deflectd; with a page that is loaded each second, and %d that stay open.",
		rate, statusTurns, l.Time, openPages)
	t := newTable("", "p50", "ratio", "p90", "ratio", "p99", "ratio", "CPU a call", "ratio")
	for _, name := range []string{unwatched, watched} {
		row := []string{name}
		for _, column := range []map[string]figures{request.p50, request.p90, request.p99, cpu} {
			against := ""
			if name == watched {
				against = column[watched].over(column[unwatched]).spread(ratio)
			}
			row = append(row, column[name].show(ms), against)
		}
		t.add(row...)
	}
	t.print(l.out)
	return nil
}

// daemonProcess is the deflectd that users run.
type daemonProcess struct {
	traffic
	web string // of its HTTP port
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
	d := &daemonProcess{traffic: traffic{rec: l.rec, api: l.api, address: calls}, web: "http://" + web}
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

var cpuForm = regexp.MustCompile(`(?m)^process_cpu_seconds_total (\S+)$`)

// cpu is the user and system time of it, in seconds.
func (d *daemonProcess) cpu(ctx context.Context) (float64, error) {
	text, err := d.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	m := cpuForm.FindStringSubmatch(text)
	if m == nil {
		return 0, errors.New("/metrics does not tell the CPU time")
	}
	return strconv.ParseFloat(m[1], 64)
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
