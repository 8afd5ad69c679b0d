package main

import (
	"errors"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

const ms = time.Millisecond

// given is a call that deflectd has given back, connected 3 ms after it was due.
func given(outcome, reason string, moments ...freeswitchtest.Moment) freeswitchtest.Result {
	r := freeswitchtest.Result{
		Vars: map[string]string{"deflect_outcome": outcome, "deflect_reason": reason}, Connected: due.Add(3 * ms),
		Release: freeswitchtest.Exited, Moments: moments,
	}
	for _, m := range moments {
		if m.Kind == freeswitchtest.PromptAsked {
			r.Played = append(r.Played, freeswitchtest.Played{At: m.At + 20*ms})
		}
	}
	return r
}

var due = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func at(n int, kind freeswitchtest.MomentKind, name string) freeswitchtest.Moment {
	return freeswitchtest.Moment{At: time.Duration(n) * ms, Kind: kind, Name: name}
}

func TestLoadTimes(t *testing.T) {
	const (
		asked, ended = freeswitchtest.PromptAsked, freeswitchtest.PromptEnded
		pressed, out = freeswitchtest.KeyPressed, freeswitchtest.ControlEnded
	)
	offer := []freeswitchtest.Moment{at(10, asked, "offer-1"), at(530, pressed, "1"), at(570, ended, "offer-1")}
	for _, tt := range []struct {
		name, outcome string
		moments       []freeswitchtest.Moment
		want          callTimes
	}{
		{"no offer", "ineligible", []freeswitchtest.Moment{at(7, out, "")}, callTimes{10 * ms, never, never, never}},
		{"told so", "ineligible", []freeswitchtest.Moment{at(7, asked, "bye-1"), at(300, ended, "bye-1"), at(304, out, "")},
			callTimes{14 * ms, never, never, never}},
		{"silent", "no_input", []freeswitchtest.Moment{
			at(10, asked, "offer-1"), at(530, ended, "offer-1"), at(900, asked, "offer-2"), at(1400, ended, "offer-2"), at(2000, out, ""),
		}, callTimes{13 * ms, 13 * ms, never, never}},
		{"a key that is no answer", "no_input", append(offer, at(2000, out, "")), callTimes{13 * ms, 13 * ms, never, 0}},
		{"no result prompt", "sent", append(offer, at(600, out, "")), callTimes{83 * ms, 13 * ms, 70 * ms, 0}},
		{"result prompt", "failed", append(offer, at(600, asked, "bye-1"), at(820, ended, "bye-1"), at(825, out, "")),
			callTimes{88 * ms, 13 * ms, 70 * ms, 0}},
		{"wait prompt", "sent", append(offer, at(800, asked, "wait-1"), at(1000, ended, "wait-1"), at(1530, asked, "bye-1"),
			at(1700, ended, "bye-1"), at(1701, out, "")), callTimes{1014 * ms, 13 * ms, 1000 * ms, 0}},
		{"asked afterwards", "sent", append(offer, at(600, asked, "bye-1"), at(820, ended, "bye-1"), at(822, asked, "confirm-1"),
			at(1020, ended, "confirm-1"), at(9000, out, "")), callTimes{85 * ms, 13 * ms, 70 * ms, 0}},
	} {
		got := timesOf(500*ms, due, given(tt.outcome, "x", tt.moments...))
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestLoadKnowsALostCaller(t *testing.T) {
	for _, tt := range []struct {
		want string
		edit func(*freeswitchtest.Result)
	}{
		{"", func(*freeswitchtest.Result) {}},
		{"", func(r *freeswitchtest.Result) {
			*r = freeswitchtest.Result{HungUp: true, Release: freeswitchtest.Broke}
		}},
		{"no command within 25s", func(r *freeswitchtest.Result) { r.Release = freeswitchtest.GaveUp }},
		{"connection broken", func(r *freeswitchtest.Result) { r.Release = freeswitchtest.Broke }},
		{"no connection: no such address", func(r *freeswitchtest.Result) { r.Release = freeswitchtest.Unreached }},
		{"hung up, or left in silence", func(r *freeswitchtest.Result) { r.Lost = true }},
		{"socket_resume left set", func(r *freeswitchtest.Result) { r.ResumeLeft = true }},
		{"no outcome", func(r *freeswitchtest.Result) { delete(r.Vars, "deflect_outcome") }},
		{"no outcome", func(r *freeswitchtest.Result) { r.Vars["deflect_outcome"] = "\x1b[2J" }},
		{"no outcome", func(r *freeswitchtest.Result) { r.Vars["deflect_outcome"] = strings.Repeat("a", 33) }},
	} {
		r := given("sent", "ok")
		tt.edit(&r)
		if got := loss(r, nil); got != tt.want {
			t.Errorf("%+v: %q, want %q", r, got, tt.want)
		}
	}
	if got := loss(freeswitchtest.Result{}, errors.New("no end within 5s")); got != "no end within 5s" {
		t.Errorf("no end: %q", got)
	}
}

func TestPercentiles(t *testing.T) {
	of := func(n int) (s samples) {
		for i := n; i > 0; i-- {
			s.add(time.Duration(i) * ms)
		}
		return s
	}
	for _, tt := range []struct {
		n    int
		want [4]float64
	}{
		{1, [4]float64{1, 1, 1, 1}}, {2, [4]float64{1, 2, 2, 2}}, {10, [4]float64{5, 9, 10, 10}},
		{100, [4]float64{50, 90, 99, 100}}, {1000, [4]float64{500, 900, 990, 1000}},
	} {
		p := of(tt.n).percentiles()
		if got := [4]float64{*p.P50, *p.P90, *p.P99, *p.Max}; got != tt.want {
			t.Errorf("of %d: %v, want %v", tt.n, got, tt.want)
		}
	}
	if p := (samples{}).percentiles(); p != (percentilesJSON{}) {
		t.Errorf("of none: %+v", p)
	}
	var s samples
	s.add(never)
	s.add(100 * time.Hour)
	if len(s) != 1 || s[0] != math.MaxUint32 {
		t.Errorf("odd times: %v", s)
	}
}

// sampleTally is a load test in which everything has happened.
func sampleTally() *tally {
	t := &tally{heldMax: 12, rate: 99.96, took: 1234567 * time.Microsecond, interrupted: true}
	const asked, pressed, out = freeswitchtest.PromptAsked, freeswitchtest.KeyPressed, freeswitchtest.ControlEnded
	for range 3 {
		t.add(500*ms, due, given("no_input", "no_key", at(1, asked, "offer-1"), at(900, out, "")), nil)
	}
	t.add(500*ms, due, given("sent", "ok", at(2, asked, "offer-1"), at(522, pressed, "1"), at(600, out, "")), nil)
	t.add(500*ms, due, given("sent", "ok", at(4, asked, "offer-1"), at(600, pressed, "1"), at(700, out, "")), nil)
	t.add(500*ms, due, given("uncertain", "timeout", at(2, asked, "offer-1"), at(522, pressed, "1"), at(4600, out, "")), nil)
	t.add(500*ms, due, given("sent", "\x1b[2J", at(9, out, "")), nil)
	t.add(500*ms, due, freeswitchtest.Result{HungUp: true}, nil)
	t.add(500*ms, due, freeswitchtest.Result{Release: freeswitchtest.Broke, Violations: []string{"unknown command \"\x1b[2J\""}}, nil)
	t.add(500*ms, due, freeswitchtest.Result{}, errors.New("no end within 1m50s"))
	t.started(5 * ms)
	t.started(25 * ms)
	return t
}

func TestLoadSummary(t *testing.T) {
	for name, tally := range map[string]*tally{"load_all": sampleTally(), "load_none": {}} {
		var text, object strings.Builder
		if err := errors.Join(writeLoad(&text, tally.summary()), printJSON(&object, tally.summary())); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.String())
		golden(t, name+".json", object.String())
	}
}

// TestPressShare looks for luck.
func TestPressShare(t *testing.T) {
	for _, share := range []float64{0, 0.01, 0.1, 0.3, 1. / 3, 0.7, 0.999, 1} {
		c, n := loadCmd{PressShare: share}, 0
		for i := range 100_000 {
			if c.presses(i) {
				n++
			}
			if want := float64(i+1) * share; math.Abs(float64(n)-want) > 1 {
				t.Fatalf("share %v: %d of %d", share, n, i+1)
			}
		}
		if want := int(math.Floor(100_000*share + 1e-6)); n != want {
			t.Errorf("share %v: %d of 100000, want %d", share, n, want)
		}
	}
}

func TestFictionalNumbers(t *testing.T) {
	c := fictional()
	form := regexp.MustCompile(`^\+1[2-9][0-9]{2}55501[0-9]{2}$`)
	seen := map[string]bool{}
	for i := range c.of {
		n := c.number(i)
		if !form.MatchString(n) || seen[n] {
			t.Fatalf("caller %d: %s", i, n)
		}
		seen[n] = true
		if i < len(c.areas) {
			if e164, ok := numberplan.E164(phone.Number(n), "US"); !ok || e164 != n {
				t.Errorf("deflectd takes %s for %s", n, e164)
			}
		}
	}
	if c.of < 30_000 || c.number(c.of) != c.number(0) || c.number(c.of-1) == c.number(0) {
		t.Errorf("%d numbers, then %s", c.of, c.number(c.of))
	}
	var got []string
	for i := range 2 {
		got = append(got, callers{from: "+4420794609"}.number(i))
	}
	if diff := cmp.Diff([]string{"+4420794609", "+4420794610"}, got); diff != "" {
		t.Error(diff)
	}
}
