package freeswitch_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

func TestConfigValidate(t *testing.T) {
	first := func(change func(*freeswitch.Profile)) func(*freeswitch.Config) {
		return func(c *freeswitch.Config) { change(&c.Profiles[0]) }
	}
	tests := []struct {
		name   string
		change func(*freeswitch.Config)
		want   string
	}{
		{"valid", func(*freeswitch.Config) {}, ""},
		{"a tone as prompt", first(func(p *freeswitch.Profile) { p.Prompts.Wait = "{loops=2}tone_stream://%(10000,0,350,440)" }), ""},
		{"no client", func(c *freeswitch.Config) { c.Client = nil }, "Client: is missing"},
		{"nobody allowed", func(c *freeswitch.Config) { c.Allow = []netip.Prefix{} }, "Allow: is empty: nobody could connect"},
		{"no network", func(c *freeswitch.Config) { c.Allow = make([]netip.Prefix, 1) }, "Allow[0]: is not a network such as 10.0.0.0/8"},
		{"calls", func(c *freeswitch.Config) { c.MaxCalls = -1 }, "MaxCalls: is -1; must be positive"},
		{"drain", func(c *freeswitch.Config) { c.DrainTimeout = -1 }, "DrainTimeout: is -1ns; must be positive"},
		{"first frame", func(c *freeswitch.Config) { c.FirstFrameTimeout = -1 }, "FirstFrameTimeout: is -1ns; must be positive"},
		{"idle", func(c *freeswitch.Config) { c.IdleTimeout = -1 }, "IdleTimeout: is -1ns; must be positive"},
		{"short idle", func(c *freeswitch.Config) { c.IdleTimeout = time.Second }, "IdleTimeout: is 1s; must be at least 10s, a prompt is silence too\nProfiles[0].Gap: is 3s; must be shorter than IdleTimeout (1s)"},
		{"no profile", func(c *freeswitch.Config) { c.Profiles = nil }, "Profiles: is empty: no caller could be offered a text"},
		{"name", first(func(p *freeswitch.Profile) { p.Name = "a b" }), "Profiles[0].Name: must be 1 to 64 letters, digits, '-' or '_'"},
		{"number", first(func(p *freeswitch.Profile) { p.Dialed = []string{"x"} }), "Profiles[0].Dialed[0]: is not a telephone number such as +18005550100"},
		{"accept digit", first(func(p *freeswitch.Profile) { p.AcceptDigit = "12" }), "Profiles[0].AcceptDigit: must be one of 0-9, * and #"},
		{"decline digit", first(func(p *freeswitch.Profile) { p.DeclineDigit = "x" }), "Profiles[0].DeclineDigit: must be one of 0-9, * and #"},
		{"one digit for both", first(func(p *freeswitch.Profile) { p.DeclineDigit = "1" }), "Profiles[0].DeclineDigit: is the accept digit too"},
		{"repeat", first(func(p *freeswitch.Profile) { p.Repeat = 11 }), "Profiles[0].Repeat: is 11; must be between 1 and 10"},
		{"gap", first(func(p *freeswitch.Profile) { p.Gap = time.Hour }), "Profiles[0].Gap: is 1h0m0s; must be between 1ms and 1m"},
		{"no offer", first(func(p *freeswitch.Profile) { p.Prompts.Offer = "" }), "Profiles[0].Prompts.Offer: is missing: the caller would hear nothing"},
		{"expansion", first(func(p *freeswitch.Profile) { p.Prompts.Sent = "a${system(id)}" }), "Profiles[0].Prompts.Sent: holds ${, which the switch would expand; prompts are fixed"},
		{"line break", first(func(p *freeswitch.Profile) { p.Prompts.Failed = "a\nexit" }), "Profiles[0].Prompts.Failed: holds a control character"},
		{"not UTF-8", first(func(p *freeswitch.Profile) { p.Prompts.Wait = "\xff" }), "Profiles[0].Prompts.Wait: is not UTF-8"},
		{"space", first(func(p *freeswitch.Profile) { p.Prompts.Uncertain = " a" }), "Profiles[0].Prompts.Uncertain: begins or ends with a space"},
		{"long", first(func(p *freeswitch.Profile) { p.Prompts.Offer = strings.Repeat("a", 1025) }), "Profiles[0].Prompts.Offer: is longer than 1024 bytes"},
		{"name twice", func(c *freeswitch.Config) {
			again := c.Profiles[0]
			again.Dialed = []string{"+18005550101"}
			c.Profiles = append(c.Profiles, again)
		}, `Profiles[1].Name: "sales" is the name of an earlier profile too`},
		{"number twice", func(c *freeswitch.Config) {
			again := c.Profiles[0]
			again.Name, again.Dialed = "b", []string{"1 (800) 555-0100"}
			c.Profiles = append(c.Profiles, again)
		}, `Profiles[1].Dialed[0]: is served by profile "sales" already`},
		{"two for the rest", func(c *freeswitch.Config) {
			again := c.Profiles[0]
			again.Name = "b"
			c.Profiles[0].Dialed, again.Dialed = nil, nil
			c.Profiles = append(c.Profiles, again)
		}, `Profiles[1].Dialed: is missing: profile "sales" already serves the numbers that no profile names`},
		{"several", first(func(p *freeswitch.Profile) { p.AcceptDigit, p.Repeat = "x", -1 }),
			"Profiles[0].AcceptDigit: must be one of 0-9, * and #\nProfiles[0].Repeat: is -1; must be between 1 and 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _, _ := testConfig(t, nil)
			tt.change(&cfg)
			err := cfg.Validate()
			got := ""
			if err != nil {
				got = err.Error()
				if !errors.Is(err, deflect.ErrInvalidConfig) {
					t.Errorf("%v is no ErrInvalidConfig", err)
				}
			}
			if got != tt.want {
				t.Errorf("Validate() = %q\nwant %q", got, tt.want)
			}
			if _, err := freeswitch.New(cfg); (err != nil) != (tt.want != "") {
				t.Errorf("New: %v", err)
			}
		})
	}
}

// One Server a Registerer, and the documented defaults.
func TestNewAndDefaults(t *testing.T) {
	if d := freeswitch.DefaultConfig(); len(d.Allow) != 2 || d.MaxCalls != 10000 || d.DrainTimeout != 30*time.Second {
		t.Errorf("DefaultConfig() = %+v", d)
	}
	cfg, _, _ := testConfig(t, nil)
	if _, err := freeswitch.New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := freeswitch.New(cfg); !errors.Is(err, deflect.ErrInvalidConfig) {
		t.Errorf("a second server on the registerer: %v", err)
	}
}
