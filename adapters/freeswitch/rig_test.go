package freeswitch_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// pipeListener accepts net.Pipe ends, so that a server runs in a bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) dial(t testing.TB) net.Conn {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
	case <-l.closed:
		theirs.Close()
	}
	return ours
}

// rig is a server with its two doubles, in a bubble.
type rig struct {
	t    testing.TB
	api  *livedeflecttest.Server
	srv  *freeswitch.Server
	ln   *pipeListener
	reg  *prometheus.Registry
	log  *syncBuffer
	stop context.CancelFunc // begins the shutdown
	done chan error         // what Serve returned
	ran  atomic.Int64       // calls
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var keys = livedeflecttest.Config{
	ConsumerKey: "consumer", ConsumerSecret: "consumer-s3cret", Token: "token", TokenSecret: "token-s3cret",
}

func sales() freeswitch.Profile {
	return freeswitch.Profile{
		Name: "sales", Dialed: []string{"+18005550100"}, Skill: "sales", Text: "Thanks for calling.",
		AcceptDigit: "1", DeclineDigit: "2", Repeat: 2, Gap: 3 * time.Second,
		Rules:   deflect.Rules{NoCooldown: true}, // every caller of the tests has the same number
		Prompts: freeswitch.Prompts{Offer: "offer.wav", Wait: freeswitch.None, Sent: "sent.wav", Failed: "failed.wav", Uncertain: "uncertain.wav"},
	}
}

// backend sends through a transport, such as that of the API's double.
func backend(t testing.TB, transport http.RoundTripper) *livedeflect.Client {
	t.Helper()
	api, err := livedeflect.New(livedeflect.Config{
		SiteID: "38856538", Domain: "va", Transport: transport,
		Auth: liveperson.OAuth1{
			ConsumerKey: keys.ConsumerKey, ConsumerSecret: deflect.NewSecret(keys.ConsumerSecret),
			Token: keys.Token, TokenSecret: deflect.NewSecret(keys.TokenSecret),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api
}

// testConfig is a server configuration with its API double.
func testConfig(t testing.TB, change func(*deflect.Config, *freeswitch.Config)) (freeswitch.Config, *livedeflecttest.Server, *syncBuffer) {
	t.Helper()
	api := livedeflecttest.New(keys)
	log := &syncBuffer{}
	reg := prometheus.NewRegistry()
	dc := deflect.Config{
		Backend: backend(t, api), Registerer: reg,
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	fc := freeswitch.Config{Profiles: []freeswitch.Profile{sales()}, Registerer: reg, Logger: dc.Logger}
	if change != nil {
		change(&dc, &fc)
	}
	client, err := deflect.New(dc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	fc.Client = client
	return fc, api, log
}

// newRig starts a server inside the bubble that the test runs in.
func newRig(t testing.TB, change func(*deflect.Config, *freeswitch.Config)) *rig {
	t.Helper()
	fc, api, log := testConfig(t, change)
	srv, err := freeswitch.New(fc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	reg, _ := fc.Registerer.(*prometheus.Registry)
	r := &rig{t: t, api: api, srv: srv, ln: newPipeListener(), reg: reg, log: log, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- srv.Serve(ctx, r.ln) }()
	t.Cleanup(func() {
		stop()
		srv.Cut()
		if err := <-r.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if n := srv.Calls(); n != 0 {
			t.Errorf("%d calls are left", n)
		}
	})
	return r
}

// caller is a call that hears every prompt to its end and does nothing.
func caller(script ...freeswitchtest.Action) freeswitchtest.Call {
	return freeswitchtest.Call{
		UUID: "3e0068c6-dcda-4c96-a87d-305d62b539f6",
		ANI:  "+14043438646", DNIS: "18005550100", CallerName: "Jane Doe",
		SocketResume: true, Script: script,
	}
}

// run plays one call, which is another one than those before.
func (r *rig) run(c freeswitchtest.Call) freeswitchtest.Result {
	r.t.Helper()
	if n := r.ran.Add(1); n > 1 && c.UUID == caller().UUID {
		c.UUID = nthCall(n)
	}
	return r.play(c)
}

// nthCall is the id of another call.
func nthCall[N int | int64](n N) string { return fmt.Sprintf("3e0068c6-dcda-4c96-a87d-%012d", n) }

// play plays a call, or one more pass of it. What a real switch would not take is an error
// in any test.
func (r *rig) play(c freeswitchtest.Call) freeswitchtest.Result {
	r.t.Helper()
	res, err := c.Run(context.Background(), r.ln.dial(r.t))
	if err != nil {
		r.t.Errorf("run: %v", err)
	}
	r.clean(res)
	return res
}

func (r *rig) clean(res freeswitchtest.Result) {
	r.t.Helper()
	if len(res.Violations)+len(res.Expansions) > 0 {
		r.t.Errorf("violations %q, expansions %q", res.Violations, res.Expansions)
	}
	if res.Lost {
		r.t.Errorf("the caller was lost: %v", res.Timeline)
	}
	if res.ResumeLeft && res.Release == freeswitchtest.Exited {
		r.t.Errorf("socket_resume is left on the channel: %q", res.Commands)
	}
	if !res.Continued && !res.HungUp && !res.Transferred {
		r.t.Errorf("the call ended nowhere: %v", res.Timeline)
	}
}

// wantOutcome checks variables, counter and log line of the only call.
func (r *rig) wantOutcome(res freeswitchtest.Result, o deflect.Outcome, reason deflect.Reason) {
	r.t.Helper()
	synctest.Wait() // a call is given back before it is counted and recorded
	if res.Continued && (res.Vars["deflect_outcome"] != string(o) || res.Vars["deflect_reason"] != string(reason)) {
		r.t.Errorf("variables = %v, want %s %s", res.Vars, o, reason)
	}
	if got := outcomes(r.t, r.reg); len(got) != 1 || got[string(o)+" "+string(reason)] != 1 {
		r.t.Errorf("counted %v, want one %s %s", got, o, reason)
	}
	line := `"outcome":"` + string(o) + `","reason":"` + string(reason) + `"`
	if n := strings.Count(r.log.String(), `"msg":"call ended"`); n != 1 || !strings.Contains(r.log.String(), line) {
		r.t.Errorf("%d lines of the call in the log, want one with %s:\n%s", n, line, r.log.String())
	}
}

func (r *rig) wantTexts(n int) {
	r.t.Helper()
	if got := len(r.api.Sent()); got != n {
		r.t.Errorf("%d texts were sent, want %d", got, n)
	}
}

// outcomes returns the non-zero series of deflect_outcomes_total.
func outcomes(t testing.TB, g prometheus.Gatherer) map[string]int {
	return series(t, g, "deflect_outcomes_total")
}

// series returns the non-zero series of a counter or gauge, by their label values but the
// profile, of which it is the sum.
func series(t testing.TB, g prometheus.Gatherer, name string) map[string]int {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				if l.GetName() != "profile" {
					labels = append(labels, l.GetValue())
				}
			}
			if v := int(m.GetCounter().GetValue() + m.GetGauge().GetValue()); v != 0 {
				got[strings.Join(labels, " ")] += v
			}
		}
	}
	return got
}

// inBubble runs a test with a rig of its own in a synctest bubble.
func inBubble(t *testing.T, change func(*deflect.Config, *freeswitch.Config), test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t, change)) })
}
