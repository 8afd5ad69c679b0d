package c2m

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"valid", func(*Config) {}, ""},
		{"calls name the handoff", func(c *Config) { c.HandoffID = "" }, ""},
		{"loopback", func(c *Config) { c.BaseURL = "http://127.0.0.1:8091/" }, ""},
		{"the Domain API", func(c *Config) { c.BaseURL, c.Domains = "", &liveperson.Domains{} }, ""},
		{"in-app", func(c *Config) { c.Channels = []Channel{InApp} }, ""},
		{"all of it", func(c *Config) {
			c.Channels, c.IVRNumber, c.RatePerSecond, c.TicketAge = []Channel{WhatsApp, SMS}, "+18005550100", 1000, time.Hour
		}, ""},
		{"no account", func(c *Config) { c.Account = "" }, "Account: is missing: the LivePerson account id"},
		{"odd account", func(c *Config) { c.Account = "1/2" }, "Account: is not an account id (letters and digits)"},
		{"long handoff", func(c *Config) { c.HandoffID = strings.Repeat("1", 17) }, "HandoffID: is not a handoff id such as H123456789 (at most 16 characters)"},
		{"odd handoff", func(c *Config) { c.HandoffID = "H\n" }, "HandoffID: is not a handoff id such as H123456789 (at most 16 characters)"},
		{"nowhere", func(c *Config) { c.BaseURL = "" }, "BaseURL: is missing, and there are no Domains to ask: one of them says where the API is"},
		{"plain http", func(c *Config) { c.BaseURL = "http://example.net" }, "BaseURL: is plain http to another machine: requests carry numbers; use https"},
		{"port 80 with https", func(c *Config) {
			c.BaseURL, c.Auth = "https://example.net:80", liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s")}
		}, "BaseURL: has the port of the other scheme: 443 is for https, 80 for http"},
		{"no auth", func(c *Config) { c.Auth = nil }, "Auth: is missing: without credentials the API refuses every request"},
		{"half auth", func(c *Config) { c.Auth = liveperson.OAuth1{ConsumerKey: "k"} }, "Auth: consumer secret is missing"},
		{"short ticket", func(c *Config) { c.TicketAge = time.Millisecond }, "TicketAge: is 1ms; must be between 1s and 1h"},
		{"long ticket", func(c *Config) { c.TicketAge = 2 * time.Hour }, "TicketAge: is 2h0m0s; must be between 1s and 1h"},
		{"odd channel", func(c *Config) { c.Channels = []Channel{SMS, "rcs"} }, `Channels[1]: "rcs" is no channel: there are sms, wa and inapp`},
		{"channel twice", func(c *Config) { c.Channels = []Channel{SMS, SMS} }, `Channels[1]: "sms" comes twice`},
		{"in-app beside others", func(c *Config) { c.Channels = []Channel{SMS, InApp} }, "Channels[1]: inapp stands alone: a handoff that has it has no other channel"},
		{"odd number", func(c *Config) { c.IVRNumber = "1-800" }, "IVRNumber: is not a number (digits, with a plus sign or without)"},
		{"rate", func(c *Config) { c.RatePerSecond = -1 }, "RatePerSecond: is -1; must be between 1 and 1000"},
		{"several", func(c *Config) { *c = Config{} }, "Account: is missing: the LivePerson account id\n" +
			"BaseURL: is missing, and there are no Domains to ask: one of them says where the API is\nAuth: is missing: without credentials the API refuses every request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig(nil)
			tt.change(&cfg)
			got := ""
			if err := cfg.Validate(); err != nil {
				got = err.Error()
				if !errors.Is(err, deflect.ErrInvalidConfig) {
					t.Errorf("%v is no ErrInvalidConfig", err)
				}
				if c, err := New(cfg); c != nil || err == nil {
					t.Errorf("New: %v", err)
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Reload goes on with all but the account and where it is.
func TestReload(t *testing.T) {
	api := &stub{}
	c := testClient(t, api, nil)
	cfg := testConfig(nil)
	for field, change := range map[string]func(*Config){
		"Account": func(c *Config) { c.Account = "2" },
		"BaseURL": func(c *Config) { c.BaseURL, c.Domains = "", &liveperson.Domains{} },
	} {
		other := cfg
		change(&other)
		err := c.Reload(other)
		var problem *deflect.ConfigError
		if !errors.Is(err, deflect.ErrRestart) || !errors.As(err, &problem) || problem.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := c.Reload(Config{}); !errors.Is(err, deflect.ErrInvalidConfig) {
		t.Errorf("%v", err)
	}
	cfg.HandoffID, cfg.Channels = "H2", []Channel{SMS}
	if err := c.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Channels[0] = "x" // New and Reload keep a copy
	text := asked(t, c, testCall())
	if !strings.Contains(api.last(), `"H2"`) {
		t.Error(api.last())
	}
	want(t, c.Send(t.Context(), text), deflect.Sent, deflect.ReasonOK)
	c.Close()
	c.Close()
	if err := c.Reload(cfg); !errors.Is(err, deflect.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// domainAPI tells hosts, and counts how often.
type domainAPI struct {
	mu   sync.Mutex
	host string
	err  error
	hang bool
	n    int
}

func (d *domainAPI) set(hang bool, host string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hang, d.host, d.err = hang, host, err
}

func (d *domainAPI) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

func (d *domainAPI) RoundTrip(req *http.Request) (*http.Response, error) {
	d.mu.Lock()
	d.n++
	hang, host, err := d.hang, d.host, d.err
	d.mu.Unlock()
	if hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	if req.URL.Path != "/api/account/38856538/service/connectToMessagingDomain/baseURI.json" {
		return nil, errors.New("another service")
	}
	body := `{"service":"connectToMessagingDomain","account":"38856538","baseURI":"` + host + `"}`
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

// domainsAt asks it; url is "" for the vendor's.
func domainsAt(t *testing.T, api http.RoundTripper, url string) *liveperson.Domains {
	t.Helper()
	d, err := liveperson.NewDomains(liveperson.DomainsConfig{Account: "38856538", URL: url, Transport: api})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Where the API is Domains tells. As long as nobody knows, nothing is sent, and no caller
// waits longer than the deadline.
func TestDomains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, where := &stub{}, &domainAPI{hang: true}
		c := testClient(t, api, func(c *Config) { c.BaseURL, c.Domains = "", domainsAt(t, where, "") })
		text := read(t, c, testCall())
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		want(t, c.Ask(ctx, text), deflect.Failed, deflect.ReasonUnreachable)
		if took := time.Since(start); took != 700*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		want(t, c.Ask(ctx, text), deflect.Failed, deflect.ReasonCanceled)
		if p := c.Preview(text); p.Invite.URL != "https://{domain}.connect-to-messaging.liveperson.net/api/account/38856538/invite?v=2.0" {
			t.Errorf("preview of %s", p.Invite.URL)
		}
		if api.count("") != 0 {
			t.Fatalf("%d requests", api.count(""))
		}
		where.set(false, "lo.connect-to-messaging.liveperson.net", nil)
		time.Sleep(time.Hour)
		want(t, c.Ask(t.Context(), text), deflect.Sent, deflect.ReasonOK)
		want(t, c.Send(t.Context(), text), deflect.Sent, deflect.ReasonOK)
		for _, r := range api.requests {
			if at := r.URL.Scheme + "://" + r.URL.Host; at != "https://lo.connect-to-messaging.liveperson.net" {
				t.Error(at)
			}
		}
		asked := where.asked()
		where.set(false, "", errors.New("down"))
		time.Sleep(23 * time.Hour)
		want(t, c.Ask(t.Context(), text), deflect.Sent, deflect.ReasonOK)
		if n := where.asked(); n != asked {
			t.Errorf("asked %d times in a day", n-asked+1)
		}
	})
}

// A double has all hosts, and no TLS.
func TestDomainsOfDouble(t *testing.T) {
	api := c2mtest.RunT(t, keys)
	c := testClient(t, nil, func(c *Config) {
		c.BaseURL, c.Domains, c.Auth = "", domainsAt(t, http.DefaultTransport, api.URL()), issued{api}
	})
	want(t, c.Send(t.Context(), asked(t, c, testCall())), deflect.Sent, deflect.ReasonOK)
	if err := c.ProveDouble(t.Context()); err != nil {
		t.Error(err)
	}
	cfg := testConfig(nil)
	cfg.BaseURL, cfg.Domains, cfg.Auth = "", domainsAt(t, &domainAPI{err: errors.New("not asked")}, ""), issued{api}
	if err := c.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	asked(t, c, testCall())
}

// metered are credentials whose requests are counted.
type metered struct {
	bearer
	hear func(string, deflect.Reason)
}

func (m *metered) Calls() []string                             { return []string{"token"} }
func (m *metered) OnRequest(hear func(string, deflect.Reason)) { m.hear = hear }

// Requests for credentials and hosts are told of, also after a Reload.
func TestMeter(t *testing.T) {
	where, auth := &domainAPI{err: errors.New("down")}, &metered{}
	domains := domainsAt(t, where, "")
	change := func(c *Config) { c.BaseURL, c.Domains, c.Auth = "", domains, auth }
	c := testClient(t, &stub{}, change)
	if calls := c.Calls(); strings.Join(calls, " ") != "domain token transactions" {
		t.Errorf("%q", calls)
	}
	var heard []string
	c.OnRequest(func(call string, r deflect.Reason) { heard = append(heard, call+" "+string(r)) })
	auth.hear("token", deflect.ReasonOK)
	c.Ask(t.Context(), read(t, c, testCall()))
	auth = &metered{}
	cfg := testConfig(http.DefaultTransport)
	change(&cfg)
	if err := c.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	auth.hear("token", deflect.ReasonUnauthorized)
	if got := strings.Join(heard, ", "); got != "token ok, domain unreachable, token unauthorized" {
		t.Error(got)
	}
	if calls := testClient(t, &stub{}, nil).Calls(); strings.Join(calls, " ") != "transactions" {
		t.Errorf("%q", calls)
	}
}
