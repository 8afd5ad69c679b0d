package livedeflect

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"valid", func(*Config) {}, ""},
		{"loopback", func(c *Config) { c.Domain, c.BaseURL = "", "http://127.0.0.1:8080/prefix/" }, ""},
		{"loopback name", func(c *Config) { c.Domain, c.BaseURL = "", "http://localhost:8080" }, ""},
		{"loopback IPv6", func(c *Config) { c.Domain, c.BaseURL = "", "http://[::1]:8080" }, ""},
		{"the scheme's own port", func(c *Config) { c.Domain, c.BaseURL = "", "http://[::1]:80/prefix" }, ""},
		{"port 80 with https", func(c *Config) { c.Domain, c.BaseURL = "", "https://example.net:80" }, "BaseURL: has the port of the other scheme: 443 is for https, 80 for http"},
		{"port 80 with https, and a pointer", func(c *Config) {
			c.Domain, c.BaseURL, c.Auth = "", "https://example.net:80", &liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s")}
		}, "BaseURL: has the port of the other scheme: 443 is for https, 80 for http"},
		{"port 80 with https, and a bearer", func(c *Config) { c.Domain, c.BaseURL, c.Auth = "", "https://example.net:80", failingAuth{} }, ""},
		{"whole host", func(c *Config) { c.Domain = "va.ivrdeflect.liveperson.net" }, ""},
		{"no site", func(c *Config) { c.SiteID = "" }, "SiteID: is missing: the LivePerson account id"},
		{"odd site", func(c *Config) { c.SiteID = "1 2" }, "SiteID: is not an account id (letters and digits)"},
		{"no domain", func(c *Config) { c.Domain = "" }, "Domain: is missing: a label such as va, or a BaseURL"},
		{"odd domain", func(c *Config) { c.Domain = "va/../x" }, "Domain: is not a label such as va, nor a host name"},
		{"both", func(c *Config) { c.BaseURL = "https://x" }, "BaseURL: and Domain are both set; keep one"},
		{"plain http", func(c *Config) { c.Domain, c.BaseURL = "", "http://example.net" }, "BaseURL: is plain http to another machine: requests carry numbers; use https"},
		{"http to a name like loopback", func(c *Config) { c.Domain, c.BaseURL = "", "http://127.0.0.1.example.net" }, "BaseURL: is plain http to another machine: requests carry numbers; use https"},
		{"ftp", func(c *Config) { c.Domain, c.BaseURL = "", "ftp://example.net" }, "BaseURL: must be https (or http to a loopback address)"},
		{"no host", func(c *Config) { c.Domain, c.BaseURL = "", "https://" }, "BaseURL: has no host; it looks like https://host"},
		{"credentials", func(c *Config) { c.Domain, c.BaseURL = "", "https://u:hunter2@example.net" }, "BaseURL: may hold scheme, host, port and path only"},
		{"query", func(c *Config) { c.Domain, c.BaseURL = "", "https://example.net?x=1" }, "BaseURL: may hold scheme, host, port and path only"},
		{"not a URL", func(c *Config) { c.Domain, c.BaseURL = "", "https://u:hunter2@exa mple" }, "BaseURL: is not a URL"},
		{"no auth", func(c *Config) { c.Auth = nil }, "Auth: is missing: without keys the API refuses every request"},
		{"half auth", func(c *Config) { c.Auth = liveperson.OAuth1{ConsumerKey: "k"} }, "Auth: consumer secret is missing"},
		{"unit", func(c *Config) { c.TimeUnit = 7 }, "TimeUnit: is not a known unit"},
		{"tag field", func(c *Config) { c.TextTagField = -1 }, "TextTagField: is not a known field"},
		{"report window", func(c *Config) { c.Report.Window = -1 }, "Report.Window: is -1ns; must be between 1s and 744h"},
		{"windows at once", func(c *Config) { c.Report.Parallel = 17 }, "Report.Parallel: is 17; must be between 1 and 16"},
		{"several", func(c *Config) { *c = Config{} },
			"SiteID: is missing: the LivePerson account id\nDomain: is missing: a label such as va, or a BaseURL\nAuth: is missing: without keys the API refuses every request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := validConfig()
			tt.change(&cfg)
			err := cfg.Validate()
			got := ""
			if err != nil {
				got = err.Error()
				var ce *deflect.ConfigError
				if !errors.Is(err, deflect.ErrInvalidConfig) || !errors.As(err, &ce) {
					t.Errorf("%v is no ErrInvalidConfig", err)
				}
			}
			if got != tt.want {
				t.Errorf("Validate() = %q\nwant %q", got, tt.want)
			}
			if c, err := New(cfg); (err != nil) != (tt.want != "") || (c == nil) != (tt.want != "") {
				t.Errorf("New = %v, %v", c, err)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("the error shows a password")
			}
		})
	}
}

