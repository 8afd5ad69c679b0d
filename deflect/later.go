package deflect

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

const (
	// maxWaiting bounds how many texts wait. Those above are not offered, or fail.
	maxWaiting = 10_000
	// laterAtOnce is how many texts that waited are sent at a time: callers on the line
	// come first.
	laterAtOnce = 8
	// lateOpening is how long a text for when the team is back is still sent after its time,
	// which may have come while no process ran.
	lateOpening = time.Hour
)

// tryAgain is after how long a text is tried again, as the vendor advises; the last one is
// that of all further tries.
var tryAgain = []time.Duration{
	5 * time.Second, 10 * time.Second, 15 * time.Second,
	2 * time.Minute, 4 * time.Minute, 8 * time.Minute,
}

func pauseAfter(tries int) time.Duration { return tryAgain[min(tries, len(tryAgain)-1)] }

// canWait reports whether texts by a policy can wait now.
func (c *Client) canWait(s *setup, p *Policy) bool {
	return s.policies[p.name] != nil && c.later.room()
}

// reopens returns when it opens again for a caller who calls at a time, if the text can wait
// until then.
func (q *inquiry) reopens(at time.Time) (time.Time, bool) {
	most := q.policy.rules.Later.Closed
	if most == 0 || !q.client.canWait(q.setup, q.policy) {
		return time.Time{}, false
	}
	return q.policy.hours.reopens(at, most)
}

// mayWait reports whether a text that ended so is tried again for a while.
func (c *Client) mayWait(q *inquiry, e ending) bool {
	return e.Outcome == Failed && q.policy.rules.Later.Failed > 0 && slices.Contains(e.Reason.row().outcomes, Deferred) && c.canWait(q.setup, q.policy)
}

// tryLater keeps a text that failed, of which the journal knows the state from.
func (c *Client) tryLater(q *inquiry, from State, e ending) (ending, bool) {
	now := time.Now().Round(0)
	entry := q.entry(Waiting, e.Reason)
	entry.Next = now.Add(max(pauseAfter(0), e.RetryAfter))
	entry.Until = now.Add(q.policy.rules.Later.Failed)
	return c.keep(q, from, entry, e.Err)
}

// atOpening keeps a text for when the team is back.
func (c *Client) atOpening(q *inquiry, opens time.Time) (ending, bool) {
	entry := q.entry(Waiting, ReasonOutsideHours)
	entry.Next, entry.Until = q.policy.afterOpening(opens)
	return c.keep(q, "", entry, nil)
}

// afterOpening is when a text goes out for which a team was waited that is back at a time,
// and when it is given up.
func (p *Policy) afterOpening(opens time.Time) (next, until time.Time) {
	later := p.rules.Later
	next = opens.Round(0).Add(rand.N(later.Spread))
	return next, next.Add(max(later.Failed, lateOpening))
}

// keep puts a text into the journal, and reports whether it is there: nobody is promised a
// text that a crash can take.
func (c *Client) keep(q *inquiry, from State, entry Entry, why error) (e ending, kept bool) {
	data, err := q.setup.callData(q.text)
	if err != nil {
		return ending{Attempt: failed(ReasonInternal, clean.Error{Err: err})}, false
	}
	entry.Data, entry.Outcome = data, Deferred
	// The time of the call may be over, which can be why the text has to wait.
	ctx, answered := c.journalTime(context.WithoutCancel(q.ctx), q)
	changed, err := c.journal.Change(ctx, from, entry)
	answered()
	if err != nil || !changed {
		switch {
		case err == nil:
			err = errOtherState
		case q.journal >= journalWithin:
			err = errSlowJournal
		}
		c.erase(entry.ExternalCallID) // it may have been kept all the same
		c.metrics.journalFailures[journalRefused].Inc()
		return ending{Attempt: failed(ReasonJournal, fmt.Errorf("%w: %w", ErrJournal, clean.Error{Err: err}))}, false
	}
	c.later.add(entry)
	return ending{Attempt: Attempt{Outcome: Deferred, Reason: entry.Reason, Err: why}}, true
}

// later is the texts that wait, by when they are tried. What they hold is in the journal.
// Its goroutine lives while there are any.
type later struct {
	client *Client
	wake   chan struct{}

	mu     sync.Mutex
	idle   *sync.Cond // busy or out changed
	byID   map[string]*laterText
	byTime laterHeap
	out    int  // being sent
	busy   bool // the goroutine runs
	closed bool
}

type laterText struct {
	id    string
	next  time.Time
	since time.Time
	at    int // in the heap; -1 while it is being sent
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
	t.next = e.Next
	if t.at < 0 {
		heap.Push(&l.byTime, t)
	} else {
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
		return nil, wait, true
	}
	heap.Pop(&l.byTime)
	l.out++
	return t, 0, true
}

