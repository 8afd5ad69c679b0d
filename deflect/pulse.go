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

// wait begins a wait, and returns what ends it, once, and reports whether this
// process did not run for a while in between.
func (p *pulse) wait() (slept func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := time.Now()
	if p.waits++; p.waits == 1 {
		p.last = began
		p.timer = time.AfterFunc(pulseEvery, p.tick)
	}
	return sync.OnceValue(func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.waits--; p.waits == 0 {
			p.timer.Stop()
		}
		return p.slept(began, time.Now())
	})
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
