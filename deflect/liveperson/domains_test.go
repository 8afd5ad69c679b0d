package liveperson

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// registry is a double of the Domain API.
type registry struct {
	mu    sync.Mutex
	hosts map[string]string
	fault func(req *http.Request) (*http.Response, error) // instead of an answer
	asked []string
}

func (r *registry) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.asked = append(r.asked, req.Method+" "+req.URL.String())
	fault, service := r.fault, strings.Split(req.URL.Path, "/")[5]
	host, ok := r.hosts[service]
	r.mu.Unlock()
	if fault != nil {
		return fault(req)
	}
	if !ok {
		return answer(400, `{"error":"unknown service"}`), nil
	}
	return answer(200, fmt.Sprintf(`{"service":%q,"account":"38856538","baseURI":%q}`, service, host)), nil
}

func (r *registry) set(service, host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hosts[service] = host
}

func (r *registry) fails(f func(*http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
}

func (r *registry) n() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// shelf is a Store in memory.
type shelf struct {
	text []byte
	err  error
}

func (s *shelf) Load() []byte { return s.text }

func (s *shelf) Save(text []byte) error {
	if s.err == nil {
		s.text = text
	}
	return s.err
}

func newRegistry() *registry {
	return &registry{hosts: map[string]string{
		"sentinel": "va.sentinel.liveperson.net", "agentVep": "va.agentvep.liveperson.net",
		"connectToMessagingDomain": "z1.connect-to-messaging.liveperson.net",
	}}
}

func domains(t *testing.T, r *registry, change func(*DomainsConfig)) *Domains {
	t.Helper()
	cfg := DomainsConfig{Account: "38856538", Transport: r}
	if change != nil {
		change(&cfg)
	}
	d, err := NewDomains(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantHost(t *testing.T, d *Domains, service, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	host, err := d.Host(ctx, service)
	if err != nil || host != want {
		t.Errorf("%s: %q, %v, want %q", service, host, err, want)
	}
}

func wantNoHost(t *testing.T, d *Domains, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	host, err := d.Host(ctx, "sentinel")
	if err == nil || host != "" || !strings.Contains(err.Error(), words) {
		t.Errorf("%q, %v, want an error that says %q", host, err, words)
	}
}

func TestDomains(t *testing.T) {
	r := newRegistry()
	d := domains(t, r, nil)
	for range 3 {
		wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
	}
	want := []string{"GET https://api.liveperson.net/api/account/38856538/service/sentinel/baseURI.json?version=1.0"}
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Error(diff)
	}
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		ask  func() (string, error)
		want string
	}{
		{"root", func() (string, error) { return d.Root(ctx, "sentinel") }, "https://va.sentinel.liveperson.net"},
		{"region", func() (string, error) { return d.Region(ctx, "agentVep") }, "va"},
		{"near", func() (string, error) { return d.Near(ctx, "agentVep", "ivrdeflect") }, "https://va.ivrdeflect.liveperson.net"},
		{"near a newer host", func() (string, error) { return d.Near(ctx, "connectToMessagingDomain", "cx-reporting") }, "https://va.cx-reporting.liveperson.net"},
		{"newer host", func() (string, error) { return d.Root(ctx, "connectToMessagingDomain") }, "https://z1.connect-to-messaging.liveperson.net"},
	} {
		if got, err := tt.ask(); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if host, err := d.Host(ctx, "../x"); err == nil {
		t.Errorf("host %q of no service", host)
	}
	if _, err := d.Host(ctx, "shiftstatus"); err == nil || !strings.Contains(err.Error(), "knows no such service for the account (HTTP 400)") {
		t.Errorf("an unknown service: %v", err)
	}
}

// A host is asked for again after a day, beside those who want it, and the last one is used
// for as long as nobody tells another one.
func TestDomainsAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRegistry()
		d := domains(t, r, func(c *DomainsConfig) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
		time.Sleep(24*time.Hour - time.Second)
		wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
		if n := r.n(); n != 1 {
			t.Errorf("asked %d times in a day", n)
		}
		r.fails(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		time.Sleep(time.Second)
		before := time.Now()
		wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
		wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
		if took := time.Since(before); took != 0 {
			t.Errorf("a caller waited %s", took)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := r.n(); n != 2 || !strings.Contains(log.String(), "the last one stays in use") {
			t.Errorf("asked %d times\n%s", n, &log)
		}
		r.fails(nil)
		r.set("sentinel", "lo.sentinel.liveperson.net")
		time.Sleep(365 * 24 * time.Hour)
		wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
		synctest.Wait()
		wantHost(t, d, "sentinel", "lo.sentinel.liveperson.net")
		if !strings.Contains(log.String(), "host of a service changed") {
			t.Error(log.String())
		}
	})
}

// Who needs a host waits for it as long as he may, and a burst asks once.
func TestDomainsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		r.fails(func(req *http.Request) (*http.Response, error) {
			time.Sleep(6 * time.Second)
			return nil, errors.New("no route")
		})
		d := domains(t, r, nil)
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() { wantNoHost(t, d, "has not answered in time") })
		}
		calls.Wait()
		time.Sleep(2 * time.Second)
		wantNoHost(t, d, "the Domain API cannot be reached")
		if n := r.n(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		r.fails(nil)
		time.Sleep(time.Second)
		wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
	})
}

