package esl

import "time"

// An event costs time that other calls need. A call has at most mostEvents at once, and
// one in each eventEvery after that; real ones have some ten in all.
const (
	mostEvents = 256
	eventEvery = 5 * time.Millisecond
)

// pace counts events.
type pace struct {
	paid time.Time // up to when the events that came use up the rate
}

// event counts one, and refuses a flood.
func (p *pace) event() error {
	now := time.Now()
	if p.paid.Before(now) {
		p.paid = now
	}
	p.paid = p.paid.Add(eventEvery)
	if p.paid.Sub(now) > mostEvents*eventEvery {
		return fault(KindEventFlood, "more events than a call has")
	}
	return nil
}
