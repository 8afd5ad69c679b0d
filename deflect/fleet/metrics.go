package fleet

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/metric"
)

// operations are what is asked of Redis, each a label.
var operations = []string{
	"held", "take", "confirm", "release", "keep",
	"budget_left", "budget_take", "budget_release",
	"opted_out", "opt_out_add", "opt_out_remove",
	"claim", "claim_release",
	"warn", "warned",
	"inspect", "probe",
}

// What a request ended with.
const (
	resultOK      = "ok"
	resultError   = "error"
	resultTimeout = "timeout"
	resultLocal   = "local"
)

var results = []string{resultOK, resultError, resultTimeout, resultLocal}

type metrics struct {
	of  map[string]*operationMetrics
	all []prometheus.Collector
}

type operationMetrics struct {
	results  map[string]prometheus.Counter
	ok       prometheus.Counter
	duration prometheus.Observer
	well     atomic.Int64 // when it last went well, since the start
}

func newMetrics(up func() bool) *metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_store_requests_total",
		Help: "Requests to the Redis of the fleet by what was asked and how it ended; local is an error after which this process decided by its own memory.",
	}, []string{"operation", "result"})
	duration := prometheus.NewHistogramVec(metric.Native(prometheus.HistogramOpts{
		Name:    "deflect_store_request_duration_seconds",
		Help:    "Time that a request to the Redis of the fleet took.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
	}), []string{"operation"})
	m := &metrics{of: map[string]*operationMetrics{}, all: []prometheus.Collector{requests, duration,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "deflect_store_up",
			Help: "1 while the Redis of the fleet answers, 0 while it does not, or refuses.",
		}, func() float64 {
			if up() {
				return 1
			}
			return 0
		})}}
	for _, op := range operations {
		o := &operationMetrics{results: map[string]prometheus.Counter{}, duration: duration.WithLabelValues(op)}
		for _, r := range results {
			o.results[r] = requests.WithLabelValues(op, r)
		}
		o.ok = o.results[resultOK]
		m.of[op] = o
	}
	return m
}

func (o *operationMetrics) count(result string, took time.Duration) {
	if result == resultOK {
		o.ok.Inc()
	} else {
		o.results[result].Inc()
	}
	o.duration.Observe(took.Seconds())
}
