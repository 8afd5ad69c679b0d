package freeswitch

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Why a connection is closed before a word is spoken.
const (
	rejectedNotAllowed = "not_allowed" // its address is not on the allow-list
	rejectedMaxCalls   = "max_calls"   // as many calls as allowed are in progress
	rejectedShutdown   = "shutdown"    // it came while the server was stopping

	// A key press of a caller who waits, as at max_calls.
	rejectedClaimUnknown = "claim_unknown" // nobody knows whether another daemon answers it
)

// otherPrompt is the label of what is none of the profile's prompts: digits read out.
const otherPrompt = "other"

type metrics struct {
	active   prometheus.Gauge
	limit    prometheus.Gauge
	calls    prometheus.Counter
	duration prometheus.Histogram
	full     prometheus.Counter
	rejected map[string]prometheus.Counter
	protocol map[esl.Kind]prometheus.Counter

	confirmed map[string]prometheus.Counter

	promptErrors map[string]prometheus.Counter // by the prompt's label

	offers  prometheus.Gauge
	watchUp map[string]prometheus.Gauge // by the name of the switch
}

func newMetrics(reg prometheus.Registerer, switches []Switch) (*metrics, error) {
	rejected := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_freeswitch_rejected_connections_total",
		Help: "Connections closed at once; their calls went on in the dialplan.",
	}, []string{"reason"})
	protocol := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_freeswitch_protocol_errors_total",
		Help: "Connections ended because the peer broke a rule of the event socket or a limit.",
	}, []string{"kind"})
	confirmed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_freeswitch_confirmations_total",
		Help: "Callers who were texted and asked whether the text arrived, by their answer.",
	}, []string{"answer"})
	promptErrors := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_freeswitch_prompt_errors_total",
		Help: "Prompts that the switch could not play: the caller heard nothing.",
	}, []string{"prompt"})
	up := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "deflect_freeswitch_watch_up",
		Help: "1 while a watched switch is connected, by its configured name; else its waiting callers are not offered a text.",
	}, []string{"switch"})
	m := &metrics{
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflect_freeswitch_calls_active",
			Help: "Calls whose connection is open.",
		}),
		limit: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflect_freeswitch_calls_limit",
			Help: "How many calls are served at a time at most.",
		}),
		calls: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deflect_freeswitch_calls_total",
			Help: "Calls that the switch handed over; a connection that only opens and closes, as a probe does, is none.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "deflect_freeswitch_call_duration_seconds",
			Help:    "Time from the connection of a call that was handed over to giving it back.",
			Buckets: []float64{.01, .05, .25, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120},
			// As package deflect's.
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}),
		full: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "deflect_freeswitch_full_total",
			Help: "Times that as many calls as allowed were in progress: more are refused until some end.",
		}),
		rejected: map[string]prometheus.Counter{},
		protocol: map[esl.Kind]prometheus.Counter{},

		confirmed: map[string]prometheus.Counter{},

		promptErrors: map[string]prometheus.Counter{},

		offers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflect_freeswitch_offers",
			Help: "Waiting calls that are on offer.",
		}),
		watchUp: map[string]prometheus.Gauge{},
	}
	for _, sw := range switches {
		m.watchUp[sw.Name] = up.WithLabelValues(sw.Name)
	}
	for _, a := range []string{confirmedYes, confirmedNo, confirmedSilence, confirmedHangup} {
		m.confirmed[a] = confirmed.WithLabelValues(a)
	}
	for _, row := range prompts {
		m.promptErrors[row.Key] = promptErrors.WithLabelValues(row.Key)
	}
	m.promptErrors[otherPrompt] = promptErrors.WithLabelValues(otherPrompt)
	for _, r := range []string{rejectedNotAllowed, rejectedMaxCalls, rejectedShutdown, rejectedClaimUnknown} {
		m.rejected[r] = rejected.WithLabelValues(r)
	}
	for _, k := range esl.Kinds() {
		m.protocol[k] = protocol.WithLabelValues(string(k))
	}
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	all := []prometheus.Collector{m.active, m.limit, m.calls, m.duration, m.full, rejected, protocol, confirmed, promptErrors, m.offers, up}
	for i, c := range all {
		if err := reg.Register(c); err != nil {
			for _, done := range all[:i] {
				reg.Unregister(done)
			}
			return nil, &deflect.ConfigError{Field: "Registerer", Err: fmt.Errorf("give each Server its own: %w", err)}
		}
	}
	return m, nil
}

// handed counts a connection that ended, or not, before its channel data came. A peer that
// is silent or breaks the rules may be a switch whose calls nobody serves.
func (m *metrics) handed(opened, down bool, err error) {
	var broken *esl.ProtocolError
	if opened || !down || errors.As(err, &broken) {
		m.calls.Inc()
	}
}

// ended counts how a connection ended, if the peer broke a rule.
func (m *metrics) ended(err error) {
	var broken *esl.ProtocolError
	if !errors.As(err, &broken) {
		return
	}
	if c, ok := m.protocol[broken.Kind]; ok {
		c.Inc()
	}
}

// offer counts a call on offer, or one that is not any more.
func (m *metrics) offer(on bool) {
	if on {
		m.offers.Inc()
	} else {
		m.offers.Dec()
	}
}
