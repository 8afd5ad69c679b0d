package freeswitch

import (
	"context"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// watcher knows the calls that were announced on all watched switches.
type watcher struct {
	srv      *Server
	switches []*watched
	fleet    *fleet // nil: no other daemon watches them
	sessions sync.WaitGroup
	counting sync.WaitGroup // of what nobody has answered, in a fleet; hurry makes it end
	hurry    chan struct{}

	mu       sync.Mutex
	stopping bool
	calls    map[callKey]*announced
	ended    map[callKey]ended // calls that were taken off lately
	rounds   uint64            // the number of the latest
}

// callKey tells calls apart: the same id can be used by two switches, and by one before
// and after a restart.
type callKey struct{ core, uuid string }

func keyOfCall(h headers) callKey { return callKey{h.Get("Core-UUID"), h.Get("Unique-ID")} }

// announced is a call that was announced as on offer, until it hangs up, an agent
// takes it, or it is withdrawn. Its phase and its doubt change by their methods alone.
type announced struct {
	from  *watched // these three never change
	began time.Time
	who   identity

	phase   phase
	session *queueLine      // while it is in hand
	again   func() unlocked // announces it once more, when that is over
	doubt   doubt

	spot   spot    // where it was announced
	ch     channel // what was known of it then, and what was pressed since
	marked bool    // the switch has it marked as on offer
	round  uint64  // number of its last announcement, or decision of its caller
	since  uint64  // number of the event that announced it: what came before is of another place
	seen   uint64  // number of the last event that was looked at

	// In a fleet.
	answered  uint64 // number of the key press that was answered last, as the channel said
	notOurs   bool   // the key that a session was to deal with is not ours to answer
	elsewhere bool   // another daemon may deal with a key of it; it is listed meanwhile
	why       gone   // it went while it was in hand
}

func newWatcher(s *Server, switches []Switch, claims Claims) *watcher {
	w := &watcher{srv: s, fleet: newFleet(claims), hurry: make(chan struct{}), calls: map[callKey]*announced{}, ended: map[callKey]ended{}}
	for _, sw := range switches {
		w.switches = append(w.switches, &watched{Switch: sw, w: w, owed: map[callKey][]job{}})
	}
	return w
}

// stop takes no more keys, and waits for the sessions of those that were taken.
func (w *watcher) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.sessions.Wait()
}

// announce puts a call on offer, or on offer again. An announcement that was seen before,
// over another connection, changes nothing: the key press after it is one press. A seq of
// 0 is that of a call that was found in a list.
func (w *watcher) announce(sw *watched, l *link, data headers, seq uint64) {
	key := keyOfCall(data)
	if !channelForm.MatchString(key.uuid) {
		sw.odd()
		return
	}
	ch, at, who := readChannel(data, time.Now(), w.srv.setup.Load().Variables), spotOf(data), identityOf(data)
	said := toldBy(data)
	takeLocked := func() unlocked {
		c := w.calls[key]
		if c == nil {
			c = &announced{phase: listed, from: sw, began: time.Now(), who: who}
			w.calls[key] = c
		}
		served := w.srv.setup.Load().profiles.serving(&ch) != nil
		after := w.putOnLocked(l, key, c, at, ch, served, said)
		c.since, c.seen = seq, max(c.seen, seq)
		return after
	}
	w.locked(func() unlocked {
		c := w.calls[key]
		last, was := w.ended[key]
		switch {
		case c != nil && seq <= c.seen, was && seq <= last.seq && (seq != 0 || at.place == last.place):
			return nil
		case c != nil && c.phase.busy():
			// Compared now: when the session is over, its keys are younger. It marks the call.
			said.on = false
			w.againLocked(c, takeLocked)
			return nil
		}
		return takeLocked()
	})
}

