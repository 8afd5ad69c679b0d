package funnel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// funnelMetrics are the counters of the live funnel: stages, conversations with
// their summed times, and polls.
func funnelMetrics(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), "deflect_funnel_")
		if !ours {
			continue
		}
		for _, m := range f.GetMetric() {
			switch {
			case m.GetHistogram() != nil:
				out = append(out, fmt.Sprintf("%s %d/%gs", name, m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()))
			case m.GetCounter() != nil:
				out = append(out, fmt.Sprintf("%s %g", m.GetLabel()[0].GetValue(), m.GetCounter().GetValue()))
			}
		}
	}
	return strings.Join(out, ", ")
}

var (
	keys = rig.Keys
	call = rig.Call
)

// newClient returns a client of an API without sockets.
func newClient(t *testing.T, api http.RoundTripper, registry prometheus.Registerer) *rig.Client {
	t.Helper()
	return rig.Over(t, api, func(c *rig.Config) { c.Registerer = registry })
}

// newLive returns the live funnel of a client, with its metrics on the registry.
func newLive(t *testing.T, c *rig.Client, registry prometheus.Registerer, every, lookback time.Duration) *funnel.Live {
	t.Helper()
	live, err := funnel.NewLive(c.API, nil, funnel.LiveConfig{Every: every, Lookback: lookback, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(live.Close)
	return live
}

// TestLive polls for an hour while calls come in, under each reading of
// the vendor's page. Nothing is counted twice, and nothing from before.
func TestLive(t *testing.T) {
	for name, report := range map[string]livedeflecttest.Report{
		"calls that began in the window":  {Filter: livedeflecttest.ByBegin},
		"events in the window":            {Filter: livedeflecttest.ByEvent},
		"calls with events in the window": {Filter: livedeflecttest.ByActivity},
		"late and untidy": {
			Filter: livedeflecttest.ByActivity, Lag: 5 * time.Minute,
			Oddity: livedeflecttest.Oddity{Shuffled: true, Repeated: true, UnknownEvents: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				report.Conversation = func(d livedeflecttest.Deflection) (time.Duration, bool) {
					return 10 * time.Minute, strings.HasSuffix(d.ExternalCallID, "0")
				}
				api.SetReport(report)
				registry := prometheus.NewRegistry()
				c := newClient(t, api, registry)
				live := newLive(t, c, registry, time.Minute, 0)
				deflectOne := func(i int) {
					k := call()
					k.ExternalCallID, k.Start = fmt.Sprint("call-", i), time.Now()
					if _, err := c.Deflect(t.Context(), k); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 10 {
					deflectOne(40 + i) // before the polling
				}
				time.Sleep(20 * time.Minute)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { live.Run(ctx); close(ended) }()
				time.Sleep(time.Second)
				live.Run(t.Context()) // returns: there is a poller
				for i := range 40 {
					deflectOne(i)
					time.Sleep(time.Minute)
				}
				time.Sleep(30 * time.Minute)
				cancel()
				<-ended
				want := "callstart 40, conversationid 4, deflresponse 40, ovrchan 40, sendtext 40, skillchoice 40, " +
					"complete 70, incomplete 0, time_to_conversation_seconds 4/2400s, time_to_text_seconds 40/0s"
				if diff := cmp.Diff(want, funnelMetrics(t, registry)); diff != "" {
					t.Errorf("metrics (-want +got):\n%s", diff)
				}
				problems, err := testutil.GatherAndLint(registry)
				if err != nil || len(problems) > 0 {
					t.Errorf("promlint: %v %v", problems, err)
				}
			})
		})
	}
}

// TestLiveOutage shows that a poll that fails is counted, and that the
// next one makes up for it.
func TestLiveOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		registry := prometheus.NewRegistry()
		c := newClient(t, api, registry)
		live := newLive(t, c, registry, time.Minute, 0)
		go live.Run(t.Context())
		api.SetReportFault(&livedeflecttest.Fault{Status: 401})
		time.Sleep(time.Second)
		k := call()
		k.Start = time.Now()
		c.Deflect(t.Context(), k)
		time.Sleep(150 * time.Second)
		if got := funnelMetrics(t, registry); !strings.Contains(got, "complete 0, incomplete 2") || !strings.Contains(got, "sendtext 0") {
			t.Errorf("metrics %s", got)
		}
		const last = "deflect_funnel_last_complete_poll_timestamp_seconds"
		if n, err := testutil.GatherAndCount(registry, last); n != 0 || err != nil {
			t.Errorf("before there was a complete poll, its time has %d series, %v", n, err)
		}
		api.SetReportFault(nil)
		time.Sleep(time.Minute)
		if got := funnelMetrics(t, registry); !strings.Contains(got, "complete 1, incomplete 2") || !strings.Contains(got, "sendtext 1") {
			t.Errorf("metrics %s", got)
		}
		if n := rig.Sum(t, registry, last); n < float64(time.Now().Add(-time.Minute).Unix()) {
			t.Errorf("the last complete poll was at %v", n)
		}
	})
}

