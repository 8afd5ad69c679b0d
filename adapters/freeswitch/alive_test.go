package freeswitch_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// alive asks a server with time enough, unless it is stuck.
func alive(t *testing.T, s *freeswitch.Server, enough time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	_, err := s.Alive(ctx)
	return err
}

// A server is alive before it serves, while it has room, while it is full, while it lets
// its last call end, and when it has. The look is in no count and in no log, and takes no
// call's place: room is for one.
func TestAlive(t *testing.T) {
	for _, how := range []string{"listener", "held", "allowed nobody"} {
		t.Run(how, func(t *testing.T) {
			fc, _, log := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) { c.MaxCalls = 1 })
			if how == "allowed nobody" {
				fc.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			}
			reg := fc.Registerer.(*prometheus.Registry)
			srv, err := freeswitch.New(fc)
			if err != nil {
				t.Fatal(err)
			}
			is := func(when string) {
				t.Helper()
				for range 20 {
					if err := alive(t, srv, time.Minute); err != nil {
						t.Fatalf("%s: %v", when, err)
					}
				}
			}
			is("before it serves")
			looks := func() bool { looked, err := srv.Alive(t.Context()); return looked && err == nil }
			if looks() {
				t.Error("before it serves there is nothing to look at")
			}
			ln, err := freeswitch.Listen("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := ln.Addr().String()
			var shelf *pausing
			if how == "held" {
				ln.Close()
				shelf = newPausing(t)
				ln, addr = shelf, shelf.Addr().String()
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- srv.Serve(ctx, ln) }()
			eventually(t, "it is looked at", looks)
			is("while there is room")
			if n := strings.Count(log.String(), "\n"); n > 0 {
				t.Errorf("the log has %d lines:\n%s", n, log)
			}
			for _, name := range []string{"deflect_freeswitch_rejected_connections_total", "deflect_freeswitch_full_total", "deflect_freeswitch_protocol_errors_total"} {
				for labels, n := range series(t, reg, name) {
					if n != 0 {
						t.Errorf("%s{%s} is %v", name, labels, n)
					}
				}
			}
			if how != "allowed nobody" {
				result := make(chan fst.Result, 1)
				go func() {
					res, err := held().Dial(context.Background(), addr)
					if err != nil {
						t.Error(err)
					}
					result <- res
				}()
				eventually(t, "it is full", srv.Refusing)
				is("while it is full")
				if nc, err := net.Dial("tcp", addr); err == nil {
					nc.Close()
					t.Error("connections are taken while it is full")
				}
				stop()
				is("while its last call ends")
				srv.Cut()
				if res := <-result; !res.Continued {
					t.Errorf("the call: %v", res.Timeline)
				}
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			is("when all is over")
		})
	}
}

// It is told when calls are not taken up, and that that is over.
func TestNotAlive(t *testing.T) {
	t.Run("a lock", func(t *testing.T) {
		r := serveTCP(t, 10)
		if err := alive(t, r.Server, time.Minute); err != nil {
			t.Fatal(err)
		}
		release := r.Stick()
		ended := make(chan error, 1)
		go func() { ended <- alive(t, r.Server, 50*time.Millisecond) }()
		select {
		case err := <-ended:
			t.Errorf("answered %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		release()
		<-ended
		if err := alive(t, r.Server, time.Minute); err != nil {
			t.Error(err)
		}
	})
	t.Run("a log that nobody reads", func(t *testing.T) {
		fc, _, _ := testConfig(t, nil)
		stuck := &stuckLog{entered: make(chan struct{}, 1), release: make(chan struct{})}
		fc.Logger, fc.Allow = slog.New(stuck), []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		ln, err := freeswitch.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv, stop := serving(t, fc, ln)
		defer stop()
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		<-stuck.entered
		if err := alive(t, srv, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("alive: %v", err)
		}
		close(stuck.release)
		if err := alive(t, srv, time.Minute); err != nil {
			t.Error(err)
		}
	})
}

type stuckLog struct{ entered, release chan struct{} }

func (l *stuckLog) Enabled(context.Context, slog.Level) bool { return true }
func (l *stuckLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *stuckLog) WithGroup(string) slog.Handler            { return l }
func (l *stuckLog) Handle(context.Context, slog.Record) error {
	select {
	case l.entered <- struct{}{}:
	default:
	}
	<-l.release
	return nil
}

// It looks at each address on which calls come, and at those of every family.
func TestAliveAddresses(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0", "[::]:0", ":0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			ln, err := freeswitch.Listen(address)
			if err != nil {
				t.Skipf("this machine has no such address: %v", err)
			}
			counted := &counting{Listener: ln}
			fc, _, _ := testConfig(t, nil)
			srv, stop := serving(t, fc, counted)
			defer stop()
			eventually(t, "it serves", func() bool { return counted.waits.Load() > 0 })
			if err := alive(t, srv, time.Minute); err != nil {
				t.Error(err)
			}
			if n := counted.taken.Load(); n != 1 {
				t.Errorf("%d connections were accepted", n)
			}
		})
	}
}

// A way that the machine does not have says nothing of who listens at its end.
func TestAliveWithoutAWay(t *testing.T) {
	ln, err := freeswitch.Listen("127.255.255.255:0") // which nobody can connect to
	if err != nil {
		t.Skipf("this machine has no such address: %v", err)
	}
	counted := &counting{Listener: ln}
	fc, _, _ := testConfig(t, nil)
	srv, stop := serving(t, fc, counted)
	defer stop()
	eventually(t, "it serves", func() bool { return counted.waits.Load() > 0 })
	if looked, err := srv.Alive(t.Context()); looked || err != nil {
		t.Errorf("has looked: %v, %v", looked, err)
	}
}

// serving is a server on a listener, until stop, which waits for its end.
func serving(t *testing.T, cfg freeswitch.Config, ln net.Listener) (srv *freeswitch.Server, stop func()) {
	t.Helper()
	srv, err := freeswitch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	return srv, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

type counting struct {
	net.Listener
	waits, taken atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	l.waits.Add(1)
	nc, err := l.Listener.Accept()
	if err == nil {
		l.taken.Add(1)
	}
	return nc, err
}

// pausing is a listener that refuses while it is told to, by closing and listening again.
type pausing struct {
	t    *testing.T
	addr string
	now  atomic.Pointer[net.Listener]
}

func newPausing(t *testing.T) *pausing {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pausing{t: t, addr: ln.Addr().String()}
	p.now.Store(&ln)
	return p
}

func (p *pausing) Accept() (net.Conn, error) { return (*p.now.Load()).Accept() }
func (p *pausing) Addr() net.Addr            { return (*p.now.Load()).Addr() }
func (p *pausing) Pause() error              { return (*p.now.Load()).Close() }

func (p *pausing) Close() error {
	p.t.Error("closed, which is its owner's business")
	return nil
}

func (p *pausing) Resume() error {
	ln, err := net.Listen("tcp", p.addr)
	if err == nil {
		p.now.Store(&ln)
	}
	return err
}
