package deflect

import (
	"container/heap"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/due"
)

// later is the texts that wait, by when they are tried. What they hold is in the journal.
// Its goroutine lives while there are any.
type later struct {
	client *Client
	wake   chan struct{}

	mu     sync.Mutex
	idle   *sync.Cond // busy or out changed
	byID   map[string]*laterText
	byTime due.Heap[*laterText]
	out    int  // being sent
	busy   bool // the goroutine runs
	closed bool
}

type laterText struct {
	id    string
	next  time.Time
	since time.Time
	at    int  // in the heap; -1 when it is not
	out   bool // it is being sent
}

func newLater(c *Client) *later {
	l := &later{client: c, wake: make(chan struct{}, 1), byID: map[string]*laterText{}}
	l.idle = sync.NewCond(&l.mu)
	return l
}

func (l *later) room() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.closed && len(l.byID) < maxWaiting
}

// add takes a text that waits from now on, or again.
func (l *later) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.byID[e.ExternalCallID]
	if t == nil {
		t = &laterText{id: e.ExternalCallID, since: e.Since, at: -1}
		l.byID[t.id] = t
	}
	switch t.next = e.Next; {
	case t.out: // it comes back when it was tried
	case t.at < 0:
		heap.Push(&l.byTime, t)
	default:
		heap.Fix(&l.byTime, t.at)
	}
	if !l.busy && !l.closed {
		l.busy = true
		go l.run()
	}
	l.wakeUp()
}

func (l *later) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// removeLocked forgets a text.
func (l *later) removeLocked(t *laterText) {
	if t.at >= 0 {
		heap.Remove(&l.byTime, t.at)
	}
	delete(l.byID, t.id)
}

func (l *later) run() {
	for {
		due, wait, more := l.due()
		switch {
		case !more:
			return
		case due != nil:
			go l.send(due)
			continue
		case wait < 0:
			<-l.wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.wake:
			timer.Stop()
		}
	}
}

// due returns a text to send now, or how long there is none: below zero until somebody
// wakes. With nothing left the goroutine has to end.
func (l *later) due() (t *laterText, wait time.Duration, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed, len(l.byTime) == 0 && l.out == 0:
		l.busy = false // together with the decision, or a new one would be forgotten
		l.idle.Broadcast()
		return nil, 0, false
	case len(l.byTime) == 0, l.out == laterAtOnce:
		return nil, -1, true
	}
	t = l.byTime[0]
	if wait = time.Until(t.next); wait > 0 {
		return nil, min(wait, longestSleep), true
	}
	heap.Pop(&l.byTime)
	t.out = true
	l.out++
	return t, 0, true
}

// send tries to send one text. Whatever becomes of it, the others go on.
func (l *later) send(t *laterText) {
	var again time.Time // zero when it does not wait any more
	defer func() {
		if p := recover(); p != nil {
			// On this goroutine it would end the process, and every call with it.
			l.client.log.Error("a text that waited may have been sent, and nobody knows: the backend panicked", "call_id", LogID(t.id), "panic", clean.Panic(p))
			l.client.doubtLater(t.id)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.out--
		t.out = false
		switch {
		case l.byID[t.id] != t: // forgotten meanwhile
		case again.IsZero():
			delete(l.byID, t.id)
		default:
			t.next = again
			heap.Push(&l.byTime, t)
		}
		l.idle.Broadcast()
		l.wakeUp()
	}()
	again = l.client.sendLater(t.id)
}

// close ends the sending; what waits is in the journal. It waits for what is out.
func (l *later) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.wakeUp()
	for l.busy || l.out > 0 {
		l.idle.Wait()
	}
}

// ids are those of the texts that wait.
func (l *later) ids() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.byID {
		ids = append(ids, id)
	}
	return ids
}

// forget forgets texts that nobody is to be sent any more.
func (l *later) forget(ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if t := l.byID[id]; t != nil {
			l.removeLocked(t)
		}
	}
}

// waiting returns how many texts wait, and since when the one that does so longest.
func (l *later) waiting() (n int, oldest time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.byID {
		if oldest.IsZero() || t.since.Before(oldest) {
			oldest = t.since
		}
	}
	return len(l.byID), oldest
}

func (t *laterText) Before(other *laterText) bool { return t.next.Before(other.next) }

func (t *laterText) Place() *int { return &t.at }