// send tries to send one text. Whatever becomes of it, the others go on.
func (l *later) send(t *laterText) {
	again := Entry{Next: time.Now().Add(tryAgain[len(tryAgain)-1])} // after a panic
	waits := true
	defer func() {
		if p := recover(); p != nil {
			// On this goroutine it would end the process, and every call with it.
			l.client.log.Error("a text that waited was not sent", "call_id", LogID(t.id), "panic", clean.Panic(p))
		}
		l.mu.Lock()
		l.out--
		if waits && l.byID[t.id] == t {
			t.next = again.Next
			heap.Push(&l.byTime, t)
		} else if l.byID[t.id] == t {
			delete(l.byID, t.id)
		}
		l.idle.Broadcast()
		l.mu.Unlock()
		l.wakeUp()
	}()
	again, waits = l.client.sendLater(t.id)
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

// sendLater tries to send a text that waits. It returns when it is tried again, if it is.
func (c *Client) sendLater(id string) (again Entry, waits bool) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupWithin)
	defer cancel()
	entry, err := c.journal.Find(ctx, id)
	switch {
	case err != nil:
		c.log.Warn("a text that waits cannot be sent yet: the journal does not answer", "call_id", LogID(id), "err", clean.Error{Err: err})
		return Entry{Next: time.Now().Add(pauseAfter(0))}, true
	case entry.State != Waiting: // cancelled, or sent by another
		return Entry{}, false
	}
	e, next := c.tryLaterText(entry)
	switch {
	case e.gone:
		return Entry{}, false
	case e.Outcome == Sent, e.Outcome == Uncertain:
		c.endLater(entry, e)
		return Entry{}, false
	case !next.IsZero() && !next.After(entry.Until):
		entry.Next = next.Round(0)
		if slices.Contains(e.Reason.row().outcomes, Deferred) {
			entry.Reason = e.Reason // else it is our own side that was not able to
		}
		entry.Tries++
		c.journal.Note(entry)
		return entry, true
	}
	c.erase(id)
	c.endLater(entry, e)
	return Entry{}, false
}

// tryLaterText asks again what protects who is texted, and then for the text. It returns
// when it can be tried again, zero for never.
func (c *Client) tryLaterText(entry Entry) (e ending, next time.Time) {
	now := time.Now()
	policy := c.setup.Load().policies[entry.Policy]
	call, err := readCall(entry)
	switch {
	case err != nil:
		return ending{Attempt: failed(ReasonInternal, err)}, next
	case policy == nil:
		return refusedLater(ReasonNoProfile, errNoPolicy), next
	case now.After(entry.Until):
		return refusedLater(entry.Reason, errTooLate), next
	}
	if open, why := policy.hours.open(now); !open {
		if opens, ok := policy.hours.reopens(now, entry.Until.Sub(now)); ok {
			next, _ = policy.afterOpening(opens)
		}
		return refusedLater(ReasonOutsideHours, errors.New("closed: "+why)), next
	}
	call.Policy = policy
	q := c.inquire(context.Background(), call, now)
	q.final = true
	ctx, cancel := context.WithDeadlineCause(q.ctx, q.until, cutoff.ErrLiveDeadline)
	defer cancel()
	again := now.Add(pauseAfter(entry.Tries + 1))
	done, ok := c.calls.take(ctx, entry.ExternalCallID)
	if !ok {
		return ending{Attempt: late(ctx, cutoff.InSameCall)}, again
	}
	defer done()
	if no := q.refusal(protecting); no != nil {
		if q.unsure {
			next = again
		}
		return ending{Attempt: Attempt{Outcome: no.Outcome, Reason: no.Reason, Err: no.Err}}, next
	}
	e, _ = c.send(ctx, q, nil, Waiting)
	if e.Outcome == Failed && (e.Reason.row().ours || slices.Contains(e.Reason.row().outcomes, Deferred)) {
		next = period.Later(again, now.Add(e.RetryAfter))
	}
	return e, next
}

var (
	errNoPolicy = errors.New("there is no policy of this name any more")
	errTooLate  = errors.New("it could not be sent in its time")
)

// refusedLater is the end of a text that waited in vain.
func refusedLater(r Reason, err error) ending {
	o := Ineligible
	if slices.Contains(r.row().outcomes, Failed) {
		o = Failed
	}
	return ending{Attempt: Attempt{Outcome: o, Reason: r, Err: err}}
}

// endLater counts and logs the end of a text that waited.
func (c *Client) endLater(entry Entry, e ending) {
	counter, ok := c.metrics.laterEnded[e.Outcome][e.Reason]
	if !ok {
		counter = c.metrics.laterEnded[Failed][ReasonInternal]
	}
	counter.Inc()
	level, words := slog.LevelInfo, "text that waited was sent"
	switch {
	case e.Outcome == Sent:
	case e.Outcome == Uncertain:
		words = "text that waited may have been sent"
	case e.Reason == ReasonCooldown:
		words = "text that waited is dropped: its caller was, or may have been, texted meanwhile"
	default:
		level, words = slog.LevelWarn, "text that waited is dropped: the caller was promised it, and will not get it"
	}
	attrs := []slog.Attr{
		slog.String("call_id", LogID(entry.ExternalCallID)), slog.String("outcome", string(e.Outcome)), slog.String("reason", string(e.Reason)),
		slog.Duration("waited", time.Since(entry.Since)), slog.Int("tries", entry.Tries+1),
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("err", e.Err))
	}
	c.log.LogAttrs(context.Background(), level, words, attrs...)
}

// laterHeap has the text that is tried first in front.
type laterHeap []*laterText

func (h laterHeap) Len() int           { return len(h) }
func (h laterHeap) Less(i, j int) bool { return h[i].next.Before(h[j].next) }
func (h laterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *laterHeap) Push(x any) {
	t := x.(*laterText)
	t.at = len(*h)
	*h = append(*h, t)
}

func (h *laterHeap) Pop() any {
	last := len(*h) - 1
	t := (*h)[last]
	t.at = -1
	(*h)[last] = nil
	*h = (*h)[:last]
	return t
}
