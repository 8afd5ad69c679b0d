package livedeflect

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// peer is a server that does to each connection what the test says.
func peer(t *testing.T, serve func(n int, c net.Conn)) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { ln.Close(); <-done })
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(n, c)
			c.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}

func realClient(t *testing.T, url string, change func(*bothConfig)) *bothClient {
	return testClient(t, func(c *bothConfig) {
		c.Domain, c.BaseURL = "", url
		if change != nil {
			change(c)
		}
	})
}

func wantResult(t *testing.T, c *bothClient, o deflect.Outcome, r deflect.Reason, attempts int) {
	t.Helper()
	call := validCall()
	call.Accepted = time.Time{}
	res, err := c.Deflect(context.Background(), next(call))
	if res.Outcome != o || res.Reason != r || res.Attempts != attempts {
		t.Errorf("result = %+v (%v), want %s %s after %d", res, err, o, r, attempts)
	}
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n" + `{"callId":"473513","success":"true"}`

func readRequest(c net.Conn) bool {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

func TestRefusedConnectionIsRetriedAndFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String()
	ln.Close()
	wantResult(t, realClient(t, url, nil), deflect.Failed, deflect.ReasonUnreachable, 3)
}

func TestResetAfterTheRequestIsUncertain(t *testing.T) {
	requests := atomic.Int32{}
	url := peer(t, func(_ int, c net.Conn) {
		if readRequest(c) {
			requests.Add(1)
		}
		c.(*net.TCPConn).SetLinger(0)
	})
	wantResult(t, realClient(t, url, nil), deflect.Uncertain, deflect.ReasonConnectionLost, 1)
	if n := requests.Load(); n != 1 {
		t.Errorf("the peer saw %d requests", n)
	}
}

// A kept-alive connection that dies under a request: the peer may have read it,
// so nobody sends it again, neither we nor net/http.
func TestKeptAliveConnectionDies(t *testing.T) {
	requests := atomic.Int32{}
	url := peer(t, func(n int, c net.Conn) {
		if !readRequest(c) {
			return
		}
		requests.Add(1)
		if n > 0 {
			io.WriteString(c, okAnswer)
			return
		}
		io.WriteString(c, okAnswer)
		if readRequest(c) { // the second request, on the same connection
			requests.Add(1)
		}
		c.(*net.TCPConn).SetLinger(0)
	})
	client := realClient(t, url, nil)
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
	if n := requests.Load(); n != 2 {
		t.Errorf("the peer saw %d requests, want 2", n)
	}
}

// What this machine lacks is not the API's fault: it opens no breaker, and the error
// says what to do. A descriptor that is free again a moment later is used.
func TestMachineLimits(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, failure := range []error{
		dial(os.NewSyscallError("socket", syscall.EMFILE)),
		dial(os.NewSyscallError("socket", syscall.ENFILE)),
		dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)),
		dial(os.NewSyscallError("socket", syscall.ENOBUFS)),
		dial(&net.DNSError{Err: "dial udp 127.0.0.53:53: socket: " + syscall.EMFILE.Error(), Name: "api.example.net"}),
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(validCall().Accepted))
			failures := 0
			reg := prometheus.NewRegistry()
			client := realClient(t, "http://127.0.0.1:1", func(c *bothConfig) {
				c.Registerer, c.Breaker.Failures = reg, 2
				c.Transport = wire.NewTransport(func(context.Context, string, string) (net.Conn, error) {
					failures++
					return nil, failure
				})
			})
			for range 3 {
				wantResult(t, client, deflect.Failed, deflect.ReasonInternal, 3)
			}
			if failures != 9 {
				t.Errorf("%v: %d dials, want 9", failure, failures)
			}
			call := validCall()
			call.Accepted = time.Time{}
			if _, err := client.Offer(t.Context(), next(call)); err != nil {
				t.Errorf("%v: %v", failure, err)
			}
			_, err := client.Deflect(t.Context(), next(call))
			if !deflect.NotSent(err) || !errors.Is(err, failure) || !strings.Contains(err.Error(), "ulimit") {
				t.Errorf("%v: %v", failure, err)
			}
		})
	}
	// Over a connection the same numbers mean something else.
	client := realClient(t, "http://127.0.0.1:1", func(c *bothConfig) {
		c.Transport = refusing{&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ENOBUFS)}}
	})
	wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
}