// putOnLocked puts a call on offer at a place and marks it so, or counts that nobody serves
// it there.
func (w *watcher) putOnLocked(l *link, key callKey, c *announced, at spot, ch channel, served bool, said told) unlocked {
	if !w.offerLocked(c, at, ch, served) {
		return nil
	}
	c.answered = max(c.answered, said.answered)
	answered := c.answered
	if !served {
		c.doubt.settle() // keys say nothing to a call that nobody serves
		ch, m := c.ch, w.unservedMark(said)
		return unlocked{
			func() {
				w.unanswered(key, at.place, answered, func() { w.settle(ch, time.Now(), end(deflect.Ineligible, deflect.ReasonNoProfile)) })
			},
			func() { w.mark(l, key, c, m) }, // to hear of its end
		}
	}
	var after unlocked
	if c.marked = w.fleet != nil && said.on; !c.marked {
		m := w.onMark(at.place, answered)
		after = unlocked{func() { w.mark(l, key, c, m) }}
	}
	return append(after, w.trustLocked(l, key, c)...)
}

func (w *watcher) onOffer(key callKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.calls[key]
	return c != nil && c.phase == onOffer
}

// key takes in a key press of any call: most are of other menus.
func (w *watcher) key(l *link, n notice) {
	key, digit := keyOfCall(n), n.Get("DTMF-Digit")
	if len(digit) != 1 || !isDigit(digit[0]) {
		return
	}
	w.locked(func() unlocked {
		c := w.calls[key]
		if c == nil || sequence(n) <= c.seen {
			return nil
		}
		c.seen = sequence(n)
		switch {
		case c.phase.busy():
			c.session.see(n)
		case !c.doubt.hold(n):
			return w.pressLocked(l, key, c, n)
		}
		return nil
	})
}

// pressLocked does what a key of a call in no doubt asks for. A key that was pressed
// somewhere else is no answer, and tells that the call has gone.
func (w *watcher) pressLocked(l *link, key callKey, c *announced, n notice) unlocked {
	digit := n.Get("DTMF-Digit")
	setup := w.srv.setup.Load()
	p := setup.profiles.serving(&c.ch) // the configuration may be another one than at the announcement
	switch {
	case c.phase != onOffer || w.stopping || p == nil:
	case placeOf(n) != c.spot.place:
		return w.dropLocked(l, key, c)
	case digit == p.AcceptDigit && w.srv.enter():
		conn, ch, ok := w.inHandLocked(l, key, c, setup, n)
		if !ok {
			w.srv.leave()
			return nil
		}
		w.sessions.Go(func() {
			defer w.srv.leave()
			w.answer(key, c, conn, sequence(n), func(h *hold) { w.deal(setup, key, c, conn, ch, h) })
		})
	case digit == p.AcceptDigit:
		w.srv.metrics.rejected[rejectedMaxCalls].Inc()
		if w.fleet != nil && w.stepLocked(c, announcedInVain) { // another one may have room
			c.elsewhere = true
		}
	case digit == p.DeclineDigit && w.fleet != nil:
		if conn, ch, ok := w.inHandLocked(l, key, c, setup, n); ok {
			w.sessions.Go(func() {
				w.answer(key, c, conn, sequence(n), func(h *hold) {
					conn.close(errOver)
					w.decline(l, key, c, ch, h.decidedMark())
					_, _ = l.do(context.Background(), key.uuid, "")
				})
			})
		}
	case digit == p.DeclineDigit:
		if ch, ok := w.declineLocked(c); ok {
			return unlocked{func() { w.decline(l, key, c, ch, mark{set: decidedMark}) }}
		}
	case len(c.ch.pressed) < maxDigits:
		c.ch.pressed += digit
	}
	return nil
}

// inHandLocked hands a call to a session, for a key press.
func (w *watcher) inHandLocked(l *link, key callKey, c *announced, setup *setup, n notice) (*queueLine, channel, bool) {
	conn := newQueueLine(l, key.uuid, c.spot, setup.IdleTimeout, func(j job) { c.owe(l, key, j) })
	conn.pressed = n
	conn.free = func() { w.sessions.Go(func() { conn.freeAgent(w.srv.cut) }) }
	ch, ok := w.acceptLocked(c, conn)
	if !ok {
		conn.close(errOver)
	}
	return conn, ch, ok
}

// unlocked is what has to be done when w.mu is not held any more: it may wait, or lock it.
type unlocked []func()

// locked calls f with w.mu held, and then does what f returns.
func (w *watcher) locked(f func() unlocked) {
	w.mu.Lock()
	after := f()
	w.mu.Unlock()
	for _, do := range after {
		do()
	}
}
