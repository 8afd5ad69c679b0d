package freeswitch

import (
	"maps"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// ended is what is remembered for a while of a call that was taken off: its announcement
// may come again, over a slower connection or out of a list that was made before.
type ended struct {
	seq   uint64 // of its last event
	place place
	when  time.Time
}

const rememberEnded = 2 * time.Minute

// forgetLocked takes a call off the map, and remembers that it was there.
func (w *watcher) forgetLocked(key callKey, seq uint64, at place) {
	delete(w.calls, key)
	w.ended[key] = ended{max(seq, w.ended[key].seq), at, time.Now()}
}

// forgetEnded gives up the memory of calls that were taken off rememberEnded ago.
func (w *watcher) forgetEnded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.ended, func(_ callKey, e ended) bool { return time.Since(e.when) > rememberEnded })
}

// dropLocked takes a call off that is not where it was announced, or was withdrawn. Of
// one in hand the key was pressed before, so there will be a text, but nothing is played
// to a caller who is somewhere else by now.
func (w *watcher) dropLocked(l *link, key callKey, c *announced) unlocked {
	was, off := c.phase, w.offMark(c.spot.place)
	w.goneLocked(key, c, served)
	switch {
	case was.busy():
		return nil
	case was != onOffer && !c.elsewhere:
		return unlocked{func() { w.mark(l, key, c, off) }}
	}
	ch, at, answered := c.ch, c.spot.place, c.answered
	return unlocked{func() {
		w.unanswered(key, at, answered, func() {
			w.mark(l, key, c, off)
			w.settle(ch, c.began, end(deflect.NoInput, deflect.ReasonNoKey))
		})
	}}
}

// withdraw takes a call off offer.
func (w *watcher) withdraw(l *link, n notice) {
	key, seq := keyOfCall(n), sequence(n)
	w.locked(func() unlocked {
		switch c := w.calls[key]; {
		case c == nil:
			w.forgetLocked(key, seq, placeOf(n)) // it may be in a list that is being read
		case seq > c.since: // or it was announced again since
			if c.phase.busy() {
				c.session.traced().heard(n.name(), n)
			}
			c.seen = max(c.seen, seq)
			return w.dropLocked(l, key, c)
		}
		return nil
	})
}

// bridged takes a call off offer that an agent has taken.
func (w *watcher) bridged(l *link, key callKey, n notice) {
	w.locked(func() unlocked {
		c := w.calls[key]
		if c == nil || sequence(n) <= c.since {
			return nil
		}
		return w.movedLocked(l, key, c, n)
	})
}

// pass takes in the end of an application. A session may wait for it; of a call on offer
// it can tell that it is somewhere else now.
func (w *watcher) pass(l *link, n notice) {
	key := keyOfCall(n)
	w.locked(func() unlocked {
		switch c := w.calls[key]; {
		case c == nil || sequence(n) <= c.since:
		case c.phase.busy():
			c.session.see(n)
		case c.phase == onOffer && placeOf(n) != c.spot.place:
			return w.movedLocked(l, key, c, n)
		}
		return nil
	})
}

// movedLocked takes a call off that is somewhere else. A session is told, and goes on to its
// end.
func (w *watcher) movedLocked(l *link, key callKey, c *announced, n notice) unlocked {
	after := w.trustLocked(l, key, c)
	if c.phase.busy() {
		c.session.see(n)
		return after
	}
	if c.elsewhere && n.name() == "CUSTOM" {
		at := c.spot
		after = append(after, func() { w.freeElsewhere(l, key, at) })
	}
	return append(after, w.dropLocked(l, key, c)...)
}

// hungUp takes a call off whose caller has hung up, as an event tells; nil when it is gone
// without one.
func (w *watcher) hungUp(l *link, key callKey, n notice) {
	w.locked(func() unlocked {
		c := w.calls[key]
		if c == nil {
			return nil
		}
		after := w.trustLocked(l, key, c)
		if c.phase == onOffer || c.elsewhere {
			ch, at, answered := c.ch, c.spot.place, c.answered
			after = append(after, func() {
				w.unanswered(key, at, answered, func() { w.settle(ch, c.began, end(deflect.Abandoned, deflect.ReasonHangup)) })
			})
		}
		if c.phase.busy() && n != nil {
			c.session.traced().heard(n.name(), n)
		}
		c.seen = max(c.seen, sequence(n))
		w.goneLocked(key, c, hungUp)
		return after
	})
}

// lost ends the connections of a link's sessions, and begins the doubts about all calls of
// its switch: until there is another link, nobody sees one withdrawn.
func (w *watcher) lost(sw *watched, l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.from == sw {
			c.doubt.raise()
		}
		if c.phase.busy() && c.session.link == l {
			c.session.close(errAway)
		}
	}
}
