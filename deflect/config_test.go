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

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"valid", func(*Config) {}, ""},
		{"negative deadline", func(c *Config) { c.LiveDeadline = -1 }, "LiveDeadline: is -1ns; must be between 100ms and 1m, a caller is waiting"},
		{"long deadline", func(c *Config) { c.LiveDeadline = time.Hour }, "LiveDeadline: is 1h0m0s; must be between 100ms and 1m, a caller is waiting"},
		{"region", func(c *Config) { c.DefaultRegion = "us" }, `DefaultRegion: "us" is not an ISO 3166 region such as US`},
		{"number check", func(c *Config) { c.NumberCheck = 2 }, "NumberCheck: is not a known check"},
		{"text length", func(c *Config) { c.MaxTextLength = -1 }, "MaxTextLength: is -1; must be positive"},
		{"failures", func(c *Config) { c.Breaker.Failures = -1 }, "Breaker.Failures: is -1; must be positive"},
		{"open for", func(c *Config) { c.Breaker.OpenFor = -1 }, "Breaker.OpenFor: is -1ns; must be positive"},
		{"first lookup", func(c *Config) { c.Settle.After = time.Millisecond }, "Settle.After: is 1ms; must be at least 1s"},
		{"last lookup", func(c *Config) { c.Settle.Limit = time.Second }, "Settle.Limit: is 1s; must be between the first lookup and 24h"},
		{"open lookups", func(c *Config) { c.Settle.Max = -1 }, "Settle.Max: is -1; must be positive"},
		{"several", func(c *Config) { c.Backend, c.LiveDeadline = nil, -1 },
			"Backend: is missing: who sends the texts, such as a livedeflect.Client\nLiveDeadline: is -1ns; must be between 100ms and 1m, a caller is waiting"},
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
		c.Breaker != (BreakerConfig{Failures: 5, OpenFor: 30 * time.Second}) || c.Logger == nil {
		t.Errorf("DefaultConfig() = %+v", c)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	secret := NewSecret("hunter2")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
	j, err := json.Marshal(struct{ Secret Secret }{secret})
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, secret, secret) + log.String() + string(j)
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
