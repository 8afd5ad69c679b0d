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
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

// Whatever the limit, what is shared out fits into it, and every kind has something.
func TestDescriptorsFit(t *testing.T) {
	for _, limit := range []int{96, 128, 256, 500, 1024, 4096, 10_000, 10_300, 12_000, 65_536, 1 << 20} {
		for _, calls := range []int{1, 10, 500, 10_000, 100_000} {
			f := testFile(t)
			f.FreeSWITCH.MaxCalls = calls
			f.FreeSWITCH.Inbound = make([]freeswitch.Switch, 2)
			f.Lists = make([]*donottext.File, 3)
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

// Whatever a reload allows, it fits beside the requests that are allowed since the start.
func TestDescriptorsFitAfterReload(t *testing.T) {
	for _, limit := range []int{256, 1024, 4096, 65_536} {
		for _, before := range []int{1, 100, 672, 100_000} {
			for _, after := range []int{1, 100, 10_000, 100_000} {
				f := testFile(t)
				f.FreeSWITCH.MaxCalls = before
				first := share(limit, f)
				f.FreeSWITCH.MaxCalls = after
				f.Lists = make([]*donottext.File, 3)
				d := share(limit, f).keeping(first.Requests)
				if used := d.Calls + first.Requests + d.HTTP + ownDescriptors + 3; d.Calls < 1 || d.Calls > after || used > limit+3 {
					t.Errorf("limit %d, max_calls %d, then %d: %d descriptors, %+v", limit, before, after, used, d)
				}
				if (d.Short() != "") != (d.Calls < after) {
					t.Errorf("limit %d, max_calls %d, then %d: %q", limit, before, after, d.Short())
				}
			}
		}
	}
	f := testFile(t)
	if d := share(0, f).keeping(0); d.Calls != f.FreeSWITCH.MaxCalls {
		t.Errorf("without a limit: %+v", d)
	}
}

// A reload shares out what the start has left.
func TestReloadKeepsToDescriptors(t *testing.T) {
	limit := openFiles()
	if limit == 0 || limit > 1<<20 {
		t.Skipf("%d open files", limit)
	}
	file := &changing{}
	file.set("drain: 1m", "drain: 1m, max_calls: 100")
	b := start(t, func(o *Options) {
		file.url = o.Config.LiveDeflect.BaseURL
		o.Config, _ = file.load()
		o.Load = file.load
	})
	file.set("drain: 1m", "drain: 1m, max_calls: 100000")
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	b.log.await("max_calls lowered: more do not fit into the limit of open files; raise it (ulimit -n, LimitNOFILE=), or restart")
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
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
	srv := &http.Server{ConnState: g.changed, ConnContext: g.known, Handler: g.served(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-answer
		}
		io.WriteString(w, "ok")
	}))}
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

// Strangers who announce what they do not send, or send nothing at all, keep nobody out.
func TestHTTPSlowGuests(t *testing.T) {
	b := start(t, nil)
	for _, request := range []string{
		"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost:",
		"",
	} {
		for range 2 * mostHTTP {
			c, err := net.Dial("tcp", b.daemon.HTTPAddr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, request)
			if strings.Contains(request, "\r\n\r\n") {
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				buf := make([]byte, 300)
				n, err := c.Read(buf)
				if got := string(buf[:n]); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, "Connection: close\r\n") {
					t.Fatalf("%q: answered %q, %v", request, got, err)
				}
			}
		}
		for _, path := range []string{"/readyz", "/metrics"} {
			if status, _ := b.get(path); status != http.StatusOK {
				t.Errorf("%s = %d, while others send %q", path, status, request)
			}
		}
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}
