package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// DialFunc is that of [http.Transport].
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// NewTransport returns a transport whose connections know whether a request left the
// machine.
func NewTransport(dial DialFunc) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &Conn{Conn: conn, made: time.Now()}, nil
		},
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		// A connection that died without a word would be used for ever, and by all
		// calls at once: it is to be found out within the deadline of one.
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 2 * time.Second, PingTimeout: time.Second},
		TLSHandshakeTimeout: 2 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		// For what an authenticator sends; our own requests say so themselves.
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// Conn counts the bytes written to a connection, below TLS. A count
// that did not move while a request had the connection proves that nothing of
// the request left.
type Conn struct {
	net.Conn
	made    time.Time
	written atomic.Int64
	read    atomic.Int64
	lost    atomic.Bool // some request told that it is
}

func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// Write counts before it writes: a request that is given up while the system
// call runs must not look as if nothing had left.
func (c *Conn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	if n < len(p) {
		c.written.Add(int64(n - len(p)))
	}
	return n, err
}

// Trip watches where one attempt got to. The hooks run on goroutines of the
// transport, some of them after RoundTrip returned.
type Trip struct {
	url  *url.URL
	body watchedBody

	mu      sync.Mutex
	running int   // requests with a body that the transport has not ended
	within  bool  // ours was read by the end of another one
	failed  bool  // another request did not get through
	handed  bool  // signed and given to the transport
	twice   bool  // and again
	err     error // of the transport that it was given to
	asked   bool  // the transport looked for a connection
	got     bool  // the transport had a connection
	moved   bool  // bytes left on a connection that it had before
	counter *Conn
	base    int64
	refused bool  // for credentials that others can be had instead of
	conn    *Conn // also under HTTP/2
	heard   int64 // what had been read from it before
	reused  bool
	hooks   httptrace.ClientTrace
}

// watchedBody is our body, which knows whether somebody has read of it.
type watchedBody struct {
	bytes bytes.Reader
	read  atomic.Bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.bytes.Read(p)
}

func (b *watchedBody) Close() error { return nil }

// load gives a request its body. No GetBody: a transport that may read the body again
// tries a request anew by itself in some cases, with the same nonce. Repeating is our
// business.
func (w *Trip) load(req *http.Request, body []byte) {
	w.url = req.URL
	if body == nil {
		return
	}
	w.body.bytes.Reset(body)
	req.Body, req.ContentLength = &w.body, int64(len(body))
}

// carries reports whether a request that has the context of ours may be ours: an
// authenticator may send others before and beside it, for a token. Another one is that
// without a body, and that with another body, while nobody has read ours, to another
// place. Should it turn out to have read ours on its way, it was ours after all.
func (w *Trip) carries(req *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return false
	}
	return req.Body == &w.body || w.body.read.Load() ||
		req.Method == http.MethodPost && req.URL.Host == w.url.Host && req.URL.Path == w.url.Path
}

// handOver notes that the request goes to the transport, and returns its hooks. Others
// have none: what becomes of them proves nothing about ours.
func (w *Trip) handOver() *httptrace.ClientTrace {
	w.mu.Lock()
	defer w.mu.Unlock()
	hooks := &w.hooks
	if w.handed { // the hooks are in use
		hooks, w.twice = &httptrace.ClientTrace{}, true
	}
	w.handed = true
	w.running++
	hooks.GetConn, hooks.GotConn = w.getConn, w.gotConn
	return hooks
}

// ended notes what the transport said of our request. What an authenticator makes of it
// may be about another one.
func (w *Trip) ended(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	w.running--
}

// other notes a request that is not ours, and returns what notes its end.
func (w *Trip) other(req *http.Request) (ended func(error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bodies := 0 // one that has none cannot hold ours
	if req.Body != nil && req.Body != http.NoBody {
		bodies = 1
	}
	w.running += bodies
	return func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running -= bodies
		w.within = w.within || bodies > 0 && w.body.read.Load()
		w.failed = w.failed || err != nil
	}
}

func (w *Trip) getConn(string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = true
}

