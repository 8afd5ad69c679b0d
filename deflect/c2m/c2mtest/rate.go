package c2mtest

import "time"

// rate takes a number of requests in any one second; none that is refused counts. What
// the vendor's limit measures is not said: this is the narrowest.
type rate struct {
	limit int // negative: none
	taken []time.Time
	next  int // the oldest of taken, once it is full
}

func (r *rate) take(now time.Time) bool {
	switch {
	case r.limit < 0:
		return true
	case len(r.taken) < r.limit:
		r.taken = append(r.taken, now)
		return true
	case now.Sub(r.taken[r.next]) < time.Second:
		return false
	}
	r.taken[r.next] = now
	r.next = (r.next + 1) % r.limit
	return true
}
