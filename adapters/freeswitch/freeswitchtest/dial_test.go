package freeswitchtest

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// listen runs a trivial program that lets every call go on.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p := newPeer(t, conn)
			p.send("connect", exec("set", "a=b", "s"), "resume", "exit")
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

func TestDial(t *testing.T) {
	addr := listen(t)
	for name, list := range map[string]string{"one": addr, "second": nobody(t) + "|" + addr} {
		t.Run(name, func(t *testing.T) {
			r, err := Call{}.Dial(t.Context(), list)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "continued, lost", []bool{r.Continued, r.Lost}, []bool{true, false})
			equal(t, "vars", r.Vars, map[string]string{"a": "b"})
			equal(t, "violations", r.Violations, nil)
		})
	}
}

func TestDialNobody(t *testing.T) {
	r, err := Call{}.Dial(t.Context(), nobody(t)+"|"+nobody(t))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "continued, lost", []bool{r.Continued, r.Lost}, []bool{true, false})
	equal(t, "after", r.ContinuedAfter, time.Duration(0))
	equal(t, "timeline", len(r.Timeline), 3)
}

func TestDialEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Call{}).Dial(ctx, "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