type refusing struct{ err error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.err }

// A connection on which nothing can be written carried nothing: that is proof,
// and the request is tried again on another one.
func TestZeroBytesWrittenIsProof(t *testing.T) {
	url := peer(t, func(_ int, c net.Conn) {
		if readRequest(c) {
			io.WriteString(c, okAnswer)
		}
	})
	dials := 0
	client := realClient(t, url, func(c *bothConfig) {
		c.Transport = wire.NewTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if dials == 1 && err == nil {
				return deadConn{conn}, nil
			}
			return conn, err
		})
	})
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 2)
}

type deadConn struct{ net.Conn }

func (deadConn) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// One byte out of a whole request is enough to be in doubt.
func TestOneByteWrittenIsDoubt(t *testing.T) {
	url := peer(t, func(_ int, c net.Conn) { readRequest(c) })
	client := realClient(t, url, func(c *bothConfig) {
		c.Transport = wire.NewTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			return oneByteConn{conn}, err
		})
	})
	wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
}

type oneByteConn struct{ net.Conn }

func (c oneByteConn) Write(p []byte) (int, error) {
	n, _ := c.Conn.Write(p[:1])
	return n, errors.New("broken pipe")
}

// A peer that takes the connection and nothing else: the dial is no proof that
// the API is there, and the request left.
func TestSilentPeer(t *testing.T) {
	release := make(chan struct{})
	url := peer(t, func(int, net.Conn) { <-release })
	defer close(release)
	client := realClient(t, url, func(c *bothConfig) { c.LiveDeadline = 100 * time.Millisecond })
	wantResult(t, client, deflect.Uncertain, deflect.ReasonTimeout, 1)
}

// The deadline passes while the connection is being made.
func TestDeadlineBeforeConnecting(t *testing.T) {
	client := realClient(t, "http://127.0.0.1:1", func(c *bothConfig) {
		c.LiveDeadline = 100 * time.Millisecond
		c.Transport = wire.NewTransport(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
	})
	wantResult(t, client, deflect.Failed, deflect.ReasonDeadline, 1)
}

func TestTLSFailureIsProof(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler()) // a certificate that nobody trusts
	defer srv.Close()
	srv.Config.ErrorLog = nil
	wantResult(t, realClient(t, srv.URL, nil), deflect.Failed, deflect.ReasonUnreachable, 3)
}

