package deflect

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/metric"
)

// metrics are the series of one Client, all present from the start and with
// their handles resolved.
type metrics struct {
	byOutcome   *prometheus.CounterVec
	outcomes    atomic.Pointer[map[string]outcomeCounters] // by the name of a policy; none is ever taken off
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	settled     map[SettleResult]prometheus.Counter
	settleOpen  prometheus.Gauge
	inFlight    prometheus.Gauge
	transitions map[string]prometheus.Counter

	cooldownsEvicted prometheus.Counter
	repeated         prometheus.Counter
	laterEnded       map[Outcome]map[Reason]prometheus.Counter
	journalFailures  map[string]prometheus.Counter
}

// callMetrics are the series of one call of an API.
type callMetrics struct {
	name     string
	ended    map[Reason]prometheus.Counter
	duration prometheus.Observer // nil where only the ends are counted
}

// outcomeCounters are the series of one profile.
type outcomeCounters map[Outcome]map[Reason]prometheus.Counter

// What became of a text for which the journal did not answer.
const (
	journalRefused = "refused"
	journalSent    = "sent"
)

func newMetrics() (*metrics, []prometheus.Collector) {
	byOutcome := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_outcomes_total",
		Help: "Calls by the profile that served them, their final outcome and its reason, also of calls that were not offered a text.",
	}, []string{"profile", "outcome", "reason"})
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_requests_total",
		Help: "Requests to the API by which of its calls it was and what became of them: invite sends a text, eligibility asks before it.",
	}, []string{"call", "result"})
	settled := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_settled_total",
		Help: "Uncertain deflections by what the report said of their texts.",
	}, []string{"result"})
	transitions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_breaker_transitions_total",
		Help: "Moves of the breaker by the state it moved to.",
	}, []string{"to"})
	m := &metrics{
		byOutcome:   byOutcome,
		requests:    requests,
		settled:     map[SettleResult]prometheus.Counter{},
		transitions: map[string]prometheus.Counter{},
		duration: prometheus.NewHistogramVec(metric.Native(prometheus.HistogramOpts{
			Name:    "deflect_request_duration_seconds",
			Help:    "Time from handing a request to the network to its answer read, or to giving up.",
			Buckets: []float64{.025, .05, .1, .2, .3, .5, .75, 1, 1.5, 2, 3, 4, 6, 10},
		}), []string{"call"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflect_requests_in_flight",
			Help: "Requests to send a text that wait for their answer.",
		}),
		settleOpen: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflect_settle_open",
			Help: "Uncertain deflections that are still looked up in the report.",
		}),
	}
	m.cooldownsEvicted = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "deflect_cooldowns_evicted_total",
		Help: "Cooldowns that ended early because there was no room for more; their callers can be texted again too soon.",
	})
	m.repeated = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "deflect_repeated_total",
		Help: "Texts that were asked for again, of calls that have one or may: they got the outcome of before, and are counted nowhere else.",
	})
	laterEnded := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_waiting_ended_total",
		Help: "Texts that waited, by what became of them: all but sent and uncertain were dropped, for the reason.",
	}, []string{"outcome", "reason"})
	journalFailures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_journal_failures_total",
		Help: "Texts for which the journal did not answer, by what became of them: refused, or sent without it.",
	}, []string{"result"})
	m.journalFailures = map[string]prometheus.Counter{}
	for _, r := range []string{journalRefused, journalSent} {
		m.journalFailures[r] = journalFailures.WithLabelValues(r)
	}
	m.laterEnded = map[Outcome]map[Reason]prometheus.Counter{Sent: {}, Uncertain: {}, Failed: {}, Ineligible: {}}
	for _, row := range reasons {
		if row.class == ErrSwitch {
			continue // it is about a caller who is on the line
		}
		for o, counters := range m.laterEnded {
			if slices.Contains(row.outcomes, o) {
				counters[row.reason] = laterEnded.WithLabelValues(string(o), string(row.reason))
			}
		}
	}
	m.outcomes.Store(&map[string]outcomeCounters{})
	m.know(nil)
	for _, r := range settleResults {
		m.settled[r] = settled.WithLabelValues(string(r))
	}
	for _, s := range breakerStates {
		m.transitions[s] = transitions.WithLabelValues(s)
	}
	return m, []prometheus.Collector{byOutcome, requests, settled, transitions, m.duration, m.inFlight, m.settleOpen, m.cooldownsEvicted, m.repeated, laterEnded, journalFailures}
}

