package deflect

import (
	"context"
	"net"
	"net/http"
)

// limit is how many connections several transports may have together, one token each; nil
// is as many as they like.
type limit chan struct{}

func newLimit(connections int) limit {
	if connections == 0 {
		return nil
	}
	return make(limit, connections)
}

// transport returns another transport of [NewTransport]'s that keeps to the limit.
func (l limit) transport() *http.Transport {
	t := NewTransport()
	if l != nil {
		t.DialContext = l.dial(t.DialContext)
	}
	return t
}

// dial waits for its turn. A connection that becomes idle meanwhile serves the request.
func (l limit) dial(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case l <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		release := func() { <-l }
		conn, err := dial(ctx, network, addr)
		if err != nil {
			release()
			return nil, err
		}
		if c, ok := conn.(*countingConn); ok {
			c.closed = release
		} else {
			release()
		}
		return conn, nil
	}
}
