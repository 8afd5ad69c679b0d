package freeswitch

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// split are two profiles that split the calls of a number, and of the rest: 90 and 6 of 100.
func split(dialed ...string) []Profile {
	list := []Profile{
		{Name: "most", Dialed: dialed, Skill: "s", Rules: deflect.Rules{Withhold: 10}},
		{Name: "trial", Dialed: dialed, Skill: "s", Rules: deflect.Rules{Withhold: 94, From: 90, Shared: "most"}},
	}
	for i := range list {
		list[i] = list[i].WithDefaults("sounds")
	}
	return list
}

// Two profiles of one number have the calls between them, each call always the same one:
// what both leave over is offered a text by neither.
func TestProfilesSplitTheCallsOfANumber(t *testing.T) {
	for _, dialed := range [][]string{{"+18005550100"}, nil} {
		list := split(dialed...)
		p, err := newProfiles(list, "US")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for i := range 1000 {
			ch := readChannel(channelEvent(t, fmt.Sprintf("Caller-Destination-Number: 18005550100\nUnique-ID: call-%d\n", i)), time.Now(), nil)
			prof, _, _ := p.find(&ch)
			name := prof.Name
			if !prof.policy.Samples(ch.call.ExternalCallID) {
				name = "neither, by " + name
			}
			seen[name]++
			if found, _ := FindProfile(list, "+18005550100", "US", ch.call.ExternalCallID); found.Name != prof.Name {
				t.Errorf("call %d is of %q, and FindProfile says %q", i, prof.Name, found.Name)
			}
		}
		want := map[string]int{"most": 909, "trial": 51, "neither, by most": 40}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("dialed %v: of 1000 calls (-want +got):\n%s", dialed, diff)
		}
	}
}

// The channel names a profile, whosever share its call is of.
func TestAProfileOfAShareCanBeNamed(t *testing.T) {
	p, err := newProfiles(split("+18005550100"), "US")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"most", "trial"} {
		for i := range 20 {
			ch := readChannel(channelEvent(t, fmt.Sprintf("Caller-Destination-Number: 18005550100\nUnique-ID: call-%d\nvariable_deflect_profile: %s\n", i, name)), time.Now(), nil)
			if prof := p.serving(&ch); prof.Name != name {
				t.Errorf("call %d is of %q, want %q", i, prof.Name, name)
			}
		}
	}
}

// The template variables of the channel win over those of the profile, which stay as they
// are for the next call.
func TestTemplateVariablesOfTheChannelWin(t *testing.T) {
	list := []Profile{Profile{Name: "rest", Skill: "s", HandoffID: "H1", TemplateVariables: map[string]string{"1": "you", "2": "us"}}.WithDefaults("sounds")}
	p, err := newProfiles(list, "US")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ headers, want string }{
		{"X: y\n", "map[1:you 2:us]"},
		{"variable_deflect_template_1: Ann\nvariable_deflect_template_3: new\n", "map[1:Ann 2:us 3:new]"},
		{"X: y\n", "map[1:you 2:us]"},
	} {
		ch := readChannel(channelEvent(t, tt.headers), time.Now(), nil)
		if _, _, err := p.find(&ch); err != nil || ch.call.HandoffID != "H1" || fmt.Sprint(ch.call.TemplateVariables) != tt.want {
			t.Errorf("%q: handoff %q, %v, want %s (%v)", tt.headers, ch.call.HandoffID, ch.call.TemplateVariables, tt.want, err)
		}
	}
	if !maps.Equal(list[0].TemplateVariables, map[string]string{"1": "you", "2": "us"}) {
		t.Error("a call changed its profile")
	}
}
