package freeswitch

import (
	"fmt"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// inbox holds the events of a session whose connection is not an esl.Conn. It is
// that part of conn which does not depend on the connection.
type inbox struct {
	mu     sync.Mutex
	events chan esl.Event
	woken  chan struct{}
	err    error // why it was closed
	idle   *time.Timer
	limit  time.Duration
}

// inboxSize is how many events a session may be behind.
const inboxSize = 64

// newInbox returns an inbox that is closed when no event comes for a time, as an
// esl.Conn is; it must be closed.
func newInbox(limit time.Duration) *inbox {
	b := &inbox{events: make(chan esl.Event, inboxSize), woken: make(chan struct{}, 1), limit: limit}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle = time.AfterFunc(limit, func() { b.close(fmt.Errorf("no event for %s", limit)) })
	return b
}

// Next implements conn.
func (b *inbox) Next(until time.Time) (esl.Event, error) {
	var late <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case e, ok := <-b.events:
		if !ok {
			return esl.Event{}, b.Err()
		}
		return e, nil
	case <-b.woken:
		return esl.Event{}, esl.ErrWoken
	case <-late:
		return esl.Event{}, esl.ErrTimeout
	}
}

// Patient implements conn.
func (b *inbox) Patient() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = longestCall
	if b.err == nil {
		b.idle.Reset(b.limit)
	}
}

// Wake implements conn.
func (b *inbox) Wake() {
	select {
	case b.woken <- struct{}{}:
	default: // Next has not seen the last one yet
	}
}

// Err implements conn.
func (b *inbox) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// deliver queues an event. A session that is too far behind loses the call.
func (b *inbox) deliver(e esl.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return
	}
	b.idle.Reset(b.limit)
	select {
	case b.events <- e:
	default:
		b.end(fmt.Errorf("more than %d events were waiting", inboxSize))
	}
}

// close ends the events; only the first reason counts.
func (b *inbox) close(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.end(err)
	}
}

// end is close; mu is held.
func (b *inbox) end(err error) {
	b.err = err
	b.idle.Stop()
	close(b.events)
}
