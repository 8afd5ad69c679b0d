package freeswitch_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// What is handed over counts as a call, also when nobody can serve it: an alert compares that
// with the outcomes. What only connects, as probes do, counts as none.
func TestCallsAreCounted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		knocks func(*testing.T, *rig)
		calls  int
		timed  int
	}{
		{"a call", func(_ *testing.T, r *rig) { r.run(caller(fst.Press("1").After(5 * time.Second))) }, 1, 1},
		{"not offered", func(_ *testing.T, r *rig) {
			r.run(fst.Call{ANI: caller().ANI, DNIS: "+18005550199", SocketResume: true})
		}, 1, 1},
		{"a probe", func(t *testing.T, r *rig) { r.ln.dial(t).Close() }, 0, 0},
		{"a silent peer", func(t *testing.T, r *rig) {
			c := r.ln.dial(t)
			io.Copy(io.Discard, c) //nolint:errcheck // until it is given up
		}, 1, 0},
		{"a peer that breaks the rules", func(t *testing.T, r *rig) {
			c := r.ln.dial(t)
			go io.Copy(io.Discard, c)
			io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
			time.Sleep(time.Minute)
			c.Close()
		}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(_ *deflect.Config, c *freeswitch.Config) { c.MaxCalls = 7 }, func(t *testing.T, r *rig) {
				tt.knocks(t, r)
				r.drain()
				if n := series(t, r.reg, "deflect_freeswitch_calls_total")[""]; n != tt.calls {
					t.Errorf("%d calls, want %d", n, tt.calls)
				}
				n, seconds := timed(t, r.reg)
				if n != tt.timed || tt.name == "a call" && (seconds < 5 || seconds > 10) {
					t.Errorf("%d durations of %v s in all, want %d", n, seconds, tt.timed)
				}
				if n := series(t, r.reg, "deflect_freeswitch_calls_limit")[""]; n != 7 {
					t.Errorf("the limit is %d", n)
				}
			})
		})
	}
}

// A call counts under the profile that serves it, whatever it comes to.
func TestCallsAreCountedByProfile(t *testing.T) {
	for _, tt := range []struct {
		name, dialed, want string
		notAsync           bool
	}{
		{"offered", caller().DNIS, "sales sent ok", false},
		{"of nobody", "+18005550199", " ineligible no_profile", false},
		{"no key could be heard", caller().DNIS, "sales failed switch", true},
	} {
		inBubble(t, func(dc *deflect.Config, fc *freeswitch.Config) {
			policy, err := deflect.NewPolicy("sales", fc.Profiles[0].Rules)
			if err != nil {
				t.Fatal(err)
			}
			dc.Policies = []*deflect.Policy{policy}
		}, func(t *testing.T, r *rig) {
			call := caller(fst.Press("1").After(5 * time.Second))
			call.DNIS, call.NotAsync = tt.dialed, tt.notAsync
			r.run(call)
			r.drain()
			families, err := r.reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if l := m.GetLabel(); f.GetName() == "deflect_outcomes_total" && m.GetCounter().GetValue() > 0 {
						got = append(got, fmt.Sprint(l[1].GetValue(), " ", l[0].GetValue(), " ", l[2].GetValue(), " ", m.GetCounter().GetValue()))
					}
				}
			}
			if len(got) != 1 || got[0] != tt.want+" 1" {
				t.Errorf("%s: counted as %q, want %s", tt.name, got, tt.want)
			}
		})
	}
}

func timed(t *testing.T, g prometheus.Gatherer) (n int, seconds float64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "deflect_freeswitch_call_duration_seconds" {
			h := f.GetMetric()[0].GetHistogram()
			n, seconds = int(h.GetSampleCount()), h.GetSampleSum()
		}
	}
	return n, seconds
}
