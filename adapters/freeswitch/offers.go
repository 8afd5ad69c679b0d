package freeswitch

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// watcher knows the calls that were announced on all watched switches.
type watcher struct {
	srv      *Server
	switches []*watched
	sessions sync.WaitGroup

	mu       sync.Mutex
	stopping bool
	calls    map[callKey]*announced
	ended    []ended            // calls that were taken off lately, oldest first
	endedAt  map[callKey]uint64 // the number of their last event
}

// callKey tells calls apart: the same id can be used by two switches, and by one before
// and after a restart.
type callKey struct{ core, uuid string }

func keyOfCall(h headers) callKey { return callKey{h.Get("Core-UUID"), h.Get("Unique-ID")} }

// announced is a call that was announced as on offer, until it hangs up, an agent
// takes it, or it is withdrawn.
type announced struct {
	from  *watched // these two never change
	began time.Time

	place    place        // where that was
	ch       channel      // what was known of it then, and what was pressed since
	seq      uint64       // of the last event that was looked at
	on       bool         // on offer: an accept digit is an answer
	marked   bool         // the switch has it marked as on offer
	doubtful bool         // there was a gap, in which it may have been withdrawn
	held     []notice     // keys pressed since then
	session  *waitingConn // while an answer is dealt with
	gone     bool         // taken off meanwhile
}

// ended is a call that was taken off. It is remembered for a while: what is known of it
// may come again, over a slower connection or out of a list that was made before.
type ended struct {
	key callKey
	at  time.Time
}

const rememberEnded = 2 * time.Minute

func newWatcher(s *Server, switches []Switch) *watcher {
	w := &watcher{srv: s, calls: map[callKey]*announced{}, endedAt: map[callKey]uint64{}}
	for _, sw := range switches {
		w.switches = append(w.switches, &watched{Switch: sw, w: w, owed: map[string][]command{}})
	}
	return w
}

// stop ends the taking of answers and waits for those that were taken.
func (w *watcher) stop() {
	w.mu.Lock()
	w.stopping = true
	w.mu.Unlock()
	w.sessions.Wait()
}

// announce puts a call on offer. What was seen before, over another connection, must
// change nothing: the key press after it is one press. A seq of 0 is that of a call
// that was found in a list.
func (w *watcher) announce(sw *watched, l *link, data headers, seq uint64) {
	key, now := keyOfCall(data), time.Now()
	if !channelForm.MatchString(key.uuid) {
		return
	}
	ch := readChannel(data, now)
	served := w.srv.setup.Load().profiles.serving(&ch) != nil
	w.mu.Lock()
	c := w.calls[key]
	last, was := w.endedAt[key]
	switch {
	case c != nil && (c.session != nil || seq <= c.seq), was && seq <= last:
		w.mu.Unlock()
		return
	case c == nil:
		c = &announced{from: sw, began: now}
		w.calls[key] = c
	}
	ch.pressed = c.ch.pressed
	c.place, c.ch, c.seq, c.marked, c.doubtful, c.held = placeOf(data), ch, seq, false, false, nil
	w.turn(c, served && !w.stopping)
	at := c.place.profile
	w.mu.Unlock()
	if !served {
		at = "0"
		w.settle(ch, now, end(deflect.Ineligible, deflect.ReasonNoProfile))
	}
	w.mark(l, key, c, "true", at)
}

// mark sets what lets the events of a call come to us, and tells after a restart
// whether it is on offer.
func (w *watcher) mark(l *link, key callKey, c *announced, offer, at string) {
	cmd, ok := setVariables(key.uuid, offerVariable+"="+offer+";"+placeVariable+"="+at)
	if !ok {
		return
	}
	on := offer == "true" && at != "0"
	l.post(cmd, func(_ string, err error) {
		switch {
		case isGone(err):
			w.hungUp(key, 0) // before its events could come to us
		case err == nil && on:
			w.mu.Lock()
			c.marked = true
			w.mu.Unlock()
		case err != nil && !isRefused(err) && !on:
			c.from.owe(key.uuid, cmd)
		}
	})
}

// turn puts a call on offer or takes it off; w.mu is held.
func (w *watcher) turn(c *announced, on bool) {
	if on != c.on {
		c.on = on
		w.srv.metrics.offer(on)
	}
}