// TestLiveForgets lets a call come back after it was forgotten.
func TestLiveForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var hidden atomic.Bool
		r := &rig.Reporter{Answer: func(_, _ time.Time) (int, string) {
			if hidden.Load() {
				return 200, `{"success":"true","data":{}}`
			}
			return 200, fmt.Sprintf(`{"success":"true","data":{"1":[{"eventType":"sendtext","eventTime":%d}]}}`, began.Add(time.Minute).UnixMilli())
		}}
		registry := prometheus.NewRegistry()
		live := newLive(t, newClient(t, r, registry), registry, time.Minute, 10*time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { live.Run(ctx); close(ended) }()
		time.Sleep(5 * time.Minute)
		hidden.Store(true)
		time.Sleep(5 * time.Hour)
		hidden.Store(false)
		time.Sleep(5 * time.Minute)
		cancel()
		<-ended
		if got := funnelMetrics(t, registry); !strings.Contains(got, "sendtext 1,") {
			t.Errorf("metrics %s", got)
		}
	})
}

// TestLiveLateConversation lets the text leave the window before the
// conversation opens.
func TestLiveLateConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetReport(livedeflecttest.Report{
			Filter:       livedeflecttest.ByEvent,
			Conversation: func(livedeflecttest.Deflection) (time.Duration, bool) { return 90 * time.Minute, true },
		})
		registry := prometheus.NewRegistry()
		c := newClient(t, api, registry)
		live := newLive(t, c, registry, time.Minute, 0)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { live.Run(ctx); close(ended) }()
		time.Sleep(time.Second)
		c.Deflect(t.Context(), call())
		time.Sleep(2 * time.Hour)
		cancel()
		<-ended
		if got := funnelMetrics(t, registry); !strings.Contains(got, "conversationid 1,") || !strings.Contains(got, "time_to_conversation_seconds 1/5400s") {
			t.Errorf("metrics %s", got)
		}
	})
}

// TestLiveBounds polls an API that tells of a great many calls: they are
// forgotten, and a new one counts again. One at a time to come does not count.
func TestLiveBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all strings.Builder
		began := time.Now()
		all.WriteString(`{"success":"true","data":{"no id":[{"eventType":"sendtext","eventTime":"999999999999999"}]`)
		for i := range 1<<17 + 10 {
			fmt.Fprintf(&all, `,"%d":[{"eventType":"sendtext","eventTime":"%d"}]`, i, began.Add(5*time.Minute).UnixMilli())
		}
		all.WriteString("}}")
		flood := true
		r := &rig.Reporter{Answer: func(_, _ time.Time) (int, string) {
			if flood {
				flood = false
				return 200, all.String()
			}
			return 200, fmt.Sprintf(`{"success":"true","data":{"late":[{"eventType":"sendtext","eventTime":"999999999999999"}],"real":[{"eventType":"sendtext","eventTime":"%d"}]}}`, began.Add(50*time.Minute).UnixMilli())
		}}
		registry := prometheus.NewRegistry()
		live := newLive(t, newClient(t, r, registry), registry, 10*time.Minute, 10*time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { live.Run(ctx); close(ended) }()
		time.Sleep(10*time.Minute + time.Second)
		if got := funnelMetrics(t, registry); !strings.Contains(got, "complete 0, incomplete 1") || !strings.Contains(got, "sendtext 131071,") {
			t.Errorf("metrics after the flood %s", got)
		}
		time.Sleep(80 * time.Minute)
		cancel()
		<-ended
		if got := funnelMetrics(t, registry); !strings.Contains(got, "sendtext 131072,") {
			t.Errorf("metrics an hour later %s", got)
		}
	})
}

