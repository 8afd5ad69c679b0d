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

func TestConfigProblemsNameTheirField(t *testing.T) {
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
		{"IPv4-mapped network", func(c *freeswitch.Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")} }, ""},
		{"more than the mapped network", func(c *freeswitch.Config) {
			c.Allow = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/8")}
		}, "Allow[0]: is more than every IPv4 address: write an IPv4 network, such as 10.0.0.0/8"},
		{"calls", func(c *freeswitch.Config) { c.MaxCalls = -1 }, "MaxCalls: is -1; must be positive"},
		{"drain", func(c *freeswitch.Config) { c.DrainTimeout = -1 }, "DrainTimeout: is -1ns; must be positive"},
		{"first frame", func(c *freeswitch.Config) { c.FirstFrameTimeout = -1 }, "FirstFrameTimeout: is -1ns; must be positive"},
		{"idle", func(c *freeswitch.Config) { c.IdleTimeout = -1 }, "IdleTimeout: is -1ns; must be positive"},
		{"short idle", func(c *freeswitch.Config) { c.IdleTimeout = time.Second }, "IdleTimeout: is 1s; must be at least 10s, a prompt is silence too\nProfiles[0].Gap: is 3s; must be shorter than the longest silence of the switch (1s)"},
		{"no profile", func(c *freeswitch.Config) { c.Profiles = nil }, "Profiles: is empty: no caller could be offered a text"},
		{"name", first(func(p *freeswitch.Profile) { p.Name = "a b" }), "Profiles[0].Name: must be 1 to 64 letters, digits, '-' or '_'"},
		{"number", first(func(p *freeswitch.Profile) { p.Dialed = []string{"x"} }), "Profiles[0].Dialed[0]: is not a telephone number such as +18005550100"},
		{"accept digit", first(func(p *freeswitch.Profile) { p.AcceptDigit = "12" }), "Profiles[0].AcceptDigit: must be one of 0-9, * and #"},
		{"decline digit", first(func(p *freeswitch.Profile) { p.DeclineDigit = "x" }), "Profiles[0].DeclineDigit: must be one of 0-9, * and #"},
		{"one digit for both", first(func(p *freeswitch.Profile) { p.DeclineDigit = "1" }), "Profiles[0].DeclineDigit: is the accept digit too"},
		{"repeat", first(func(p *freeswitch.Profile) { p.Repeat = 11 }), "Profiles[0].Repeat: is 11; must be between 1 and 10"},
		{"gap", first(func(p *freeswitch.Profile) { p.Gap = time.Hour }), "Profiles[0].Gap: is 1h0m0s; must be between 1ms and 1m"},
		{"the shipped offer", first(func(p *freeswitch.Profile) { p.Prompts.Offer = "" }), ""},
		{"no offer", first(func(p *freeswitch.Profile) { p.Prompts.Offer = freeswitch.None }), "Profiles[0].Prompts.Offer: is none: it is a question, and the caller would hear nothing"},
		{"the shipped offer names other keys", first(func(p *freeswitch.Profile) { p.AcceptDigit, p.Prompts.Offer = "5", "" }), "Profiles[0].Prompts.Offer: is missing: the shipped prompt names other keys (1 and 2, and # at the end of a number)"},
		{"other keys, own offer", first(func(p *freeswitch.Profile) { p.AcceptDigit = "5" }), ""},
		{"other keys, shipped question", first(func(p *freeswitch.Profile) { p.AcceptDigit, p.Confirm = "5", true }), "Profiles[0].Prompts.Confirm: is missing: the shipped prompt names other keys (1 and 2, and # at the end of a number)"},
		{"another terminator", first(func(p *freeswitch.Profile) { p.AskNumber, p.NumberEntry.Terminator = true, "*" }), "Profiles[0].Prompts.Number: is missing: the shipped prompt names other keys (1 and 2, and # at the end of a number)"},
		{"rules", first(func(p *freeswitch.Profile) { p.Withhold, p.Hours.Zone = 101, "Nowhere" }),
			"Profiles[0].Hours.Zone: is not an IANA time zone such as America/New_York\nProfiles[0].Withhold: is 101; must be a percentage from 0 to 100"},
		{"sounds", func(c *freeswitch.Config) { c.Sounds = "${system(id)}" }, "Sounds: holds ${, which the switch would expand; prompts are fixed"},
		{"number entry", first(func(p *freeswitch.Profile) {
			p.NumberEntry = freeswitch.NumberEntry{MinDigits: 9, MaxDigits: 8, Terminator: "1", Tries: 11, Gap: time.Hour}
		}), "Profiles[0].NumberEntry.Gap: is 1h0m0s; must be between 1ms and 1m\nProfiles[0].NumberEntry.MinDigits: is 9; must be between 1 and the most digits (8)\n" +
			"Profiles[0].NumberEntry.Terminator: must be # or *: a digit may be part of the number\nProfiles[0].NumberEntry.Tries: is 11; must be between 1 and 10"},
		{"the end of a number is an answer", first(func(p *freeswitch.Profile) { p.AskNumber, p.DeclineDigit, p.Prompts.NumberConfirm = true, "#", "right" }),
			"Profiles[0].NumberEntry.Terminator: is the accept or decline digit too: the end of a number would answer whether it is right"},
		{"text", first(func(p *freeswitch.Profile) { p.Text = "Hi {{.ANI}}" }), "Profiles[0].Text: has no field .ANI; fields are .FirstName, .LastName, .Skill, .Profile and .Info.NAME"},

		// A language has every prompt that its callers can come to hear, or says that there is none.
		{"no language", first(func(p *freeswitch.Profile) { p.Language = "english please" }), "Profiles[0].Language: is not a language such as en or es-MX"},
		{"another own language", first(func(p *freeswitch.Profile) { p.Language = "es" }),
			"Profiles[0].Prompts.AlreadySent: is missing: there is no shipped prompt in es; name a file, or none on purpose"},
		{"a whole language", first(func(p *freeswitch.Profile) { p.Languages = map[string]freeswitch.Translation{"es": spanish()} }), ""},
		{"a language without already_sent", first(func(p *freeswitch.Profile) {
			es := spanish()
			es.Prompts.AlreadySent = ""
			p.Languages = map[string]freeswitch.Translation{"es": es}
		}), "Profiles[0].Languages.es.Prompts.AlreadySent: is missing: there is no shipped prompt in es; name a file, or none on purpose"},
		{"a language without already_sent, and no cooldown", first(func(p *freeswitch.Profile) {
			es := spanish()
			es.Prompts.AlreadySent = ""
			p.Languages, p.NoCooldown = map[string]freeswitch.Translation{"es": es}, true
		}), ""},
		{"a language that needs more prompts", first(func(p *freeswitch.Profile) {
			p.Languages, p.Confirm = map[string]freeswitch.Translation{"es": spanish()}, true
		}), "Profiles[0].Languages.es.Prompts.Confirm: is missing: there is no shipped prompt in es; name a file"},
		{"a language that another one stands in for", first(func(p *freeswitch.Profile) {
			p.Languages = map[string]freeswitch.Translation{"es": spanish(), "es-MX": {Prompts: freeswitch.Prompts{Offer: "mx/offer.wav"}}}
		}), ""},
		{"English of another country is shipped too", first(func(p *freeswitch.Profile) {
			p.Languages = map[string]freeswitch.Translation{"en-GB": {Text: "Cheers."}}
		}), ""},
		{"a language without a text", first(func(p *freeswitch.Profile) {
			es := spanish()
			es.Text = ""
			p.Languages = map[string]freeswitch.Translation{"es": es}
		}), "Profiles[0].Languages.es.Text: is missing: callers would get a text in en; give one, or none on purpose (LiveDeflect then sends its standard welcome)"},
		{"a language twice", first(func(p *freeswitch.Profile) {
			p.Languages = map[string]freeswitch.Translation{"es-mx": spanish(), "es_MX": spanish()}
		}), "Profiles[0].Languages.es_MX: is the language of the key es-mx already"}, // in the order of the keys
		{"the own language again", first(func(p *freeswitch.Profile) { p.Languages = map[string]freeswitch.Translation{"en": {}} }),
			"Profiles[0].Languages.en: is the language of the profile itself already"},
		{"a key that is no language", first(func(p *freeswitch.Profile) { p.Languages = map[string]freeswitch.Translation{"": spanish()} }),
			"Profiles[0].Languages: has a key that is not a language such as es or es-MX"},
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
		{"shares that overlap", func(c *freeswitch.Config) {
			again := c.Profiles[0]
			again.Name, again.Withhold, again.From = "b", 80, 79
			c.Profiles[0].Withhold = 20
			c.Profiles = append(c.Profiles, again)
		}, `Profiles[1].Dialed[0]: is served by profile "sales" already`},
		{"several", first(func(p *freeswitch.Profile) { p.AcceptDigit, p.Repeat = "x", -1 }),
			"Profiles[0].AcceptDigit: must be one of 0-9, * and #\nProfiles[0].Repeat: is -1; must be between 1 and 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _, _ := testConfig(t, nil)
			cfg.Profiles[0].NoCooldown = false
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

func spanish() freeswitch.Translation {
	return freeswitch.Translation{
		Text: "Gracias por llamar.",
		Prompts: freeswitch.Prompts{
			Offer: "es/offer.wav", Wait: freeswitch.None, Sent: "es/sent.wav", Failed: "es/failed.wav",
			Uncertain: "es/uncertain.wav", AlreadySent: "es/already_sent.wav",
		},
	}
}

// One Server a Registerer, and the documented defaults.
func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
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