// ends makes the series of a call of an API, of all that a request can end with.
func (m *metrics) ends(call string) *callMetrics {
	of := &callMetrics{name: call, ended: map[Reason]prometheus.Counter{}}
	for _, row := range reasons {
		if row.request {
			of.ended[row.reason] = m.requests.WithLabelValues(call, string(row.reason))
		}
	}
	return of
}

// call is ends with how long the requests took.
func (m *metrics) call(call string) *callMetrics {
	of := m.ends(call)
	of.duration = m.duration.WithLabelValues(call)
	return of
}

// listen counts the other requests of a backend.
func (m *metrics) listen(b Meter) {
	calls := map[string]*callMetrics{}
	for _, call := range b.Calls() {
		calls[call] = m.ends(call)
	}
	b.OnRequest(func(call string, r Reason) {
		if of := calls[call]; of != nil {
			of.count(r)
		}
	})
}

// count counts a request. One that ended with what none can is a defect of its backend.
func (of *callMetrics) count(r Reason) {
	counter, ok := of.ended[r]
	if !ok {
		counter = of.ended[ReasonInternal]
	}
	counter.Inc()
}

// know makes the series of profiles, and of calls without one, before any call of them is
// counted. It is for one at a time.
func (m *metrics) know(policies []*Policy) {
	known := maps.Clone(*m.outcomes.Load())
	for _, p := range append([]*Policy{nil}, policies...) {
		if known[p.Name()] != nil {
			continue
		}
		counters := outcomeCounters{}
		for _, row := range reasons {
			for _, o := range row.outcomes {
				if counters[o] == nil {
					counters[o] = map[Reason]prometheus.Counter{}
				}
				counters[o][row.reason] = m.byOutcome.WithLabelValues(p.Name(), string(o), string(row.reason))
			}
		}
		known[p.Name()] = counters
	}
	m.outcomes.Store(&known)
}

// outcome returns the counter of a call. A name that no configuration had is none, so that
// there are not more series than an operator knows of.
func (m *metrics) outcome(profile string, o Outcome, r Reason) prometheus.Counter {
	known := *m.outcomes.Load()
	counters, ok := known[profile]
	if !ok {
		counters = known[""]
	}
	if counter, ok := counters[o][r]; ok {
		return counter
	}
	return counters[Failed][ReasonInternal]
}

// cooldownGauges are of a store that has room for so many.
func (c *Client) cooldownGauges(cooling func() int) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "deflect_cooldowns",
			Help: "Callers who were texted and whose cooldown is not over.",
		}, func() float64 { return float64(cooling()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "deflect_cooldowns_limit",
			Help: "How many of them are remembered at most; more end early those that have the least time left.",
		}, func() float64 { return float64(c.setup.Load().MaxCooldowns) }),
	}
}

// gauges show what waits at the time of the scrape.
func (l *later) gauges() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "deflect_waiting_texts",
			Help: "Texts that were promised to callers and wait.",
		}, func() float64 { n, _ := l.waiting(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "deflect_waiting_oldest_age_seconds",
			Help: "How long the oldest text waits that does, 0 without one.",
		}, func() float64 {
			_, oldest := l.waiting()
			if oldest.IsZero() {
				return 0
			}
			return max(0, time.Since(oldest).Seconds())
		}),
	}
}

// breakerGauge shows the states at the time of the scrape: an open breaker
// becomes half open by the clock, without any call.
type breakerGauge struct{ client *Client }

var breakerDesc = prometheus.NewDesc("deflect_breaker_state",
	"How many breakers are in the state: there is one for each API.", []string{"state"}, nil)

func (g breakerGauge) Describe(ch chan<- *prometheus.Desc) { ch <- breakerDesc }

func (g breakerGauge) Collect(ch chan<- prometheus.Metric) {
	in := map[string]int{}
	for _, of := range g.client.setup.Load().setups {
		in[of.breaker.state()]++
	}
	for _, s := range breakerStates {
		ch <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, float64(in[s]), s)
	}
}

// Breakers returns the state of each API's breaker, closed, half_open or open, by the name of
// its backend.
func (c *Client) Breakers() map[string]string {
	states := map[string]string{}
	if c.made() {
		for _, of := range c.setup.Load().setups {
			states[of.name] = of.breaker.state()
		}
	}
	return states
}

// CountOutcome counts a call that ended without [Client.Deflect] and without an [Offer]: not offered,
// declined, abandoned and so on. Deflect counts its own calls; a call must be
// counted once. It counts under the name of the call's policy, if that is one of
// Config.Policies, else (nil too) under none. A pair that is not on the closed list counts as
// failed, internal, so that no call is lost from the sum.
func (c *Client) CountOutcome(p *Policy, o Outcome, r Reason) {
	if c.made() {
		c.metrics.outcome(p.Name(), o, r).Inc()
	}
}