// key takes in a key press.
func (w *watcher) key(l *link, n notice) {
	key, digit := keyOfCall(n), n.Get("DTMF-Digit")
	if len(digit) != 1 || !isDigit(digit[0]) {
		return
	}
	after := nothingMore
	defer func() { after() }()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.calls[key]
	if c == nil || sequence(n) <= c.seq {
		return
	}
	c.seq = sequence(n)
	switch {
	case c.session != nil:
		c.session.see(n)
	case !c.doubtful:
		after = w.press(l, key, c, n)
	case len(c.held) < maxDigits:
		c.held = append(c.held, n)
	}
}

// press decides what a key is; w.mu is held. What it returns has to be done without.
func (w *watcher) press(l *link, key callKey, c *announced, n notice) func() {
	digit := n.Get("DTMF-Digit")
	setup := w.srv.setup.Load()
	p := setup.profiles.serving(&c.ch) // the configuration may be another one than at the announcement
	switch {
	case !c.on || w.stopping || p == nil:
	case placeOf(n) != c.place:
		// Another menu, or an agent, has asked for this key.
		return w.drop(l, key, c)
	case digit == p.AcceptDigit && w.srv.enter():
		ch := w.answered(c)
		c.session = newWaitingConn(l, key.uuid, c.place, setup.IdleTimeout, func(cmd command) { c.from.owe(key.uuid, cmd) })
		w.sessions.Go(func() {
			defer w.srv.leave()
			w.deal(setup, key, c, ch)
		})
	case digit == p.AcceptDigit:
		w.srv.metrics.rejected[rejectedMaxCalls].Inc()
	case digit == p.DeclineDigit:
		ch := w.answered(c)
		return func() { w.declined(l, key, c, ch) }
	case len(c.ch.pressed) < maxDigits:
		c.ch.pressed += digit
	}
	return nothingMore
}

// answered takes a call off offer whose caller has answered, and returns what is known
// of it; w.mu is held.
func (w *watcher) answered(c *announced) channel {
	w.turn(c, false)
	ch := c.ch
	c.ch.pressed = ""
	return ch
}

// deal decides about one key press, and does what comes of it.
func (w *watcher) deal(setup *setup, key callKey, c *announced, ch channel) {
	conn := c.session
	defer w.over(key, c)
	ses := newSession(w.srv.cut, w.srv, setup, conn)
	ses.waiting = &ch
	e := ses.guarded()
	conn.close(errOver)
	// The hang-up is still to come to us, but another start of ours must not take the
	// call for one on offer.
	w.mark(conn.link, key, c, "true", "0")
	conn.freeAgent()
	if e.Outcome == deflect.Sent && ses.profile.OnSent.Transfer != "" && (e.confirmed == "" || e.confirmed == "true") {
		w.transfer(conn, ch.uuid, ses.profile.OnSent.Transfer)
	}
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	_, _ = conn.link.do(ctx, "") // all of that is done before a stop ends the link
}

// bridging is how long a queue takes to connect a call to an agent, from the end of
// what it was playing to the event that tells.
const bridging = 250 * time.Millisecond

// transfer takes a caller who was texted out of the queue, unless an agent has, or this
// process has to stop now.
func (w *watcher) transfer(conn *waitingConn, id, target string) {
	cmd, ok := transferTo(conn.uuid, target)
	if !ok {
		return
	}
	select {
	case <-time.After(bridging):
	case <-w.srv.cut.Done():
		return
	}
	if err := conn.transfer(cmd); err != nil {
		w.srv.log.Info("a caller who was texted is not transferred", "call_id", id, "err", err)
	}
}

// over ends the dealing with a key press.
func (w *watcher) over(key callKey, c *announced) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.session = nil
	if c.gone && w.calls[key] == c {
		w.forget(key, c.seq)
	}
}

// forget takes a call off the map; w.mu is held.
func (w *watcher) forget(key callKey, seq uint64) {
	delete(w.calls, key)
	now := time.Now()
	for len(w.ended) > 0 && now.Sub(w.ended[0].at) > rememberEnded {
		delete(w.endedAt, w.ended[0].key)
		w.ended = w.ended[1:]
	}
	w.endedAt[key] = max(seq, w.endedAt[key])
	w.ended = append(w.ended, ended{key, now})
}

// declined keeps the answer of a caller who does not want a text.
func (w *watcher) declined(l *link, key callKey, c *announced, ch channel) {
	e := end(deflect.Declined, deflect.ReasonDeclineKey)
	digits := keepDigits(ch.call.Digits + ch.pressed)
	if cmd, ok := setVariables(key.uuid, assignments(*outVariables(e, digits, ch.texted()))); ok {
		l.post(cmd, func(_ string, err error) {
			if err != nil && !isRefused(err) {
				c.from.owe(key.uuid, cmd)
			}
		})
	}
	w.mark(l, key, c, "true", "0")
	w.settle(ch, c.began, e)
}

