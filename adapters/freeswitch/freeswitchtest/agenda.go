package freeswitchtest

import (
	"slices"
	"time"
)

// An agenda holds what will happen to a call. What falls on the same moment
// happens in the order in which it was put in.
type agenda []appointment

type appointment struct {
	at time.Time
	do func()
}

func (a *agenda) add(at time.Time, do func()) {
	i := len(*a)
	for i > 0 && (*a)[i-1].at.After(at) {
		i--
	}
	*a = slices.Insert(*a, i, appointment{at, do})
}

// next tells when the first appointment is.
func (a agenda) next() (time.Time, bool) {
	if len(a) == 0 {
		return time.Time{}, false
	}
	return a[0].at, true
}

// due takes the first appointment if its time has come.
func (a *agenda) due(now time.Time) (func(), bool) {
	if len(*a) == 0 || (*a)[0].at.After(now) {
		return nil, false
	}
	do := (*a)[0].do
	*a = slices.Delete(*a, 0, 1)
	return do, true
}
