package deflect_test

import (
	"context"
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
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
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

// TestPollReport polls for an hour while calls come in, under each reading of
// the vendor's page. Nothing is counted twice, and nothing from before.
func TestPollReport(t *testing.T) {
	for name, report := range map[string]deflecttest.Report{
		"calls that began in the window":  {Filter: deflecttest.ByBegin},
		"events in the window":            {Filter: deflecttest.ByEvent},
		"calls with events in the window": {Filter: deflecttest.ByActivity},
		"late and untidy": {
			Filter: deflecttest.ByActivity, Lag: 5 * time.Minute,
			Oddity: deflecttest.Oddity{Shuffled: true, Repeated: true, UnknownEvents: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := deflecttest.New(keys)
				report.Conversation = func(d deflecttest.Deflection) (time.Duration, bool) {
					return 10 * time.Minute, strings.HasSuffix(d.ExternalCallID, "0")
				}
				api.SetReport(report)
				registry := prometheus.NewRegistry()
				c := newClient(t, api, func(c *deflect.Config) { c.Registerer, c.Report.Every = registry, time.Minute })
				deflectOne := func(i int) {
					k := call()
					k.ExternalCallID, k.Start = fmt.Sprint("call-", i), time.Now()
					if _, err := c.Deflect(t.Context(), k); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 10 {
					deflectOne(i) // before the polling
				}
				time.Sleep(20 * time.Minute)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { c.PollReport(ctx); close(ended) }()
				time.Sleep(time.Second)
				c.PollReport(t.Context()) // returns: there is a poller
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

// TestPollReportOutage shows that a poll that fails is counted, and that the
// next one makes up for it.
func TestPollReportOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := deflecttest.New(keys)
		registry := prometheus.NewRegistry()
		c := newClient(t, api, func(c *deflect.Config) { c.Registerer, c.Report.Every = registry, time.Minute })
		go c.PollReport(t.Context())
		api.SetReportFault(&deflecttest.Fault{Status: 401})
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
		if n := sum(t, registry, last); n < float64(time.Now().Add(-time.Minute).Unix()) {
			t.Errorf("the last complete poll was at %v", n)
		}
	})
}

// TestPollReportForgets lets a call come back after it was forgotten.
func TestPollReportForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var hidden atomic.Bool
		r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) {
			if hidden.Load() {
				return 200, told()
			}
			return 200, fmt.Sprintf(`{"success":"true","data":{"1":[{"eventType":"sendtext","eventTime":%d}]}}`, began.Add(time.Minute).UnixMilli())
		}}
		registry := prometheus.NewRegistry()
		c := reportClient(t, r, func(c *deflect.Config) {
			c.Registerer, c.Report.Every, c.Report.Lookback = registry, time.Minute, 10*time.Minute
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { c.PollReport(ctx); close(ended) }()
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

// TestPollReportLateConversation lets the text leave the window before the
// conversation opens.
func TestPollReportLateConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := deflecttest.New(keys)
		api.SetReport(deflecttest.Report{
			Filter:       deflecttest.ByEvent,
			Conversation: func(deflecttest.Deflection) (time.Duration, bool) { return 90 * time.Minute, true },
		})
		registry := prometheus.NewRegistry()
		c := newClient(t, api, func(c *deflect.Config) { c.Registerer, c.Report.Every = registry, time.Minute })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { c.PollReport(ctx); close(ended) }()
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

// TestPollReportBounds polls an API that tells of a great many calls: they are
// forgotten, and a new one counts again. One at a time to come does not count.
func TestPollReportBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all strings.Builder
		began := time.Now()
		all.WriteString(`{"success":"true","data":{"no id":[{"eventType":"sendtext","eventTime":"999999999999999"}]`)
		for i := range 1<<17 + 10 {
			fmt.Fprintf(&all, `,"%d":[{"eventType":"sendtext","eventTime":"%d"}]`, i, began.Add(5*time.Minute).UnixMilli())
		}
		all.WriteString("}}")
		flood := true
		r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) {
			if flood {
				flood = false
				return 200, all.String()
			}
			return 200, fmt.Sprintf(`{"success":"true","data":{"late":[{"eventType":"sendtext","eventTime":"999999999999999"}],"real":[{"eventType":"sendtext","eventTime":"%d"}]}}`, began.Add(50*time.Minute).UnixMilli())
		}}
		registry := prometheus.NewRegistry()
		c := reportClient(t, r, func(c *deflect.Config) {
			c.Registerer, c.Report.Every, c.Report.Lookback = registry, 10*time.Minute, 10*time.Minute
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { c.PollReport(ctx); close(ended) }()
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

// TestPollReportClocks lets clocks differ and be changed while calls come in. Each
// call is counted once; where some may be missing, the poll does not say complete.
func TestPollReportClocks(t *testing.T) {
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
		for filter := deflecttest.ByEvent; filter <= deflecttest.ByActivity; filter++ {
			t.Run(fmt.Sprint(tt.name, " ", filter), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					api := deflecttest.New(keys)
					api.SetReport(deflecttest.Report{Filter: filter})
					api.SetClock(tt.ahead)
					registry := prometheus.NewRegistry()
					c := newClient(t, api, func(c *deflect.Config) {
						c.Registerer, c.Report.Every, c.Report.Lookback = registry, time.Minute, 10*time.Minute
						if !tt.date {
							c.Transport = dateless{api}
						}
					})
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan struct{})
					go func() { c.PollReport(ctx); close(ended) }()
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

// TestPollReportReload polls as often as a reload says, from then on.
func TestPollReportReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := deflecttest.New(keys)
		var cfg deflect.Config
		c := newClient(t, api, func(c *deflect.Config) { c.Report.Every = time.Hour; cfg = *c })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { c.PollReport(ctx); close(ended) }()
		time.Sleep(time.Minute)
		cfg.Report.Every = 2 * time.Second
		if err := c.Reload(cfg); err != nil {
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

func TestPollReportOff(t *testing.T) {
	registry := prometheus.NewRegistry()
	c := newClient(t, deflecttest.New(keys), func(c *deflect.Config) { c.Registerer = registry })
	c.PollReport(t.Context())
	if got := funnelMetrics(t, registry); got != "" {
		t.Errorf("metrics %s, want none", got)
	}
}
