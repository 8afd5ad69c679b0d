package daemon

import (
	"net"
	"net/http"
	"sync"
)

// guests is the listener of the HTTP port. It has so many connections at most: a new
// one takes the place of the one that has been idle for longest, so that scrapers that
// keep theirs open leave room for the probe of a supervisor, and the calls theirs.
type guests struct {
	net.Listener
	most int

	mu    sync.Mutex
	since map[net.Conn]uint64 // when each became idle; 0 while it has a request
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
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.since[c]; !known {
		return
	}
	switch state {
	case http.StateActive:
		g.since[c] = 0
	case http.StateIdle:
		g.now++
		g.since[c] = g.now
	case http.StateClosed, http.StateHijacked:
		delete(g.since, c)
	}
}
