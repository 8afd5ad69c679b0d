package livedeflect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// noon is where the spans of these tests begin.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// reporter is a transport that answers each request for the report as it is told.
type reporter struct {
	answer func(from, to time.Time, try int) (status int, body string)
	header http.Header
	bend   func(context.Context, io.Reader) io.Reader // the body
	takes  time.Duration

	mu       sync.Mutex
	asked    []string // windows in minutes after noon, in the order of asking
	tries    map[time.Time]int
	now, max int // requests at the same time
}

func (r *reporter) RoundTrip(req *http.Request) (*http.Response, error) {
	var q struct{ SiteID, StartTime, EndTime string }
	if err := json.NewDecoder(req.Body).Decode(&q); err != nil {
		return nil, err
	}
	req.Body.Close()
	from, to := epoch(q.StartTime), epoch(q.EndTime)
	r.mu.Lock()
	if r.tries == nil {
		r.tries = map[time.Time]int{}
	}
	r.tries[from]++
	try := r.tries[from]
	r.asked = append(r.asked, fmt.Sprintf("%v-%v", from.Sub(noon).Minutes(), to.Sub(noon).Minutes()))
	r.now++
	r.max = max(r.max, r.now)
	r.mu.Unlock()
	select {
	case <-time.After(r.takes):
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
	r.mu.Lock()
	r.now--
	r.mu.Unlock()
	status, body := r.answer(from, to, try)
	if status == 0 {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	}
	src := io.Reader(strings.NewReader(body))
	if r.bend != nil {
		src = r.bend(req.Context(), src)
	}
	header := r.header
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(src), Request: req}, nil
}

func epoch(ms string) time.Time {
	var n int64
	fmt.Sscan(ms, &n)
	return time.UnixMilli(n)
}

