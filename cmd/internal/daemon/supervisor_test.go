package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// supervisor is the notify socket of a systemd.
func supervisor(t *testing.T, watchdog string) <-chan string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Skipf("no socket of datagrams here: %v", err)
	}
	t.Cleanup(func() { ln.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", watchdog)
	told := make(chan string, 100_000)
	go func() {
		defer close(told)
		for buf := make([]byte, 4096); ; {
			n, err := ln.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	return told
}

// others are the messages up to one that begins so, without the watchdog's.
func others(t *testing.T, told <-chan string, until string) (seen []string) {
	t.Helper()
	for m := range told {
		m, _, _ = strings.Cut(m, "\nMONOTONIC_USEC=")
		if m != "WATCHDOG=1" {
			seen = append(seen, m)
		}
		if strings.HasPrefix(m, until) {
			return seen
		}
	}
	t.Fatalf("never told %s, but %q", until, seen)
	return nil
}

// The supervisor is told of the start, of reloads good and bad, and of the end with the
// time that it may take; the watchdog is fed all along, also while calls in progress are
// waited for.
func TestSupervisorIsTold(t *testing.T) {
	told := supervisor(t, "8000") // fed every 2 ms
	next, wrong := testFile(t), errors.New("no such file")
	b := start(t, func(o *Options) {
		o.Load = func() (config.File, error) { return next, wrong }
	})
	next.LiveDeflect.BaseURL = b.api.URL()
	next.Deflect.Logger = nil
	if diff := cmp.Diff([]string{"READY=1\nSTATUS=Takes calls"}, others(t, told, "READY=1")); diff != "" {
		t.Errorf("at the start (-want +got):\n%s", diff)
	}
	for _, want := range []string{" by the configuration before: the last one was refused, see the log", ""} {
		b.daemon.Reload()
		if diff := cmp.Diff([]string{"RELOADING=1", "READY=1\nSTATUS=Takes calls" + want}, others(t, told, "READY=1")); diff != "" {
			t.Errorf("of a reload (-want +got):\n%s", diff)
		}
		wrong = nil
	}
	others(t, told, "WATCHDOG=1")

	results, live := b.calls(1, freeswitchtest.Call{
		ANI: caller, DNIS: dialed, SocketResume: true, Answered: true, Prompts: map[string]time.Duration{"offer.wav": time.Hour},
	})
	<-live
	b.stop()
	if diff := cmp.Diff([]string{"STOPPING=1\nSTATUS=Lets the calls in progress end\nEXTEND_TIMEOUT_USEC=75000000"}, others(t, told, "STOPPING=1")); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
	for range 5 { // one was on its way
		others(t, told, "WATCHDOG=1")
	}
	b.daemon.Cut()
	<-results
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// A loop that is stuck, here in a log that is not written, leaves the watchdog unfed.
func TestStuckLoopIsNotAlive(t *testing.T) {
	told := supervisor(t, "200000") // fed every 50 ms
	stuck := &stuckAt{message: "connection refused", entered: make(chan struct{}), release: make(chan struct{})}
	b := start(t, func(o *Options) {
		stuck.Handler = o.Logger.Handler()
		o.Logger = slog.New(stuck)
		o.Config.FreeSWITCH.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	})
	for looked := false; !looked; {
		looked, _ = b.daemon.server.Alive(t.Context())
	}
	for len(told) > 0 {
		<-told
	}
	for range 2 { // the second is of a look that had somebody to look at
		others(t, told, "WATCHDOG=1")
	}
	nc, err := net.Dial("tcp", b.daemon.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	<-stuck.entered
	b.log.await("the watchdog of the supervisor is not fed; unless that ends it restarts deflectd, and the callers go on in their dialplan")
	for len(told) > 0 {
		<-told
	}
	select {
	case m := <-told:
		t.Errorf("told %q", m)
	case <-time.After(300 * time.Millisecond):
	}
	close(stuck.release)
	others(t, told, "WATCHDOG=1")
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// stuckAt is a log that is stuck at one message.
type stuckAt struct {
	slog.Handler
	message          string
	entered, release chan struct{}
}

func (s *stuckAt) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, s.message) {
		close(s.entered)
		<-s.release
	}
	return s.Handler.Handle(ctx, r)
}

// What cannot be looked at is not restarted for it: no look has ever succeeded.
func TestWatchdogThatCannotLook(t *testing.T) {
	told := supervisor(t, "40000")
	b := start(t, func(o *Options) { o.Inherited.Calls = deaf(t) })
	b.log.await("the watchdog cannot tell whether calls are taken up: let connections from this machine itself through")
	for range 3 {
		others(t, told, "WATCHDOG=1")
	}
	for len(b.log.seen) > 0 {
		if m := <-b.log.seen; strings.HasPrefix(m, "the watchdog") {
			t.Errorf("says again: %s", m)
		}
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// deaf is a listener at whose address nobody listens.
func deaf(t *testing.T) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return &silent{at: ln.Addr(), closed: make(chan struct{})}
}

type silent struct {
	at     net.Addr
	closed chan struct{}
}

func (s *silent) Accept() (net.Conn, error) { <-s.closed; return nil, net.ErrClosed }
func (s *silent) Addr() net.Addr            { return s.at }

func (s *silent) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}
