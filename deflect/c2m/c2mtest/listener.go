package c2mtest

import (
	"context"
	"net/http"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Tester is the part of testing.TB that RunT needs.
type Tester = double.Tester

// RunT makes a Server, starts it on a loopback port, and closes it when the
// test ends.
func RunT(t Tester, cfg Config) *Server {
	t.Helper()
	s := New(cfg)
	if err := s.Start(); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start serves HTTP on a free port of 127.0.0.1; URL says which. A Server that
// was closed may be started again and has forgotten nothing.
func (s *Server) Start() error { return s.serving.Start() }

// StartAddr is Start for a given address.
func (s *Server) StartAddr(addr string) error { return s.serving.StartAddr(addr) }

// URL is the base URL that a client is to be given for each of the APIs: the one of the
// socket, or Config.BaseURL if there is none.
func (s *Server) URL() string { return s.serving.URL() }

// Close ends the socket, if there is one, with every connection and every
// request that hangs, and waits for them.
func (s *Server) Close() { s.serving.Close() }

// ServeHTTP answers a request that came over a socket. The host that the client
// signed is taken from the Host header, and the scheme is https if the
// connection has TLS.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serving.ServeHTTP(w, r) }

// RoundTrip answers a request without a socket and in the caller's goroutine.
// It fails as http.Transport does: with the cause of the request's context,
// with a connection reset by peer, with an unexpected EOF in the body.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) {
	return s.serving.RoundTrip(req)
}

// api is the Server as its clients come to it.
type api struct{ *Server }

func (a api) Fault(path string, arrived func() *double.Arrival) Fault {
	return a.takeFault(path, arrived)
}

func (a api) Answer(ctx context.Context, arr *double.Arrival, f Fault) double.Answer {
	return a.handle(ctx, arr, f)
}

func (a api) Date() []string { return []string{a.now().UTC().Format(http.TimeFormat)} }
