//go:build linux

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// How often things are looked at, and how long a test waits for what has to come: much
// longer than it takes, for a busy machine.
const (
	scrapeEvery = 500 * time.Millisecond
	lookEvery   = 200 * time.Millisecond
	askEvery    = time.Second
	patience    = 2 * time.Minute
)

// promServer is a Prometheus with the shipped configuration.
type promServer struct {
	url   string
	said  *tail
	ended chan struct{} // closed when the process has

	mu     sync.Mutex
	states map[alertOf]string // of the alerts that are pending or firing
	looked chan struct{}      // closed when they are looked at again
}

// alertOf is an alert and the instance that it is of, or else the profile.
type alertOf struct{ of, name string }

// startPrometheus lets a Prometheus watch the instances by the shipped
// scrape configuration, often, and by other rules.
func startPrometheus(t *testing.T, binary string, daemons []*deflectd, rules []byte) *promServer {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "rules.yml"), rules, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "prometheus.yml"), hurried(t, daemons), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config.file="+filepath.Join(home, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(home, "data"),
		"--web.listen-address=127.0.0.1:0", "--log.format=json")
	cmd.SysProcAttr = endsWithUs
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	said := &tail{}
	p := &promServer{said: said, ended: make(chan struct{}), states: map[alertOf]string{}, looked: make(chan struct{})}
	lines := bufio.NewScanner(log)
	for p.url == "" && lines.Scan() {
		said.Write(append(lines.Bytes(), '\n'))
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "Listening on" {
			p.url = "http://" + line.Address
		}
	}
	if p.url == "" {
		t.Fatalf("prometheus does not start:\n%s", said)
	}
	go func() {
		defer close(p.ended)
		for lines.Scan() {
			said.Write(append(lines.Bytes(), '\n'))
		}
	}()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go p.look(stop, stopped)
	t.Cleanup(func() { close(stop); <-stopped })
	return p
}

// hurried is the shipped scrape configuration with other targets and short times.
func hurried(t *testing.T, daemons []*deflectd) []byte {
	t.Helper()
	var instances []string
	for _, d := range daemons {
		instances = append(instances, d.web)
	}
	shipped, err := os.ReadFile("prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	var cfg map[string]any
	if err := yaml.Unmarshal(shipped, &cfg); err != nil {
		t.Fatal(err)
	}
	cfg["global"] = map[string]any{"scrape_interval": scrapeEvery.String(), "scrape_timeout": scrapeEvery.String(), "evaluation_interval": scrapeEvery.String()}
	delete(cfg, "alerting")
	scrapes, ok := cfg["scrape_configs"].([]any)
	if !ok || len(scrapes) != 1 {
		t.Fatalf("prometheus.yml has %d scrape configurations, want one", len(scrapes))
	}
	scrape := scrapes[0].(map[string]any)
	delete(scrape, "scrape_interval")
	delete(scrape, "scrape_timeout")
	scrape["static_configs"] = []any{map[string]any{"targets": instances}}
	text, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// get asks the API of Prometheus.
func (p *promServer) get(path string, into any) error {
	resp, err := http.Get(p.url + "/api/v1/" + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: HTTP %d: %w", path, resp.StatusCode, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

// query returns how many series a query returns now, and the value of the first.
func (p *promServer) query(query string) (value float64, n int, err error) {
	var data struct{ Result []struct{ Value [2]any } }
	if err := p.get("query?query="+url.QueryEscape(query), &data); err != nil || len(data.Result) == 0 {
		return 0, 0, err
	}
	text, _ := data.Result[0].Value[1].(string)
	value, err = strconv.ParseFloat(text, 64)
	return value, len(data.Result), err
}

// look looks at the alerts again and again.
func (p *promServer) look(stop, stopped chan struct{}) {
	defer close(stopped)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		var data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
		if p.get("alerts", &data) != nil {
			continue // it starts
		}
		states := map[alertOf]string{}
		for _, a := range data.Alerts {
			if at := (alertOf{cmp.Or(a.Labels["instance"], a.Labels["profile"]), a.Labels["alertname"]}); states[at] != "firing" {
				states[at] = a.State
			}
		}
		p.mu.Lock()
		p.states = states
		close(p.looked)
		p.looked = make(chan struct{})
		p.mu.Unlock()
	}
}

// state is that of an alert of a deflectd or of its profile: "", pending or firing.
func (p *promServer) state(of, alert string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.states[alertOf{of, alert}]
}

// scrapes counts how often a deflectd was scraped.
func (p *promServer) scrapes(d *deflectd) int {
	value, _, err := p.query(fmt.Sprintf("sum_over_time(up{instance=%q}[1h])", d.web))
	if err != nil {
		return 0
	}
	return int(value)
}

// awaitEach waits until something is so of each deflectd, and does then what follows.
func (p *promServer) awaitEach(t *testing.T, what string, daemons []*deflectd, is func(*deflectd) bool, then func(*deflectd)) {
	t.Helper()
	began, limit := time.Now(), time.NewTimer(patience)
	defer limit.Stop()
	for left := slices.Clone(daemons); ; {
		p.mu.Lock()
		looked := p.looked
		p.mu.Unlock()
		left = slices.DeleteFunc(left, func(d *deflectd) bool {
			if !is(d) {
				return false
			}
			t.Logf("%s %s after %.1f s", d.name, what, time.Since(began).Seconds())
			if then != nil {
				then(d)
			}
			return true
		})
		if len(left) == 0 {
			return
		}
		select {
		case <-looked:
		case <-p.ended:
			t.Fatalf("prometheus has ended, and said at last:\n%s", p.said)
		case <-limit.C:
			for _, d := range left {
				t.Errorf("in %s, never: %s %s; that deflectd said at last:\n%s", patience, d.name, what, d.said)
			}
			return
		}
	}
}

// askUntilAnswered asks the queries of the rules and of the dashboard until each has
// returned something. What it returns ends that and tells which have not.
func (p *promServer) askUntilAnswered(t *testing.T, rules []rule) (unanswered func() []string) {
	t.Helper()
	queries := dashboardQueries(t)
	for _, r := range rules {
		queries = append(queries, r.Expr)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	ask := func() {
		queries = slices.DeleteFunc(queries, func(q string) bool {
			_, n, err := p.query(q)
			return err == nil && n > 0
		})
	}
	go func() {
		defer close(stopped)
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				ask()
			case <-stop:
				return
			}
		}
	}()
	end := sync.OnceFunc(func() { close(stop); <-stopped })
	t.Cleanup(end)
	return func() []string { end(); ask(); return queries }
}

const tailBytes = 4 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if len(l.text) > 2*tailBytes {
		l.text = append(l.text[:0], l.text[len(l.text)-tailBytes:]...)
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.ToValidUTF8(string(l.text), "?")
}
