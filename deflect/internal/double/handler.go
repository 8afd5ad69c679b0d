package double

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// ServeHTTP answers a request that came over a socket. The host that the client
// signed is taken from the Host header, and the scheme is https if the
// connection has TLS.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if text, asked := proof(s.Name, r); asked {
		io.WriteString(w, text)
		return
	}
	a := overHTTP(r)
	f := s.API.Fault(r.URL.Path, func() *Arrival { return a })
	ans := s.API.Answer(r.Context(), a, f)
	if !wait(r.Context(), ans.Delay) {
		reset(w)
		return
	}
	if ans.Hang {
		<-r.Context().Done()
	}
	if ans.Hang || ans.Reset {
		reset(w)
		return
	}
	for name, values := range ans.Header {
		w.Header()[name] = values
	}
	w.Header()["Date"] = s.API.Date()
	if ans.Stream == nil {
		// The whole length is promised even if less comes: net/http then ends
		// the connection, and the client notices that something is missing.
		w.Header().Set("Content-Length", strconv.Itoa(len(ans.Body)))
	}
	w.WriteHeader(ans.Status)
	io.Copy(w, ans.Wire()) // fails only if the client has gone
	switch {
	case ans.Cut && ans.Stall:
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		reset(w)
	case ans.Cut && ans.Stream != nil:
		// What was written has to arrive, but no last chunk after it.
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// wait is false if ctx ended before the time was over.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reset ends the connection so that the client sees a reset, not an end. An
// HTTP/2 connection cannot be taken over; there the stream alone is reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // below TLS
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	conn.Close()
}
