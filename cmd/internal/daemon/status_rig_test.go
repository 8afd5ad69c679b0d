package daemon

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// statusConfig has what the page must hide, and a name that would be a script if it were
// not escaped.
const statusConfig = `
livedeflect: {site_id: "38856538", base_url: "http://127.0.0.1:1", consumer_key: opensesame-key, token: opensesame-token}
freeswitch:
  outbound: {listen: "127.0.0.1:8084", max_calls: 500}
  inbound: [{name: fs1, address: "127.0.0.1:8021"}, {name: fs2, address: "127.0.0.1:8022"}]
http: {listen: "127.0.0.1:0"}
state: {dir: /var/lib/deflectd}
profiles:
  - {name: sales, dialed: ["+18005550100", "(800) 555-0101"], skill: sales, text: "Hello.</script><script>boom()</script>", prompts: {offer: offer.wav}, later: {closed: 16h, prompts: {offer: later.wav}}}
  - {name: service, skill: service, text: "Call +1 (800) 555-0100.", prompts: {offer: offer.wav}}
`

func statusFile(t *testing.T) config.File {
	t.Helper()
	f, err := config.Parse("test.yaml", []byte(statusConfig), func(name string) string {
		return map[string]string{
			"DEFLECT_CONSUMER_SECRET": consumerSecret, "DEFLECT_TOKEN_SECRET": tokenSecret,
			"DEFLECT_FREESWITCH_PASSWORD_FS1": "opensesame-1", "DEFLECT_FREESWITCH_PASSWORD_FS2": "opensesame-2",
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func statusSetting(t *testing.T, most int) *setting {
	t.Helper()
	f := statusFile(t)
	policies, err := f.Policies()
	if err != nil {
		t.Fatal(err)
	}
	return newSetting(f, policies, most)
}

// quietFacts are of a daemon that has just begun.
func quietFacts(t *testing.T) *facts {
	f := &facts{
		at: time.Date(2026, 11, 27, 3, 12, 45, 0, time.UTC), start: time.Date(2026, 11, 26, 22, 5, 0, 0, time.UTC),
		build: Build{"v1.4.0", "0123abcd", "go1.26.8"}, setting: statusSetting(t, 500),
		gauges: map[what]float64{
			{name: "deflect_breaker_state", label: "closed"}: 1, {name: "deflectd_do_not_text_whole"}: 1,
			{name: "deflectd_config_last_reload_successful"}: 1, {name: "deflect_cooldowns"}: 0,
			{name: "deflectd_config_last_reload_success_timestamp_seconds"}: 1795730700,
		},
		bounds: map[string][]float64{"deflect_request_duration_seconds": {.1, .3, .5, 1, 4}},
		all:    grown{}, lately: grown{},
	}
	return f
}

// ended counts calls of a minute of the hour, 59 is the one that goes on.
func (f *facts) ended(minute int, profile string, o deflect.Outcome, r deflect.Reason, n int) {
	k := what{name: "deflect_outcomes_total", profile: profile, outcome: string(o), label: string(r)}
	f.grew(minute, k, n)
}

func (f *facts) grew(minute int, k what, n int) {
	if n <= 0 {
		return
	}
	if f.minutes[minute] == nil {
		f.minutes[minute] = grown{}
	}
	f.minutes[minute][k] += uint64(n)
	f.all[k] += uint64(n)
	if minute >= 60-recent {
		f.lately[k] += uint64(n)
	}
}

// busyFacts are of one that texts many callers.
func busyFacts(t *testing.T) *facts {
	f := quietFacts(t)
	f.calls = 37
	for m := range 60 {
		wave := 20 + m/2 + m*7%11
		f.ended(m, "sales", deflect.Sent, deflect.ReasonOK, wave)
		f.ended(m, "service", deflect.Sent, deflect.ReasonOK, wave/3)
		f.ended(m, "sales", deflect.Deferred, deflect.ReasonOutsideHours, m%5/4)
		f.ended(m, "sales", deflect.NoInput, deflect.ReasonNoKey, wave/2)
		f.ended(m, "sales", deflect.Declined, deflect.ReasonDeclineKey, m%7)
		f.ended(m, "sales", deflect.Abandoned, deflect.ReasonHangup, m%4)
		f.ended(m, "service", deflect.Ineligible, deflect.ReasonNumberFixedLine, wave/4)
		f.ended(m, "service", deflect.Ineligible, deflect.ReasonCooldown, m%3)
		f.ended(m, "", deflect.Ineligible, deflect.ReasonNoProfile, m%29/28)
		f.ended(m, "service", deflect.Uncertain, deflect.ReasonTimeout, m%23/22)
		f.grew(m, what{name: "deflect_requests_total", label: "ok"}, wave)
		for _, b := range []struct {
			le float64
			n  int
		}{{.1, wave / 2}, {.3, wave - 2}, {.5, wave - 1}, {1, wave}, {4, wave}} {
			f.grew(m, what{name: "deflect_request_duration_seconds", bound: b.le}, b.n)
		}
		f.grew(m, what{name: "deflect_request_duration_seconds", label: "count"}, wave)
	}
	f.gauges[what{name: "deflect_requests_in_flight"}] = 3
	f.gauges[what{name: "deflect_waiting_texts"}] = 12
	f.gauges[what{name: "deflect_waiting_oldest_age_seconds"}] = 7320
	f.gauges[what{name: "deflect_settle_open"}] = 2
	f.gauges[what{name: "deflect_cooldowns"}] = 1544
	f.gauges[what{name: "deflect_freeswitch_offers"}] = 9
	return f
}

// brokenFacts are of one whose API refuses the credentials, among other troubles.
func brokenFacts(t *testing.T) *facts {
	f := busyFacts(t)
	f.minutes, f.all, f.lately = [60]grown{}, grown{}, grown{}
	for m := range 60 {
		wave := 18 + m*5%9
		if m < 48 {
			f.ended(m, "sales", deflect.Sent, deflect.ReasonOK, wave)
			f.ended(m, "sales", deflect.NoInput, deflect.ReasonNoKey, wave/2)
			continue
		}
		f.ended(m, "sales", deflect.Failed, deflect.ReasonUnauthorized, 2+m%2)
		f.ended(m, "sales", deflect.Uncertain, deflect.ReasonTimeout, m%4/3)
		f.ended(m, "sales", deflect.Ineligible, deflect.ReasonBreakerOpen, wave)
		f.grew(m, what{name: "deflect_requests_total", label: "unauthorized"}, 3)
	}
	f.grew(50, what{name: "deflect_breaker_transitions_total", label: "open"}, 24)
	f.grew(55, what{name: "deflectd_log_dropped_total"}, 1200)
	f.gauges[what{name: "deflect_breaker_state", label: "closed"}] = 0
	f.gauges[what{name: "deflect_breaker_state", label: "open"}] = 1
	f.gauges[what{name: "deflectd_config_last_reload_successful"}] = 0
	f.away = []string{"fs2"}
	f.optional, f.unwritten = true, errors.New("journal: write: no space left on device")
	return f
}

// statusBench is the HTTP port, with a page of facts that a test chooses.
type statusBench struct {
	url  string
	page *statusPage
	srv  *http.Server
}

// serveStatus serves it to so many viewers; times are those in which requests and answers
// have to end that are no streams.
func serveStatus(t *testing.T, viewers int, times time.Duration) *statusBench {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	page := newStatusPage(nil, prometheus.NewRegistry(), Build{"v1.4.0", "0123abcd", "go1.26.8"}, viewers, log)
	srv := newHTTPServer(endpoints{registry: prometheus.NewRegistry(), status: page, log: log})
	srv.ReadTimeout, srv.WriteTimeout = times, times
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newGuests(ln, mostHTTP)
	srv.ConnState, srv.ConnContext, srv.Handler = g.changed, g.known, g.served(srv.Handler)
	go srv.Serve(g)
	t.Cleanup(func() { page.close(); srv.Close() })
	return &statusBench{"http://" + ln.Addr().String(), page, srv}
}

// show has facts shown from now on.
func (b *statusBench) show(f *facts) {
	shot := f.snapshot()
	shot.at = time.Now().Add(time.Hour) // so that no other look is taken
	b.page.mu.Lock()
	defer b.page.mu.Unlock()
	b.page.last = shot
}
