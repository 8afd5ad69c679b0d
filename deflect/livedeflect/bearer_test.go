package livedeflect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// bearer fetches a token through the transport that it is given, with the context of
// the request that needs it, as an embedder would write it.
type bearer struct {
	tokenURL string
	token    string              // the first one
	change   func(*http.Request) // of our request, once it has its token
	begin    func(base http.RoundTripper, ours *http.Request)
	traced   bool // the token request has a trace of its own
}

func (b *bearer) Transport(base http.RoundTripper) http.RoundTripper {
	return &bearerTransport{bearer: b, base: base, token: b.token}
}

type bearerTransport struct {
	*bearer
	base  http.RoundTripper
	mu    sync.Mutex
	token string
}

func (t *bearerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.have(req.Context())
	if err != nil {
		req.Body.Close()
		return nil, fmt.Errorf("get a token: %w", err)
	}
	ours := req.Clone(req.Context())
	ours.Header.Set("Authorization", "Bearer "+token)
	if t.change != nil {
		t.change(ours)
	}
	if t.begin != nil {
		t.begin(t.base, ours)
	}
	resp, err := t.base.RoundTrip(ours)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		t.mu.Lock()
		t.token = "" // refused: the next request fetches another one
		t.mu.Unlock()
	}
	return resp, err
}

func (t *bearerTransport) have(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != "" {
		return t.token, nil
	}
	if t.traced {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}})
	}
	form := url.Values{"grant_type": {"client_credentials"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.tokenURL, strings.NewReader(form))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&answer)
	t.token = answer.Token
	return answer.Token, err
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String()
}