// assignments is the argument of multiset in the form of uuid_setvar_multi.
func assignments(multiset string) string {
	return strings.ReplaceAll(strings.TrimPrefix(multiset, "^^~"), "~", ";")
}

// nothingMore is what is left to be done, without w.mu, when nothing is.
func nothingMore() {}

// drop takes a call off that is not where it was announced, or was withdrawn; w.mu is
// held. What it returns has to be done without.
func (w *watcher) drop(l *link, key callKey, c *announced) func() {
	if c.session != nil {
		// The key was pressed before, so there will be a text, but nothing is played to
		// a caller who is somewhere else by now.
		c.gone = true
		c.session.left("CHANNEL_BRIDGE")
		return nothingMore
	}
	was := c.on
	w.turn(c, false)
	w.forget(key, c.seq)
	return func() {
		w.mark(l, key, c, "", "")
		if was {
			w.settle(c.ch, c.began, end(deflect.NoInput, deflect.ReasonNoKey))
		}
	}
}

// withdraw takes a call off offer.
func (w *watcher) withdraw(l *link, n notice) {
	key, after := keyOfCall(n), nothingMore
	w.mu.Lock()
	switch c := w.calls[key]; {
	case c == nil:
		w.forget(key, sequence(n)) // it may be in a list that is being read
	default:
		c.seq = max(c.seq, sequence(n))
		after = w.drop(l, key, c)
	}
	w.mu.Unlock()
	after()
}

// bridged takes a call off offer that an agent has taken.
func (w *watcher) bridged(l *link, key callKey, n notice) {
	after := nothingMore
	w.mu.Lock()
	switch c := w.calls[key]; {
	case c == nil:
	case c.session != nil:
		c.session.see(n)
	default:
		after = w.drop(l, key, c)
	}
	w.mu.Unlock()
	after()
}

// pass hands the end of an application to who waits for it. It also tells that the
// call was moved.
func (w *watcher) pass(l *link, n notice) {
	key, after := keyOfCall(n), nothingMore
	w.mu.Lock()
	switch c := w.calls[key]; {
	case c == nil:
	case c.session != nil:
		c.session.see(n)
	case c.on && placeOf(n) != c.place:
		after = w.drop(l, key, c)
	}
	w.mu.Unlock()
	after()
}

// hungUp ends a call.
func (w *watcher) hungUp(key callKey, seq uint64) {
	w.mu.Lock()
	c := w.calls[key]
	if c == nil {
		w.mu.Unlock()
		return
	}
	was := c.on
	w.turn(c, false)
	c.seq = max(c.seq, seq)
	if c.session != nil {
		c.gone = true
		c.session.left("CHANNEL_HANGUP")
	} else {
		w.forget(key, c.seq)
	}
	w.mu.Unlock()
	if was {
		w.settle(c.ch, c.began, end(deflect.Abandoned, deflect.ReasonHangup))
	}
}

// checked takes in what a switch says of a call that was announced before a gap: on
// offer are those that are where they were, and were not withdrawn.
func (w *watcher) checked(l *link, key callKey, data headers) {
	var after []func()
	w.mu.Lock()
	c := w.calls[key]
	offer := data.Get("variable_" + offerVariable)
	switch {
	case c == nil || c.session != nil:
	case keyOfCall(data) != key || placeOf(data) != c.place || offer == "false" || c.on && c.marked && offer != "true":
		after = append(after, w.drop(l, key, c))
	default:
		c.doubtful = false
		held := c.held
		c.held = nil
		if at := c.place.profile; c.on && !c.marked {
			after = append(after, func() { w.mark(l, key, c, "true", at) })
		}
		for _, n := range held {
			if c.session != nil {
				c.session.see(n)
			} else {
				after = append(after, w.press(l, key, c, n))
			}
		}
	}
	w.mu.Unlock()
	for _, f := range after {
		f()
	}
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

// from returns the calls that were announced on a switch.
func (w *watcher) from(sw *watched) []callKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []callKey
	for key, c := range w.calls {
		if c.from == sw {
			keys = append(keys, key)
		}
	}
	return keys
}

// settle counts and records a call that ended without a session of its own.
func (w *watcher) settle(ch channel, began time.Time, e ending) {
	setup := w.srv.setup.Load()
	s := &session{srv: w.srv, setup: setup, ch: ch, began: began, profile: setup.profiles.serving(&ch)}
	s.count(e)
	s.record(e)
}
