package deflect

import (
	"sync"
	"time"
)

const (
	pulseEvery = 100 * time.Millisecond
	// Beats that are further apart say that this process did not run in between: it
	// was stopped, or starved. A busy machine is late by less.
	longestGap = 500 * time.Millisecond
)

// pulse notices that this process does not run while it waits for the API. What
// such a wait came to tells nothing about the API.
type pulse struct {
	missed func(gap time.Duration) // hears of a gap

	mu    sync.Mutex
	waits int // the pulse beats while there are any
	timer *time.Timer
	beats
}

// beats is what is known of the beats.
type beats struct {
	last time.Time
	woke time.Time // when the last gap ended
}

// beat returns the gap that the beat ended, if there was one.
func (b *beats) beat(now time.Time) (gap time.Duration) {
	if gap = now.Sub(b.last); gap > longestGap {
		b.woke = now
	} else {
		gap = 0
	}
	b.last = now
	return gap
}

// slept reports whether there was a gap since a time, also one that no beat has
// noticed yet.
func (b *beats) slept(since, now time.Time) bool {
	return b.woke.After(since) || now.Sub(b.last) > longestGap
}

// wait is one wait for the API.
type wait struct {
	pulse *pulse
	began time.Time
	over  bool
	slept bool
}

// wait begins a wait, which end ends.
func (p *pulse) wait() wait {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.waits++; p.waits == 1 {
		p.last = now
		p.timer = time.AfterFunc(pulseEvery, p.tick) // not Reset: a bubble of synctest keeps its timers
	}
	return wait{pulse: p, began: now}
}

// end ends the wait, when it is first called, and reports whether this process did not
// run for a while in between.
func (w *wait) end() (slept bool) {
	if w.over {
		return w.slept
	}
	w.over = true
	p := w.pulse
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits--; p.waits == 0 {
		p.timer.Stop()
	}
	w.slept = p.slept(w.began, time.Now())
	return w.slept
}

func (p *pulse) tick() {
	p.mu.Lock()
	gap := p.beat(time.Now())
	if p.waits > 0 {
		p.timer.Reset(pulseEvery)
	}
	p.mu.Unlock()
	if gap > 0 {
		p.missed(gap)
	}
}
