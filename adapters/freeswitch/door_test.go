package freeswitch_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// tcpRig is a server that listens on loopback.
type tcpRig struct {
	*freeswitch.Server
	t    *testing.T
	addr string
	reg  *prometheus.Registry
	log  *syncBuffer
	stop context.CancelFunc
	done chan error
}

func serveTCP(t *testing.T, maxCalls int) *tcpRig {
	t.Helper()
	fc, _, log := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) { c.MaxCalls = maxCalls })
	srv, err := freeswitch.New(fc)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := freeswitch.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &tcpRig{Server: srv, t: t, addr: ln.Addr().String(), reg: fc.Registerer.(*prometheus.Registry), log: log, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- srv.Serve(ctx, ln) }()
	t.Cleanup(r.end)
	return r
}

func (r *tcpRig) end() {
	if r.stop == nil {
		return
	}
	r.stop()
	r.Cut()
	if err := <-r.done; err != nil {
		r.t.Errorf("Serve: %v", err)
	}
	r.stop = nil
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 20_000 {
		if ok() {
			return
		}
		time.Sleep(500 * time.Microsecond)
	}
	t.Fatalf("waited in vain: %s", what)
}

// held is a call that hears the offer until it is given back.
func held() fst.Call {
	c := caller()
	c.Prompts = map[string]time.Duration{"offer.wav": time.Hour}
	return c
}

// While one host of the dialplan is full, calls get their offer from the next one. With
// room again, calls come back to the first.
func TestFullFailsOver(t *testing.T) {
	const n, room = 720, 140
	a, b := serveTCP(t, room), serveTCP(t, n)
	results := make(chan fst.Result, n)
	ctx, hangUp := context.WithCancel(context.Background())
	for i := range n {
		go func() {
			ctx := ctx
			if i >= room/2 {
				ctx = context.Background()
			}
			res, err := held().Dial(ctx, a.addr+"|"+b.addr)
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if i >= room/2 {
				results <- res
			}
		}()
		eventually(t, "a call is served", func() bool { return a.Calls()+b.Calls() == i+1 })
	}
	if a.Calls() != room || !a.Refusing() || b.Refusing() {
		t.Errorf("%d calls at the first host, refusing %v; refusing at the second %v", a.Calls(), a.Refusing(), b.Refusing())
	}
	if n := strings.Count(a.log.String(), "calls are refused until some end"); n != 1 {
		t.Errorf("the log says %d times that it is full", n)
	}
	if got := series(t, a.reg, "deflect_freeswitch_full_total"); got[""] != 1 {
		t.Errorf("full %v times", got)
	}

	hangUp()
	eventually(t, "there is room", func() bool { return !a.Refusing() })
	eventually(t, "the calls are over", func() bool { return a.Calls() == room/2 })
	for i := range 10 {
		go func() {
			res, _ := held().Dial(context.Background(), a.addr+"|"+b.addr)
			results <- res
		}()
		eventually(t, "a call is served by the first host", func() bool { return a.Calls() == room/2+i+1 })
	}
	a.end()
	b.end()
	for range n - room/2 + 10 {
		if res := <-results; !res.Continued || res.Vars["deflect_reason"] != "shutdown" {
			t.Errorf("a call without an offer: %v", res.Timeline)
		}
	}
}

// With calls that come all at once, what the kernel has let in is reset: the calls go
// on, and no more are served than allowed.
func TestFullAtOnceServesNoMore(t *testing.T) {
	const n, room = 300, 20
	a := serveTCP(t, room)
	results := make(chan fst.Result, n)
	for range n {
		go func() {
			res, err := held().Dial(context.Background(), a.addr)
			if err != nil {
				t.Error(err)
			}
			results <- res
		}()
	}
	for range n - room {
		// A handshake that the end of the listener overtakes can be forgotten by the
		// kernel: the other side finds out by itself, a FreeSWITCH within 25 s.
		if res := <-results; !res.Continued || len(res.Played) > 0 || res.ContinuedAfter > 26*time.Second {
			t.Errorf("a call over the limit: %v", res.Timeline)
		}
	}
	a.end()
	for range room {
		if res := <-results; !res.Continued || res.Vars["deflect_reason"] != "shutdown" {
			t.Errorf("a call within the limit: %v", res.Timeline)
		}
	}
}

