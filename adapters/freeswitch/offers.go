package freeswitch

import (
	"context"
	"errors"
	"maps"
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
	ended    map[callKey]ended // calls that were taken off lately
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
	at       uint64       // number of the event that announced it
	seq      uint64       // of the last event that was looked at
	on       bool         // on offer: an accept digit is an answer
	marked   bool         // the switch has it marked as on offer
	doubtful bool         // there was a gap, in which it may have been withdrawn
	held     []notice     // keys pressed since then
	session  *waitingConn // while an answer is dealt with
	again    func()       // announces it once more, when that is over
	gone     bool         // taken off meanwhile
}

// ended is a call that was taken off. It is remembered for a while: what is known of it
// may come again, over a slower connection or out of a list that was made before.
type ended struct {
	seq   uint64 // of its last event
	place place
	when  time.Time
}

const rememberEnded = 2 * time.Minute

func newWatcher(s *Server, switches []Switch) *watcher {
	w := &watcher{srv: s, calls: map[callKey]*announced{}, ended: map[callKey]ended{}}
	for _, sw := range switches {
		w.switches = append(w.switches, &watched{Switch: sw, w: w, owed: map[callKey][]owed{}})
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
	ch, at := readChannel(data, now), placeOf(data)
	served := w.srv.setup.Load().profiles.serving(&ch) != nil
	after := []func(){}
	w.mu.Lock()
	c := w.calls[key]
	last, was := w.ended[key]
	switch {
	case c != nil && seq <= c.seq, was && seq <= last.seq && (seq != 0 || at == last.place):
		w.mu.Unlock()
		return
	case c != nil && c.session != nil:
		c.again = func() { w.announce(sw, l, data, seq) }
		w.mu.Unlock()
		return
	case c == nil:
		c = &announced{from: sw, began: now}
		w.calls[key] = c
	}
	after = append(after, w.putOn(l, key, c, at, ch, served)...)
	c.at, c.seq = seq, max(c.seq, seq)
	w.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// putOn has a call on offer at a place, or says that nobody serves it; w.mu is held.
// What it returns has to be done without.
func (w *watcher) putOn(l *link, key callKey, c *announced, at place, ch channel, served bool) []func() {
	ch.pressed = c.ch.pressed
	c.place, c.ch, c.marked = at, ch, false
	w.turn(c, served && !w.stopping)
	if !served {
		c.doubtful, c.held = false, nil
		return []func(){
			func() { w.settle(ch, time.Now(), end(deflect.Ineligible, deflect.ReasonNoProfile)) },
			func() { w.mark(l, key, c, "true", "0") },
		}
	}
	return append([]func(){func() { w.mark(l, key, c, "true", at.profile) }}, w.trust(l, key, c)...)
}

// trust ends the doubts about a call, and decides about the keys that were pressed
// meanwhile, each by the place where it was; w.mu is held. What it returns has to be
// done without.
func (w *watcher) trust(l *link, key callKey, c *announced) []func() {
	held := c.held
	c.doubtful, c.held = false, nil
	var after []func()
	for _, n := range held {
		switch {
		case c.session != nil:
			c.session.see(n)
		case placeOf(n) == c.place:
			after = append(after, w.press(l, key, c, n))
		}
	}
	return after
}

// mark sets what lets the events of a call come to us, and tells after a restart
// whether it is on offer.
func (w *watcher) mark(l *link, key callKey, c *announced, offer, at string) {
	cmd, ok := setVariables(key.uuid, offerVariable+"="+offer+";"+placeVariable+"="+at)
	if !ok {
		return
	}
	on := offer == "true" && at != "0"
	// It may have been announced again since somebody wanted to take it off.
	still := func() bool { return on || !w.onOffer(key) }
	l.postJob(job{command: cmd, still: still, done: func(_ string, err error) {
		switch {
		case errors.Is(err, errMoved):
		case isGone(err):
			w.hungUp(l, key, 0) // before its events could come to us
		case err == nil && on:
			w.mu.Lock()
			c.marked = true
			w.mu.Unlock()
		case err != nil && !isRefused(err) && !on:
			c.from.owe(key, owed{cmd, still})
		}
	}}, false)
}

func (w *watcher) onOffer(key callKey) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.calls[key]
	return c != nil && c.on
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
		c.session = newWaitingConn(l, key.uuid, c.place, setup.IdleTimeout, func(cmd command) { c.from.owe(key, owed{cmd, nil}) })
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
	again := c.again
	c.session, c.again = nil, nil
	if c.gone && w.calls[key] == c {
		w.forget(key, c.seq, c.place)
	}
	w.mu.Unlock()
	if again != nil {
		again()
	}
}

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

// declined keeps the answer of a caller who does not want a text.
func (w *watcher) declined(l *link, key callKey, c *announced, ch channel) {
	e := end(deflect.Declined, deflect.ReasonDeclineKey)
	digits := keepDigits(ch.call.Digits + ch.pressed)
	if cmd, ok := setVariables(key.uuid, assignments(*outVariables(e, digits, ch.texted()))); ok {
		l.post(cmd, func(_ string, err error) {
			if err != nil && !isRefused(err) {
				c.from.owe(key, owed{cmd, nil})
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
		c.gone, c.again = true, nil
		c.session.left("CHANNEL_BRIDGE")
		return nothingMore
	}
	was := c.on
	w.turn(c, false)
	w.forget(key, c.seq, c.place)
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
		w.forget(key, sequence(n), placeOf(n)) // it may be in a list that is being read
	case sequence(n) > c.at: // or it was announced again since
		c.seq = max(c.seq, sequence(n))
		after = w.drop(l, key, c)
	}
	w.mu.Unlock()
	after()
}

// bridged takes a call off offer that an agent has taken.
func (w *watcher) bridged(l *link, key callKey, n notice) {
	var after []func()
	w.mu.Lock()
	if c := w.calls[key]; c != nil && sequence(n) > c.at {
		if after = w.trust(l, key, c); c.session != nil {
			c.session.see(n)
		} else {
			after = append(after, w.drop(l, key, c))
		}
	}
	w.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// pass hands the end of an application to who waits for it. It also tells that the
// call was moved.
func (w *watcher) pass(l *link, n notice) {
	key := keyOfCall(n)
	var after []func()
	w.mu.Lock()
	switch c := w.calls[key]; {
	case c == nil || sequence(n) <= c.at:
	case c.session != nil:
		c.session.see(n)
	case c.on && placeOf(n) != c.place:
		if after = w.trust(l, key, c); c.session != nil {
			c.session.see(n)
		} else {
			after = append(after, w.drop(l, key, c))
		}
	}
	w.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// hungUp ends a call.
func (w *watcher) hungUp(l *link, key callKey, seq uint64) {
	w.mu.Lock()
	c := w.calls[key]
	if c == nil {
		w.mu.Unlock()
		return
	}
	after := w.trust(l, key, c)
	was := c.on
	w.turn(c, false)
	c.seq = max(c.seq, seq)
	if c.session != nil {
		c.gone, c.again = true, nil
		c.session.left("CHANNEL_HANGUP")
	} else {
		w.forget(key, c.seq, c.place)
	}
	w.mu.Unlock()
	for _, f := range after {
		f()
	}
	if was {
		w.settle(c.ch, c.began, end(deflect.Abandoned, deflect.ReasonHangup))
	}
}

// checked takes in what a switch says of a call that was announced before a gap: on
// offer are those that are where they were and were not withdrawn, and those that were
// announced somewhere else. at tells which announcement was meant.
func (w *watcher) checked(l *link, key callKey, at uint64, data headers) {
	var after []func()
	p := placeOf(data)
	w.mu.Lock()
	switch c := w.calls[key]; {
	case c == nil || c.session != nil || c.at != at:
	case onOfferHere(data) && (p != c.place || !c.on):
		if c.on {
			old, began := c.ch, c.began
			after = append(after, func() { w.settle(old, began, end(deflect.NoInput, deflect.ReasonNoKey)) })
		}
		ch := readChannel(data, time.Now())
		served := w.srv.setup.Load().profiles.serving(&ch) != nil
		after = append(after, w.putOn(l, key, c, p, ch, served)...)
	case p != c.place || data.Get("variable_"+offerVariable) == "false", c.on && c.marked && data.Get("variable_"+offerVariable) != "true":
		if p != c.place { // the keys were pressed before
			after = w.trust(l, key, c)
		}
		after = append(after, w.drop(l, key, c))
	default:
		if c.on && !c.marked {
			after = append(after, func() { w.mark(l, key, c, "true", p.profile) })
		}
		after = append(after, w.trust(l, key, c)...)
	}
	w.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// unchecked is for a call of which the switch says nothing: there is no more doubt than
// about any other.
func (w *watcher) unchecked(l *link, key callKey) {
	var after []func()
	w.mu.Lock()
	if c := w.calls[key]; c != nil {
		after = w.trust(l, key, c)
	}
	w.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// onOfferHere reports whether a channel is marked as on offer where it is.
func onOfferHere(data headers) bool {
	p := placeOf(data)
	return data.Get("variable_"+offerVariable) == "true" && p.profile != "" && data.Get("variable_"+placeVariable) == p.profile && p.leg == ""
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

// from returns the calls that were announced on a switch, each with the number of its
// announcement.
func (w *watcher) from(sw *watched) map[callKey]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := map[callKey]uint64{}
	for key, c := range w.calls {
		if c.from == sw {
			calls[key] = c.at
		}
	}
	return calls
}

// settle counts and records a call that ended without a session of its own.
func (w *watcher) settle(ch channel, began time.Time, e ending) {
	setup := w.srv.setup.Load()
	s := &session{srv: w.srv, setup: setup, ch: ch, began: began, profile: setup.profiles.serving(&ch)}
	s.count(e)
	s.record(e)
}
