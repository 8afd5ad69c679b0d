// Package period does sums with spans of time.
package period

import (
	"errors"
	"slices"
	"time"
)

// Span is a span of time.
type Span struct{ From, To time.Time }

// Has reports whether a time is in it, its ends included.
func (s Span) Has(t time.Time) bool { return !t.Before(s.From) && !t.After(s.To) }

// LongestReport is the longest span that a report is asked for: ten years.
const LongestReport = 10 * 366 * 24 * time.Hour

const lastSecond = 253402300799 // of the year 9999

// ErrBadSpan is that of a span that no report can be of.
var ErrBadSpan = errors.New("a span must end after it begins, begin after 1970, end before the year 10000, and be no longer than ten years")

// OfReport returns the span that a report is asked for, cut to whole milliseconds. The error
// is [ErrBadSpan].
func OfReport(from, to time.Time) (Span, error) {
	s := Span{from.Truncate(time.Millisecond), to.Truncate(time.Millisecond)}
	if !s.To.After(s.From) || s.From.UnixMilli() < 0 || s.To.Unix() > lastSecond || s.To.Sub(s.From) > LongestReport {
		return Span{}, ErrBadSpan
	}
	return s, nil
}

// Merge joins spans that touch.
func Merge(all []Span) []Span {
	slices.SortFunc(all, func(a, b Span) int { return a.From.Compare(b.From) })
	var out []Span
	for _, p := range all {
		if last := len(out) - 1; last >= 0 && !p.From.After(out[last].To) {
			out[last].To = Later(out[last].To, p.To)
			continue
		}
		out = append(out, p)
	}
	return out
}

// Without returns what of the spans is not in the others, which are merged.
func Without(all, others []Span) (out []Span) {
	for _, p := range all {
		for _, o := range others {
			if !o.To.After(p.From) || !o.From.Before(p.To) {
				continue
			}
			if o.From.After(p.From) {
				out = append(out, Span{p.From, o.From})
			}
			p.From = o.To
		}
		if p.From.Before(p.To) {
			out = append(out, p)
		}
	}
	return out
}

// Earlier returns the earlier of two times; zero is none.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Later returns the later of two times.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Apart is how far two times are from each other.
func Apart(a, b time.Time) time.Duration { return a.Sub(b).Abs() }
