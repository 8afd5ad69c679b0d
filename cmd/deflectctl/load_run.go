package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

// The Event-UUIDs of deflectd's prompts tell what is played: the file names are
// those of its configuration.
const (
	offerPrompts = "offer-" // and a number
	resultPrompt = "bye-1"
)

const (
	// otherPrompts is how long every prompt plays that is no offer.
	otherPrompts = 200 * time.Millisecond
	// afterHangUp is how long deflectd may take to let go of callers who hang up
	// because of ctrl-C: it lingers for 5 s.
	afterHangUp = 10 * time.Second
)

// loadRun is one load test. Its calls begin by the clock, not when others end.
type loadRun struct {
	cmd     *loadCmd
	callers callers
	leave   chan struct{} // closed: all callers hang up
	noEnd   error         // what a call is lost by that exceeds the limit
	held    atomic.Int64

	mu    sync.Mutex
	tally tally
}

func newLoadRun(c *loadCmd, numbers callers) *loadRun {
	return &loadRun{cmd: c, callers: numbers, leave: make(chan struct{}), noEnd: fmt.Errorf("no end within %v (see --limit)", c.Limit)}
}

var errStays = errors.New("no end after the caller hung up")

// play runs all calls. When stop ends no more of them begin, and those in progress
// hang up.
func (r *loadRun) play(stop context.Context) *tally {
	ctx, cut := context.WithCancelCause(context.WithoutCancel(stop))
	defer cut(nil)
	var running sync.WaitGroup
	start := time.Now()
	begun, last := 0, start
	for i := range r.cmd.Calls {
		due := start.Add(time.Duration(float64(i) / r.cmd.Rate * float64(time.Second)))
		if !waitUntil(stop, due) {
			break
		}
		begun, last = i+1, time.Now()
		r.tally.heldMax = max(r.tally.heldMax, r.held.Add(1))
		running.Go(func() { r.one(ctx, i, due) })
	}
	ended := make(chan struct{})
	go func() { running.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-stop.Done():
		r.tally.interrupted = true
		close(r.leave)
		timer := time.AfterFunc(afterHangUp, func() { cut(errStays) })
		<-ended
		timer.Stop()
	}
	r.tally.interrupted = r.tally.interrupted || begun < r.cmd.Calls
	r.tally.took = time.Since(start)
	if begun > 0 {
		r.tally.rate = float64(begun) / (last.Sub(start).Seconds() + 1/r.cmd.Rate)
	}
	return &r.tally
}

// waitUntil tells whether the time came before stop ended.
func waitUntil(stop context.Context, due time.Time) bool {
	d := time.Until(due)
	if d <= 0 {
		return stop.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop.Done():
		return false
	}
}

// one plays one call that was to begin when it is due.
func (r *loadRun) one(ctx context.Context, i int, due time.Time) {
	late := time.Since(due)
	ctx, done := context.WithTimeoutCause(ctx, r.cmd.Limit, r.noEnd)
	defer done()
	call := r.call(i)
	result, err := call.Dial(ctx, r.cmd.Daemon)
	r.held.Add(-1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.started(late)
	r.tally.add(r.cmd.Hold, due, result, err)
}

// call is what caller i does.
func (r *loadRun) call(i int) freeswitchtest.Call {
	hold := r.cmd.Hold
	call := freeswitchtest.Call{
		ANI: r.callers.number(i), DNIS: r.cmd.To, Vars: r.cmd.Var, SocketResume: true, Leave: r.leave,
	}
	offer := hold
	if r.cmd.presses(i) {
		call.Script = []freeswitchtest.Action{freeswitchtest.Press(r.cmd.Press).After(hold)}
		offer = 2*hold + time.Second // the key ends it
	}
	call.Length = func(_, uuid string) time.Duration {
		if strings.HasPrefix(uuid, offerPrompts) {
			return offer
		}
		return otherPrompts
	}
	return call
}

// now tells how the test goes.
func (r *loadRun) now() (done int, held int64, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tally.calls, r.held.Load(), r.tally.lost
}
