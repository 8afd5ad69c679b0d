package deflect_test

import (
	"testing"

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
