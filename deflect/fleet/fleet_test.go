package fleet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9/logging"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

func init() { logging.Disable() } // the client's own, about every connection

// testKey is the key of the fleets of tests.
var testKey = bytes.Repeat([]byte{7}, KeySize)

// newFleet makes a Fleet of a server, with what change does to its configuration.
func newFleet(t *testing.T, addr string, change ...func(*Config)) *Fleet {
	t.Helper()
	cfg := Config{Addresses: []string{addr}, Key: testKey, Timeout: 2 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestNewTellsAll(t *testing.T) {
	_, err := New(Config{
		Addresses: []string{"fleet.example", "[::1]:0", "a:1", "a:1"}, MasterName: "x", Cluster: true, DB: 1,
		Username: "u", Prefix: "a b", Key: make([]byte, 31), Timeout: time.Millisecond, WaitReplicas: -1,
	})
	var fields []string
	for _, line := range strings.Split(err.Error(), "\n") {
		field, _, _ := strings.Cut(strings.TrimPrefix(line, "fleet: "), ": ")
		fields = append(fields, field)
	}
	want := []string{"Addresses[0]", "Addresses[1]", "Addresses[3]", "MasterName", "Password", "DB", "Prefix", "Key", "Timeout", "WaitReplicas"}
	if diff := cmp.Diff(want, fields); diff != "" || !errors.Is(err, deflect.ErrInvalidConfig) {
		t.Errorf("%v\nfields (-want +got):\n%s", err, diff)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		field  string
		change func(*Config)
	}{
		{"", func(*Config) {}},
		{"Addresses", func(c *Config) { c.Addresses = nil }},
		{"Addresses", func(c *Config) { c.Addresses = []string{"a:1", "b:1"} }},
		{"", func(c *Config) { c.Addresses, c.Cluster = []string{"a:1", "b:1"}, true }},
		{"", func(c *Config) { c.Addresses, c.MasterName = []string{"a:1", "b:1"}, "m" }},
		{"Addresses[0]", func(c *Config) { c.Addresses = []string{":6379"} }},
		{"SentinelPassword", func(c *Config) { c.SentinelPassword = deflect.NewSecret("x") }},
		{"DB", func(c *Config) { c.DB = -1 }},
		{"Prefix", func(c *Config) { c.Prefix = "{x}" }},
		{"Prefix", func(c *Config) { c.Prefix = "x*" }},
		{"Timeout", func(c *Config) { c.Timeout = 3 * time.Second }},
		{"WaitReplicas", func(c *Config) { c.WaitReplicas = 11 }},
	} {
		cfg := Config{Addresses: []string{"a:1"}, Key: testKey}
		tt.change(&cfg)
		err := cfg.Validate()
		var bad *deflect.ConfigError
		if errors.As(err, &bad); (bad == nil) != (tt.field == "") || bad != nil && bad.Field != tt.field {
			t.Errorf("%+v: %v, want one about %q", cfg, err, tt.field)
		}
	}
}

// All series are there from the start, and have names and helps as they should.
func TestMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	f := newFleet(t, startMini(t), func(c *Config) { c.Registerer = reg })
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(err, problems)
	}
	requests, err := testutil.GatherAndCount(reg, "deflect_store_requests_total")
	if want := len(operations) * len(results); requests != want || err != nil {
		t.Errorf("%d series, %v; want %d", requests, err, want)
	}
	_, err = New(Config{Addresses: []string{"a:1"}, Key: testKey, Registerer: reg})
	if !errors.Is(err, deflect.ErrInvalidConfig) {
		t.Errorf("two of one registry: %v", err)
	}

	must(t, f.cooldowns, "a")
	if n := testutil.ToFloat64(f.metrics.of["take"].ok); n != 1 {
		t.Errorf("%v takes are counted", n)
	}
	if n := testutil.ToFloat64(f.metrics.all[2]); n != 1 {
		t.Errorf("up is %v", n)
	}
	f.Close()
	if n, err := testutil.GatherAndCount(reg); n != 0 || err != nil {
		t.Errorf("after Close there are %d, %v", n, err)
	}
}