func (w *Trip) gotConn(info httptrace.GotConnInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved = w.moved || w.movedNowLocked()
	w.got = true
	w.reused = info.Reused
	w.conn, w.counter = countersOf(info.Conn)
	if w.conn != nil {
		w.heard = w.conn.read.Load()
	}
	if w.counter != nil {
		w.base = w.counter.written.Load()
	}
}

// countersOf returns the connection as it was dialled, and as the counter of what a
// request wrote. HTTP/2 has no such counter: its connections are shared, and a request
// that is given up there may be written after RoundTrip returned.
func countersOf(conn net.Conn) (dialled, counter *Conn) {
	shared := false
	if t, ok := conn.(*tls.Conn); ok {
		p := t.ConnectionState().NegotiatedProtocol
		shared = p != "" && p != "http/1.1"
		conn = t.NetConn()
	}
	dialled, _ = conn.(*Conn)
	if shared {
		return dialled, nil
	}
	return dialled, dialled
}

// silent returns the connection that the request was written to if nothing came back
// on it, from anybody, and it had worked before or is shared with others.
func (w *Trip) silent() *Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn == nil || w.conn.read.Load() != w.heard || !w.reused && w.counter != nil {
		return nil
	}
	return w.conn
}

// shared returns the connection if others use it too.
func (w *Trip) shared() *Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counter != nil {
		return nil
	}
	return w.conn
}

func (w *Trip) movedNowLocked() bool {
	return w.got && (w.counter == nil || w.counter.written.Load() != w.base)
}

// left reports whether the request may have left this machine, and been processed, given
// that RoundTrip failed. It is false only on proof.
func (w *Trip) left() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.running > 0:
		return true // whoever waited for it did not wait for its end
	case !w.handed:
		return w.within
	case w.got:
		return w.moved || w.movedNowLocked() && (w.twice || !unprocessed(w.err))
	case w.asked:
		return false
	}
	// A transport without trace hooks: only a failed dial is proof.
	var op *net.OpError
	return w.twice || !clean.OfNetwork(w.err) || errors.As(w.err, &op) && op.Op != "dial"
}

// unprocessedForm is what net/http says of a request of HTTP/2 that the server did not
// and will not process (RFC 9113, 6.8 and 8.7): a stream above the last one of a GOAWAY,
// or a refused one. It would repeat those itself if it could read the body again. There
// is no other sign: the error is text around an error of a type that is its own. Should
// it change, they are doubt again; peers cannot say this, their words come within others.
var unprocessedForm = regexp.MustCompile(`^(http2: Transport: cannot retry err ` +
	`\[(http2: Transport received Server's graceful shutdown GOAWAY|stream error: stream ID [0-9]+; REFUSED_STREAM(; received from peer)?)\] ` +
	`after Request\.Body was written; define Request\.GetBody to avoid this error` +
	`|http2: Transport received GOAWAY from server ErrCode:[A-Z0-9_]+)$`)

// unprocessed reports whether an error is proof that the server did not process the
// request.
func unprocessed(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if unprocessedForm.MatchString(err.Error()) {
			return true
		}
	}
	return false
}

func (w *Trip) handedOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.handed
}

// tokenLost reports whether a request for a token failed on its way, which is no word
// about the keys. err is what the authenticator made of it.
func (w *Trip) tokenLost(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed || clean.OfNetwork(err) || errors.Is(err, io.ErrUnexpectedEOF)
}

type tripKey struct{}

// handoff marks the point below the authenticator: what fails above it never
// reached a transport.
type handoff struct{ base http.RoundTripper }

func (h handoff) RoundTrip(req *http.Request) (*http.Response, error) {
	w, ok := req.Context().Value(tripKey{}).(*Trip)
	if !ok {
		return h.base.RoundTrip(req)
	}
	if !w.carries(req) {
		ended := w.other(req)
		resp, err := h.base.RoundTrip(req)
		ended(err)
		return resp, err
	}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), w.handOver()))
	if req.Body == &w.body {
		req.Body = io.NopCloser(&w.body.bytes) // net/http knows it, and sends it with the headers at once
	}
	resp, err := h.base.RoundTrip(req)
	w.ended(err)
	return resp, err
}
