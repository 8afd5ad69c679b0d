package deflect_test

import (
	"context"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// One deflection against the double, without sockets: validation, signing,
// breaker, metrics, and the double's own strict check. BenchmarkRoundTrip in
// package livedeflecttest shows the part that is the double's.
func BenchmarkDeflect(b *testing.B) {
	cfg := keys
	cfg.KeepLast = 1
	client := newClient(b, livedeflecttest.New(cfg), nil)
	k := call()
	k.CallerInfo = map[string]any{"plan": "Gold", "wait": 120}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Deflect(b.Context(), next(k)); err != nil {
			b.Fatal(err)
		}
	}
}

// A Client whose calls could be traced, of which nobody traces this one: nothing is
// allocated for that.
func TestTraceOfOthersCostsNothing(t *testing.T) {
	allocs := func(hooks *deflect.Trace) float64 {
		cfg := keys
		cfg.KeepLast = 1
		client := newClient(t, livedeflecttest.New(cfg), func(c *rig.Config) { c.Trace = hooks })
		k := call()
		return testing.AllocsPerRun(200, func() {
			o, err := client.Offer(t.Context(), next(k))
			if err != nil {
				t.Fatal(err)
			}
			o.Release()
		})
	}
	without := allocs(nil)
	with := allocs(&deflect.Trace{
		Offer: func(ctx context.Context, _ *deflect.Call) (context.Context, func(*deflect.Offer, error)) {
			return ctx, nil
		},
		Verdict: func(context.Context, deflect.Verdict) {},
	})
	if with > without {
		t.Errorf("%v allocations, %v without hooks", with, without)
	}
}
