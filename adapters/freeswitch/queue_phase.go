package freeswitch

// phase is what a call that was announced is to us, from its first announcement on:
//
//	a new call
//	  |
//	  v      announced           accept            announced
//	listed ------------> onOffer --------> inHand ------------> inHandAgain
//	  |  ^                 |  |             |  |                  |  |
//	  |  +-----------------+  |             |  +-> listed         |  +-> listed, then announced
//	  |    decline, in vain   |             |  over               |  over
//	  | gone                  | gone        | gone                | gone
//	  v                       v             v                     v
//	takenOff <----------------+<-------- inHandGone <-------------+
//	  ^                          over     |    ^
//	  |                         announced |    | gone
//	  |                                   v    |
//	  +-------------------------------- inHandAnew
//	    over, then announced as a new call
//
// An announcement takes the place of the one before, and a call that has gone can go again.
// What is not drawn is impossible: it is refused and changes nothing.
type phase int

const (
	noPhase     phase = iota
	listed            // not on offer: nobody serves it, or its caller has decided; its end is still to come
	onOffer           // an accept digit is a yes
	inHand            // a session deals with the accept digit
	inHandAgain       // the call was announced again meanwhile, which counts when the session is over
	inHandGone        // the call has gone meanwhile: it is taken off when the session is over
	inHandAnew        // it has gone, and was announced somewhere else since
	takenOff          // it is not in the watcher's map any more
)

// step is what happens to a call that was announced.
type step int

const (
	announcedServed step = iota // a profile serves the call
	announcedInVain             // none does, or no more keys are taken
	acceptPressed
	declinePressed
	callGone    // it was withdrawn, was moved, or has hung up
	sessionOver // that dealt with the accept digit
)

// phases is the drawing above. What is not in it is impossible.
var phases = map[phase]map[step]phase{
	listed: {announcedServed: onOffer, announcedInVain: listed, callGone: takenOff},
	onOffer: {
		announcedServed: onOffer, announcedInVain: listed, callGone: takenOff,
		acceptPressed: inHand, declinePressed: listed,
	},
	inHand:      {announcedServed: inHandAgain, announcedInVain: inHandAgain, callGone: inHandGone, sessionOver: listed},
	inHandAgain: {announcedServed: inHandAgain, announcedInVain: inHandAgain, callGone: inHandGone, sessionOver: listed},
	inHandGone:  {announcedServed: inHandAnew, announcedInVain: inHandAnew, callGone: inHandGone, sessionOver: takenOff},
	inHandAnew:  {announcedServed: inHandAnew, announcedInVain: inHandAnew, callGone: inHandGone, sessionOver: takenOff},
}

// after returns the phase that a step leads to, and false for a step that is impossible.
func (p phase) after(s step) (phase, bool) {
	to, ok := phases[p][s]
	return to, ok
}

// busy reports whether a session deals with the call.
func (p phase) busy() bool {
	return p == inHand || p == inHandAgain || p == inHandGone || p == inHandAnew
}

// stepLocked takes a call to its next phase. It reports false, and changes nothing, when
// that is impossible.
func (w *watcher) stepLocked(c *announced, s step) bool {
	to, ok := c.phase.after(s)
	if !ok {
		return false
	}
	if on := to == onOffer; on != (c.phase == onOffer) {
		w.srv.metrics.offer(on)
	}
	c.phase = to
	return true
}

// offerLocked puts a call on offer at a place, if somebody serves it there. What the switch
// was asked about the call before is about another round.
func (w *watcher) offerLocked(c *announced, at spot, ch channel, served bool) bool {
	s := announcedServed
	if !served || w.stopping {
		s = announcedInVain
	}
	if c.phase.busy() || !w.stepLocked(c, s) {
		return false
	}
	ch.pressed = c.ch.pressed
	c.spot, c.ch, c.marked, c.elsewhere = at, ch, false, false
	w.nextRoundLocked(c)
	return true
}

// againLocked keeps an announcement until the session of the call is over: whether anybody
// serves it is asked then.
func (w *watcher) againLocked(c *announced, announce func() unlocked) {
	if c.phase.busy() && w.stepLocked(c, announcedServed) {
		c.again = announce
	}
}

// acceptLocked hands a call to a session, and returns what is known of it.
func (w *watcher) acceptLocked(c *announced, session *queueLine) (channel, bool) {
	if !w.stepLocked(c, acceptPressed) {
		return channel{}, false
	}
	c.session = session
	return w.takeLocked(c), true
}

// declineLocked takes a call off offer whose caller does not want a text, and returns what
// is known of it.
func (w *watcher) declineLocked(c *announced) (channel, bool) {
	if !w.stepLocked(c, declinePressed) {
		return channel{}, false
	}
	return w.takeLocked(c), true
}

// nextRoundLocked begins a round of a call. No other has its number, not even one of an
// earlier call with the same id.
func (w *watcher) nextRoundLocked(c *announced) {
	w.rounds++
	c.round = w.rounds
}

// takeLocked returns what is known of a call whose caller has decided. Keys that come now
// are of the next round.
func (w *watcher) takeLocked(c *announced) channel {
	w.nextRoundLocked(c)
	ch := c.ch
	c.ch.pressed = ""
	return ch
}

// goneLocked takes a call off, at once or when its session is over, which is told why.
func (w *watcher) goneLocked(key callKey, c *announced, why gone) {
	switch {
	case !w.stepLocked(c, callGone):
	case c.phase == takenOff:
		w.forgetLocked(key, c.seen, c.spot.place)
	default:
		c.again, c.why = nil, why
		c.session.leave(why)
	}
}

// overLocked ends the session of a call. It returns the announcement that came meanwhile,
// nil for none.
func (w *watcher) overLocked(key callKey, c *announced) (again func() unlocked) {
	if !w.stepLocked(c, sessionOver) {
		return nil
	}
	again = c.again
	c.session, c.again = nil, nil
	if c.phase == takenOff && w.calls[key] == c {
		w.forgetLocked(key, c.seen, c.spot.place)
	}
	return again
}

// doubt is whether a call may have been withdrawn in a gap, while there was no connection
// to its switch. It is beside the phase, whatever that is:
//
//	      the connection ends
//	sure ---------------------> doubtful, keys are held
//	     <---------------------
//	      the switch has told, or something has happened to the call
type doubt struct {
	doubtful bool
	held     []notice // keys pressed since, of a call without a session
}

// raise begins a doubt.
func (d *doubt) raise() { d.doubtful = true }

// hold keeps a key until the doubt is over. It reports false without a doubt.
func (d *doubt) hold(n notice) bool {
	if d.doubtful && len(d.held) < maxDigits {
		d.held = append(d.held, n)
	}
	return d.doubtful
}

// settle ends a doubt and returns the keys that were held.
func (d *doubt) settle() []notice {
	held := d.held
	*d = doubt{}
	return held
}
