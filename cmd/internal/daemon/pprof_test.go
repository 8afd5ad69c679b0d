package daemon

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// Profiles are there on request, also after a reload, and for this machine alone.
func TestProfilesOnRequest(t *testing.T) {
	var next config.File
	b := start(t, func(o *Options) {
		next = o.Config
		o.Load = func() (config.File, error) { return next, nil }
	})
	if status, body := b.get("/debug/pprof/goroutine?debug=1"); status != 404 || !strings.Contains(body, "http.pprof") {
		t.Errorf("not asked for: %d %s", status, body)
	}
	for _, next.Pprof = range []bool{true, false, true} {
		if err := b.daemon.Reload(); err != nil {
			t.Fatal(err)
		}
		status, body := b.get("/debug/pprof/goroutine?debug=1")
		if (status == 200) != next.Pprof || strings.Contains(body, "(*Daemon).Run") != next.Pprof {
			t.Errorf("pprof %v: %d %s", next.Pprof, status, body)
		}
	}
	for path, want := range map[string]string{
		"/debug/pprof/": "goroutine", "/debug/pprof/cmdline": "daemon.test", "/debug/pprof/heap": "\x1f\x8b", "/debug/pprof/symbol": "num_symbols",
		"/debug/pprof/trace?seconds=0.01": "go 1.", "/debug/pprof/profile?seconds=1": "\x1f\x8b",
	} {
		if status, body := b.get(path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, no %q in it", path, status, want)
		}
	}
	r, err := http.NewRequest("GET", "http://"+b.daemon.HTTPAddr()+"/debug/pprof/heap", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "deflectd.example"
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("by a foreign name: %d", resp.StatusCode)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// Another machine gets none.
func TestProfilesStayHere(t *testing.T) {
	on := &atomic.Bool{}
	on.Store(true)
	for from, want := range map[string]int{"127.0.0.1:1": 200, "[::1]:1": 200, "10.0.0.1:1": 403, "": 403} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "http://127.0.0.1/debug/pprof/cmdline", nil)
		r.RemoteAddr = from
		profiles(on).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", from, w.Code, want)
		}
	}
}

// A profile may take longer than what others are answered within.
func TestProfileTakesLong(t *testing.T) {
	on := &atomic.Bool{}
	on.Store(true)
	srv := newHTTPServer(endpoints{registry: prometheus.NewRegistry(), pprof: profiles(on), log: slog.New(slog.DiscardHandler)})
	srv.WriteTimeout = 200 * time.Millisecond
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guests := newGuests(ln, 4)
	srv.Handler, srv.ConnContext, srv.ConnState = guests.served(srv.Handler), guests.known, guests.changed
	go srv.Serve(guests)
	t.Cleanup(func() { srv.Close() })
	resp, err := http.Get("http://" + ln.Addr().String() + "/debug/pprof/trace?seconds=0.5")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, err := io.ReadAll(resp.Body); err != nil || !bytes.HasPrefix(data, []byte("go 1.")) {
		t.Errorf("%v, %d bytes", err, len(data))
	}
}