// Somebody listens on the address when there is room again: it is tried until it is
// free. A stop ends that.
func TestTakenAddressIsTriedUntilItIsFree(t *testing.T) {
	a := serveTCP(t, 1)
	call := func() (end func()) {
		t.Helper()
		eventually(t, "the server listens", func() bool { return !a.Refusing() })
		ctx, hangUp := context.WithCancel(context.Background())
		go held().Dial(ctx, a.addr)
		eventually(t, "a call is served", func() bool { return a.Calls() == 1 })
		return func() {
			hangUp()
			eventually(t, "the call is over", func() bool { return a.Calls() == 0 })
		}
	}
	for range 2 {
		end := call()
		var other net.Listener
		eventually(t, "the address is free", func() (ok bool) {
			ln, err := net.Listen("tcp", a.addr)
			other = ln
			return err == nil
		})
		end()
		eventually(t, "the log says so", func() bool { return strings.Contains(a.log.String(), "calls are refused: cannot listen, trying again") })
		if !a.Refusing() {
			t.Error("calls are not refused")
		}
		other.Close()
		call()()
	}
	call()
	other, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	a.Cut()
	eventually(t, "the call is over", func() bool { return a.Calls() == 0 })
	a.end()
}

// A higher limit opens the door of a server that is full, a lower one shuts it.
func TestLimitOpensAndShutsTheDoor(t *testing.T) {
	cfg, _, _ := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) { c.MaxCalls = 2 })
	srv, err := freeswitch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := freeswitch.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	call := func() {
		t.Helper()
		before := srv.Calls()
		go held().Dial(context.Background(), ln.Addr().String())
		eventually(t, "a call is served", func() bool { return srv.Calls() == before+1 })
	}
	limit := func(n int) {
		t.Helper()
		cfg.MaxCalls = n
		if err := srv.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if got := series(t, cfg.Registerer.(*prometheus.Registry), "deflect_freeswitch_calls_limit")[""]; got != n {
			t.Errorf("the gauge shows a limit of %d, want %d", got, n)
		}
	}
	call()
	call()
	eventually(t, "it is full", srv.Refusing)
	limit(4)
	eventually(t, "it is not full", func() bool { return !srv.Refusing() })
	call()
	limit(3)
	eventually(t, "it is full", srv.Refusing)
	stop()
	srv.Cut()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Without a file descriptor for the next call, nobody listens until there is one.
func TestNobodyListensWithoutADescriptor(t *testing.T) {
	cfg, _, log := testConfig(t, nil)
	srv, err := freeswitch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := freeswitch.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.ServeStarved(ctx, ln) }()
	res, err := held().Dial(context.Background(), ln.Addr().String())
	if err != nil || !res.Continued || len(res.Played) > 0 {
		t.Errorf("a call without a descriptor: %v, %v", res.Timeline, err)
	}
	eventually(t, "the server listens", func() bool { return !srv.Refusing() })
	go held().Dial(context.Background(), ln.Addr().String())
	eventually(t, "a call is served", func() bool { return srv.Calls() == 1 })
	if n := strings.Count(log.String(), "too many open files"); n != 1 {
		t.Errorf("the log says so %d times:\n%s", n, log.String())
	}
	stop()
	srv.Cut()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A listener that the server cannot make again as it was stays open: what is over the
// limit is closed at once, and with room calls are served as before.
func TestOwnListenerStaysOpen(t *testing.T) {
	cfg, _, _ := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) { c.MaxCalls = 1 })
	srv, err := freeswitch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	for range 2 {
		call, hangUp := context.WithCancel(context.Background())
		go held().Dial(call, ln.Addr().String())
		eventually(t, "a call is served", func() bool { return srv.Calls() == 1 && srv.Refusing() })
		if other, err := net.Listen("tcp4", ln.Addr().String()); err == nil {
			other.Close()
			t.Error("the address was given away")
		}
		res, err := held().Dial(context.Background(), ln.Addr().String())
		if err != nil || !res.Continued || len(res.Played) > 0 {
			t.Errorf("a call over the limit: %v, %v", res.Timeline, err)
		}
		hangUp()
		eventually(t, "the call is over", func() bool { return srv.Calls() == 0 })
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
