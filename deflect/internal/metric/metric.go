// Package metric registers metrics.
package metric

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Native adds native buckets to a histogram, for a Prometheus that asks for them: within 10 %,
// at most 100 that are not empty. When there would be more they are counted anew, at most
// once an hour, and wider else. The classic ones stay for all others.
func Native(o prometheus.HistogramOpts) prometheus.HistogramOpts {
	o.NativeHistogramBucketFactor = 1.1
	o.NativeHistogramMaxBucketNumber = 100
	o.NativeHistogramMinResetDuration = time.Hour
	return o
}

// Register registers all or none. A nil registry is a private one.
func Register(reg prometheus.Registerer, all []prometheus.Collector) error {
	if reg == nil {
		return nil
	}
	for i, c := range all {
		if err := reg.Register(c); err != nil {
			Unregister(reg, all[:i])
			var dup prometheus.AlreadyRegisteredError
			if errors.As(err, &dup) {
				err = errors.New("already holds the metrics of another Client; give each its own")
			}
			return err
		}
	}
	return nil
}

// Unregister takes all off a registry, which may be nil.
func Unregister(reg prometheus.Registerer, all []prometheus.Collector) {
	if reg == nil {
		return
	}
	for _, c := range all {
		reg.Unregister(c)
	}
}
