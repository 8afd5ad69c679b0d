package freeswitch

import (
	"maps"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// ended is a call that was taken off. It is remembered for a while: what is known of it
// may come again, over a slower connection or out of a list that was made before.
type ended struct {
	seq   uint64 // of its last event
	place place
	when  time.Time
}

const rememberEnded = 2 * time.Minute

// forget takes a call off the map; w.mu is held.
func (w *watcher) forget(key callKey, seq uint64, at place) {
	delete(w.calls, key)
	w.ended[key] = ended{max(seq, w.ended[key].seq), at, time.Now()}
}

// forgetEnded forgets also what has ended a while ago.
func (w *watcher) forgetEnded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.ended, func(_ callKey, e ended) bool { return time.Since(e.when) > rememberEnded })
}

// drop takes a call off that is not where it was announced, or was withdrawn; w.mu is
// held. What it returns has to be done without.
func (w *watcher) drop(l *link, key callKey, c *announced) later {
	if c.session != nil {
		// The key was pressed before, so there will be a text, but nothing is played to
		// a caller who is somewhere else by now.
		c.gone, c.again = true, nil
		c.session.left("CHANNEL_BRIDGE")
		return nil
	}
	was := c.on
	w.turn(c, false)
	w.forget(key, c.seq, c.spot.place)
	return later{func() {
		w.mark(l, key, c, offMark)
		if was {
			w.settle(c.ch, c.began, end(deflect.NoInput, deflect.ReasonNoKey))
		}
	}}
}

// withdraw takes a call off offer.
func (w *watcher) withdraw(l *link, n notice) {
	key, seq := keyOfCall(n), sequence(n)
	w.locked(func() later {
		switch c := w.calls[key]; {
		case c == nil:
			w.forget(key, seq, placeOf(n)) // it may be in a list that is being read
		case seq > c.at: // or it was announced again since
			c.seq = max(c.seq, seq)
			return w.drop(l, key, c)
		}
		return nil
	})
}

// bridged takes a call off offer that an agent has taken.
func (w *watcher) bridged(l *link, key callKey, n notice) {
	w.locked(func() later {
		c := w.calls[key]
		if c == nil || sequence(n) <= c.at {
			return nil
		}
		return w.moved(l, key, c, n)
	})
}

// pass hands the end of an application to who waits for it. It also tells that the
// call was moved.
func (w *watcher) pass(l *link, n notice) {
	key := keyOfCall(n)
	w.locked(func() later {
		switch c := w.calls[key]; {
		case c == nil || sequence(n) <= c.at:
		case c.session != nil:
			c.session.see(n)
		case c.on && placeOf(n) != c.spot.place:
			return w.moved(l, key, c, n)
		}
		return nil
	})
}

// moved takes a call off that is somewhere else, or tells who deals with it; w.mu is
// held. What it returns has to be done without.
func (w *watcher) moved(l *link, key callKey, c *announced, n notice) later {
	after := w.trust(l, key, c)
	if c.session != nil {
		c.session.see(n)
		return after
	}
	return append(after, w.drop(l, key, c)...)
}

// hungUp ends a call.
func (w *watcher) hungUp(l *link, key callKey, seq uint64) {
	w.locked(func() later {
		c := w.calls[key]
		if c == nil {
			return nil
		}
		after := w.trust(l, key, c)
		if c.on {
			after = append(after, func() { w.settle(c.ch, c.began, end(deflect.Abandoned, deflect.ReasonHangup)) })
		}
		w.turn(c, false)
		c.seq = max(c.seq, seq)
		if c.session != nil {
			c.gone, c.again = true, nil
			c.session.left("CHANNEL_HANGUP")
		} else {
			w.forget(key, c.seq, c.spot.place)
		}
		return after
	})
}

// lost tells the sessions of a link that it is gone. The other calls of its switch may
// be withdrawn before the next one.
func (w *watcher) lost(sw *watched, l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.from == sw {
			c.doubtful = true
		}
		if c.session != nil && c.session.link == l {
			c.session.close(errAway)
		}
	}
}
