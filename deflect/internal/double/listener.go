package double

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Tester is the part of testing.TB that a double needs.
type Tester interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// API is what a double answers. Its methods are called from several goroutines at once.
type API interface {
	// Fault gives the fault that a request meets; arrived reads the request.
	Fault(path string, arrived func() *Arrival) Fault
	// Answer judges a request, processes it if its fault lets it, and records both
	// before the client can learn anything.
	Answer(ctx context.Context, a *Arrival, f Fault) Answer
	// Date is the Date header of an answer that is sent now.
	Date() []string
}

// Server lets clients come to an API over a socket, over somebody's own server, and
// without one. It is safe for concurrent use.
type Server struct {
	Name    string // of the double's package: in errors, and where it proves to be a double
	Base    *url.URL
	AnyHost bool // RoundTrip answers for every host
	API     API
	Log     *slog.Logger

	mu       sync.Mutex
	listener *listener
}

// Start serves HTTP on a free port of 127.0.0.1; URL says which. A Server that
// was closed may be started again and has forgotten nothing.
func (s *Server) Start() error { return s.StartAddr("127.0.0.1:0") }

// StartAddr is Start for a given address.
func (s *Server) StartAddr(addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return errors.New(s.Name + ": start: already started")
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("%s: start: %w", s.Name, err)
	}
	s.listener = serve(l, s)
	return nil
}

// URL is the base URL that a client is to be given: the one of the socket, or
// Base if there is none.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return s.Base.String()
	}
	return "http://" + s.listener.addr + s.Base.EscapedPath()
}

// Addr is where the socket is; empty without one.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.addr
}

// Close ends the socket, if there is one, with every connection and every
// request that hangs, and waits for them.
func (s *Server) Close() {
	s.mu.Lock()
	l := s.listener
	s.listener = nil
	s.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// listener serves one socket and knows when all that it started is over.
type listener struct {
	addr   string
	server *http.Server
	cancel context.CancelFunc
	open   sync.WaitGroup // the accept loop, every connection, every request
}

func serve(nl net.Listener, s *Server) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{addr: nl.Addr().String(), cancel: cancel}
	l.server = &http.Server{
		Handler:           l.counted(s),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnState:         l.count,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	l.open.Go(func() { l.server.Serve(nl) }) // ends only by close
	return l
}

// count follows the connections. A new one is counted by the accept loop, which
// is itself counted, so the group cannot be found empty too early.
func (l *listener) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		l.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		l.open.Done()
	}
}

// counted follows the requests too: one that has taken its connection over, to
// reset it, runs on without it.
func (l *listener) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.open.Add(1)
		defer l.open.Done()
		h.ServeHTTP(w, r)
	})
}

func (l *listener) close() {
	l.cancel() // lets requests that hang or wait end
	l.server.Close()
	l.open.Wait()
}
