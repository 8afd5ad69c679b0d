package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// TestEveryFieldHasAKey fails when a library gets a setting that the file does
// not have, or the file a key that no test reads.
func TestEveryFieldHasAKey(t *testing.T) {
	collaborators := []string{"Backend", "Transport", "MaxRequests", "Logger", "Registerer", "Client", "OnSettled", "Cooldowns", "Budgets", "Warnings", "Journal", "Policies", "Claims",
		"Local", "Trace", "Backends", "Rate", "Domains", "From", "Shared"}
	elsewhere := []string{"livedeflect.base_url", "livedeflect.client_id", "livedeflect.client_secret_file", "livedeflect.sentinel_url",
		"c2m.consumer_key", "c2m.consumer_secret_file", "c2m.token", "c2m.token_secret_file",
		"redis.addresses", "redis.master_name", "redis.cluster", "redis.tls", "redis.sentinel_password_file"}
	full, err := Load("testdata/good/full.yaml", nothing)
	if err != nil {
		t.Fatal(err)
	}
	walk(full.rows(), "", func(path string, r row) {
		if !slices.Contains(elsewhere, path) && !strings.HasPrefix(path, "profiles.languages.") && !r.value.refused && r.value.print() == nil {
			t.Errorf("testdata/good/full.yaml lacks %s", path)
		}
	})
	for _, typ := range []reflect.Type{
		reflect.TypeFor[deflect.Config](), reflect.TypeFor[deflect.BreakerConfig](),
		reflect.TypeFor[c2m.Config](), reflect.TypeFor[livedeflect.Config](), reflect.TypeFor[livedeflect.ReportConfig](), reflect.TypeFor[funnel.LiveConfig](), reflect.TypeFor[deflect.SettleConfig](),
		reflect.TypeFor[deflect.Rules](), reflect.TypeFor[deflect.Hours](), reflect.TypeFor[deflect.Later](),
		reflect.TypeFor[freeswitch.Config](), reflect.TypeFor[freeswitch.Profile](), reflect.TypeFor[freeswitch.Prompts](),
		reflect.TypeFor[freeswitch.NumberEntry](), reflect.TypeFor[freeswitch.Translation](),
		reflect.TypeFor[freeswitch.Switch](), reflect.TypeFor[freeswitch.OnSent](),
		reflect.TypeFor[deflect.Budget](), reflect.TypeFor[fleet.Config](),
	} {
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if slices.Contains(collaborators, name) || typ.Field(i).Anonymous {
				continue
			}
			if keys[name] == "" {
				t.Errorf("%s.%s has no key", typ, name)
			}
		}
	}
}

// Texts for when a team is back, of a team that is always there.
func TestWarnsOfLaterWithoutHours(t *testing.T) {
	const base = `
livedeflect: {site_id: "1", domain: va, consumer_key: KEY}
state: {dir: state}
profiles:
  - {name: all, skill: sales, later: {closed: 16h}HOURS}
`
	for hours, want := range map[string][]Problem{
		"": {{5, "profiles[0].later.closed", "is of no use without hours: it is never closed"}},
		`, hours: {zone: UTC, holidays: ["2026-12-25"]}`: nil,
	} {
		f, err := Parse("x.yaml", []byte(strings.Replace(base, "HOURS", hours, 1)), consumer)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, f.Warnings); diff != "" {
			t.Errorf("hours %q: warnings (-want +got):\n%s", hours, diff)
		}
	}
}

func TestFieldsAreToldAsKeys(t *testing.T) {
	for field, want := range map[string]string{
		"LiveDeflect.SiteID": "livedeflect.site_id",
		"C2M.BaseURL":        "c2m.base_url", "C2M.Channels[1]": "c2m.channels[1]", "C2M.RatePerSecond": "c2m.rate",
		"Breaker.OpenFor":                           "breaker.open_for",
		"Profiles[10].Dialed[2]":                    "profiles[10].dialed[2]",
		"Profiles[0].Prompts.Offer":                 "profiles[0].prompts.offer",
		"Profiles[0].Languages.es-MX.Prompts.Offer": "profiles[0].languages.es-MX.prompts.offer",
		"Profiles[0].Prompts.LaterOffer":            "profiles[0].later.prompts.offer",
		"Profiles[0].Later.Closed":                  "profiles[0].later.closed",
		"Languages.es.Prompts.LaterAccepted":        "languages.es.later.prompts.accepted",
		"Inbound[1].Password":                       "freeswitch.inbound[1].password_file",
		"Allow[1]":                                  "freeswitch.outbound.allow[1]",
		"Something.New":                             "Something.New",
	} {
		if got := keyOf(field); got != want {
			t.Errorf("keyOf(%q) = %q, want %q", field, got, want)
		}
	}
}
