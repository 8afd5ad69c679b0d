package freeswitch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// What Explain says is what the server does, call for call.
func TestExplainIsWhatHappens(t *testing.T) {
	numbers := []string{"+14043438646", "+493012345678", "+4915112345678", "12", "anonymous", ""}
	vars := []map[string]string{
		nil, {"deflect_consent": "true"}, {"deflect_consent": "true", "deflect_wait_seconds": "30"}, {"deflect_mode": "nonsense"},
		{"deflect_asked": "sent"}, {"deflect_profile": "none"}, {"deflect_profile": "none", "deflect_mode": "nonsense"}, {"deflect_consent": "true", "deflect_number": "+493012345678"},
		{"deflect_consent": "true", "deflect_skill": "\x01"}, {"deflect_mode": "accepted", "deflect_asked": "declined", "deflect_consent": "true"},
	}
	rules := []deflect.Rules{
		{}, {AskNumber: true}, {Countries: []string{"US"}}, {Countries: []string{"DE"}, AskNumber: true}, {LineTypes: deflect.StrictLineTypes},
		{Consent: deflect.ConsentRequired, MinWait: time.Minute}, {Withhold: 67}, {Withhold: 66}, {DoNotText: optedOut("+14043438646")},
		{Hours: deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon": {"09:00-17:00"}}}},
		{Hours: opensAt, Later: deflect.Later{Closed: 16 * time.Hour}}, {Hours: opensAt, Later: deflect.Later{Closed: 8 * time.Hour}},
	}
	seen := map[deflect.Reason]int{}
	for i, r := range rules {
		p := talk()
		p.Rules = r
		change := func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles = []freeswitch.Profile{p} }
		if r.Later.Closed > 0 {
			change = later(t, p)
		}
		inBubble(t, change, func(t *testing.T, rig *rig) {
			cfg, _, _ := testConfig(t, change)
			for _, from := range numbers {
				for _, v := range vars {
					name := fmt.Sprintf("rules %d, %s, %v", i, from, v)
					asked := map[string]string{"uuid": "3e0068c6-dcda-4c96-a87d-305d62b539f6"}
					for k, v := range v {
						asked[k] = v
					}
					e, err := freeswitch.Explain(t.Context(), cfg, freeswitch.Inquiry{From: from, To: "18005550100", Vars: asked})
					if err != nil {
						t.Fatal(err)
					}
					c := caller(fst.Press("2").After(time.Second))
					c.ANI, c.Vars = from, v
					c.Answered = v["deflect_mode"] == "accepted"
					if c.Answered {
						c.Script = nil
					}
					res := rig.play(c) // by its id it is sampled or not
					got := deflect.Reason("")
					if o := res.Vars["deflect_outcome"]; o == "ineligible" {
						got = deflect.Reason(res.Vars["deflect_reason"])
					}
					want := e.Decision()
					if want.Answer != deflect.RuleRefuse {
						want.Reason = ""
					}
					if got != want.Reason {
						t.Errorf("%s: explained as %q, was %v", name, want.Reason, res.Vars)
					}
					seen[got]++
				}
			}
		})
	}
	for _, r := range []deflect.Reason{
		"", "number_hidden", "number_invalid", "number_fixed_line", "number_not_mobile", "country", "invalid_call", "no_consent", "opted_out",
		"outside_hours", "wait_too_short", "not_sampled", "no_profile", "already_asked",
	} {
		if seen[r] == 0 {
			t.Errorf("no call came to %q", r)
		}
	}
}

// An inquiry about another time, and one whose call has no id yet.
func TestExplainTellsOfAnotherTime(t *testing.T) {
	cfg, _, _ := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) {
		c.Profiles[0].Hours = deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon": {"09:00-17:00"}}}
		c.Profiles[0].Withhold = 50
	})
	for at, want := range map[string]deflect.RuleAnswer{"2026-11-23T10:00:00Z": deflect.RulePass, "2026-11-23T08:00:00Z": deflect.RuleRefuse} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		e, err := freeswitch.Explain(t.Context(), cfg, freeswitch.Inquiry{From: "+14043438646", To: "+18005550100", At: when})
		if err != nil || e.Decision().Answer != want || e.Profile != "sales" || e.Language != "en" {
			t.Errorf("%s: %+v, %v", at, e, err)
		}
	}
	cfg.Profiles = nil
	if _, err := freeswitch.Explain(t.Context(), cfg, freeswitch.Inquiry{}); err == nil {
		t.Error("a configuration without profiles was explained")
	}
}

func BenchmarkExplain(b *testing.B) {
	cfg, _, _ := testConfig(b, nil)
	for b.Loop() {
		if _, err := freeswitch.Explain(b.Context(), cfg, freeswitch.Inquiry{From: "+14043438646", To: "+18005550100"}); err != nil {
			b.Fatal(err)
		}
	}
}

// Who asks about a call hears that another one of the same number may be another profile's.
func TestExplainTellsOfShares(t *testing.T) {
	cfg, _, _ := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) {
		most, trial := talk(), talk()
		most.Withhold, trial.Name, trial.Withhold, trial.From = 10, "trial", 90, 90
		c.Profiles = []freeswitch.Profile{most, trial}
	})
	for uuid, want := range map[string]string{
		"call-0": "sales; other calls of this number are of trial, by the id of the call (uuid)",
		"call-4": "trial; other calls of this number are of sales, by the id of the call (uuid)",
	} {
		e, err := freeswitch.Explain(t.Context(), cfg, freeswitch.Inquiry{From: "+14043438646", To: "+18005550100", Vars: map[string]string{"uuid": uuid}})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Verdicts[0].Detail; got != want {
			t.Errorf("profile of %s: %q, want %q", uuid, got, want)
		}
	}
}
