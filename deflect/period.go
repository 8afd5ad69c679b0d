package deflect

import (
	"slices"
	"time"
)

// period is a span of time.
type period struct{ from, to time.Time }

func (p period) has(t time.Time) bool { return !t.Before(p.from) && !t.After(p.to) }

// merge joins periods that touch.
func merge(all []period) []period {
	slices.SortFunc(all, func(a, b period) int { return a.from.Compare(b.from) })
	var out []period
	for _, p := range all {
		if last := len(out) - 1; last >= 0 && !p.from.After(out[last].to) {
			out[last].to = later(out[last].to, p.to)
			continue
		}
		out = append(out, p)
	}
	return out
}

// without returns what of the periods is not in the others, which are merged.
func without(all, others []period) (out []period) {
	for _, p := range all {
		for _, o := range others {
			if !o.to.After(p.from) || !o.from.Before(p.to) {
				continue
			}
			if o.from.After(p.from) {
				out = append(out, period{p.from, o.from})
			}
			p.from = o.to
		}
		if p.from.Before(p.to) {
			out = append(out, p)
		}
	}
	return out
}

// earlier returns the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
