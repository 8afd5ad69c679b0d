package daemon

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// What counters grew by is in its minute for an hour, in the last five minutes for those,
// and nowhere afterwards; what was counted before the start is in none.
func TestStatusHour(t *testing.T) {
	reg := prometheus.NewRegistry()
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "deflect_outcomes_total"}, []string{"outcome", "reason"})
	other := prometheus.NewCounter(prometheus.CounterOpts{Name: "other_total"})
	reg.MustRegister(calls, other)
	sent := calls.WithLabelValues("sent", "ok")
	sent.Add(1000)
	at := time.Date(2026, 11, 27, 2, 59, 48, 0, time.UTC)
	h := newHour(at)
	look := func() {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		h.add(at, families)
	}
	want := func(hour, five uint64, in map[int]uint64) {
		t.Helper()
		all, lately, minutes := h.since(at)
		if a, l := all.outcomes(deflect.Sent), lately.outcomes(deflect.Sent); a != hour || l != five {
			t.Errorf("at %s: %d in the hour, %d lately, want %d, %d", at.Format(clock), a, l, hour, five)
		}
		for i, m := range minutes {
			if n := m.outcomes(deflect.Sent); n != in[i] {
				t.Errorf("at %s: %d in minute %d, want %d", at.Format(clock), n, i, in[i])
			}
		}
		for k := range all {
			if k.name != "deflect_outcomes_total" {
				t.Errorf("%s is counted", k.name)
			}
		}
	}
	step := func(d time.Duration) { at = at.Add(d); look() }
	look()
	want(0, 0, nil)
	sent.Add(3)
	other.Add(9)
	step(10 * time.Second) // 02:59:58
	want(3, 3, map[int]uint64{59: 3})
	sent.Add(2) // of 02:59, although they are seen in 03:00
	step(10 * time.Second)
	want(5, 5, map[int]uint64{58: 5})
	sent.Add(1)
	step(time.Second)
	want(6, 6, map[int]uint64{58: 5, 59: 1})
	at = at.Add(4*time.Minute + 40*time.Second) // 03:04:49: the slot of 02:59:40 was five minutes ago
	look()
	want(6, 3, map[int]uint64{54: 5, 55: 1})
	at = at.Add(55 * time.Minute) // 03:59:49, where 02:59 is over
	look()
	want(1, 0, map[int]uint64{0: 1})
	sent.Add(7) // into slots that others had
	step(time.Second)
	want(8, 7, map[int]uint64{0: 1, 59: 7})
	at = at.Add(3 * time.Hour)
	want(0, 0, nil)
}

func TestStatusQuantile(t *testing.T) {
	bounds := []float64{.1, .2, .4}
	g := grown{}
	if _, _, known := g.quantile("x", .5, bounds); known {
		t.Error("a quantile of nothing is known")
	}
	for le, n := range map[float64]uint64{.2: 50, .4: 90} { // none below .1, ten beyond .4
		g[what{name: "x", bound: le}] = n
	}
	g[what{name: "x", label: "count"}] = 100
	for q, want := range map[float64]float64{.5: .2, .25: .15, .7: .3, .9: .4} {
		if got, beyond, known := g.quantile("x", q, bounds); math.Abs(got-want) > 1e-9 || beyond || !known {
			t.Errorf("quantile %v = %v %t %t, want %v", q, got, beyond, known, want)
		}
	}
	if got, beyond, known := g.quantile("x", .95, bounds); got != .4 || !beyond || !known {
		t.Errorf("quantile .95 = %v %t %t", got, beyond, known)
	}
}

func TestStatusTexts(t *testing.T) {
	for got, want := range map[string]string{
		thousands(0): "0", thousands(999): "999", thousands(1000): "1,000", thousands(1234567): "1,234,567",
		howMany(1, "call", "calls"): "1 call", howMany(2, "call", "calls"): "2 calls",
		howLong(0): "0 s", howLong(90 * time.Second): "1 min 30 s", howLong(2 * time.Hour): "2 h", howLong(50*time.Hour + time.Minute): "2 d 2 h", howLong(time.Hour + time.Second): "1 h",
		milliseconds(.0042): "4.2 ms", milliseconds(.25): "250 ms", milliseconds(1.25): "1.2 s",
		shareOf(0, 0): "", shareOf(1, 1000): "< 1 %", shareOf(1, 3): "33 %",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// How long requests take is that of texts, and not of what was asked before.
func TestStatusLatencyIsOfTexts(t *testing.T) {
	reg := prometheus.NewRegistry()
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "deflect_request_duration_seconds", Buckets: []float64{.1, 1}}, []string{"call"})
	reg.MustRegister(took)
	at := time.Date(2026, 11, 27, 2, 59, 48, 0, time.UTC)
	h := newHour(at)
	for range 2 {
		took.WithLabelValues("eligibility").Observe(.05)
		took.WithLabelValues("invite").Observe(.5)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		h.add(at, families)
		at = at.Add(time.Second)
	}
	all, _, _ := h.since(at)
	name := "deflect_request_duration_seconds"
	if all[what{name: name, bound: .1}] != 0 || all[what{name: name, bound: 1}] != 1 || all[what{name: name, label: "count"}] != 1 {
		t.Errorf("%v", all)
	}
}
