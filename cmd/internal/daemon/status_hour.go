package daemon

import (
	"runtime"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// The last hour is kept in slots of ten seconds, so that the minutes of a chart and the
// last five minutes are both whole ones of them.
const (
	slotLength = 10 * time.Second
	perMinute  = int(time.Minute / slotLength)
	hourSlots  = 60 * perMinute
	recent     = 5 // minutes that tell how it is now
)

// counted are the families whose increase the last hour is made of, with the label that
// tells their series apart besides profile and outcome; series that are alike else are
// added up.
var counted = map[string]string{
	"deflect_outcomes_total":                        "reason",
	"deflect_requests_total":                        "result",
	"deflect_request_duration_seconds":              "le",
	"deflect_breaker_transitions_total":             "to",
	"deflect_settled_total":                         "result",
	"deflect_waiting_ended_total":                   "reason",
	"deflect_journal_failures_total":                "result",
	"deflect_cooldowns_evicted_total":               "",
	"deflect_store_requests_total":                  "result",
	"deflect_store_request_duration_seconds":        "le",
	"deflect_freeswitch_rejected_connections_total": "reason",
	"deflect_freeswitch_full_total":                 "",
	"deflect_freeswitch_prompt_errors_total":        "prompt",
	"deflect_freeswitch_protocol_errors_total":      "kind",
	"deflectd_log_dropped_total":                    "",
}

// what is counted: a family and those of its labels that are looked at.
type what struct {
	name, profile, outcome string
	label                  string // the value of the family's own
	bound                  float64
}

// hour keeps by how much counters grew in the last hour. It is safe for concurrent use.
type hour struct {
	epoch time.Time // the full minute before it began

	mu    sync.Mutex
	last  map[what]uint64 // counters as they were, nil before the first time
	at    int             // slot that they were read in
	slots [hourSlots]slot
}

type slot struct {
	of   int // counted since the epoch
	grew map[what]uint64
}

func newHour(now time.Time) *hour {
	return &hour{epoch: now.Add(-time.Duration(now.Second())*time.Second - time.Duration(now.Nanosecond()))}
}

// add takes in the counters of a moment. What they grew by belongs to the time since the
// last one, which is a slot long at most, and so to the slot that it began in, or this one.
func (h *hour) add(now time.Time, families []*dto.MetricFamily) {
	next := map[what]uint64{}
	for _, f := range families {
		if label, is := counted[f.GetName()]; is {
			count(next, f, label)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	this := h.slotAt(now)
	before := h.last
	h.last = next
	if before == nil { // what was counted before belongs to no time that is known
		h.at = this
		return
	}
	to := h.at
	if this-to > 1 {
		to = this
	}
	h.at = this
	s := &h.slots[to%hourSlots]
	if s.of != to || s.grew == nil {
		*s = slot{of: to, grew: map[what]uint64{}}
	}
	for k, v := range next {
		if was := before[k]; v > was {
			s.grew[k] += v - was
		}
	}
}

func (h *hour) slotAt(now time.Time) int { return max(0, int(now.Sub(h.epoch)/slotLength)) }

// byCall is the name of how long requests of a call took. Under the name of the metric it is
// those for a text, for which a caller waits who has pressed the key.
func byCall(name, call string) string {
	if call == "invite" {
		return name
	}
	return name + " of " + call
}

// count adds up what is alike. What became of a request has its call in place of an outcome.
func count(into map[what]uint64, f *dto.MetricFamily, own string) {
	for _, m := range f.GetMetric() {
		k, call := what{name: f.GetName()}, "invite"
		for _, l := range m.GetLabel() {
			switch l.GetName() {
			case "profile":
				k.profile = l.GetValue()
			case "outcome":
				k.outcome = l.GetValue()
			case "call":
				call, k.outcome = l.GetValue(), l.GetValue()
			case own:
				k.label = l.GetValue()
			}
		}
		if hist := m.GetHistogram(); hist != nil {
			k.name, k.outcome = byCall(k.name, call), ""
			for _, b := range hist.GetBucket() {
				k.bound = b.GetUpperBound()
				into[k] += b.GetCumulativeCount()
			}
			k.bound, k.label = 0, "count"
			into[k] += hist.GetSampleCount()
			continue
		}
		into[k] += uint64(m.GetCounter().GetValue())
	}
}

// grown is what counters grew by.
type grown map[what]uint64

// sum adds up what is of a family and passes.
func (g grown) sum(name string, pass func(what) bool) (n uint64) {
	for k, v := range g {
		if k.name == name && (pass == nil || pass(k)) {
			n += v
		}
	}
	return n
}

// since returns what they grew by in the last minutes, and in each minute of the hour, the
// one that goes on last.
func (h *hour) since(now time.Time) (all, lately grown, minutes [60]grown) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all, lately = grown{}, grown{}
	this := h.slotAt(now)
	minute := this / perMinute
	for i, s := range h.slots {
		if i%perMinute == 0 {
			runtime.Gosched() // calls on this core do not have to wait for the whole hour
		}
		back := minute - s.of/perMinute
		if s.grew == nil || back < 0 || back >= len(minutes) {
			continue
		}
		in := &minutes[len(minutes)-1-back]
		if *in == nil {
			*in = grown{}
		}
		for k, v := range s.grew {
			(*in)[k] += v
			all[k] += v
			if this-s.of < recent*perMinute {
				lately[k] += v
			}
		}
	}
	return all, lately, minutes
}

// quantile estimates one from the buckets of a histogram, as Prometheus does. It is not
// known of none, nor beyond the last bucket, whose bound is returned then.
func (g grown) quantile(name string, q float64, bounds []float64) (seconds float64, beyond, known bool) {
	all := float64(g[what{name: name, label: "count"}])
	if all == 0 {
		return 0, false, false
	}
	rank, from, below := q*all, 0.0, 0.0
	for _, bound := range bounds {
		n := float64(g[what{name: name, bound: bound}])
		if n >= rank && n > below {
			return from + (bound-from)*(rank-below)/(n-below), false, true
		}
		from, below = bound, n
	}
	return from, true, true
}