// TestLiveClocks lets clocks differ and be changed while calls come in. Each
// call is counted once; where some may be missing, the poll does not say complete.
func TestLiveClocks(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ahead, later time.Duration
		date         bool
		incomplete   bool
	}{
		{name: "ahead", ahead: 3 * time.Hour, later: 3 * time.Hour, date: true},
		{name: "behind", ahead: -3 * time.Hour, later: -3 * time.Hour, date: true},
		{name: "steps ahead", later: 10 * time.Minute, date: true, incomplete: true},
		{name: "steps back", ahead: 10 * time.Minute, date: true, incomplete: true},
		{name: "steps ahead far", later: 5 * time.Hour, date: true, incomplete: true},
		{name: "steps back far", ahead: 5 * time.Hour, date: true, incomplete: true},
		{name: "by minutes, does not say", ahead: -30 * time.Second, later: -30 * time.Second},
	} {
		for filter := livedeflecttest.ByEvent; filter <= livedeflecttest.ByActivity; filter++ {
			t.Run(fmt.Sprint(tt.name, " ", filter), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					api := livedeflecttest.New(keys)
					api.SetReport(livedeflecttest.Report{Filter: filter})
					api.SetClock(tt.ahead)
					registry := prometheus.NewRegistry()
					transport := http.RoundTripper(api)
					if !tt.date {
						transport = dateless{api}
					}
					c := newClient(t, transport, registry)
					live := newLive(t, c, registry, time.Minute, 10*time.Minute)
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan struct{})
					go func() { live.Run(ctx); close(ended) }()
					time.Sleep(time.Minute + 30*time.Second)
					for i := range 60 {
						if i == 30 {
							api.SetClock(tt.later)
						}
						k := call()
						k.ExternalCallID, k.Start = fmt.Sprint("call-", i), time.Now()
						c.Deflect(t.Context(), k)
						time.Sleep(time.Minute)
					}
					time.Sleep(time.Hour)
					cancel()
					<-ended
					got := funnelMetrics(t, registry)
					want := "callstart 60, conversationid 0, deflresponse 60, ovrchan 60, sendtext 60, skillchoice 60,"
					if tt.incomplete {
						want = "incomplete 1,"
					}
					var texts int
					if _, rest, ok := strings.Cut(got, "sendtext "); ok {
						fmt.Sscan(strings.TrimRight(strings.Fields(rest)[0], ","), &texts)
					}
					if !strings.Contains(got, want) || texts > 60 || !tt.incomplete && !strings.Contains(got, "incomplete 0,") {
						t.Errorf("metrics %s, want %s", got, want)
					}
				})
			})
		}
	}
}

// dateless takes the Date away, as some proxies do.
type dateless struct{ http.RoundTripper }

func (d dateless) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Header.Del("Date")
	}
	return resp, err
}

// TestLiveReload polls as often as a reload says, from then on.
func TestLiveReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		live := newLive(t, newClient(t, api, nil), nil, time.Hour, 0)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { live.Run(ctx); close(ended) }()
		time.Sleep(time.Minute)
		if err := live.Reload(funnel.LiveConfig{Every: 2 * time.Second}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		if n := len(api.Requests()); n < 5 {
			t.Errorf("%d polls in 11 s, want one every 2 s", n)
		}
		cancel()
		<-ended
	})
}

// A funnel whose configuration is wrong is not made, and not reloaded: the one that runs
// goes on as before.
func TestLiveConfig(t *testing.T) {
	api := newClient(t, livedeflecttest.New(keys), nil)
	live := newLive(t, api, nil, time.Minute, 0)
	for field, cfg := range map[string]funnel.LiveConfig{
		"Every":    {},
		"Lookback": {Every: time.Hour, Lookback: 30 * time.Minute},
	} {
		_, made := funnel.NewLive(api.API, nil, cfg)
		for what, err := range map[string]error{"NewLive": made, "Reload": live.Reload(cfg)} {
			var c *deflect.ConfigError
			if !errors.As(err, &c) || c.Field != field {
				t.Errorf("%s: %v, want a problem of %s", what, err, field)
			}
		}
	}
}

// Funnels come and go with one Registerer: each takes its own metrics with it, once.
func TestLiveCloses(t *testing.T) {
	registry := prometheus.NewRegistry()
	api := newClient(t, livedeflecttest.New(keys), nil)
	first := newLive(t, api, registry, time.Minute, 0)
	if _, err := funnel.NewLive(api.API, nil, funnel.LiveConfig{Every: time.Minute, Registerer: registry}); !errors.Is(err, deflect.ErrInvalidConfig) {
		t.Errorf("a second funnel on the registerer: %v", err)
	}
	want := funnelMetrics(t, registry)
	first.Close()
	if got := funnelMetrics(t, registry); got != "" {
		t.Errorf("a closed funnel leaves %s", got)
	}
	second := newLive(t, api, registry, time.Minute, 0)
	first.Close() // not the metrics of the second one
	if got := funnelMetrics(t, registry); got != want || got == "" {
		t.Errorf("metrics %s, want %s", got, want)
	}
	second.Close()
}

// A funnel of an API that was closed, or that nobody made, reads nothing.
func TestLiveWithoutAPI(t *testing.T) {
	closed := newClient(t, livedeflecttest.New(keys), nil).API
	closed.Close()
	for name, api := range map[string]*livedeflect.Client{"closed": closed, "zero": {}, "nil": nil} {
		synctest.Test(t, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			live, err := funnel.NewLive(api, nil, funnel.LiveConfig{Every: time.Minute, Registerer: registry})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
			defer cancel()
			live.Run(ctx)
			if got := funnelMetrics(t, registry); !strings.Contains(got, "complete 0, incomplete 2") {
				t.Errorf("%s: metrics %s", name, got)
			}
		})
	}
}
