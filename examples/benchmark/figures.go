package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// figures are one measurement of every run, in the order of the runs.
type figures []float64

// median is the middle one; of two, their mean.
func (f figures) median() float64 {
	if len(f) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(f))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// over divides run by run.
func (f figures) over(g figures) figures {
	out := make(figures, min(len(f), len(g)))
	for i := range out {
		out[i] = f[i] / g[i]
	}
	return out
}

// less subtracts run by run.
func (f figures) less(g figures) figures {
	out := make(figures, min(len(f), len(g)))
	for i := range out {
		out[i] = f[i] - g[i]
	}
	return out
}

// mean is half of the sum, run by run.
func (f figures) mean(g figures) figures {
	out := make(figures, min(len(f), len(g)))
	for i := range out {
		out[i] = (f[i] + g[i]) / 2
	}
	return out
}

// show is the median.
func (f figures) show(unit func(float64) string) string { return unit(f.median()) }

// spread is the median, the least and the most.
func (f figures) spread(unit func(float64) string) string {
	if len(f) < 2 {
		return f.show(unit)
	}
	return fmt.Sprintf("%s (%s to %s)", f.show(unit), unit(slices.Min(f)), unit(slices.Max(f)))
}

// middle is the median, and between what the middle half of them lies.
func (f figures) middle(unit func(float64) string) string {
	if len(f) < 2 {
		return f.show(unit)
	}
	s := slices.Sorted(slices.Values(f))
	return fmt.Sprintf("%s (%s to %s)", f.show(unit), unit(s[len(s)/4]), unit(s[len(s)-1-len(s)/4]))
}

// percentile is the least value that p percent do not exceed.
func percentile(sorted []time.Duration, p int) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return float64(sorted[max((len(sorted)*p+99)/100-1, 0)])
}

// digits writes a number with three digits that say something, at least those before
// the point.
func digits(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case math.Abs(v) >= 1e4:
		return thousands(int64(math.Round(v/100)) * 100)
	case math.Abs(v) >= 1e3:
		return thousands(int64(math.Round(v/10)) * 10)
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case math.Abs(v) >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// The units of the tables.
func ms(ns float64) string         { return digits(ns/1e6) + " ms" }
func micro(ns float64) string      { return digits(ns/1e3) + " µs" }
func kb(bytes float64) string      { return digits(bytes/1e3) + " KB" }
func mb(bytes float64) string      { return digits(bytes/1e6) + " MB" }
func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 0, 64) + " %" }
func ratio(r float64) string       { return strconv.FormatFloat(r, 'f', 2, 64) }
func count(n float64) string       { return thousands(int64(math.Round(n))) }