// What was told is there at the next start, at which nobody tells.
func TestDomainsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRegistry(), &shelf{}
		first := domains(t, r, func(c *DomainsConfig) { c.Store = s })
		wantHost(t, first, "sentinel", "va.sentinel.liveperson.net")
		time.Sleep(time.Hour)
		wantHost(t, first, "agentVep", "va.agentvep.liveperson.net")
		const want = `{"account":"38856538","hosts":{"agentVep":{"host":"va.agentvep.liveperson.net","at":"2000-01-01T01:00:00Z"},"sentinel":{"host":"va.sentinel.liveperson.net","at":"2000-01-01T00:00:00Z"}}}`
		if string(s.text) != want {
			t.Errorf("kept %s", s.text)
		}
		r.fails(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
		next := domains(t, r, func(c *DomainsConfig) { c.Store = s })
		time.Sleep(22 * time.Hour)
		wantHost(t, next, "sentinel", "va.sentinel.liveperson.net")
		if n := r.n(); n != 2 {
			t.Errorf("asked %d times for what is fresh", n)
		}
		time.Sleep(2 * time.Hour)
		wantHost(t, next, "sentinel", "va.sentinel.liveperson.net")
		synctest.Wait()
		if n := r.n(); n != 3 {
			t.Errorf("asked %d times, want once for what is old", n)
		}
		wantHost(t, next, "sentinel", "va.sentinel.liveperson.net")
		if string(s.text) != want {
			t.Errorf("kept %s", s.text)
		}
		// A store that fails, or panics, is no reason not to use what was told.
		r.fails(nil)
		r.set("agentVep", "lo.agentvep.liveperson.net")
		s.err = errors.New("disk full")
		time.Sleep(24 * time.Hour)
		wantHost(t, next, "agentVep", "va.agentvep.liveperson.net")
		synctest.Wait()
		wantHost(t, next, "agentVep", "lo.agentvep.liveperson.net")
		wantHost(t, domains(t, r, func(c *DomainsConfig) { c.Store = panics{} }), "agentVep", "lo.agentvep.liveperson.net")
	})
}

type panics struct{}

func (panics) Load() []byte { return nil }

func (panics) Save([]byte) error { panic("x") }

