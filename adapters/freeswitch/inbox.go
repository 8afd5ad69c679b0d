package freeswitch

import (
	"fmt"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// inbox holds the events of a call whose connection is not an esl.Conn: all of them are
// taken in elsewhere, and the session waits here.
type inbox[E any] struct {
	mu     sync.Mutex
	events chan E
	woken  chan struct{}
	err    error // why it was closed
	idle   *time.Timer
	limit  time.Duration
}

// inboxSize is how many events a session may be behind.
const inboxSize = 64

// newInbox returns an inbox that is closed when no event comes for a time, as an
// esl.Conn is; it must be closed.
func newInbox[E any](limit time.Duration) *inbox[E] {
	b := &inbox[E]{events: make(chan E, inboxSize), woken: make(chan struct{}, 1), limit: limit}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle = time.AfterFunc(limit, func() { b.close(fmt.Errorf("no event for %s", limit)) })
	return b
}

// Next waits as conn.Next does.
func (b *inbox[E]) Next(until time.Time) (e E, err error) {
	var late <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case e, ok := <-b.events:
		if !ok {
			return e, b.Err()
		}
		return e, nil
	case <-b.woken:
		return e, esl.ErrWoken
	case <-late:
		return e, esl.ErrTimeout
	}
}

// Patient is that of conn.
func (b *inbox[E]) Patient() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = longestCall
	if b.err == nil {
		b.idle.Reset(b.limit)
	}
}

// Wake ends the wait of Next, or else the next one before it begins.
func (b *inbox[E]) Wake() {
	select {
	case b.woken <- struct{}{}:
	default: // Next has not seen the last one yet
	}
}

// Err says why it was closed, nil before.
func (b *inbox[E]) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// deliver queues an event. A session that is too far behind loses the call.
func (b *inbox[E]) deliver(e E) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return
	}
	b.idle.Reset(b.limit)
	select {
	case b.events <- e:
	default:
		b.endLocked(fmt.Errorf("more than %d events were waiting", inboxSize))
	}
}

// close ends the events; only the first reason counts.
func (b *inbox[E]) close(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.endLocked(err)
	}
}

// endLocked is close.
func (b *inbox[E]) endLocked(err error) {
	b.err = err
	b.idle.Stop()
	close(b.events)
}
