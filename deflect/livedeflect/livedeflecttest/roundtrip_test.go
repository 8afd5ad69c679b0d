package livedeflecttest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTripConnRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(testConfig())
		s.Inject(Fault{ConnRefused: true}, Fault{ConnRefused: true, Delay: time.Hour})
		got := send(inMemory(s), request(t, t.Context(), s, testBody(t, nil)))
		op, ok := errors.AsType[*net.OpError](got.err)
		if !ok || op.Op != "dial" || !errors.Is(got.err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want a dial error, connection refused", got.err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got = send(inMemory(s), request(t, ctx, s, testBody(t, nil))); !errors.Is(got.err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline exceeded", got.err)
		}
		if len(s.Requests()) != 0 {
			t.Errorf("got %+v, want nothing recorded", s.Requests())
		}
	})
}

func TestRoundTripHosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, base, url string
		here            bool
	}{
		{"any host", "", "https://example.com" + testPath, true},
		{"its host", "https://API.example.com", "https://api.example.com" + testPath, true},
		{"below a path", "https://api.example.com/proxy/", "https://api.example.com/proxy" + testPath, true},
		{"another host", "https://api.example.com", "https://example.com" + testPath, false},
		{"another scheme", "https://api.example.com", "http://api.example.com" + testPath, false},
		{"another port", "https://api.example.com", "https://api.example.com:8443" + testPath, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.BaseURL = tt.base
			s := New(cfg)
			req := request(t, t.Context(), s, testBody(t, nil))
			to, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.url, req.Body)
			if err != nil {
				t.Fatal(err)
			}
			to.Header = req.Header
			to.Header.Set("Authorization", authorize(cfg, http.MethodPost, tt.url, oauthParams(cfg, "n")))
			got := send(inMemory(s), to)
			if tt.here {
				wantSent(t, got, 473513)
				return
			}
			if dns, ok := errors.AsType[*net.DNSError](got.err); !ok || !dns.IsNotFound || len(s.Requests()) != 0 {
				t.Errorf("got %v and %v, want a host that is not found", got.err, s.Requests())
			}
		})
	}
}

func TestRoundTripTimeoutOfTheClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(testConfig())
		s.Inject(Fault{HangAfterProcessing: true})
		client := inMemory(s)
		client.Timeout = 4 * time.Second
		start := time.Now()
		got := send(client, request(t, t.Context(), s, testBody(t, nil)))
		if ne, ok := errors.AsType[net.Error](got.err); !ok || !ne.Timeout() || time.Since(start) != 4*time.Second {
			t.Errorf("got %v after %v, want a timeout after 4s", got.err, time.Since(start))
		}
		if len(s.Sent()) != 1 {
			t.Errorf("got %d texts, want 1", len(s.Sent()))
		}
	})
}

func TestRoundTripGivesTheCause(t *testing.T) {
	t.Parallel()
	hungUp := errors.New("caller hung up")
	ctx, cancel := context.WithCancelCause(t.Context())
	s := New(testConfig())
	req := request(t, ctx, s, testBody(t, nil))
	cancel(hungUp)
	if got := send(inMemory(s), req); !errors.Is(got.err, hungUp) {
		t.Errorf("got %v, want %v", got.err, hungUp)
	}
	if len(s.Requests()) != 0 {
		t.Errorf("got %v, want nothing: the context ended before", s.Requests())
	}
}

// closeNoter notes that a body was closed, as a transport has to.
type closeNoter struct {
	io.Reader
	closed bool
}

func (c *closeNoter) Close() error {
	c.closed = true
	return nil
}

func TestRoundTripClosesTheBody(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	gone := errors.New("gone")
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		fault Fault
		body  io.Reader
		want  error
	}{
		{"answered", t.Context(), Fault{}, strings.NewReader("{}"), nil},
		{"context ended", ended, Fault{}, strings.NewReader("{}"), context.Canceled},
		{"refused", t.Context(), Fault{ConnRefused: true}, strings.NewReader("{}"), syscall.ECONNREFUSED},
		{"reset", t.Context(), Fault{ResetBefore: true}, strings.NewReader("{}"), syscall.ECONNRESET},
		{"unreadable", t.Context(), Fault{}, iotest.ErrReader(gone), gone},
	} {
		s := New(testConfig())
		s.Inject(tt.fault)
		body := &closeNoter{Reader: tt.body}
		req, err := http.NewRequestWithContext(tt.ctx, http.MethodPost, testURL, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, tt.want) || !body.closed {
			t.Errorf("%s: got error %v, closed %t, want %v, true", tt.name, err, body.closed, tt.want)
		}
	}
}

func TestRoundTripTraces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		fault Fault
		want  []string
	}{
		{"answered", Fault{}, []string{"get va.ivrdeflect.liveperson.net", "got pipe", "headers", "request <nil>", "byte"}},
		{"reset", Fault{ResetAfter: true}, []string{"get va.ivrdeflect.liveperson.net", "got pipe", "headers", "request <nil>"}},
		{"refused", Fault{ConnRefused: true}, nil},
	} {
		var got []string
		note := func(s string) { got = append(got, s) }
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GetConn:              func(hostPort string) { note("get " + hostPort) },
			GotConn:              func(i httptrace.GotConnInfo) { note("got " + i.Conn.RemoteAddr().String()) },
			WroteHeaders:         func() { note("headers") },
			WroteRequest:         func(i httptrace.WroteRequestInfo) { note("request " + errText(i.Err)) },
			GotFirstResponseByte: func() { note("byte") },
		})
		s := New(testConfig())
		s.Inject(tt.fault)
		send(inMemory(s), request(t, ctx, s, testBody(t, nil)))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
		ctx = httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{})
		next := 473513 + len(s.Sent())
		wantSent(t, send(inMemory(s), request(t, ctx, s, testBody(t, nil))), next) // an empty trace does no harm
	}
}

func errText(err error) string {
	if err == nil {
		return "<nil>"
	}
	return err.Error()
}

func TestRoundTripWithoutHost(t *testing.T) {
	t.Parallel()
	if _, err := New(testConfig()).RoundTrip(&http.Request{}); err == nil {
		t.Error("got no error for a request without a URL")
	}
}
