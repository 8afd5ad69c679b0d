package main

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

// tally counts what became of the calls.
type tally struct {
	calls, lost, hungUp int
	unheard             int                       // hung up before anything was played
	outcomes            map[string]map[string]int // by reason
	losses              map[string]int
	violations          int
	violation           []string // the first of them

	latency, offer, key samples

	lateStarts, lateKeys int
	latest               time.Duration
	heldMax              int64
	rate                 float64
	took                 time.Duration
	interrupted          bool
}

// generatorLate is what the generator may be late by without being called late:
// half a frame of the switch that it plays.
const generatorLate = 10 * time.Millisecond

func (t *tally) started(late time.Duration) { t.lateStarts += t.late(late) }

func (t *tally) late(by time.Duration) int {
	t.latest = max(t.latest, by)
	if by > generatorLate {
		return 1
	}
	return 0
}

// add takes in a call that has ended.
func (t *tally) add(hold time.Duration, due time.Time, r freeswitchtest.Result, err error) {
	t.calls++
	t.violations += len(r.Violations)
	for _, v := range r.Violations {
		if len(t.violation) < maxComplaints {
			t.violation = append(t.violation, v)
		}
	}
	if why := loss(r, err); why != "" {
		t.lost++
		t.losses = counted(t.losses, why)
		return
	}
	if r.HungUp {
		t.hungUp++
		if len(r.Played) == 0 {
			t.unheard++
		}
		return
	}
	outcome, reason := r.Vars["deflect_outcome"], r.Vars["deflect_reason"]
	if !plainOutcome(reason) {
		reason = "none"
	}
	if t.outcomes == nil {
		t.outcomes = map[string]map[string]int{}
	}
	t.outcomes[outcome] = counted(t.outcomes[outcome], reason)
	times := timesOf(hold, due, r)
	t.latency.add(times.latency)
	t.offer.add(times.offer)
	t.key.add(times.key)
	if times.keyLate != never {
		t.lateKeys += t.late(times.keyLate)
	}
}

func counted(m map[string]int, name string) map[string]int {
	if m == nil {
		m = map[string]int{}
	}
	m[name]++
	return m
}

// samples are times in microseconds: 4 bytes each, so that a million calls are no
// matter, and exact. Longer than 71 minutes is 71 minutes.
type samples []uint32

func (s *samples) add(d time.Duration) {
	if d >= 0 {
		*s = append(*s, uint32(min(d.Microseconds(), math.MaxUint32)))
	}
}

// percentilesJSON are milliseconds, null without any call. A percentile is the
// smallest time that so many of the calls do not exceed.
type percentilesJSON struct {
	P50 *float64 `json:"p50"`
	P90 *float64 `json:"p90"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

func (s samples) percentiles() percentilesJSON {
	if len(s) == 0 {
		return percentilesJSON{}
	}
	sorted := slices.Clone(s)
	slices.Sort(sorted)
	at := func(percent int) *float64 {
		rank := (len(sorted)*percent + 99) / 100
		ms := float64(sorted[max(rank-1, 0)]) / 1000
		return &ms
	}
	return percentilesJSON{at(50), at(90), at(99), at(100)}
}

// byCount lists names, the most frequent first.
func byCount(m map[string]int) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(m[b]-m[a], cmp.Compare(a, b)) })
	return names
}