// What does not have the form of what is kept, or is another account's, is not used.
func TestDomainsKeptOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tt := range map[string]struct {
			text string
			used bool
		}{
			"good":              {`{"account":"38856538","hosts":{"sentinel":{"host":"sy.sentinel.liveperson.net","at":"1999-12-31T00:00:00Z"}}}`, true},
			"of tomorrow":       {`{"account":"38856538","hosts":{"sentinel":{"host":"sy.sentinel.liveperson.net","at":"2031-12-31T00:00:00Z"}}}`, true},
			"another account":   {`{"account":"1","hosts":{"sentinel":{"host":"sy.sentinel.liveperson.net","at":"1999-12-31T00:00:00Z"}}}`, false},
			"a stranger's host": {`{"account":"38856538","hosts":{"sentinel":{"host":"sy.example.net","at":"1999-12-31T00:00:00Z"}}}`, false},
			"told by a double":  {`{"account":"38856538","by":"http://127.0.0.1:8091","hosts":{"sentinel":{"host":"sy.sentinel.liveperson.net","at":"1999-12-31T00:00:00Z"}}}`, false},
			"a double":          {`{"account":"38856538","hosts":{"sentinel":{"host":"127.0.0.1:8091","at":"1999-12-31T00:00:00Z"}}}`, false},
			"cut":               {`{"account":"38856538","hosts":{"sentinel":{"host":"sy.sentinel.live`, false},
			"nothing":           {"\x00\x00", false},
			"too much":          {`{"account":"38856538","hosts":{}}` + strings.Repeat(" ", 65<<10), false},
		} {
			r := newRegistry()
			d := domains(t, r, func(c *DomainsConfig) { c.Store = &shelf{text: []byte(tt.text)} })
			want := "va.sentinel.liveperson.net"
			if tt.used {
				want = "sy.sentinel.liveperson.net"
			}
			wantHost(t, d, "sentinel", want)
			synctest.Wait()
			wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
			if n := r.n(); n != 1 {
				t.Errorf("%s: asked %d times", name, n)
			}
		}
	})
}

