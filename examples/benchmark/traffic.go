package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

var began = time.Now()

// now is the monotonic clock in nanoseconds, never 0.
func now() int64 { return int64(time.Since(began)) + 1 }

// marks are the moments of one call; 0 is never.
type marks struct {
	rung    int64        // the switch began to connect
	offered int64        // it was told to play the offer; both are the leg's own until it ends
	pressed atomic.Int64 // the switch wrote the DTMF event
	request atomic.Int64 // the API got the request
	command atomic.Int64 // the switch got the next command
}

// phase is calls in a row, numbered, with their moments.
type phase struct {
	first int
	marks []marks
	took  time.Duration
	fault atomic.Pointer[error] // the first thing that went wrong
}

// fail keeps the first error.
func (p *phase) fail(err error) {
	if err != nil {
		p.fault.CompareAndSwap(nil, &err)
	}
}

func (p *phase) err() error {
	if e := p.fault.Load(); e != nil {
		return *e
	}
	return nil
}

// of returns the marks of a call, nil if it is not of this phase.
func (p *phase) of(n int) *marks {
	if i := n - p.first; i >= 0 && i < len(p.marks) {
		return &p.marks[i]
	}
	return nil
}

// traffic is where calls go, and how many went.
type traffic struct {
	rec     *recording
	api     *api
	address string
	next    int // number of the next call
}

func (t *traffic) begin(calls int) *phase {
	p := &phase{first: t.next, marks: make([]marks, calls)}
	t.next += calls
	t.api.phase.Store(p)
	return p
}

// play plays the i-th call of a phase, whose caller thinks for some time.
func (t *traffic) play(p *phase, i int, think time.Duration) {
	l, err := ring(t.rec, t.address, p.first+i, &p.marks[i])
	if err == nil {
		err = errors.Join(l.finish(think), l.close())
	}
	if err != nil {
		p.fail(fmt.Errorf("call %d: %w", p.first+i, err))
	}
}

// closed plays so many calls, so many at a time.
func (t *traffic) closed(calls, parallel int) (*phase, error) {
	p := t.begin(calls)
	start := time.Now()
	var n atomic.Int64
	var callers sync.WaitGroup
	for range parallel {
		callers.Go(func() {
			for i := int(n.Add(1)) - 1; i < calls && p.err() == nil; i = int(n.Add(1)) - 1 {
				t.play(p, i, 0)
			}
		})
	}
	callers.Wait()
	p.took = time.Since(start)
	return p, p.err()
}

// maxOpen bounds how many calls are in progress when a subject does not keep up.
const maxOpen = 1000

// thought is how long callers think at a fixed rate: for people an instant, for a subject
// enough to be done with all that came before the key.
const thought = 50 * time.Millisecond

// open lets calls come at a rate a second, however long the others take. A subject
// that does not keep up makes it take longer.
func (t *traffic) open(rate int, length time.Duration) (*phase, error) {
	p := t.begin(callsAt(rate, length))
	took := paced(rate, len(p.marks), func(i int) bool {
		t.play(p, i, thought)
		return p.err() == nil
	})
	p.took = max(took-thought, time.Duration(len(p.marks))*time.Second/time.Duration(rate))
	return p, p.err()
}

// openUntil lets the calls of a phase come at a rate a second until they are all there or
// ctx ends, and those that came end.
func (t *traffic) openUntil(ctx context.Context, p *phase, rate int) {
	paced(rate, len(p.marks), func(i int) bool {
		t.play(p, i, thought)
		return p.err() == nil && ctx.Err() == nil
	})
}

// callsAt is how many calls there are in a time.
func callsAt(rate int, length time.Duration) int {
	return max(1, int(float64(rate)*length.Seconds()))
}

// paced runs play for so many calls, at a rate a second, until one returns false. It
// returns how long they all took.
func paced(rate, calls int, play func(i int) bool) time.Duration {
	var callers sync.WaitGroup
	var failed atomic.Bool
	room := make(chan struct{}, maxOpen)
	start := time.Now()
	for i := range calls {
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		if failed.Load() {
			break
		}
		room <- struct{}{}
		callers.Go(func() {
			defer func() { <-room }()
			if !play(i) {
				failed.Store(true)
			}
		})
	}
	callers.Wait()
	return time.Since(start)
}

// rate is how many calls a second there were.
func (p *phase) rate() float64 { return float64(len(p.marks)) / p.took.Seconds() }

// hold brings calls of a phase, from one up to before another, as far as the offer and
// leaves them there.
func (t *traffic) hold(p *phase, from, to int) ([]*leg, error) {
	legs := make([]*leg, to-from)
	var n atomic.Int64
	var callers sync.WaitGroup
	for range 16 {
		callers.Go(func() {
			for i := int(n.Add(1)) - 1; i < len(legs) && p.err() == nil; i = int(n.Add(1)) - 1 {
				l, err := ring(t.rec, t.address, p.first+from+i, &p.marks[from+i])
				if err == nil {
					legs[i] = l
					err = l.until(offered)
				}
				if err != nil {
					p.fail(fmt.Errorf("call %d: %w", p.first+from+i, err))
				}
			}
		})
	}
	callers.Wait()
	return legs, p.err()
}