func TestDefaultConfig(t *testing.T) {
	c := DefaultConfig()
	if c.TimeUnit != Milliseconds || c.TextTagField != TagBoth || c.TrunkPrefix || c.Logger == nil ||
		c.Report != (ReportConfig{Window: time.Hour, Parallel: 3}) {
		t.Errorf("DefaultConfig() = %+v", c)
	}
}

// What belongs to an account is there until the end: a Client of another one is another
// Client.
func TestConfigFollows(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"the same", func(*Config) {}, ""},
		{"other keys", func(c *Config) { c.Auth = failingAuth{} }, ""},
		{"other forms", func(c *Config) { c.TimeUnit, c.TextTagField, c.TrunkPrefix = Seconds, TagTagText, true }, ""},
		{"other windows", func(c *Config) { c.Report = ReportConfig{Window: time.Minute, Parallel: 1} }, ""},
		{"the same address in other words", func(c *Config) { c.Domain, c.BaseURL = "", "https://va.ivrdeflect.liveperson.net:443/" }, ""},
		{"another account", func(c *Config) { c.SiteID = "1" }, "SiteID: was changed, which needs a restart"},
		{"another domain", func(c *Config) { c.Domain = "lo" }, "Domain: was changed, which needs a restart"},
		{"another address", func(c *Config) { c.Domain, c.BaseURL = "", "https://example.net" }, "BaseURL: was changed, which needs a restart"},
		{"several", func(c *Config) { c.SiteID, c.Domain = "1", "lo" }, "SiteID: was changed, which needs a restart\nDomain: was changed, which needs a restart"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := validConfig()
			tt.change(&cfg)
			api := testClient(t, nil).api
			before := api.setup.Load()
			for what, err := range map[string]error{"Follows": cfg.Follows(validConfig()), "Reload": api.Reload(cfg)} {
				got := ""
				if err != nil {
					got = err.Error()
					if !errors.Is(err, deflect.ErrInvalidConfig) || !errors.Is(err, deflect.ErrRestart) {
						t.Errorf("%s: %v is no ErrRestart", what, err)
					}
				}
				if got != tt.want {
					t.Errorf("%s = %q, want %q", what, got, tt.want)
				}
			}
			if kept := api.setup.Load() == before; kept != (tt.want != "") {
				t.Errorf("the Client goes on as before: %t", kept)
			}
		})
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	cfg := validConfig()
	cfg.Auth = liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("hunter2"), Token: "t", TokenSecret: deflect.NewSecret("hunter3")}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", cfg.Auth)
	j, err := json.Marshal(cfg.Auth)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.Auth) + log.String() + string(j)
	if strings.Contains(all, "hunter") {
		t.Errorf("a secret shows in %s", all)
	}
	if !strings.Contains(all, "[redacted]") {
		t.Error("output does not tell that a secret is set")
	}
}

// The root of the API is written as it is signed.
func TestEndpointPort(t *testing.T) {
	for base, want := range map[string]string{
		"http://[::1]:80/prefix/":   "http://[::1]/prefix",
		"https://example.net:443":   "https://example.net",
		"HTTPS://Example.net:8443/": "https://Example.net:8443",
	} {
		if root, err := (Config{BaseURL: base}).URL(); root != want || err != nil {
			t.Errorf("root of %s = %q, %v, want %q", base, root, err, want)
		}
	}
	var wrong *deflect.ConfigError
	if root, err := (Config{BaseURL: "http://example.net"}).URL(); root != "" || !errors.As(err, &wrong) || wrong.Field != "BaseURL" {
		t.Errorf("plain HTTP: %q, %v", root, err)
	}
}