// Hosts of strangers are not believed, whoever tells them.
func TestDomainsBelieve(t *testing.T) {
	real, double := domains(t, newRegistry(), nil), domains(t, newRegistry(), func(c *DomainsConfig) { c.URL = "http://127.0.0.1:8091/" })
	for host, want := range map[string][2]bool{
		"va.sentinel.liveperson.net":                {true, true},
		"va-a.acr.liveperson.net":                   {true, true},
		"connect-to-messaging.z1.fs.liveperson.com": {true, true},
		"liveperson.net":                            {false, false},
		"va.sentinel.liveperson.net.":               {false, false},
		"va.sentinel.liveperson.net:8443":           {false, false},
		"va.sentinel.liveperson.net/x":              {false, false},
		"u@va.sentinel.liveperson.net":              {false, false},
		"va.sentinel.liveperson.net.example.com":    {false, false},
		"va.sentinel.notliveperson.net":             {false, false},
		"example.net/.liveperson.net":               {false, false},
		"example.net#.liveperson.net":               {false, false},
		"-.sentinel.liveperson.net":                 {false, false},
		"va sentinel.liveperson.net":                {false, false},
		"https://va.sentinel.liveperson.net":        {false, false},
		"":                                          {false, false},
		"10.0.0.1":                                  {false, false},
		"127.0.0.1:8091":                            {false, true},
		"[::1]:8091":                                {false, true},
		"localhost":                                 {false, true},
		"127.0.0.1:8091/x":                          {false, false},
		"127.0.0.1.example.net":                     {false, false},
		"example.net:8091":                          {false, false},
	} {
		if got := [2]bool{real.believes(host), double.believes(host)}; got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}

func TestRegionOf(t *testing.T) {
	for host, want := range map[string]string{
		"va.agentvep.liveperson.net": "va", "lo.agentvep.liveperson.net": "lo", "sy.x.liveperson.net": "sy", "va-a.acr.liveperson.net": "va-a",
		"z1.agentvep.liveperson.net": "va", "z2.agentvep.liveperson.net": "lo", "z3-a.x.liveperson.net": "sy-a",
		"connect-to-messaging.z1.fs.liveperson.com": "va", "agentvep.liveperson.net": "", "": "", "vas.x.liveperson.net": "",
	} {
		if got := regionOf(host); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

// A double on a loopback address is in the place of all hosts that it tells of itself.
func TestDomainsOfADouble(t *testing.T) {
	r := &registry{hosts: map[string]string{"sentinel": "127.0.0.1:8091", "agentVep": "localhost:8091", "shiftstatus": "va.shiftstatus.liveperson.net"}}
	d := domains(t, r, func(c *DomainsConfig) { c.URL = "http://127.0.0.1:8091/" })
	ctx := t.Context()
	for want, ask := range map[string]func() (string, error){
		"http://127.0.0.1:8091":                 func() (string, error) { return d.Root(ctx, "sentinel") },
		"http://localhost:8091":                 func() (string, error) { return d.Near(ctx, "agentVep", "ivrdeflect") },
		"https://va.shiftstatus.liveperson.net": func() (string, error) { return d.Root(ctx, "shiftstatus") },
	} {
		if got, err := ask(); got != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if region, err := d.Region(ctx, "agentVep"); err == nil {
		t.Errorf("region %q", region)
	}
	wantNoHost(t, domains(t, r, nil), "the answer has no host of LivePerson's")
}

// Requests are counted by what they ended with, and the answer is no stranger's.
func TestDomainAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		d := domains(t, r, nil)
		var got []deflect.Reason
		d.OnRequest(func(call string, reason deflect.Reason) {
			if call != "domain" {
				t.Errorf("call %q", call)
			}
			got = append(got, reason)
		})
		if diff := cmp.Diff([]string{"domain"}, d.Calls()); diff != "" {
			t.Error(diff)
		}
		var want []deflect.Reason
		for _, tt := range []struct {
			status int
			body   string
			reason deflect.Reason
			words  string
		}{
			{404, "", deflect.ReasonRejected, "check the account id"},
			{429, "", deflect.ReasonRateLimited, "asked too often"},
			{503, "", deflect.ReasonServerError, "has a fault (HTTP 503)"},
			{301, "", deflect.ReasonRedirected, "which is not followed"},
			{200, "<html>", deflect.ReasonBadResponse, "no JSON object"},
			{200, `{"service":"sentinel","account":"38856538"}`, deflect.ReasonBadResponse, "no host of LivePerson's"},
			{200, `{"service":"sentinel","account":"38856538","baseURI":["va.sentinel.liveperson.net"]}`, deflect.ReasonBadResponse, "no host of LivePerson's"},
			{200, `{"service":"sentinel","account":"38856538","baseURI":"evil.example.net"}`, deflect.ReasonBadResponse, "no host of LivePerson's"},
			{200, `{"service":"agentVep","account":"38856538","baseURI":"va.sentinel.liveperson.net"}`, deflect.ReasonBadResponse, "another service"},
			{200, `{"service":"sentinel","account":"7","baseURI":"va.sentinel.liveperson.net"}`, deflect.ReasonBadResponse, "another account"},
			{200, strings.Repeat(" ", wire.MaxAnswer+1), deflect.ReasonBadResponse, "larger than 64 KiB"},
			{200, `{"service":"sentinel","account":38856538,"baseURI":"VA.sentinel.LivePerson.net"}`, deflect.ReasonOK, ""},
		} {
			r.fails(func(*http.Request) (*http.Response, error) { return answer(tt.status, tt.body), nil })
			if tt.reason == deflect.ReasonOK {
				wantHost(t, d, "sentinel", "va.sentinel.liveperson.net")
			} else {
				wantNoHost(t, d, tt.words)
			}
			want = append(want, tt.reason)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNewDomains(t *testing.T) {
	for _, tt := range []struct {
		cfg  DomainsConfig
		want string
	}{
		{DomainsConfig{Account: "1"}, ""},
		{DomainsConfig{}, "Account: is not an account id (letters and digits)"},
		{DomainsConfig{Account: "1/2", URL: "http://example.net"}, "Account: is not an account id (letters and digits)\nURL: is plain http to another machine: requests carry numbers; use https"},
	} {
		d, err := NewDomains(tt.cfg)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want || (d == nil) != (err != nil) || err != nil && !errors.Is(err, deflect.ErrInvalidConfig) {
			t.Errorf("%+v: %q", tt.cfg, got)
		}
	}
}

// Sentinel's host may be told, and a token needs both answers.
func TestOAuth2WithDomains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry()
		a, v := app(), &vendor{}
		a.URL, a.Domains = "", domains(t, r, nil)
		if err := a.Validate(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"token", "domain"}, a.Calls()); diff != "" {
			t.Error(diff)
		}
		calls := map[string]int{}
		a.OnRequest(func(call string, _ deflect.Reason) { calls[call]++ })
		l := link(a, v)
		r.fails(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
		wantNoToken(t, send(l), "the host of LivePerson's service sentinel is not known, and not configured: the Domain API cannot be reached")
		r.fails(nil)
		time.Sleep(time.Second)
		wantSent(t, send(l))
		if v.last.URL.Host != "va.sentinel.liveperson.net" || calls["token"] != 2 || calls["domain"] != 2 {
			t.Errorf("sentinel at %s, %v", v.last.URL.Host, calls)
		}
		next := app()
		next.URL, next.Domains = "", domains(t, r, nil)
		if Kept(a, next) != Authenticator(a) {
			t.Error("the same credentials are others")
		}
		next.Domains = domains(t, r, func(c *DomainsConfig) { c.URL = "http://127.0.0.1:1" })
		if Kept(a, next) != Authenticator(next) {
			t.Error("other credentials are the same")
		}
		if _, err := json.Marshal(a); err != nil {
			t.Error(err)
		}
	})
}

// Whatever comes is a host that requests may go to, or none.
func FuzzReadHost(f *testing.F) {
	f.Add([]byte(`{"service":"sentinel","account":"38856538","baseURI":"va.sentinel.liveperson.net"}`), true)
	f.Add([]byte(`{"baseURI":"127.0.0.1:8091"}`), true)
	f.Add([]byte(`{"baseURI":"[::1%25lo]:80"}`), true)
	f.Add([]byte(`{"baseURI":"localhost:x\u0000.liveperson.net"}`), false)
	real, err := NewDomains(DomainsConfig{Account: "38856538"})
	if err != nil {
		f.Fatal(err)
	}
	double, err := NewDomains(DomainsConfig{Account: "38856538", URL: "http://[::1]:8091"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, isReal bool) {
		d := double
		if isReal {
			d = real
		}
		host, err := d.readHost(body, "sentinel")
		if err != nil {
			if host != "" || len(err.Error()) > 200 {
				t.Errorf("%q, %v", host, err)
			}
			return
		}
		req, err := http.NewRequest(http.MethodGet, d.rootOf(host)+"/x", nil)
		if err != nil {
			t.Fatalf("%q: %v", host, err)
		}
		name := req.URL.Hostname()
		switch vendors := strings.HasSuffix(name, ".liveperson.net") || strings.HasSuffix(name, ".liveperson.com") || strings.HasSuffix(name, ".lpsnmedia.net"); {
		case vendors && req.URL.Scheme == "https" && req.URL.Port() == "":
		case !isReal && !vendors && wire.Loopback(name) && req.URL.Scheme == "http":
		default:
			t.Errorf("requests go to %s", req.URL)
		}
	})
}

// Hosts that LivePerson told are not those of a double of the same account: requests that
// should stay on this machine would leave it.
func TestKeptHostsAreOfWhoTold(t *testing.T) {
	r, s := newRegistry(), &shelf{text: []byte(`{"account":"38856538","hosts":{"sentinel":{"host":"va.sentinel.liveperson.net","at":"2026-01-01T00:00:00Z"}}}`)}
	r.set("sentinel", "127.0.0.1:8091")
	double := func(c *DomainsConfig) { c.URL, c.Store = "http://127.0.0.1:8091", s }
	wantHost(t, domains(t, r, double), "sentinel", "127.0.0.1:8091")
	r.fails(func(*http.Request) (*http.Response, error) { return nil, errors.New("down") })
	wantHost(t, domains(t, r, double), "sentinel", "127.0.0.1:8091") // kept
	wantNoHost(t, domains(t, r, func(c *DomainsConfig) { c.Store = s }), "")
}
