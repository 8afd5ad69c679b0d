package daemon

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// pressOne is a caller who presses 1 at once.
var pressOne = freeswitchtest.Call{
	ANI: caller, DNIS: dialed, SocketResume: true, Answered: true,
	Vars: map[string]string{"deflect_digits": "42"}, Script: []freeswitchtest.Action{freeswitchtest.Press("1")},
}

// listening is a caller who hears an offer that does not end.
var listening = freeswitchtest.Call{
	ANI: caller, DNIS: dialed, SocketResume: true, Answered: true,
	Prompts: map[string]time.Duration{"offer.wav": time.Hour},
}

func TestCallGetsItsOutcome(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := start(t, func(o *Options) { o.Registry = registry })
	tests := []struct {
		name  string
		fault livedeflecttest.Fault
		call  freeswitchtest.Call
		want  string
	}{
		{"presses 1", livedeflecttest.Fault{}, pressOne, reason(deflect.Sent, deflect.ReasonOK)},
		{"presses nothing", livedeflecttest.Fault{}, freeswitchtest.Call{
			ANI: caller, DNIS: dialed, SocketResume: true, Prompts: map[string]time.Duration{"offer.wav": time.Millisecond},
		}, reason(deflect.NoInput, deflect.ReasonNoKey)},
		{"API broken", livedeflecttest.Fault{Status: 500}, pressOne, reason(deflect.Uncertain, deflect.ReasonServerError)},
		{"API loses the answer", livedeflecttest.Fault{ResetAfter: true}, pressOne, reason(deflect.Uncertain, deflect.ReasonConnectionLost)},
		{"hidden number", livedeflecttest.Fault{}, freeswitchtest.Call{
			ANI: caller, DNIS: dialed, SocketResume: true, HideNumber: true,
		}, reason(deflect.Ineligible, deflect.ReasonNumberHidden)},
		{"unknown number", livedeflecttest.Fault{}, freeswitchtest.Call{
			ANI: caller, DNIS: "+18005550199", SocketResume: true,
		}, reason(deflect.Ineligible, deflect.ReasonNoProfile)},
	}
	for _, tt := range tests {
		if tt.fault != (livedeflecttest.Fault{}) {
			b.api.Inject(tt.fault)
		}
		results, _ := b.calls(1, tt.call)
		if diff := cmp.Diff(map[string]int{tt.want: 1}, outcomes(t, results, 1)); diff != "" {
			t.Errorf("%s: outcome (-want +got):\n%s", tt.name, diff)
		}
	}
	if n := len(b.api.Requests()); n != 3 {
		t.Errorf("the API got %d requests, want 3", n)
	}

	status, text := b.get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("/metrics: status %d", status)
	}
	for _, tt := range tests {
		outcome, why, _ := strings.Cut(tt.want, "/")
		profile := "sales"
		if why == string(deflect.ReasonNoProfile) {
			profile = ""
		}
		series := fmt.Sprintf("deflect_outcomes_total{outcome=%q,profile=%q,reason=%q} 1\n", outcome, profile, why)
		if !strings.Contains(text, series) {
			t.Errorf("/metrics does not have %s", series)
		}
	}
	for _, series := range []string{
		"deflect_requests_total{", "deflect_request_duration_seconds_bucket{", "deflect_requests_in_flight ",
		`deflect_breaker_state{state="closed"} 1`, "deflect_breaker_transitions_total{", "deflect_freeswitch_calls_active ",
		"deflect_freeswitch_rejected_connections_total{", "deflect_freeswitch_protocol_errors_total{",
		"deflectd_build_info{", "go_goroutines ", "process_start_time_seconds ",
	} {
		if !strings.Contains(text, series) {
			t.Errorf("/metrics does not have %s", series)
		}
	}
	for _, tell := range tells {
		if strings.Contains(text, tell) {
			t.Errorf("/metrics shows %q", tell)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
	for _, line := range []string{`"msg":"deflectd started"`, `"profiles":["sales"]`, `"msg":"deflectd draining","calls":0`, `"msg":"deflectd stopped"`} {
		if n := strings.Count(b.log.text(), line); n != 1 {
			t.Errorf("the log has %s %d times, want once:\n%s", line, n, b.log.text())
		}
	}
}

// A daemon that is full takes no calls, and says so.
func TestFullDaemonSaysSo(t *testing.T) {
	b := start(t, func(o *Options) { o.Config.FreeSWITCH.MaxCalls = 1 })
	addr := b.daemon.Addr()
	results, live := b.calls(1, listening)
	<-live
	if status, body := b.get("/readyz"); status != http.StatusServiceUnavailable || body != "full: no more calls until some end\n" {
		t.Errorf("/readyz = %d %q", status, body)
	}
	if c, err := net.Dial("tcp", b.daemon.Addr()); err == nil || b.daemon.Addr() != addr {
		t.Errorf("dialling %s: %v, %v", b.daemon.Addr(), c, err)
	}
	b.stop()
	b.daemon.Cut()
	outcomes(t, results, 1)
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

func TestHealthAndMetricsAreServed(t *testing.T) {
	b := start(t, nil)
	for path, want := range map[string]string{
		"/healthz": "200 ok\n", "/readyz": "200 ok\n", "/-/healthy": "200 ok\n", "/-/ready": "200 ok\n", "/x": "404 404 page not found\n",
	} {
		status, body := b.get(path)
		if got := fmt.Sprintf("%d %s", status, body); got != want {
			t.Errorf("GET %s = %q, want %q", path, got, want)
		}
	}
	resp, err := http.Post("http://"+b.daemon.HTTPAddr()+"/metrics", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: status %d", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	b.stop()
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}

// TestDrainLetsTextsEnd stops a daemon whose callers wait for their texts.
func TestDrainLetsTextsEnd(t *testing.T) {
	const n = 100
	var g *gate
	b := start(t, func(o *Options) {
		g = newGate(liveperson.NewTransport())
		o.Transport = g
	})
	results, _ := b.calls(n, pressOne)
	for range n {
		<-g.arrived
	}
	b.stop()
	b.log.await("deflectd draining")
	if !strings.Contains(b.log.text(), `"msg":"deflectd draining","calls":100`) {
		t.Error("the log does not say how many calls are in progress")
	}
	if status, body := b.get("/readyz"); status != http.StatusServiceUnavailable || body != "draining\n" {
		t.Errorf("/readyz while draining = %d %q", status, body)
	}
	if status, body := b.get("/-/ready"); status != http.StatusServiceUnavailable || body != "draining\n" {
		t.Errorf("/-/ready while draining = %d %q", status, body)
	}
	if status, _ := b.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while draining = %d", status)
	}
	close(g.open)
	want := map[string]int{reason(deflect.Sent, deflect.ReasonOK): n}
	if diff := cmp.Diff(want, outcomes(t, results, n)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
	if nc, err := net.Dial("tcp", b.daemon.Addr()); err == nil {
		nc.Close()
		t.Error("calls are still accepted")
	}
	g.next.(*http.Transport).CloseIdleConnections()
}

func TestCutGivesCallsBack(t *testing.T) {
	const n = 100
	b := start(t, nil)
	results, live := b.calls(n, listening)
	<-live
	b.stop()
	b.log.await("deflectd draining")
	b.daemon.Cut()
	b.daemon.Cut()
	want := map[string]int{reason(deflect.Failed, deflect.ReasonShutdown): n}
	if diff := cmp.Diff(want, outcomes(t, results, n)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}

// TestDrainHasAnEnd lets the time of the drain run out.
func TestDrainHasAnEnd(t *testing.T) {
	b := start(t, func(o *Options) { o.Config.FreeSWITCH.DrainTimeout = time.Millisecond })
	results, live := b.calls(3, listening)
	<-live
	b.stop()
	want := map[string]int{reason(deflect.Failed, deflect.ReasonShutdown): 3}
	if diff := cmp.Diff(want, outcomes(t, results, 3)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}

// TestLostHTTPPortLosesNoCall shows that a lost HTTP port ends the daemon, but no call.
func TestLostHTTPPortLosesNoCall(t *testing.T) {
	var g *gate
	b := start(t, func(o *Options) {
		g = newGate(liveperson.NewTransport())
		o.Transport = g
	})
	results, _ := b.calls(1, pressOne)
	<-g.arrived
	b.daemon.web.Close()
	b.log.await("deflectd draining")
	close(g.open)
	if diff := cmp.Diff(map[string]int{reason(deflect.Sent, deflect.ReasonOK): 1}, outcomes(t, results, 1)); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if err := b.finish(); err == nil || !strings.HasPrefix(err.Error(), "daemon: serve HTTP: ") {
		t.Errorf("Run() = %v, want an error", err)
	}
	g.next.(*http.Transport).CloseIdleConnections()
}

func TestNewPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()

	f := testFile(t)
	f.OutboundListen = taken.Addr().String()
	if _, err := New(Options{Config: f}); err == nil || !strings.HasPrefix(err.Error(), "daemon: listen for calls: ") {
		t.Errorf("New() with the port for calls taken: %v", err)
	}
	f.OutboundListen, f.HTTPListen = free.Addr().String(), taken.Addr().String()
	for range 2 { // the second finds the first port free again
		if _, err := New(Options{Config: f}); err == nil || !strings.HasPrefix(err.Error(), "daemon: listen for HTTP: ") {
			t.Errorf("New() with the port for HTTP taken: %v", err)
		}
	}
}

func TestNewRefusesBadOptions(t *testing.T) {
	f := testFile(t)
	f.LiveDeflect.SiteID = ""
	if _, err := New(Options{Config: f}); err == nil || !strings.HasPrefix(err.Error(), "daemon: configure LiveDeflect: ") {
		t.Errorf("New() without a site id: %v", err)
	}
	f = testFile(t)
	f.FreeSWITCH.Profiles = nil
	if _, err := New(Options{Config: f}); err == nil || !strings.HasPrefix(err.Error(), "daemon: configure FreeSWITCH: ") {
		t.Errorf("New() without profiles: %v", err)
	}
	registry := prometheus.NewRegistry()
	b := start(t, func(o *Options) { o.Registry = registry })
	if _, err := New(Options{Config: testFile(t), Registry: registry}); err == nil || !strings.HasPrefix(err.Error(), "daemon: register metrics: ") {
		t.Errorf("New() with a registry in use: %v", err)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Errorf("Run() = %v", err)
	}
}