// told is an answer with a sendtext event for each name.
func told(names ...string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%q:[{"callId":%q,"eventType":"sendtext","eventTime":"1795000000000"}]`, n, n)
	}
	return `{"success":"true","data":{` + b.String() + `}}`
}

// reportClient returns a client whose report comes from rt.
func reportClient(t testing.TB, rt http.RoundTripper, change func(*rig.Config)) *rig.Client {
	t.Helper()
	return newClient(t, nil, func(c *rig.Config) {
		c.Transport = rt
		if change != nil {
			change(c)
		}
	})
}

// collect returns the callIds of the events, and the errors.
func collect(ctx context.Context, c *rig.Client, length time.Duration) (ids []string, errs []error) {
	for e, err := range c.API.Report(ctx, livedeflect.ReportQuery{From: noon, To: noon.Add(length)}) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ids = append(ids, e.CallID)
	}
	return ids, errs
}

// TestReportWindows fetches four windows, of which later ones answer sooner.
func TestReportWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{takes: time.Second, answer: func(from, _ time.Time, _ int) (int, string) {
			n := int(from.Add(time.Millisecond).Sub(noon).Hours())
			time.Sleep(time.Duration(10-n) * time.Second)
			return 200, told(fmt.Sprint("w", n), fmt.Sprint("x", n))
		}}
		c := reportClient(t, r, nil)
		var progress []string
		var ids []string
		q := livedeflect.ReportQuery{From: noon, To: noon.Add(210 * time.Minute), Progress: func(done, total int) {
			progress = append(progress, fmt.Sprintf("%d/%d", done, total))
		}}
		for e, err := range c.API.Report(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, e.CallID)
		}
		if diff := cmp.Diff([]string{"w0", "x0", "w1", "x1", "w2", "x2", "w3", "x3"}, ids); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"0/4", "1/4", "2/4", "3/4", "4/4"}, progress); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		slices.Sort(r.asked)
		ms := time.Millisecond.Minutes()
		want := []string{"0-60", fmt.Sprintf("%v-180", 120-ms), fmt.Sprintf("%v-210", 180-ms), fmt.Sprintf("%v-120", 60-ms)}
		if diff := cmp.Diff(want, r.asked); diff != "" {
			t.Errorf("windows in minutes (-want +got):\n%s", diff)
		}
		if r.max != 3 {
			t.Errorf("%d windows at once, want 3", r.max)
		}
	})
}

func TestReportComesOnce(t *testing.T) {
	r := &reporter{answer: func(from, _ time.Time, _ int) (int, string) {
		if from.Before(noon.Add(30 * time.Minute)) {
			return 200, `{"success":"true","data":{"1":[{"eventType":"sendtext","eventTime":1},"x",{"eventType":"callstart","eventTime":1}]}}`
		}
		return 200, `{"success":"true","data":{"1":[{"eventType":"callstart","eventTime":1},"x",{"eventType":"sendtext","eventTime":1},{"eventType":"sendtext","eventTime":2}],"2":[{"eventType":"sendtext","eventTime":1}]}}`
	}}
	c := reportClient(t, r, nil)
	ids, errs := collect(t.Context(), c, 2*time.Hour)
	if diff := cmp.Diff([]string{"1", "1", "1", "2"}, ids); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if len(errs) != 1 || errs[0].Error() != "deflect: report: skipped a malformed entry of callId 1: not an object" {
		t.Errorf("errors %q", errs)
	}
	if deflect.ReasonOf(errs[0]) != deflect.ReasonBadResponse || !errors.Is(errs[0], deflect.ErrBadResponse) {
		t.Errorf("reason %q", deflect.ReasonOf(errs[0]))
	}
}

// TestReportTriesAgain counts tries and measures pauses of one window.
func TestReportTriesAgain(t *testing.T) {
	cut := func(_ context.Context, r io.Reader) io.Reader { return io.LimitReader(r, 60) }
	tests := []struct {
		name   string
		status []int // of each try; the last one repeats
		text   string
		after  string // Retry-After
		bend   func(context.Context, io.Reader) io.Reader
		tries  int
		took   time.Duration
		reason deflect.Reason
		says   string
	}{
		{name: "works at once", status: []int{200}, tries: 1},
		{name: "5xx, then works", status: []int{500, 502, 503, 200}, tries: 4, took: 30 * time.Second},
		{name: "5xx for good", status: []int{500}, tries: 4, took: 30 * time.Second, reason: deflect.ReasonServerError, says: "ask again later, or with shorter windows: HTTP 500"},
		{name: "429", status: []int{429, 200}, tries: 2, took: 5 * time.Second},
		{name: "429 that says when", status: []int{429, 200}, after: "20", tries: 2, took: 20 * time.Second},
		{name: "429 that says when, soon", status: []int{429, 200}, after: "1", tries: 2, took: 5 * time.Second},
		{name: "429 that says tomorrow", status: []int{429, 200}, after: "86400", tries: 1, reason: deflect.ReasonRateLimited, says: "ask again later, or with longer windows: HTTP 429"},
		{name: "silence", status: []int{0}, tries: 4, took: 4*60*time.Second + 30*time.Second, reason: deflect.ReasonTimeout, says: "ask again later, or with shorter windows: the API fell silent"},
		{name: "silence, then works", status: []int{0, 200}, tries: 2, took: 65 * time.Second},
		{name: "nonce", status: []int{401, 200}, text: `{"error":"Invalid Nonce - Nonce has been previously used"}`, tries: 2},
		{name: "nonce for good", status: []int{401}, text: `{"error":"Invalid Nonce - Nonce has been previously used"}`, tries: 2, reason: deflect.ReasonInvalidNonce, says: `HTTP 401 "Invalid Nonce - Nonce has been previously used"`},
		{name: "keys", status: []int{401}, text: `{"error":"No Authorization Header"}`, tries: 1, reason: deflect.ReasonUnauthorized, says: `ask LivePerson whether these keys may read reports: HTTP 401 "No Authorization Header"`},
		{name: "4xx", status: []int{400}, text: `{"error":"no"}`, tries: 1, reason: deflect.ReasonRejected, says: `check the account id, and whether the report still reaches back so far: HTTP 400 "no"`},
		{name: "redirect", status: []int{307}, tries: 1, reason: deflect.ReasonRedirected, says: "what answered is no LiveDeflect API: check its address, and proxies on the way: HTTP 307"},
		{name: "success false", status: []int{200}, text: `{"success":"false","message":"no such account"}`, tries: 1, reason: deflect.ReasonRejected, says: `whether the report still reaches back so far: HTTP 200 "no such account"`},
		{name: "HTML", status: []int{200}, text: "<html>Sorry</html>", tries: 1, reason: deflect.ReasonBadResponse, says: "check its address, and proxies on the way: HTTP 200: the answer is an HTML page, not JSON"},
		{name: "slow first byte", status: []int{200}, bend: func(ctx context.Context, r io.Reader) io.Reader {
			return io.MultiReader(pausing{ctx, 45 * time.Second}, r)
		}, tries: 1, took: 45 * time.Second},
		{name: "cut off", status: []int{200}, bend: cut, tries: 4, took: 30 * time.Second, reason: deflect.ReasonConnectionLost, says: `ask again later, or with shorter windows: HTTP 200: jsontext: unexpected EOF within "/data/1/0/eventType" after offset 60`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reporter{bend: tt.bend, header: http.Header{}, answer: func(_, _ time.Time, try int) (int, string) {
					status := tt.status[min(try, len(tt.status))-1]
					if status == 200 && tt.text == "" || try > 1 && status == 200 {
						return status, told("1")
					}
					return status, tt.text
				}}
				if tt.after != "" {
					r.header.Set("Retry-After", tt.after)
				}
				registry := prometheus.NewRegistry()
				c := reportClient(t, r, func(c *rig.Config) { c.Registerer = registry })
				began := time.Now()
				ids, errs := collect(t.Context(), c, time.Minute)
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
				if len(r.asked) != tt.tries {
					t.Errorf("%d tries, want %d", len(r.asked), tt.tries)
				}
				if n := sum(t, registry, "deflect_report_requests_total"); n != float64(tt.tries) {
					t.Errorf("%v requests counted, want %d", n, tt.tries)
				}
				if tt.reason == "" {
					if len(ids) != 1 || errs != nil {
						t.Errorf("events %q, errors %v", ids, errs)
					}
					return
				}
				if len(errs) != 1 {
					t.Fatalf("errors %q, want one", errs)
				}
				var e *livedeflect.ReportError
				if !errors.As(errs[0], &e) || deflect.ReasonOf(errs[0]) != tt.reason || !e.From.Equal(noon) || !e.To.Equal(noon.Add(time.Minute)) {
					t.Errorf("error %#v, want %s", errs[0], tt.reason)
				}
				head := "deflect: report: " + string(tt.reason) + ": the events from 2026-11-21T12:00:00Z to 2026-11-21T12:01:00Z are missing; "
				if text := errs[0].Error(); !strings.HasPrefix(text, head) || !strings.HasSuffix(text, tt.says) {
					t.Errorf("error %q, want %q", text, head+tt.says)
				}
				if deflect.NotSent(errs[0]) {
					t.Error("NotSent() = true: a report says nothing about a text")
				}
			})
		})
	}
}

// sum adds up a metric's series.
func sum(t *testing.T, registry *prometheus.Registry, name string) (n float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return n
}

// TestReportGoesOn shows which windows come when one of them does not.
func TestReportGoesOn(t *testing.T) {
	tests := []struct {
		name   string
		status int
		hurt   int // the window, from 0
		ids    []string
		tries  int
		from   time.Duration
		to     time.Duration
	}{
		{"a window fails for good", 500, 1, []string{"0", "2", "3"}, 7, time.Hour - time.Millisecond, 2 * time.Hour},
		{"a window is refused", 400, 0, []string{"1", "2", "3"}, 4, 0, time.Hour},
		{"the keys are refused", 401, 1, []string{"0"}, 4, time.Hour - time.Millisecond, 4 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reporter{answer: func(from, _ time.Time, _ int) (int, string) {
					n := int(from.Add(time.Millisecond).Sub(noon).Hours())
					if n == tt.hurt {
						return tt.status, ""
					}
					return 200, told(fmt.Sprint(n))
				}}
				ids, errs := collect(t.Context(), reportClient(t, r, nil), 4*time.Hour)
				if diff := cmp.Diff(tt.ids, ids); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				var e *livedeflect.ReportError
				if len(errs) != 1 || !errors.As(errs[0], &e) || e.From.Sub(noon) != tt.from || e.To.Sub(noon) != tt.to {
					t.Errorf("errors %q", errs)
				}
				if len(r.asked) != tt.tries {
					t.Errorf("%d requests, want %d: %q", len(r.asked), tt.tries, r.asked)
				}
			})
		})
	}
}

// TestReportRefusedWindow shows that a window that is too old takes no retries
// from the others.
func TestReportRefusedWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{answer: func(from, _ time.Time, try int) (int, string) {
			switch n := int(from.Add(time.Millisecond).Sub(noon).Hours()); {
			case n == 0:
				return 400, ""
			case n == 5 && try == 1:
				return 503, ""
			}
			return 200, told("1")
		}}
		if _, errs := collect(t.Context(), reportClient(t, r, nil), 6*time.Hour); len(errs) != 1 {
			t.Errorf("errors %q, want that of the first window", errs)
		}
	})
}

// TestReportCancelledAtTheEnd cancels when an answer has arrived whole: what does
// not come then is told of.
func TestReportCancelledAtTheEnd(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) { return 200, told("1") }}
		r.bend = func(_ context.Context, body io.Reader) io.Reader { return io.MultiReader(body, cancelling(cancel)) }
		if ids, errs := collect(ctx, reportClient(t, r, nil), time.Minute); len(ids)+len(errs) == 0 {
			t.Fatal("neither the event nor an error")
		}
	}
}

type cancelling func()

func (c cancelling) Read([]byte) (int, error) { c(); return 0, io.EOF }

// TestReportPanics lets the transport panic on a goroutine of the report's own.
func TestReportPanics(t *testing.T) {
	r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) { panic("call +14043438646") }}
	_, errs := collect(t.Context(), reportClient(t, r, nil), time.Minute)
	if len(errs) != 1 || deflect.ReasonOf(errs[0]) != deflect.ReasonInternal || !strings.Contains(errs[0].Error(), "defect: a value of type string at report_test.go:") {
		t.Errorf("errors %q", errs)
	}
}

// TestReportOutage shows that an API that is down is not asked for hours.
func TestReportOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) { return 503, "" }}
		began := time.Now()
		ids, errs := collect(t.Context(), reportClient(t, r, nil), 24*time.Hour)
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("took %s", took)
		}
		if len(ids) != 0 || len(errs) != 24 {
			t.Errorf("%d events, %d errors", len(ids), len(errs))
		}
	})
}

// TestReportBreaksOff loses the connection in the middle of an answer, once.
func TestReportBreaksOff(t *testing.T) {
	for _, lost := range []error{io.ErrUnexpectedEOF, errors.New("connection reset"), nil} {
		synctest.Test(t, func(t *testing.T) {
			var names []string
			for i := range 1000 {
				names = append(names, fmt.Sprint(i))
			}
			bent := false
			r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) { return 200, told(names...) }}
			r.bend = func(_ context.Context, body io.Reader) io.Reader {
				if bent {
					return body
				}
				bent = true
				if lost == nil { // a proxy that ends the answer as if it were whole
					return io.LimitReader(body, 40_000)
				}
				return io.MultiReader(io.LimitReader(body, 40_000), failing{lost})
			}
			ids, errs := collect(t.Context(), reportClient(t, r, nil), time.Minute)
			if diff := cmp.Diff(names, ids); diff != "" || errs != nil {
				t.Errorf("after %v: errors %v, events (-want +got):\n%s", lost, errs, diff)
			}
		})
	}
}

// pausing is nothing, after a while.
type pausing struct {
	ctx context.Context
	d   time.Duration
}

func (p pausing) Read([]byte) (int, error) {
	select {
	case <-time.After(p.d):
		return 0, io.EOF
	case <-p.ctx.Done():
		return 0, context.Cause(p.ctx)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestReportStalls lets the API fall silent in the middle, and the reader be slow.
func TestReportStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := false
		r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) { return 200, told("1", "2", "3") }}
		r.bend = func(ctx context.Context, body io.Reader) io.Reader {
			if stalled {
				return body
			}
			stalled = true
			return io.MultiReader(io.LimitReader(body, 100), silent{ctx})
		}
		c := reportClient(t, r, nil)
		began := time.Now()
		n := 0
		for _, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: noon, To: noon.Add(time.Minute)}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 1 {
				if took := time.Since(began); took != 35*time.Second {
					t.Errorf("the first event took %s", took)
				}
			}
			time.Sleep(time.Hour)
		}
		if n != 3 {
			t.Errorf("%d events, want 3", n)
		}
	})
}

type silent struct{ ctx context.Context }

func (s silent) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, context.Cause(s.ctx)
}

func TestReportEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{takes: time.Second, answer: func(from, _ time.Time, _ int) (int, string) {
			return 200, told(fmt.Sprint(from.UnixMilli()))
		}}
		c := reportClient(t, r, nil)
		for range c.API.Report(t.Context(), livedeflect.ReportQuery{From: noon, To: noon.Add(24 * time.Hour)}) {
			break // the bubble would not end with a fetcher left
		}
		if len(r.asked) > 4 {
			t.Errorf("%d windows were asked for", len(r.asked))
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		stop := errors.New("enough")
		var ids []string
		var errs []error
		for e, err := range c.API.Report(ctx, livedeflect.ReportQuery{From: noon, To: noon.Add(24 * time.Hour)}) {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if ids = append(ids, e.CallID); len(ids) == 2 {
				cancel(stop)
			}
		}
		var e *livedeflect.ReportError
		if len(errs) != 1 || !errors.As(errs[0], &e) || e.Reason != deflect.ReasonCanceled || !e.To.Equal(noon.Add(24*time.Hour)) || !errors.Is(errs[0], stop) {
			t.Errorf("events %q, errors %q", ids, errs)
		}
	})
}

func TestReportOfNothing(t *testing.T) {
	c := reportClient(t, &reporter{answer: func(_, _ time.Time, _ int) (int, string) { return 200, told() }}, nil)
	for name, q := range map[string]livedeflect.ReportQuery{
		"no span":   {},
		"no length": {From: noon, To: noon},
		"backwards": {From: noon, To: noon.Add(-time.Hour)},
		"far away":  {From: time.Unix(1<<62, 0), To: time.Unix(1<<62+1, 0)},
		"too early": {From: time.Unix(-5, 0), To: noon},
		"too long":  {From: noon, To: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
	} {
		n := 0
		for _, err := range c.API.Report(t.Context(), q) {
			if n++; !errors.Is(err, deflect.ErrInvalidCall) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d errors, want one", name, n)
		}
	}
}

// TestReportAndBreaker shows that neither hears of the other.
func TestReportAndBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) { return 500, "" }}
		registry := prometheus.NewRegistry()
		c := reportClient(t, r, func(c *rig.Config) { c.Breaker.Failures = 1; c.Registerer = registry })
		if _, errs := collect(t.Context(), c, time.Minute); len(errs) != 1 {
			t.Fatalf("errors %q", errs)
		}
		if _, err := c.Offer(t.Context(), call()); err != nil {
			t.Errorf("a failed report moved the breaker: %v", err)
		}
		if _, err := c.Deflect(t.Context(), call()); err == nil {
			t.Fatal("Deflect() succeeded")
		}
		if _, err := c.Offer(t.Context(), call()); err == nil {
			t.Fatal("the breaker is not open")
		}
		r.answer = func(_, _ time.Time, _ int) (int, string) { return 200, told("1") }
		if ids, errs := collect(t.Context(), c, time.Minute); len(ids) != 1 || errs != nil {
			t.Errorf("an open breaker stops the report: %q, %v", ids, errs)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v %v", problems, err)
		}
	})
}
