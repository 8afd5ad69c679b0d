package daemon

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Whatever the limit, what is shared out fits into it, and every kind has something.
func TestDescriptorsFit(t *testing.T) {
	for _, limit := range []int{96, 128, 256, 500, 1024, 4096, 10_000, 10_300, 12_000, 65_536, 1 << 20} {
		for _, calls := range []int{1, 10, 500, 10_000, 100_000} {
			f := testFile(t)
			f.FreeSWITCH.MaxCalls = calls
			f.FreeSWITCH.Inbound = make([]freeswitch.Switch, 2)
			f.Lists = make([]*deflect.DoNotTextFile, 3)
			d := share(limit, f)
			used := d.Calls + d.Requests + d.HTTP + ownDescriptors + 2*perSwitch + 3
			if d.Calls < 1 || d.Calls > calls || d.Requests < 1 || d.HTTP < 4 || limit >= 256 && used > limit {
				t.Errorf("limit %d, max_calls %d: %+v", limit, calls, d)
			}
			if short := d.Short(); (short != "") != (d.Calls < calls) {
				t.Errorf("limit %d, max_calls %d: %q", limit, calls, short)
			}
			if d.Calls < calls && d.Requests < d.Calls/4 && d.Requests < requestsAtATime {
				t.Errorf("limit %d, max_calls %d: few requests, %+v", limit, calls, d)
			}
		}
	}
	if d := share(1024, testFile(t)); d.Calls < 600 {
		t.Errorf("%+v", d)
	}
	if d := share(0, testFile(t)); d.Calls != 10_000 || d.Short() != "" {
		t.Errorf("without a limit: %+v", d)
	}
}

// Connections to the HTTP port that are kept open make room for new ones, those with a
// request do not.
func TestHTTPConnections(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const most = 4
	g := newGuests(ln, most)
	arrived, answer := make(chan struct{}), make(chan struct{})
	srv := &http.Server{ConnState: g.changed, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-answer
		}
		io.WriteString(w, "ok")
	})}
	go srv.Serve(g)
	defer srv.Close()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		return c
	}
	ask := func(c net.Conn, path string) string {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		buf := make([]byte, 1000)
		n, _ := c.Read(buf)
		status, _, _ := strings.Cut(string(buf[:n]), "\r\n")
		return status
	}
	const ok = "HTTP/1.1 200 OK"
	settle := func() { // an answer is read before its connection is idle
		t.Helper()
		waitFor(t, func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, since := range g.since {
				if since == 0 {
					return false
				}
			}
			return true
		})
	}

	var idle []net.Conn
	for range 5 * most { // more than there is room for
		c := dial()
		defer c.Close()
		if got := ask(c, "/"); got != ok {
			t.Fatalf("a new connection: %q", got)
		}
		idle = append(idle, c)
		settle()
	}
	if _, err := idle[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection that is idle for longest: %v", err)
	}
	if got := ask(idle[len(idle)-1], "/"); got != ok {
		t.Errorf("the connection that was used last: %q", got)
	}

	settle()
	slow := make(chan string, most)
	for range most {
		c := dial()
		defer c.Close()
		go func() { slow <- ask(c, "/slow") }()
		<-arrived
	}
	c := dial()
	defer c.Close()
	if got := ask(c, "/"); got != "" {
		t.Errorf("a connection too many: %q", got)
	}
	close(answer)
	for range most {
		if got := <-slow; got != ok {
			t.Errorf("a connection with a request: %q", got)
		}
	}
	settle()
	c = dial()
	defer c.Close()
	if got := ask(c, "/"); got != ok {
		t.Errorf("a connection after that: %q", got)
	}
}