func resetConn(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// TestBearer goes through every moment at which a token or our request can fail. Only
// our request counts: a token that cannot be had is failed, certainly no text.
func TestBearer(t *testing.T) {
	const token = `{"access_token":"t","token_type":"bearer"}`
	hang := func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }
	reset := func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); resetConn(w) }
	status := func(n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(n) }
	}
	says := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
	}
	sends := says(`{"callId":"473513","success":"true"}`)
	within := func(r *http.Request) {
		const before, after = `{"tenant":"7","payload":`, "}"
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(before), r.Body, strings.NewReader(after)))
		r.ContentLength += int64(len(before + after))
		r.URL.Path = "/gateway"
	}
	wrapped := func(r *http.Request) { r.Body = struct{ io.ReadCloser }{r.Body} }
	for name, tt := range map[string]struct {
		token, api http.HandlerFunc // nil: nobody listens
		change     func(*http.Request)
		traced     bool
		outcome    deflect.Outcome
		reason     deflect.Reason
		attempts   int
		tokens     int32
	}{
		"sent":                {says(token), sends, nil, false, deflect.Sent, deflect.ReasonOK, 1, 1},
		"no token server":     {nil, sends, nil, false, deflect.Failed, deflect.ReasonUnreachable, 3, 0},
		"token reset":         {reset, sends, nil, false, deflect.Failed, deflect.ReasonUnreachable, 3, 3},
		"token reset, traced": {reset, sends, nil, true, deflect.Failed, deflect.ReasonUnreachable, 3, 3},
		"token hangs":         {hang, sends, nil, false, deflect.Failed, deflect.ReasonDeadline, 1, 1},
		"token closed": {func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
		}, sends, nil, false, deflect.Failed, deflect.ReasonUnreachable, 3, 3},
		"token cut": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, token[:9])
		}, sends, nil, false, deflect.Failed, deflect.ReasonUnreachable, 3, 3},
		"token is no HTTP": {func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			io.WriteString(c, "SSH-2.0\r\n\r\n")
			c.Close()
		}, sends, nil, false, deflect.Failed, deflect.ReasonUnreachable, 3, 3},
		"token refused":            {status(401), sends, nil, false, deflect.Failed, deflect.ReasonUnauthorized, 1, 1},
		"token server error":       {status(500), sends, nil, false, deflect.Failed, deflect.ReasonUnauthorized, 1, 1},
		"token cannot be read":     {says("<html>"), sends, nil, false, deflect.Failed, deflect.ReasonUnauthorized, 1, 1},
		"ours refused":             {says(token), status(401), nil, false, deflect.Failed, deflect.ReasonUnauthorized, 1, 1},
		"ours reset":               {says(token), reset, nil, false, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
		"ours reset, traced":       {says(token), reset, nil, true, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
		"ours hangs":               {says(token), hang, nil, false, deflect.Uncertain, deflect.ReasonTimeout, 1, 1},
		"ours server error":        {says(token), status(500), nil, false, deflect.Uncertain, deflect.ReasonServerError, 1, 1},
		"no API":                   {says(token), nil, nil, false, deflect.Failed, deflect.ReasonUnreachable, 3, 1},
		"no API, wrapped":          {says(token), nil, wrapped, false, deflect.Failed, deflect.ReasonUnreachable, 3, 1},
		"ours reset, wrapped":      {says(token), reset, wrapped, false, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
		"ours reset, another path": {says(token), reset, func(r *http.Request) { r.URL.Path = "/gateway" }, false, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
		"ours reset, wrapped and another path": {says(token), reset, func(r *http.Request) {
			wrapped(r)
			r.URL.Path = "/gateway"
		}, false, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
		"ours reset, within another body": {says(token), reset, within, false, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
		"ours sent, within another body":  {says(token), sends, within, false, deflect.Sent, deflect.ReasonOK, 1, 1},
		"ours reset, rewritten": {says(token), reset, func(r *http.Request) {
			text, err := io.ReadAll(r.Body)
			r.Body.Close()
			text = append(text[:len(text)-1], `,"tenant":"7"}`...)
			r.Body, r.ContentLength, r.URL.Path = io.NopCloser(strings.NewReader(string(text))), int64(len(text)), "/gateway"
			if err != nil {
				t.Error(err)
			}
		}, false, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tokens atomic.Int32
			serve := func(h http.HandlerFunc) string {
				if h == nil {
					return nobody(t)
				}
				srv := httptest.NewServer(h)
				t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
				return srv.URL
			}
			var tokenHandler http.HandlerFunc
			if tt.token != nil {
				tokenHandler = func(w http.ResponseWriter, r *http.Request) { tokens.Add(1); tt.token(w, r) }
			}
			client := realClient(t, serve(tt.api), func(c *bothConfig) {
				c.Auth = &bearer{tokenURL: serve(tokenHandler) + "/token", change: tt.change, traced: tt.traced}
				c.LiveDeadline = 10 * time.Second
				if tt.reason == deflect.ReasonDeadline || tt.reason == deflect.ReasonTimeout {
					c.LiveDeadline = time.Second
				}
			})
			call := validCall()
			call.Accepted = time.Time{}
			res, err := client.Deflect(context.Background(), next(call))
			if res.Outcome != tt.outcome || res.Reason != tt.reason || res.Attempts != tt.attempts || tokens.Load() != tt.tokens {
				t.Errorf("%+v (%v) with %d tokens, want %s %s after %d with %d", res, err, tokens.Load(), tt.outcome, tt.reason, tt.attempts, tt.tokens)
			}
			if deflect.NotSent(err) != (tt.outcome == deflect.Failed) {
				t.Errorf("NotSent(%v) = %t", err, deflect.NotSent(err))
			}
		})
	}
}

// A caller of Deflect who gives up while the token is fetched is told that nothing left.
func TestBearerCanceled(t *testing.T) {
	asked := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
	}))
	defer srv.Close()
	client := realClient(t, nobody(t), func(c *bothConfig) { c.Auth = &bearer{tokenURL: srv.URL} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	call := validCall()
	call.Accepted = time.Time{}
	res, err := client.Deflect(ctx, next(call))
	if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonCanceled || !deflect.NotSent(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestBearerBesideOurs fetches the next token while our request has a connection and is
// about to be written: that nothing is written on the token's proves nothing about ours.
func TestBearerBesideOurs(t *testing.T) {
	for _, past := range []bool{false, true} {
		network := &besides{fetched: make(chan struct{}), got: make(chan struct{})}
		client := realClient(t, "http://127.0.0.1:1", func(c *bothConfig) {
			c.Transport = network
			c.Auth = &bearer{token: "t", begin: func(base http.RoundTripper, ours *http.Request) {
				if past {
					base = network
				}
				go func() {
					defer close(network.fetched)
					<-network.got
					req, err := http.NewRequestWithContext(ours.Context(), http.MethodGet, "http://127.0.0.1:1/token", nil)
					if err == nil {
						_, err = base.RoundTrip(req)
					}
					if err == nil {
						t.Error("the token was had")
					}
				}()
			}}
		})
		wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
	}
}

// besides is a transport of two connections: the token's takes nothing.
type besides struct{ got, fetched chan struct{} }

func (b *besides) RoundTrip(req *http.Request) (*http.Response, error) {
	conn := &wire.Conn{Conn: eagerConn{}}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.GetConn(req.URL.Host)
		trace.GotConn(httptrace.GotConnInfo{Conn: conn})
	}
	if req.URL.Path == "/token" {
		return nil, errors.New("broken pipe")
	}
	close(b.got)
	<-b.fetched
	conn.Write([]byte("x"))
	return nil, errors.New("broken pipe")
}

// eagerConn takes whatever it is given.
type eagerConn struct{ net.Conn }

func (eagerConn) Write(p []byte) (int, error) { return len(p), nil }

// authenticator is one of a function.
type authenticator func(base http.RoundTripper, req *http.Request) (*http.Response, error)

func (a authenticator) Transport(base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) { return a(base, req) })
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// What the network says of a token that is fetched after our request proves nothing about
// ours.
func TestBearerAfterOurs(t *testing.T) {
	ours := &http2Peer{answer: func(_ int, stream uint32) ([]byte, bool) {
		return frame(frameHeaders, 5, stream, 0x8e), false // 500
	}}
	tokens := &http2Peer{answer: func(int, uint32) ([]byte, bool) { return goAway(0, codeCalm, ""), true }}
	oursURL, oursNet := ours.start(t)
	tokenURL, tokenNet := tokens.start(t)
	client := realClient(t, oursURL, func(c *bothConfig) {
		c.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(tokenURL, req.URL.Host) {
				return tokenNet.RoundTrip(req)
			}
			return oursNet.RoundTrip(req)
		})
		c.Auth = authenticator(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := base.RoundTrip(req)
			if err != nil {
				return nil, err
			}
			resp.Body.Close()
			req, err = http.NewRequestWithContext(req.Context(), http.MethodPost, tokenURL+"/token", strings.NewReader("grant_type=x"))
			if err != nil {
				return nil, err
			}
			if _, err = base.RoundTrip(req); err == nil {
				t.Error("the token was had")
			}
			return nil, fmt.Errorf("get a token: %w", err)
		})
	})
	wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
	if n := ours.n.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// An authenticator may read our body in a goroutine of its own while it fetches a token.
