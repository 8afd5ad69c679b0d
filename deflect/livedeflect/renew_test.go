package livedeflect

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// tunnel forwards connections to a server, and can forget them: they stay open and
// nothing comes through any more, as behind a router that lost its table.
type tunnel struct {
	net.Listener
	server string
	mu     sync.Mutex
	dead   chan struct{} // closed to forget what is open
	open   []net.Conn
	done   sync.WaitGroup
}

func newTunnel(t *testing.T, server string) *tunnel {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tunnel{Listener: ln, server: server, dead: make(chan struct{})}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for _, c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

func (p *tunnel) accept() {
	for {
		c, err := p.Accept()
		if err != nil {
			return
		}
		s, err := net.Dial("tcp", p.server)
		if err != nil {
			c.Close()
			return
		}
		p.mu.Lock()
		p.open = append(p.open, c, s)
		dead := p.dead
		p.mu.Unlock()
		p.done.Go(func() { forward(c, s, dead) })
		p.done.Go(func() { forward(s, c, dead) })
	}
}

func forward(to io.Writer, from io.Reader, dead chan struct{}) {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		select {
		case <-dead:
			if err != nil {
				return
			}
			continue // reads on, or the kernel would tell
		default:
		}
		if err != nil {
			if c, ok := to.(io.Closer); ok {
				c.Close()
			}
			return
		}
		to.Write(b[:n])
	}
}

func (p *tunnel) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.dead)
	p.dead = make(chan struct{})
}

// A connection that dies without a word, with calls coming all the time: it costs
// what is under way, for no longer than one deadline, and does not open the breaker,
// because the API is well.
const breakerClosed = `
# HELP deflect_breaker_state How many breakers are in the state: there is one for each API.
# TYPE deflect_breaker_state gauge
deflect_breaker_state{state="closed"} 1
deflect_breaker_state{state="half_open"} 0
deflect_breaker_state{state="open"} 0
`

func TestConnectionDiesSilently(t *testing.T) {
	for _, tt := range []struct {
		name     string
		deadline time.Duration
		http2    bool
		within   time.Duration
	}{
		{"found out by a ping", 4 * time.Second, true, 6 * time.Second},
		{"found out by the deadline of a call", 800 * time.Millisecond, true, 4 * time.Second},
		{"HTTP/1.1", 800 * time.Millisecond, false, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, `{"callId":"473513","success":"true"}`)
			}))
			srv.EnableHTTP2 = tt.http2
			srv.StartTLS()
			defer srv.Close()
			proxy := newTunnel(t, srv.Listener.Addr().String())
			reg := prometheus.NewRegistry()
			client := realClient(t, "https://"+proxy.Addr().String(), func(c *bothConfig) {
				c.LiveDeadline, c.Registerer = tt.deadline, reg
				rt := wire.NewRenewing(func() *http.Transport {
					tr := liveperson.NewTransport()
					tr.TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
					return tr
				})
				c.Transport = rt
				t.Cleanup(rt.CloseIdleConnections)
			})
			text := func() deflect.Result {
				call := validCall()
				call.Accepted = time.Time{}
				res, _ := client.Deflect(context.Background(), next(call))
				return res
			}
			if res := text(); res.Outcome != deflect.Sent {
				t.Fatalf("%+v", res)
			}
			proxy.forget()
			died := time.Now()
			var again atomic.Int64 // after so long a text goes out again
			var calls sync.WaitGroup
			for again.Load() == 0 && time.Since(died) < 8*time.Second {
				calls.Go(func() {
					if text().Outcome == deflect.Sent {
						again.CompareAndSwap(0, int64(time.Since(died)))
					}
				})
				time.Sleep(50 * time.Millisecond)
			}
			calls.Wait()
			if took := time.Duration(again.Load()); took == 0 || took > tt.within {
				t.Errorf("the first text after %s, want at most %s", took, tt.within)
			}
			if err := testutil.GatherAndCompare(reg, strings.NewReader(breakerClosed), "deflect_breaker_state"); err != nil {
				t.Errorf("the breaker is not closed: %v", err)
			}
			if res := text(); res.Outcome != deflect.Sent {
				t.Errorf("%+v", res)
			}
		})
	}
}

// A name that leads to another address is followed, however busy the connection to
// the old one is; what is under way on that one is not cut.
func TestChangedNameIsFollowed(t *testing.T) {
	release := make(chan struct{})
	var asked [2]atomic.Int32
	var servers [2]*httptest.Server
	for i := range servers {
		servers[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked[i].Add(1) == 1 && i == 0 {
				<-release
			}
			io.WriteString(w, `{"callId":"473513","success":"true"}`)
		}))
		defer servers[i].Close()
	}
	var address atomic.Int32
	rt := wire.NewRenewing(func() *http.Transport {
		return wire.NewTransport(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, servers[address.Load()].Listener.Addr().String())
		})
	})
	defer rt.CloseIdleConnections()
	client := realClient(t, "http://localhost:1", func(c *bothConfig) { c.Transport = rt })
	var first sync.WaitGroup
	first.Go(func() { wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1) })
	for asked[0].Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	address.Store(1)
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1) // on the connection that there is
	rt.Oldest = 0
	wantResult(t, client, deflect.Sent, deflect.ReasonOK, 1)
	if a, b := asked[0].Load(), asked[1].Load(); a != 3 || b != 1 {
		t.Errorf("%d requests to the old address and %d to the new one", a, b)
	}
	close(release)
	first.Wait()
}
