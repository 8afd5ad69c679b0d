package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const (
	consumerSecret = "opensesame-consumer"
	tokenSecret    = "opensesame-token"
	caller         = "+14043438646"
	dialed         = "+18005550100"
)

// tells are what must never be seen outside a request.
var tells = []string{"4043438646", "8005550100", "opensesame"}

const testConfig = `
livedeflect: {site_id: "38856538", base_url: "http://127.0.0.1:1", consumer_key: key, token: token, live_deadline: 1m}
freeswitch: {outbound: {listen: "127.0.0.1:0", drain: 1m}}
http: {listen: "127.0.0.1:0"}
log: {level: debug}
profiles:
  - {name: sales, dialed: ["+18005550100"], skill: sales, text: "Hello.", gap: 1ms, cooldown: 0s, prompts: {offer: offer.wav, wait: ""}}
`

// bench is a daemon between both doubles.
type bench struct {
	t        *testing.T
	api      *livedeflecttest.Server
	daemon   *Daemon
	registry *prometheus.Registry // of the options; nil without
	log      *recorder
	stop     context.CancelFunc
	ended    chan error
}

// start runs a daemon; change may alter its options. The test ends it with
// finish.
func start(t *testing.T, change func(*Options)) *bench {
	t.Helper()
	checkLeaks(t)
	b := &bench{t: t, log: &recorder{seen: make(chan string, 10000)}, ended: make(chan error, 1)}
	b.api = livedeflecttest.RunT(t, livedeflecttest.Config{
		SiteID: "38856538", ConsumerKey: "key", ConsumerSecret: consumerSecret, Token: "token", TokenSecret: tokenSecret,
	})
	o := Options{Config: testFile(t), Logger: slog.New(b.log)}
	o.Config.LiveDeflect.BaseURL = b.api.URL()
	if change != nil {
		change(&o)
	}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.daemon, b.registry = d, o.Registry
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.ended <- d.Run(ctx) }()
	t.Cleanup(stop)
	return b
}

func testFile(t *testing.T) config.File {
	t.Helper()
	f, err := config.Parse("test.yaml", []byte(testConfig), func(name string) string {
		return map[string]string{"DEFLECT_CONSUMER_SECRET": consumerSecret, "DEFLECT_TOKEN_SECRET": tokenSecret}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// finish waits for Run and looks for what must not have been logged.
func (b *bench) finish() error {
	b.t.Helper()
	err := <-b.ended
	for _, tell := range tells {
		if text := b.log.text(); strings.Contains(text, tell) {
			b.t.Errorf("the log shows %q:\n%s", tell, text)
		}
	}
	return err
}

// get asks the HTTP port.
func (b *bench) get(path string) (status int, body string) {
	b.t.Helper()
	resp, body := b.answer(path)
	return resp.StatusCode, body
}

func (b *bench) answer(path string) (resp *http.Response, body string) {
	b.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + b.daemon.HTTPAddr() + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(data)
}

// calls lets n callers call at once; live is closed once deflectd has spoken to
// every one of them.
func (b *bench) calls(n int, call freeswitchtest.Call) (results chan freeswitchtest.Result, live chan struct{}) {
	b.t.Helper()
	results, live = make(chan freeswitchtest.Result, n), make(chan struct{})
	var spoken sync.WaitGroup
	spoken.Add(n)
	for range n {
		nc, err := net.Dial("tcp", b.daemon.Addr())
		if err != nil {
			b.t.Fatal(err)
		}
		go func() {
			r, err := call.Run(context.Background(), &firstRead{Conn: nc, done: spoken.Done})
			if err != nil {
				b.t.Error(err)
			}
			results <- r
		}()
	}
	go func() { spoken.Wait(); close(live) }()
	return results, live
}

// firstRead tells when the first bytes came.
type firstRead struct {
	net.Conn
	once sync.Once
	done func()
}

func (c *firstRead) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.once.Do(c.done)
	return n, err
}

// gate is a transport that holds requests back.
type gate struct {
	next    http.RoundTripper
	arrived chan struct{}
	open    chan struct{}
}

func newGate(next http.RoundTripper) *gate {
	return &gate{next: next, arrived: make(chan struct{}, 1000), open: make(chan struct{})}
}

func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	g.arrived <- struct{}{}
	select {
	case <-g.open:
		return g.next.RoundTrip(req)
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// recorder keeps the log as text and announces each message.
type recorder struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	seen chan string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) Handle(ctx context.Context, rec slog.Record) error {
	r.mu.Lock()
	err := slog.NewJSONHandler(&r.buf, &slog.HandlerOptions{Level: slog.LevelDebug}).Handle(ctx, rec)
	r.mu.Unlock()
	r.seen <- rec.Message
	return err
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// await waits for a message.
func (r *recorder) await(message string) {
	for m := range r.seen {
		if m == message {
			return
		}
	}
}

// checkLeaks fails a test that leaves goroutines of ours behind.
func checkLeaks(t *testing.T) {
	t.Cleanup(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		stacks := make([]byte, 1<<20)
		for range 3000 {
			if !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("ivrdeflect/cmd/internal/daemon.(*Daemon)")) &&
				!bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("ivrdeflect/adapters/")) {
				return
			}
			<-tick.C
		}
		t.Errorf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
	})
}

// outcomes counts what the callers' dialplans were told.
func outcomes(t *testing.T, results <-chan freeswitchtest.Result, n int) map[string]int {
	t.Helper()
	count := map[string]int{}
	for range n {
		r := <-results
		if !r.Continued || r.Lost || len(r.Violations) > 0 {
			t.Errorf("a caller did not get back to the dialplan: lost %v, violations %q, timeline %v", r.Lost, r.Violations, r.Timeline)
		}
		count[r.Vars["deflect_outcome"]+"/"+r.Vars["deflect_reason"]]++
	}
	return count
}

func reason(o deflect.Outcome, r deflect.Reason) string { return string(o) + "/" + string(r) }
