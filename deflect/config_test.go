package deflect

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func validConfig() Config {
	return Config{SiteID: "38856538", Domain: "va", Auth: OAuth1{ConsumerKey: "k", ConsumerSecret: NewSecret("s")}}
}

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
			c.Domain, c.BaseURL, c.Auth = "", "https://example.net:80", &OAuth1{ConsumerKey: "k", ConsumerSecret: NewSecret("s")}
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
		{"half auth", func(c *Config) { c.Auth = OAuth1{ConsumerKey: "k"} }, "Auth: consumer secret is missing"},
		{"negative deadline", func(c *Config) { c.LiveDeadline = -1 }, "LiveDeadline: is -1ns; must be between 100ms and 1m, a caller is waiting"},
		{"long deadline", func(c *Config) { c.LiveDeadline = time.Hour }, "LiveDeadline: is 1h0m0s; must be between 100ms and 1m, a caller is waiting"},
		{"unit", func(c *Config) { c.TimeUnit = 7 }, "TimeUnit: is not a known unit"},
		{"tag field", func(c *Config) { c.TextTagField = -1 }, "TextTagField: is not a known field"},
		{"region", func(c *Config) { c.DefaultRegion = "us" }, `DefaultRegion: "us" is not an ISO 3166 region such as US`},
		{"number check", func(c *Config) { c.NumberCheck = 2 }, "NumberCheck: is not a known check"},
		{"text length", func(c *Config) { c.MaxTextLength = -1 }, "MaxTextLength: is -1; must be positive"},
		{"failures", func(c *Config) { c.Breaker.Failures = -1 }, "Breaker.Failures: is -1; must be positive"},
		{"open for", func(c *Config) { c.Breaker.OpenFor = -1 }, "Breaker.OpenFor: is -1ns; must be positive"},
		{"report window", func(c *Config) { c.Report.Window = -1 }, "Report.Window: is -1ns; must be between 1s and 744h"},
		{"windows at once", func(c *Config) { c.Report.Parallel = 17 }, "Report.Parallel: is 17; must be between 1 and 16"},
		{"polls", func(c *Config) { c.Report.Every = time.Millisecond }, "Report.Every: is 1ms; must be 0 for never, or between 1s and 24h"},
		{"lookback", func(c *Config) { c.Report.Every = 2 * time.Hour }, "Report.Lookback: is 1h0m0s; must be between 1m and 744h, and not shorter than the time between two polls"},
		{"first lookup", func(c *Config) { c.Settle.After = time.Millisecond }, "Settle.After: is 1ms; must be at least 1s"},
		{"last lookup", func(c *Config) { c.Settle.Limit = time.Second }, "Settle.Limit: is 1s; must be between the first lookup and 24h"},
		{"open lookups", func(c *Config) { c.Settle.Max = -1 }, "Settle.Max: is -1; must be positive"},
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
				var ce *ConfigError
				if !errors.Is(err, ErrInvalidConfig) || !errors.As(err, &ce) {
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
	if c.LiveDeadline != 4*time.Second || c.DefaultRegion != "US" || c.MaxTextLength != 1600 ||
		c.Breaker != (BreakerConfig{Failures: 5, OpenFor: 30 * time.Second}) || c.Logger == nil ||
		c.TimeUnit != Milliseconds || c.TextTagField != TagBoth || c.TrunkPrefix {
		t.Errorf("DefaultConfig() = %+v", c)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	cfg := validConfig()
	cfg.Auth = OAuth1{ConsumerKey: "k", ConsumerSecret: NewSecret("hunter2"), Token: "t", TokenSecret: NewSecret("hunter3")}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", cfg.Auth, "secret", NewSecret("hunter2"))
	j, err := json.Marshal(cfg.Auth)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q", cfg, cfg, cfg, cfg.Auth, NewSecret("hunter2")) + log.String() + string(j)
	if strings.Contains(all, "hunter") {
		t.Errorf("a secret shows in %s", all)
	}
	if !strings.Contains(all, "[redacted]") || NewSecret("").String() != "" {
		t.Error("output does not tell a set secret from an empty one")
	}
	if NewSecret("hunter2").Reveal() != "hunter2" {
		t.Error("Reveal does not reveal")
	}
}

func TestCallDoesNotShow(t *testing.T) {
	k := validCall()
	k.FirstName, k.Digits, k.CallerInfo = "Jane", "99887766", map[string]any{"card": "4111"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "call", k)
	all := fmt.Sprintf("%v %+v %#v %s", k, k, k, k) + log.String()
	for _, s := range []string{"4043438646", "8005550100", "Jane", "99887766", "4111"} {
		if strings.Contains(all, s) {
			t.Errorf("%s shows in %s", s, all)
		}
	}
	if !strings.Contains(all, "***46") || !strings.Contains(all, "1231") {
		t.Errorf("neither masked number nor id in %s", all)
	}
}

// A secret, and what holds one, shows nothing where no method of it is called.
func TestSecretInAnUnexportedField(t *testing.T) {
	var secret struct{ key Secret }
	secret.key = NewSecret("hunter2")
	nested := map[string]any{"a": []any{&secret, secret}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(format+format+format, secret, &secret, nested); strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
			t.Errorf("%s shows %s", format, text)
		}
	}
	if again := NewSecret(strings.ToLower("HUNTER2")); again != secret.key || NewSecret("a") == NewSecret("b") || NewSecret("") != (Secret{}) || (Secret{}).Reveal() != "" {
		t.Error("secrets do not compare as their texts")
	}
	var read struct{ Key Secret }
	if err := json.Unmarshal([]byte(`{"Key":"hunter2"}`), &read); err != nil || read.Key != secret.key {
		t.Errorf("read %v", err)
	}
}

// The root of the API is written as it is signed.
func TestEndpointPort(t *testing.T) {
	for base, want := range map[string]string{
		"http://[::1]:80/prefix/":   "http://[::1]/prefix",
		"https://example.net:443":   "https://example.net",
		"HTTPS://Example.net:8443/": "https://Example.net:8443",
	} {
		if root, _, err := (Config{BaseURL: base}).endpoint(); root != want || err != nil {
			t.Errorf("root of %s = %q, %v, want %q", base, root, err, want)
		}
	}
}