func TestBearerBesideTheBody(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"callId":"473513","success":"true"}`)
	}))
	defer srv.Close()
	client := realClient(t, srv.URL, func(c *bothConfig) {
		c.Auth = authenticator(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
			pr, pw := io.Pipe()
			go func() {
				io.Copy(pw, req.Body)
				pw.Close()
			}()
			token, err := http.NewRequestWithContext(req.Context(), http.MethodPost, srv.URL+"/token", strings.NewReader("grant_type=x"))
			if err != nil {
				return nil, err
			}
			resp, err := base.RoundTrip(token)
			if err != nil {
				pr.Close()
				return nil, err
			}
			resp.Body.Close()
			ours := req.Clone(req.Context())
			ours.Body, ours.ContentLength = pr, -1
			return base.RoundTrip(ours)
		})
	})
	for range 20 {
		wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	}
}

// An authenticator that does not wait for the end of what it sent knows nothing of it.
func TestBearerLeavesEarly(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"ours": func(*http.Request) {},
		"within another one": func(r *http.Request) {
			r.Body = struct{ io.ReadCloser }{r.Body}
			r.URL.Path = "/gateway"
		},
	} {
		t.Run(name, func(t *testing.T) {
			began, ends := make(chan struct{}, 3), make(chan struct{})
			client := realClient(t, "http://127.0.0.1:1", func(c *bothConfig) {
				c.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
					began <- struct{}{}
					<-ends
					return nil, errors.New("too late")
				})
				c.Auth = authenticator(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
					change(req)
					go base.RoundTrip(req) //nolint:errcheck // that is what is tried here
					<-began
					return nil, errors.New("it took too long")
				})
			})
			wantResult(t, client, deflect.Uncertain, deflect.ReasonConnectionLost, 1)
			close(ends)
		})
	}
}

// A token that was had, and a body that was read for its digest, have sent nothing.
func TestBearerDigest(t *testing.T) {
	tokens := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer tokens.Close()
	client := realClient(t, "http://127.0.0.1:1", func(c *bothConfig) {
		c.Auth = authenticator(func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
			token, err := http.NewRequestWithContext(req.Context(), http.MethodPost, tokens.URL, strings.NewReader("grant_type=x"))
			if err != nil {
				return nil, err
			}
			resp, err := base.RoundTrip(token)
			if err != nil {
				return nil, err
			}
			resp.Body.Close()
			io.Copy(io.Discard, req.Body)
			return nil, errors.New("no key for the digest")
		})
	})
	wantResult(t, client, deflect.Failed, deflect.ReasonUnauthorized, 1)
}
