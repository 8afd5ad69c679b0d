package daemon

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// guests is the listener of the HTTP port. It has so many connections at most: a new
// one takes the place of the one that has been idle for longest, so that scrapers that
// keep theirs open leave room for the probe of a supervisor, and the calls theirs. Busy
// is only what a handler works for: who sends or reads slowly is idle.
type guests struct {
	net.Listener
	most int

	mu    sync.Mutex
	since map[net.Conn]uint64 // when each became idle; 0 while a handler works for it
	now   uint64              // counts up
}

func newGuests(ln net.Listener, most int) *guests {
	return &guests{Listener: ln, most: most, since: map[net.Conn]uint64{}}
}

// Accept returns the next connection that there is room for.
func (g *guests) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if g.admit(c) {
			return c, nil
		}
		c.Close()
	}
}

func (g *guests) admit(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.since) >= g.most {
		var longest net.Conn
		for other, since := range g.since {
			if since > 0 && (longest == nil || since < g.since[longest]) {
				longest = other
			}
		}
		if longest == nil {
			return false
		}
		delete(g.since, longest)
		longest.Close()
	}
	g.now++
	g.since[c] = g.now
	return true
}

// changed is the ConnState of the server.
func (g *guests) changed(c net.Conn, state http.ConnState) {
	c = below(c)
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.since[c]; !known {
		return
	}
	switch state {
	case http.StateIdle:
		g.now++
		g.since[c] = g.now
	case http.StateClosed, http.StateHijacked:
		delete(g.since, c)
	}
}

// guest is the key of a request's connection.
type guest struct{}

// known is the ConnContext of the server.
func (g *guests) known(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guest{}, below(c))
}

// below is the connection that was accepted: with TLS the server has another one on top.
func below(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

// served is the handler of the server. What another one answers is sent once that has
// returned, so that whoever reads slowly holds up neither it nor others.
func (g *guests) served(by http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // or the server waits for a body that nobody reads
			w.Header().Set("Connection", "close")
		}
		a := &answered{ResponseWriter: w, status: http.StatusOK}
		c, _ := r.Context().Value(guest{}).(net.Conn)
		func() {
			g.works(c, true)
			defer g.works(c, false)
			by.ServeHTTP(a, r)
		}()
		if !a.streamed {
			w.WriteHeader(a.status)
		}
		w.Write(a.body.Bytes()) //nolint:errcheck // whoever asked has gone
	})
}

// works says that a handler works for a connection, or no longer.
func (g *guests) works(c net.Conn, busy bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.since[c]; !known {
		return
	}
	g.now++
	g.since[c] = g.now
	if busy {
		g.since[c] = 0
	}
}

// answered keeps an answer, until its handler flushes it: such a one bounds by itself how
// long it writes, and how many do at a time.
type answered struct {
	http.ResponseWriter
	status   int
	body     bytes.Buffer
	streamed bool // what was flushed has left
}

// SetWriteDeadline is for answers that take longer than most, such as a profile.
func (a *answered) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(a.ResponseWriter).SetWriteDeadline(t)
}

func (a *answered) WriteHeader(status int)      { a.status = status }
func (a *answered) Write(p []byte) (int, error) { return a.body.Write(p) }

// FlushError sends what was written so far.
func (a *answered) FlushError() error {
	if !a.streamed {
		a.streamed = true
		a.ResponseWriter.WriteHeader(a.status)
	}
	if _, err := a.body.WriteTo(a.ResponseWriter); err != nil {
		return err
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Unwrap is for deadlines of [http.ResponseController].
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }
