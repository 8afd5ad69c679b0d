package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

// changing is a configuration file that a test changes.
type changing struct {
	mu   sync.Mutex
	text string
	url  string
}

func (c *changing) set(pairs ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = strings.NewReplacer(pairs...).Replace(testConfig)
}

func (c *changing) load() (config.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := config.Parse("test.yaml", []byte(c.text), func(name string) string {
		return map[string]string{
			"DEFLECT_CONSUMER_SECRET": consumerSecret, "DEFLECT_TOKEN_SECRET": tokenSecret, "DEFLECT_FREESWITCH_PASSWORD_FS1": "opensesame-switch",
		}[name]
	})
	if err == nil && f.LiveDeflect.BaseURL == "http://127.0.0.1:1" {
		f.LiveDeflect.BaseURL = c.url
	}
	return f, err
}

func (b *bench) post(path string, header ...string) (status int, body string) {
	b.t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, nil)
	req.RemoteAddr, req.Host = "127.0.0.1:1234", "127.0.0.1:9180"
	for i := 0; i < len(header); i += 2 {
		switch header[i] {
		case "peer":
			req.RemoteAddr = header[i+1]
		case "Host":
			req.Host = header[i+1]
		default:
			req.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	b.daemon.http.Handler.ServeHTTP(w, req)
	return w.Code, w.Body.String()
}

func (b *bench) gauge(name string) float64 {
	b.t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	b.t.Fatalf("there is no %s", name)
	return 0
}

func TestReloadTakesAllOrNothing(t *testing.T) {
	file := &changing{}
	file.set()
	level := &slog.LevelVar{}
	b := start(t, func(o *Options) {
		file.url = o.Config.LiveDeflect.BaseURL
		o.Load, o.Level, o.Registry = file.load, level, prometheus.NewRegistry()
	})
	call := func() freeswitchtest.Result {
		t.Helper()
		c := freeswitchtest.Call{ANI: caller, DNIS: dialed, SocketResume: true, Prompts: map[string]time.Duration{"offer.wav": time.Millisecond, "new.wav": time.Millisecond}}
		r, err := c.Dial(t.Context(), b.daemon.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	wantFile := func(want string) {
		t.Helper()
		if r := call(); len(r.Played) != 1 || r.Played[0].File != want {
			t.Errorf("callers hear %v, want %s", r.Played, want)
		}
	}
	wantFile("offer.wav")
	first := b.gauge("deflectd_config_last_reload_success_timestamp_seconds")
	if b.gauge("deflectd_config_last_reload_successful") != 1 || first < 1e9 {
		t.Errorf("at the start: timestamp %v", first)
	}

	file.set("offer.wav", "new.wav", "level: debug", "level: error")
	if status, body := b.post("/-/reload"); status != 200 || body != "ok\n" {
		t.Errorf("reload: %d %q", status, body)
	}
	wantFile("new.wav")
	if b.gauge("deflectd_config_last_reload_success_timestamp_seconds") < first || level.Level() != slog.LevelError {
		t.Errorf("level %v", level.Level())
	}

	key := keyFile(t)
	// A bad one is refused with its problems.
	for _, tt := range []struct {
		change []string
		want   []string
	}{
		{[]string{"gap: 1ms", "gap: 1h, repeat: 90"}, []string{"test.yaml:7: profiles[0].gap: ", "profiles[0].repeat: "}},
		{[]string{`listen: "127.0.0.1:0", drain`, `listen: "127.0.0.1:8099", drain`}, []string{"freeswitch.outbound.listen: was changed, which needs a restart"}},
		{[]string{"{outbound:", `{inbound: [{name: fs1, address: "127.0.0.1:8021"}], outbound:`}, []string{"freeswitch.inbound: was changed"}},
		{[]string{`"38856538"`, `"1"`, "http://127.0.0.1:1", "http://127.0.0.1:2"}, []string{"livedeflect.site_id: was changed", "livedeflect.base_url: was changed"}},
		{[]string{"log:", "redis: {url: \"redis://127.0.0.1:1\", key_file: \"" + key + "\"}\nlog:"}, []string{"redis: was changed, which needs a restart"}},
		{[]string{"level: debug", "level: debug, format: text"}, []string{"log.format: was changed"}},
		{[]string{"log:", "report: {every: 1m}\ndefault_region: DE\nlog:"}, []string{"report.every: was changed", "default_region: was changed"}},
	} {
		file.set(append(tt.change, "offer.wav", "bad.wav")...)
		status, body := b.post("/-/reload")
		for _, want := range tt.want {
			if status != 500 || !strings.Contains(body, want) || !strings.Contains(body, "going on with the configuration before") {
				t.Errorf("%q: %d %q, want %q", tt.change, status, body, want)
			}
		}
		if b.gauge("deflectd_config_last_reload_successful") != 0 {
			t.Errorf("%q: counts as a success", tt.change)
		}
		wantFile("new.wav")
	}
	file.set()
	if err := b.daemon.Reload(); err != nil || b.gauge("deflectd_config_last_reload_successful") != 1 {
		t.Errorf("Reload() = %v", err)
	}
	wantFile("offer.wav")

	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
	if err := b.daemon.Reload(); !errors.Is(err, errStopping) {
		t.Errorf("after the end: %v", err)
	}
}

// However many ask for a reload, one runs and one follows, and each gets the answer of
// one that began after it asked.
func TestReloadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loads := 0
		reloader, _ := newReloader(Options{Load: func() (config.File, error) {
			loads++
			n := loads
			time.Sleep(time.Minute)
			return config.File{}, fmt.Errorf("load %d", n)
		}})
		d := &Daemon{log: slog.New(slog.DiscardHandler), reloader: reloader}
		got := make(chan string, 1000)
		ask := func(n int) {
			for range n {
				go func() { got <- d.Reload().Error() }()
			}
			synctest.Wait()
		}
		want := func(n int, answer string) {
			t.Helper()
			for range n {
				if g := <-got; g != answer {
					t.Errorf("%s, want %s", g, answer)
				}
			}
		}
		ask(1)
		ask(200)
		want(1, "load 1")
		synctest.Wait()
		ask(10) // while the second one runs
		want(200, "load 2")
		want(10, "load 3")
		if loads != 3 {
			t.Errorf("%d loads", loads)
		}
	})
}

// A reload may come while the daemon begins to run, and its lists are those looked after.
func TestReloadAtTheStart(t *testing.T) {
	for range 5 {
		before, after := &donottext.File{}, &donottext.File{}
		reloader, _ := newReloader(Options{Config: config.File{Lists: []*donottext.File{before}}})
		log := slog.New(slog.DiscardHandler)
		var both sync.WaitGroup
		both.Go(func() { reloader.watch([]*donottext.File{after}, log) })
		both.Go(func() { reloader.begin(log) })
		both.Wait()
		if reloader.lists[0] != after {
			t.Error("the lists of before the reload are looked after")
		}
		reloader.close()
	}
}

// An answer over HTTP does not wait for ever.
func TestReloadHTTPHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		srv := newHTTPServer(endpoints{
			registry: prometheus.NewRegistry(), reload: func() error { <-hang; return nil }, log: slog.New(slog.DiscardHandler),
		})
		req, w := httptest.NewRequest(http.MethodPost, "/-/reload", nil), httptest.NewRecorder()
		req.RemoteAddr, req.Host = "127.0.0.1:1234", "127.0.0.1:9180"
		srv.Handler.ServeHTTP(w, req)
		if w.Code != http.StatusGatewayTimeout || !strings.Contains(w.Body.String(), "not reloaded yet") {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		close(hang)
	})
}

