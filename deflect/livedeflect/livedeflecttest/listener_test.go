package livedeflecttest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

func TestStartAndClose(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	s := New(cfg)
	if got, want := s.URL(), "https://va.ivrdeflect.liveperson.net"; got != want {
		t.Errorf("got URL %s, want %s", got, want)
	}
	s.Close() // nothing to close
	for i := range 2 {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err == nil {
			t.Error("a second Start succeeds")
		}
		if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") {
			t.Errorf("got URL %s", s.URL())
		}
		wantSent(t, send(overSocket(t), request(t, t.Context(), s, testBody(t, nil))), 473513+i)
		old := request(t, t.Context(), s, testBody(t, nil))
		s.Close()
		s.Close()
		if got := send(overSocket(t), old); got.err == nil {
			t.Errorf("got %+v after Close", got)
		}
	}
	if got := len(s.Sent()); got != 2 {
		t.Errorf("got %d texts, want those before and after the restart", got)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	s := RunT(t, testConfig())
	other := New(testConfig())
	addr := strings.TrimPrefix(s.URL(), "http://")
	if err := other.StartAddr(addr); err == nil || !strings.HasPrefix(err.Error(), "livedeflecttest: start: ") {
		t.Errorf("got %v for an address in use", err)
	}
}

// fakeT is a Tester that notes what it is told.
type fakeT struct {
	cleanups []func()
	fatal    string
}

func (f *fakeT) Helper()                           {}
func (f *fakeT) Cleanup(c func())                  { f.cleanups = append(f.cleanups, c) }
func (f *fakeT) Fatalf(format string, args ...any) { f.fatal = fmt.Sprintf(format, args...) }

func TestRunTCleansUp(t *testing.T) {
	t.Parallel()
	ft := &fakeT{}
	s := RunT(ft, testConfig())
	req := request(t, t.Context(), s, testBody(t, nil))
	if ft.fatal != "" || len(ft.cleanups) != 1 {
		t.Fatalf("got %+v, want one cleanup", ft)
	}
	ft.cleanups[0]()
	if got := send(overSocket(t), req); got.err == nil {
		t.Errorf("got %+v after the cleanup", got)
	}
}

func TestBasePathOverSocket(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.BaseURL = "https://gateway.example.com/live/deflect/"
	s := RunT(t, cfg)
	if !strings.HasSuffix(s.URL(), "/live/deflect") {
		t.Errorf("got URL %s", s.URL())
	}
	wantSent(t, send(overSocket(t), request(t, t.Context(), s, testBody(t, nil))), 473513)
	req := request(t, t.Context(), s, testBody(t, nil))
	req.URL.Path = testPath
	wantRefusal(t, send(overSocket(t), req), http.StatusNotFound, "Not Found")
}

// A user's own server: the double sits behind a mux that strips a prefix, and
// the connection has TLS and HTTP/2.
func TestHandlerOfAnotherServer(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	mux := http.NewServeMux()
	mux.Handle("/double/", http.StripPrefix("/double", s))
	ts := httptest.NewUnstartedServer(mux)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	post := func() result {
		target := ts.URL + "/double" + testPath
		req := request(t, t.Context(), s, testBody(t, nil))
		to, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, req.Body)
		if err != nil {
			t.Fatal(err)
		}
		to.Header = req.Header
		to.Header.Set("Authorization", authorize(s.cfg, http.MethodPost, target, oauthParams(s.cfg, freshNonce())))
		return send(ts.Client(), to)
	}
	wantSent(t, post(), 473513)
	s.Inject(Fault{ResetAfter: true}, Fault{Truncate: true})
	if got := post(); got.err == nil {
		t.Errorf("got %+v, want a reset stream", got)
	}
	if got := post(); got.bodyErr == nil {
		t.Errorf("got %+v, want a cut body", got)
	}
	wantSent(t, post(), 473516)
}

// Not parallel: no other test's server may be on the stacks.
func TestCloseEndsWhatHangs(t *testing.T) {
	for _, fault := range []Fault{
		{Hang: true},
		{HangAfterProcessing: true},
		{HangAfterProcessing: true, Truncate: true},
		{Delay: 1 << 40},
	} {
		judged := make(chan struct{})
		cfg := testConfig()
		cfg.Logger = slog.New(onLog(func(r slog.Record) {
			if r.Message == "request answered" {
				close(judged)
			}
		}))
		s := New(cfg)
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		s.Inject(fault)
		client, req := overSocket(t), request(t, t.Context(), s, testBody(t, nil))
		done := make(chan result)
		go func() { done <- send(client, req) }()
		<-judged
		s.Close()
		if got := <-done; got.err == nil && got.bodyErr == nil {
			t.Errorf("%s: got %+v, want an error", fault, got)
		}
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if strings.Contains(string(stacks), "(*Server).ServeHTTP") || strings.Contains(string(stacks), "(*listener).count(") {
			t.Errorf("%s: something runs on after Close:\n%s", fault, stacks)
		}
	}
}