// TLS versions, HTTP/2, redirects and size limits against a real server.
func TestRealServer(t *testing.T) {
	var proto atomic.Value
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ok/api/contextAndInvite", func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		io.WriteString(w, `{"callId":"473513","success":"true"}`)
	})
	mux.HandleFunc("POST /moved/api/contextAndInvite", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/ok/api/contextAndInvite", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("POST /large/api/contextAndInvite", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"success":"true","x":"`)
		for { // without end
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	srv := httptest.NewUnstartedServer(mux)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	trusting := func(c *bothConfig) {
		tr := liveperson.NewTransport()
		tr.TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		c.Transport = tr
		t.Cleanup(tr.CloseIdleConnections)
	}
	wantResult(t, realClient(t, srv.URL+"/ok/", trusting), deflect.Sent, deflect.ReasonOK, 1)
	if got := proto.Load(); got != "HTTP/2.0" {
		t.Errorf("protocol %v, want HTTP/2.0", got)
	}
	wantResult(t, realClient(t, srv.URL+"/moved", trusting), deflect.Failed, deflect.ReasonRedirected, 1)
	wantResult(t, realClient(t, srv.URL+"/large", trusting), deflect.Uncertain, deflect.ReasonBadResponse, 1)
	wantResult(t, realClient(t, srv.URL+"/absent", trusting), deflect.Failed, deflect.ReasonRejected, 1)

	if v := liveperson.NewTransport().TLSClientConfig.MinVersion; v != tls.VersionTLS12 {
		t.Errorf("oldest TLS version is %x", v)
	}
}

// A server that switches protocols and falls silent: net/http hands its
// connection over and forgets the deadline.
func TestSwitchingProtocolsEndsInTime(t *testing.T) {
	release := make(chan struct{})
	url := peer(t, func(_ int, c net.Conn) {
		readRequest(c)
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-release
	})
	defer close(release)
	client := realClient(t, url, func(c *bothConfig) { c.LiveDeadline = 100 * time.Millisecond })
	wantResult(t, client, deflect.Uncertain, deflect.ReasonServerError, 1)
}

// What the API says in its status line and headers is a stranger's text too, and
// net/http quotes it whole.
func TestProtocolErrorsAreClean(t *testing.T) {
	for _, answer := range []string{
		"+14043438646 is opted out\r\n\r\n",
		"HTTP/1.1 4043438646 x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n14043438646 opted out\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 14043438646x\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("a b", 10000) + "\r\n\r\n",
	} {
		url := peer(t, func(_ int, c net.Conn) {
			if readRequest(c) {
				io.WriteString(c, answer)
			}
		})
		call := validCall()
		call.Accepted = time.Time{}
		res, err := realClient(t, url, nil).Deflect(context.Background(), next(call))
		if res.Outcome != deflect.Uncertain || strings.Contains(err.Error(), "4043438") || len(err.Error()) > 400 {
			t.Errorf("%.40q: %+v, %d bytes of error: %.200v", answer, res, len(err.Error()), err)
		}
	}
}

// On HTTP/2 nothing is proof once the request had a connection, but what the server
// says: the connection is shared, and a request that is given up may still be written.
func TestHTTP2IsDoubt(t *testing.T) {
	requests := atomic.Int32{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			panic(http.ErrAbortHandler) // resets the stream
		}
		io.WriteString(w, `{"callId":"473513","success":"true"}`)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	blocked := atomic.Bool{}
	client := realClient(t, srv.URL, func(c *bothConfig) {
		c.LiveDeadline = 200 * time.Millisecond
		tr := wire.NewTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			return blockingConn{conn, &blocked}, err
		})
		tr.TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		c.Transport = tr
		t.Cleanup(tr.CloseIdleConnections)
	})
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
	// Nothing can be written any more; the byte counter would not move.
	blocked.Store(true)
	wantResult(t, client, deflect.Uncertain, deflect.ReasonTimeout, 1)
}

// blockingConn swallows what is written once it is blocked.
type blockingConn struct {
	net.Conn
	blocked *atomic.Bool
}

func (c blockingConn) Write(p []byte) (int, error) {
	if c.blocked.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("defect of a transport") }

func TestPanicKeepsTheGaugeRight(t *testing.T) {
	reg := prometheus.NewRegistry()
	client := realClient(t, "http://127.0.0.1:1", func(c *bothConfig) { c.Transport, c.Registerer = panicking{}, reg })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		call := validCall()
		call.Accepted = time.Time{}
		client.Deflect(context.Background(), next(call)) //nolint:errcheck // it panics
	}()
	if err := testutil.GatherAndCompare(reg, strings.NewReader(
		"# HELP deflect_requests_in_flight Requests to send a text that wait for their answer.\n# TYPE deflect_requests_in_flight gauge\ndeflect_requests_in_flight 0\n",
	), "deflect_requests_in_flight"); err != nil {
		t.Error(err)
	}
}

// odd counts as comparable, and its value is not.
type odd struct{ detail any }

func (odd) Error() string { return "an odd cause" }

func TestOddCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(odd{[]int{1}})
	if err := cutoff.Error(ctx, cutoff.BeforeAnswer, odd{[]int{1}}); !strings.Contains(err.Error(), "an odd cause") {
		t.Error(err)
	}
}