// Who may ask for a reload over HTTP.
func TestReloadHTTP(t *testing.T) {
	b := start(t, nil) // without a file to load
	for _, tt := range []struct {
		name   string
		header []string
		status int
	}{
		{"this machine", nil, 500},
		{"this machine, IPv6", []string{"peer", "[::1]:1234"}, 500},
		{"this machine, mapped", []string{"peer", "[::ffff:127.0.0.1]:1234"}, 500},
		{"another machine", []string{"peer", "10.0.0.7:1234"}, 403},
		{"another machine, claiming", []string{"peer", "10.0.0.7:1234", "X-Forwarded-For", "127.0.0.1"}, 403},
		{"nobody knows", []string{"peer", ""}, 403},
		{"a page in a browser", []string{"Origin", "https://evil.example"}, 403},
		{"a page that hides its origin", []string{"Origin", "null"}, 403},
		{"a page in a browser with an empty Origin", []string{"Origin", ""}, 403},
		{"a page in a browser without Origin", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page in a browser that says less", []string{"Sec-Fetch-Mode", ""}, 403},
		{"by name", []string{"Host", "localhost:9180"}, 500},
		{"by name, otherwise written", []string{"Host", "LocalHost"}, 500},
		{"IPv6", []string{"Host", "[::1]:9180"}, 500},
		{"IPv6 without a port", []string{"Host", "[::1]"}, 500},
		{"IPv6, mapped", []string{"Host", "[::ffff:127.0.0.1]:9180"}, 500},
		{"another loopback address", []string{"Host", "127.0.1.1:9180"}, 500},
		{"through a tunnel", []string{"Host", "127.0.0.1:12345"}, 500},
		{"a name that leads here now", []string{"Host", "evil.example:9180"}, 403},
		{"a name that begins as ours", []string{"Host", "localhost.evil.example"}, 403},
		{"a name that begins as our address", []string{"Host", "127.0.0.1.evil.example:9180"}, 403},
		{"another address", []string{"Host", "10.0.0.7:9180"}, 403},
		{"no host", []string{"Host", ""}, 403},
		{"a proxy", []string{"X-Forwarded-For", "10.0.0.7"}, 403},
		{"a proxy that says nothing", []string{"X-Forwarded-For", ""}, 403},
		{"a proxy that names its host", []string{"X-Forwarded-Host", "metrics.example"}, 403},
		{"a proxy by the standard", []string{"Forwarded", "for=10.0.0.7"}, 403},
		{"a proxy that says itself", []string{"Via", "1.1 proxy"}, 403},
		{"nginx", []string{"X-Real-IP", "10.0.0.7"}, 403},
		{"a proxy by another name", []string{"X-Client-IP", "10.0.0.7"}, 403},
		{"a network in front", []string{"True-Client-IP", "10.0.0.7"}, 403},
		{"a tunnel from there", []string{"CF-Connecting-IP", "10.0.0.7"}, 403},
		{"a tunnel from there that says less", []string{"CF-Ray", ""}, 403},
		{"a link on a page", []string{"Referer", "https://evil.example/"}, 403},
	} {
		status, body := b.post("/-/reload", tt.header...)
		if status != tt.status || status == 403 && (!strings.HasPrefix(body, "not reloaded: ") || !strings.Contains(body, "SIGHUP")) {
			t.Errorf("%s: %d %q, want %d", tt.name, status, body, tt.status)
		}
	}
	// Over the wire, as curl asks.
	_, port, err := net.SplitHostPort(b.daemon.HTTPAddr())
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"": 500, "localhost:" + port: 500, "evil.example:" + port: 403} {
		req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:"+port+"/-/reload", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host, req.Close = host, true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %q: %d, want %d", host, resp.StatusCode, want)
		}
	}
	// As a proxy asks that has not been told to say more.
	nc, err := net.Dial("tcp", b.daemon.HTTPAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprintf(nc, "POST /-/reload HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n", port)
	if old, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || old.StatusCode != http.StatusForbidden {
		t.Errorf("HTTP/1.0: %v, %v, want 403", old, err)
	}
	if status, _ := b.get("/-/reload"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// The do-not-text list of the configuration in use is looked after, from the start
// and after a reload, and that it is broken shows. Nothing is forgotten by a reload.
func TestDoNotTextListIsLookedAfter(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("+14043438640\n+14043438641\n")
	file := &changing{}
	file.set("skill: sales", "skill: sales, do_not_text_file: "+name)
	b := start(t, func(o *Options) {
		file.url = "http://127.0.0.1:1"
		first, err := file.load()
		if err != nil {
			t.Fatal(err)
		}
		file.url = o.Config.LiveDeflect.BaseURL
		first.LiveDeflect.BaseURL = file.url
		o.Config, o.Load, o.Registry = first, file.load, prometheus.NewRegistry()
	})
	wantReason := func(ani, want string) {
		t.Helper()
		c := freeswitchtest.Call{ANI: ani, DNIS: dialed, SocketResume: true, Prompts: map[string]time.Duration{"offer.wav": time.Millisecond}}
		if r, err := c.Dial(t.Context(), b.daemon.Addr()); err != nil || r.Vars["deflect_reason"] != want {
			t.Errorf("%v, %v, want %s", r.Vars, err, want)
		}
	}
	wantReason("+14043438640", "opted_out")
	wantReason("+14043438642", "no_key")
	if b.gauge("deflectd_do_not_text_whole") != 1 {
		t.Error("the list is not whole")
	}
	// Looked after from the start.
	write("+14043438640\n+14043438641\n+14043438642\n")
	b.log.await("do-not-text list read")
	wantReason("+14043438642", "opted_out")

	// A reload in the middle of a rewrite.
	write("")
	if err := b.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	wantReason("+14043438640", "opted_out")
	// Looked after from then on.
	b.log.await("do-not-text list not whole, going on with what is known")
	if b.gauge("deflectd_do_not_text_whole") != 0 {
		t.Error("the list is whole")
	}
	wantReason("+14043438640", "opted_out")
	write("nobody\n")
	if err := b.daemon.Reload(); err == nil || !strings.Contains(err.Error(), "line 1 is neither") {
		t.Errorf("a configuration with a broken list: %v", err)
	}
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
}

// A file system that hangs holds up neither the metrics nor the end.
func TestLoadHangs(t *testing.T) {
	begun, hang := make(chan struct{}), make(chan struct{})
	b := start(t, func(o *Options) {
		o.Registry = prometheus.NewRegistry()
		o.Load = func() (config.File, error) {
			close(begun)
			<-hang
			return config.File{}, errors.New("gone")
		}
	})
	reloaded := make(chan error)
	go func() { reloaded <- b.daemon.Reload() }()
	<-begun
	b.gauge("deflectd_do_not_text_whole")
	b.stop()
	if err := b.finish(); err != nil {
		t.Error(err)
	}
	close(hang)
	if err := <-reloaded; err == nil {
		t.Error("a load that failed counts as a success")
	}
}
