package deflect_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// A call counts under its policy's name, also when a reload has taken that away meanwhile.
// There are no other series than those of a configuration, and they are there before a call is.
func TestOutcomesOfProfiles(t *testing.T) {
	named := func(name string) *deflect.Policy {
		p, err := deflect.NewPolicy(name, deflect.Rules{NoCooldown: true})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	sales, support, service := named("sales"), named("support"), named("service")
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		cfg := account()
		cfg.Transport, cfg.Registerer, cfg.Policies = livedeflecttest.New(keys), reg, []*deflect.Policy{sales, support}
		client := rig.Must(t, cfg)
		// byProfile are the calls that were counted and how many series each profile has.
		byProfile := func() (calls, series map[string]int) {
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			calls, series = map[string]int{}, map[string]int{}
			for _, f := range families {
				if f.GetName() != "deflect_outcomes_total" {
					continue
				}
				for _, m := range f.GetMetric() {
					profile := m.GetLabel()[1].GetValue()
					series[profile]++
					calls[profile] += int(m.GetCounter().GetValue())
				}
			}
			return calls, series
		}
		want := func(calls map[string]int) {
			t.Helper()
			got, series := byProfile()
			if diff := cmp.Diff(calls, got); diff != "" {
				t.Errorf("calls by profile (-want +got):\n%s", diff)
			}
			for profile, n := range series {
				if n == 0 || n != series[""] {
					t.Errorf("%d series of profile %q, %d without one", n, profile, series[""])
				}
			}
		}
		want(map[string]int{"": 0, "sales": 0, "support": 0})

		of := func(p *deflect.Policy) deflect.Call {
			c := rig.Next(call())
			c.Policy = p
			return c
		}
		if _, err := client.Deflect(t.Context(), of(sales)); err != nil {
			t.Fatal(err)
		}
		ends, err := client.Offer(t.Context(), of(sales))
		if err != nil {
			t.Fatal(err)
		}
		late, err := client.Offer(t.Context(), of(support))
		if err != nil {
			t.Fatal(err)
		}
		ends.End(deflect.Declined, deflect.ReasonDeclineKey)
		client.CountOutcome(support, deflect.Ineligible, deflect.ReasonCooldown)
		client.CountOutcome(nil, deflect.Ineligible, deflect.ReasonNoProfile)
		client.CountOutcome(service, deflect.Ineligible, deflect.ReasonCooldown) // not of this configuration
		want(map[string]int{"": 2, "sales": 2, "support": 1})

		cfg.Policies = []*deflect.Policy{sales, service}
		if err := client.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		want(map[string]int{"": 2, "sales": 2, "support": 1, "service": 0})
		if _, err := late.Deflect(t.Context()); err != nil {
			t.Fatal(err)
		}
		client.CountOutcome(service, deflect.NoInput, deflect.ReasonNoKey)
		want(map[string]int{"": 2, "sales": 2, "support": 2, "service": 1})

		cfg.Policies = []*deflect.Policy{named("\xff")}
		var bad *deflect.ConfigError
		if err := client.Reload(cfg); !errors.As(err, &bad) || bad.Field != "Policies[0]" {
			t.Errorf("a name that can be no label: %v", err)
		}
	})
}
