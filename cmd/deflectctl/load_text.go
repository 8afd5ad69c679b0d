package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// loadJSON is the summary of a load test. Its names are API.
type loadJSON struct {
	Calls       int                       `json:"calls"`
	Lost        int                       `json:"lost"`
	HungUp      int                       `json:"hung_up"` // by ctrl-C
	Unheard     int                       `json:"unheard"` // of these, before anything was played
	Outcomes    map[string]int            `json:"outcomes"`
	Reasons     map[string]map[string]int `json:"reasons"` // of each outcome
	LostReasons map[string]int            `json:"lost_reasons"`
	Violations  int                       `json:"violations"`
	Violation   []string                  `json:"violation,omitempty"` // the first of them
	Latency     percentilesJSON           `json:"latency_ms"`
	Offer       percentilesJSON           `json:"offer_ms"`
	Key         percentilesJSON           `json:"key_ms"`
	Rate        float64                   `json:"rate"` // reached, calls a second
	Seconds     float64                   `json:"seconds"`
	HeldMax     int64                     `json:"held_max"`
	LateStarts  int                       `json:"late_starts"` // by more than 10 ms, as LateKeys
	LateKeys    int                       `json:"late_keys"`
	LateMax     float64                   `json:"late_max_ms"`
	Interrupted bool                      `json:"interrupted"`
}

func (t *tally) summary() loadJSON {
	s := loadJSON{
		Calls: t.calls, Lost: t.lost, HungUp: t.hungUp, Unheard: t.unheard,
		Outcomes: map[string]int{}, Reasons: map[string]map[string]int{}, LostReasons: map[string]int{},
		Violations: t.violations, Violation: t.violation,
		Latency: t.latency.percentiles(), Offer: t.offer.percentiles(), Key: t.key.percentiles(),
		Rate: math.Round(10*t.rate) / 10, Seconds: float64(t.took.Milliseconds()) / 1000, HeldMax: t.heldMax,
		LateStarts: t.lateStarts, LateKeys: t.lateKeys, LateMax: float64(t.latest.Microseconds()) / 1000,
		Interrupted: t.interrupted,
	}
	for outcome, reasons := range t.outcomes {
		s.Reasons[outcome] = reasons
		for _, n := range reasons {
			s.Outcomes[outcome] += n
		}
	}
	if t.losses != nil {
		s.LostReasons = t.losses
	}
	return s
}

// writeLoad prints the summary for people.
func writeLoad(w io.Writer, s loadJSON) error {
	var b strings.Builder
	if s.Interrupted {
		fmt.Fprintln(&b, "Interrupted: this is what was done until then.")
	}
	fmt.Fprintf(&b, "%d calls in %.1fs: %.1f new ones a second, at most %d at once\n\n", s.Calls, s.Seconds, s.Rate, s.HeldMax)
	for _, outcome := range byCount(s.Outcomes) {
		for _, reason := range byCount(s.Reasons[outcome]) {
			fmt.Fprintf(&b, "%8d  %s (%s)\n", s.Reasons[outcome][reason], outcome, reason)
		}
	}
	for _, why := range byCount(s.LostReasons) {
		fmt.Fprintf(&b, "%8d  LOST: %s\n", s.LostReasons[why], why)
	}
	if s.HungUp > 0 {
		fmt.Fprintf(&b, "%8d  hung up, %d of them before anything was played\n", s.HungUp, s.Unheard)
	}
	fmt.Fprintf(&b, "%8d  lost in all\n\n", s.Lost)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "ms\tp50\tp90\tp99\tmax\t")
	for _, row := range []struct {
		name string
		percentilesJSON
	}{{"latency", s.Latency}, {"offer", s.Offer}, {"key", s.Key}} {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t\n", row.name, shownMS(row.P50), shownMS(row.P90), shownMS(row.P99), shownMS(row.Max))
	}
	table.Flush()
	if s.LateStarts+s.LateKeys > 0 {
		fmt.Fprintf(&b, "\nTHE GENERATOR WAS LATE by more than %v, at most by %.0f ms; calls: %d, keys: %d. These times are\n"+
			"not deflectd's alone: use a lower rate, or another machine.\n", generatorLate, s.LateMax, s.LateStarts, s.LateKeys)
	}
	if s.Violations > 0 {
		fmt.Fprintf(&b, "\nCommands that FreeSWITCH refuses or that are dangerous: %d, such as\n", s.Violations)
		for _, v := range slices.Compact(slices.Clone(s.Violation)) {
			fmt.Fprintf(&b, "  %s\n", visible(v, 200))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func shownMS(ms *float64) string {
	if ms == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f", *ms)
}
