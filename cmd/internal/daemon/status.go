package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"html/template"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

var (
	//go:embed status.html.tmpl
	statusText string
	//go:embed status.css
	statusStyle string
	//go:embed status.js
	statusScript string

	statusTemplate = template.Must(template.New("status").Funcs(template.FuncMap{
		"number": thousands, "sign": statusMark.sign,
	}).Parse(statusText))

	// statusPolicy lets the page use its own style and script, and ask its own server.
	statusPolicy = "default-src 'none'; style-src " + hashOf(statusStyle) + "; script-src " + hashOf(statusScript) +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// freshFor is how long one look serves everybody: no more are taken, however many watch,
// and none when nobody does. It is a little less than a second, the beat of those who do.
const freshFor = 900 * time.Millisecond

// statusPage is what / shows: whether callers get texts, and the numbers. Whoever reaches
// the port sees what /metrics and /readyz tell, in words; the configuration, folders and
// addresses are for browsers on this machine. It is in no call's way.
type statusPage struct {
	d       *Daemon
	reg     prometheus.Gatherer
	build   Build
	start   time.Time
	log     *slog.Logger
	setting atomic.Pointer[setting]
	hour    *hour

	mu   sync.Mutex // one looks at a time
	last *snapshot

	viewers chan struct{} // a place for each
	ended   chan struct{}
	end     sync.Once
}

// snapshot is one look, written out for both kinds of viewers when the first of them asks.
type snapshot struct {
	at           time.Time
	here, others func() []part
}

// part of the page, which is sent anew when it has changed.
type part struct{ id, html string }

// newStatusPage makes one; most is how many may watch at a time.
func newStatusPage(d *Daemon, reg prometheus.Gatherer, build Build, most int, log *slog.Logger) *statusPage {
	now := time.Now()
	return &statusPage{
		d: d, reg: reg, build: build, start: now, log: log, hour: newHour(now),
		viewers: make(chan struct{}, most), ended: make(chan struct{}),
	}
}

// set takes in a configuration, with the policies of its profiles and so many calls at a
// time. Safe on a nil page.
func (s *statusPage) set(f config.File, policies []*deflect.Policy, calls int) {
	if s != nil {
		s.setting.Store(newSetting(f, policies, calls))
	}
}

// run counts until ctx ends. Safe on a nil page.
func (s *statusPage) run(ctx context.Context) {
	if s == nil {
		return
	}
	tick := time.NewTicker(slotLength)
	defer tick.Stop()
	for {
		s.mu.Lock()
		s.gather(time.Now())
		s.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// close ends the streams. Safe on a nil page.
func (s *statusPage) close() {
	if s != nil {
		s.end.Do(func() { close(s.ended) })
	}
}

// gather reads the metrics, and counts. The caller holds mu: counters are taken in in the
// order in which they were read.
func (s *statusPage) gather(now time.Time) *facts {
	families, err := s.reg.Gather()
	if err != nil { // what could be gathered is there
		s.log.Debug("status page: metrics", "err", err)
	}
	s.hour.add(now, families)
	f := &facts{at: now, start: s.start, build: s.build, setting: s.setting.Load()}
	f.read(families)
	return f
}

// look returns how it is now, or was less than a second ago.
func (s *statusPage) look() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.last != nil && now.Sub(s.last.at) < freshFor {
		return s.last
	}
	f := s.gather(now)
	time.Sleep(breath)
	f.all, f.lately, f.minutes = s.hour.since(now)
	d := s.d
	f.stopping, f.full, f.calls = d.stopping.Load(), d.server.Refusing(), d.server.Calls()
	f.unwritten, f.redis, f.away = d.unwritten(), d.away(), d.server.Away()
	f.breakers = d.client.Breakers()
	s.last = f.snapshot()
	return s.last
}

func (f *facts) snapshot() *snapshot {
	return &snapshot{
		at:     f.at,
		here:   sync.OnceValue(func() []part { return f.view(true).parts() }),
		others: sync.OnceValue(func() []part { return f.view(false).parts() }),
	}
}

// statusParts are the parts of the page, in their order. What changes once a minute is not in
// one with what changes each second.
var statusParts = []string{"at", "verdict", "tiles", "chart", "minutes", "reasons", "profiles", "sections", "config"}

// breath is how long the work for a look rests between its pieces. In one go, some
// milliseconds of it would hold up the calls of a busy core, and those that queue up behind
// them for several times as long; who looks does not notice.
const breath = 5 * time.Millisecond

func (v view) parts() (parts []part) {
	for _, id := range statusParts {
		time.Sleep(breath)
		var b bytes.Buffer
		if err := statusTemplate.ExecuteTemplate(&b, id, v); err != nil {
			b.Reset()
			b.WriteString("<p>This part cannot be shown: " + template.HTMLEscapeString(err.Error()) + "</p>")
		}
		parts = append(parts, part{id, strings.TrimSpace(b.String())})
	}
	return parts
}

func (s *statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		answer(w, http.StatusMethodNotAllowed, "the status page is asked for with GET")
		return
	}
	switch r.URL.Path {
	case "/":
		s.page(w, r)
	case "/status/events":
		s.events(w, r)
	default:
		answer(w, http.StatusNotFound, "there is no such path; the status page is /")
	}
}

func (s *statusPage) page(w http.ResponseWriter, r *http.Request) {
	shot := s.look()
	shown := struct {
		Style  template.CSS
		Script template.JS
		Build  string
		Parts  map[string]template.HTML
		IDs    []string
	}{template.CSS(statusStyle), template.JS(statusScript), s.version(), map[string]template.HTML{}, statusParts}
	for _, p := range shot.parts(isHere(r)) {
		shown.Parts[p.id] = template.HTML(p.html)
	}
	var b bytes.Buffer
	if err := statusTemplate.ExecuteTemplate(&b, "page", shown); err != nil {
		answer(w, http.StatusInternalServerError, "the status page cannot be shown: "+err.Error())
		return
	}
	w.Header().Set("Content-Security-Policy", statusPolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes()) //nolint:errcheck // whoever asked has gone
}

// version is of the page: one of another deflectd is to be loaded anew.
func (s *statusPage) version() string { return hashOf(s.build.String() + statusStyle + statusScript) }

func (s *snapshot) parts(here bool) []part {
	if here {
		return s.here()
	}
	return s.others()
}

// isHere reports whether a browser on this machine asks, which may see more than whoever
// reaches the port. A page of somebody else cannot read what it gets, unless its name was
// changed to this machine's address: then the Host is that name. Following a link is no
// different from typing it in.
func isHere(r *http.Request) bool {
	site, kind := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
	if site != "" && site != "none" && site != "same-origin" && kind != "navigate" {
		return false
	}
	plain := r.Clone(r.Context())
	for name := range r.Header {
		if name == "Origin" || name == "Referer" || strings.HasPrefix(name, "Sec-Fetch-") {
			plain.Header.Del(name)
		}
	}
	return notHere(plain) == ""
}

// events streams the parts that have changed, once a second. Whoever reads slowly is let go.
func (s *statusPage) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.viewers <- struct{}{}:
		defer func() { <-s.viewers }()
	default:
		w.Header().Set("Retry-After", "30")
		answer(w, http.StatusServiceUnavailable, "as many watch the status page as may; / shows it once")
		return
	}
	stream := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // of nginx
	here := isHere(r)
	sent := map[string]string{}
	// Pages that were opened at the same time, as after a restart, are not told at the same time.
	next := time.NewTimer(rand.N(time.Second))
	defer next.Stop()
	b := bytes.NewBufferString("retry: 2000\nevent: version\ndata: " + s.version() + "\n\n")
	for {
		for _, p := range s.look().parts(here) {
			if sent[p.id] != p.html {
				sent[p.id] = p.html
				p.event(b)
			}
		}
		if r.Method == http.MethodHead {
			return
		}
		if stream.SetWriteDeadline(time.Now().Add(statusPatience)) != nil {
			return
		}
		if _, err := w.Write(b.Bytes()); err != nil || stream.Flush() != nil {
			return
		}
		b.Reset()
		select {
		case <-next.C:
			next.Reset(time.Second)
		case <-r.Context().Done():
			return
		case <-s.ended:
			return
		}
	}
}

// statusPatience is how long a viewer may take to read what a second brings.
const statusPatience = 5 * time.Second

// event writes a part as one of server-sent events.
func (p part) event(b *bytes.Buffer) {
	b.WriteString("event: part\nid: " + p.id + "\n")
	html := strings.ReplaceAll(p.html, "\r", " ") // which ends a line of a stream too
	for line := range strings.SplitSeq(html, "\n") {
		b.WriteString("data: " + line + "\n")
	}
	b.WriteString("\n")
}

// sign is the form of a mark.
func (m statusMark) sign() string {
	i := slices.Index([]statusMark{good, idle, warn, bad}, m)
	if i < 0 {
		return ""
	}
	return []string{"✓", "–", "!", "✕"}[i]
}
