package deflect

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
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

func realClient(t *testing.T, url string, change func(*Config)) *Client {
	return testClient(t, func(c *Config) {
		c.Domain, c.BaseURL = "", url
		if change != nil {
			change(c)
		}
	})
}

func wantResult(t *testing.T, c *Client, o Outcome, r Reason, attempts int) {
	t.Helper()
	call := validCall()
	call.Accepted = time.Time{}
	res, err := c.Deflect(context.Background(), call)
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
	wantResult(t, realClient(t, url, nil), Failed, ReasonUnreachable, 3)
}

func TestResetAfterTheRequestIsUncertain(t *testing.T) {
	requests := atomic.Int32{}
	url := peer(t, func(_ int, c net.Conn) {
		if readRequest(c) {
			requests.Add(1)
		}
		c.(*net.TCPConn).SetLinger(0)
	})
	wantResult(t, realClient(t, url, nil), Uncertain, ReasonConnectionLost, 1)
	if n := requests.Load(); n != 1 {
		t.Errorf("the peer saw %d requests", n)
	}
}

// The transport of net/http sends a request again on its own when a kept-alive
// connection turns out to be dead. Ours must not once bytes were written: the
// peer may have read them.
func TestNoReplayOnKeptAliveConnection(t *testing.T) {
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
	wantResult(t, client, Sent, ReasonOK, 1)
	wantResult(t, client, Uncertain, ReasonConnectionLost, 1)
	if n := requests.Load(); n != 2 {
		t.Errorf("the peer saw %d requests, want 2", n)
	}
}

// A connection on which nothing can be written carried nothing: that is proof,
// and the request is tried again on another one.
func TestZeroBytesWrittenIsProof(t *testing.T) {
	url := peer(t, func(_ int, c net.Conn) {
		if readRequest(c) {
			io.WriteString(c, okAnswer)
		}
	})
	dials := 0
	client := realClient(t, url, func(c *Config) {
		c.Transport = newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			if dials == 1 && err == nil {
				return deadConn{conn}, nil
			}
			return conn, err
		})
	})
	wantResult(t, client, Sent, ReasonOK, 2)
}

type deadConn struct{ net.Conn }

func (deadConn) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// One byte out of a whole request is enough to be in doubt.
func TestOneByteWrittenIsDoubt(t *testing.T) {
	url := peer(t, func(_ int, c net.Conn) { readRequest(c) })
	client := realClient(t, url, func(c *Config) {
		c.Transport = newTransport(func(ctx context.Context, network, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, network, addr)
			return oneByteConn{conn}, err
		})
	})
	wantResult(t, client, Uncertain, ReasonConnectionLost, 1)
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
	client := realClient(t, url, func(c *Config) { c.LiveDeadline = 100 * time.Millisecond })
	wantResult(t, client, Uncertain, ReasonTimeout, 1)
}

// The deadline passes while the connection is being made.
func TestDeadlineBeforeConnecting(t *testing.T) {
	client := realClient(t, "http://127.0.0.1:1", func(c *Config) {
		c.LiveDeadline = 100 * time.Millisecond
		c.Transport = newTransport(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
	})
	wantResult(t, client, Failed, ReasonDeadline, 1)
}

func TestTLSFailureIsProof(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler()) // a certificate that nobody trusts
	defer srv.Close()
	srv.Config.ErrorLog = nil
	wantResult(t, realClient(t, srv.URL, nil), Failed, ReasonUnreachable, 3)
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
		junk := make([]byte, 64<<10)
		for i := range junk {
			junk[i] = 'x'
		}
		w.Write(junk)
		io.WriteString(w, `"}`)
	})
	srv := httptest.NewUnstartedServer(mux)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	trusting := func(c *Config) {
		tr := NewTransport()
		tr.TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		c.Transport = tr
		t.Cleanup(tr.CloseIdleConnections)
	}
	wantResult(t, realClient(t, srv.URL+"/ok/", trusting), Sent, ReasonOK, 1)
	if got := proto.Load(); got != "HTTP/2.0" {
		t.Errorf("protocol %v, want HTTP/2.0", got)
	}
	wantResult(t, realClient(t, srv.URL+"/moved", trusting), Failed, ReasonRedirected, 1)
	wantResult(t, realClient(t, srv.URL+"/large", trusting), Uncertain, ReasonBadResponse, 1)
	wantResult(t, realClient(t, srv.URL+"/absent", trusting), Failed, ReasonRejected, 1)

	if v := NewTransport().TLSClientConfig.MinVersion; v != tls.VersionTLS12 {
		t.Errorf("oldest TLS version is %x", v)
	}
}
