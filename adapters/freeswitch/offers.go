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
	calls    map[string]*announced // by their id
}

// announced is a call that was announced as on offer, until it hangs up, an agent
// takes it, or it is withdrawn.
type announced struct {
	from  *watched
	place string  // where in the dialplan that was
	ch    channel // what was known of it then, and what was pressed since
	began time.Time

	seq     uint64       // of the last event that was looked at
	on      bool         // on offer: an accept digit is an answer
	session *waitingConn // while an answer is dealt with
	gone    bool         // hung up meanwhile
}

func newWatcher(s *Server, switches []Switch) *watcher {
	w := &watcher{srv: s, calls: map[string]*announced{}}
	for _, sw := range switches {
		w.switches = append(w.switches, &watched{Switch: sw, w: w, probes: make(chan string, 1), owed: map[string]command{}})
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

// announce puts a call on offer. An event that was seen before, over another
// connection, must change nothing: the key press after it is one press.
func (w *watcher) announce(sw *watched, l *link, data headers, seq uint64) {
	uuid, place, now := data.Get("Unique-ID"), placeOf(data), time.Now()
	if !channelForm.MatchString(uuid) {
		return
	}
	ch := readChannel(data, now)
	if w.srv.setup.Load().profiles.serving(&ch) == nil {
		w.settle(ch, now, end(deflect.Ineligible, deflect.ReasonNoProfile))
		return
	}
	w.mu.Lock()
	c := w.calls[uuid]
	if c == nil {
		c = &announced{began: now}
		w.calls[uuid] = c
	} else if c.session != nil || seq <= c.seq {
		w.mu.Unlock()
		return
	}
	ch.pressed = c.ch.pressed
	c.from, c.place, c.ch, c.seq = sw, place, ch, seq
	w.turn(c, !w.stopping)
	w.mu.Unlock()
	w.mark(l, uuid, "true", place)
}

// mark sets what lets the events of a call come to us, and tells after a restart
// whether it is on offer. A call that has hung up before that has sent no event.
func (w *watcher) mark(l *link, uuid, offer, place string) {
	cmd, ok := setVariables(uuid, offerVariable+"="+offer+";"+placeVariable+"="+place)
	if !ok {
		return
	}
	l.post(cmd, func(_ string, err error) {
		if isRefused(err) {
			w.hungUp(uuid)
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
func (w *watcher) key(sw *watched, l *link, n notice) {
	uuid, digit := n.Get("Unique-ID"), n.Get("DTMF-Digit")
	if len(digit) != 1 || !isDigit(digit[0]) {
		return
	}
	after := nothingMore
	defer func() { after() }()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.calls[uuid]
	if c == nil || sequence(n) <= c.seq {
		return
	}
	c.seq = sequence(n)
	if c.session != nil {
		c.session.see(n)
		return
	}
	setup := w.srv.setup.Load()
	ch := c.ch
	p := setup.profiles.serving(&ch) // the configuration may be another one than at the announcement
	switch {
	case !c.on || w.stopping || p == nil:
	case c.moved(n):
		// Another menu, or an agent, has asked for this key.
		after = w.drop(l, uuid, c)
	case digit == p.AcceptDigit && w.srv.enter():
		w.turn(c, false)
		c.session = newWaitingConn(l, uuid, c.place, func(cmd command) { sw.owe(uuid, cmd) })
		w.sessions.Go(func() {
			defer w.srv.leave()
			w.deal(setup, c, uuid, ch)
		})
	case digit == p.AcceptDigit:
		w.srv.metrics.rejected[rejectedMaxCalls].Inc()
	case digit == p.DeclineDigit:
		w.turn(c, false)
		after = func() { w.declined(l, uuid, ch, c.began) }
	case len(c.ch.pressed) < maxDigits:
		c.ch.pressed += digit
	}
}

// moved reports whether a call is not any more where it was announced.
func (c *announced) moved(n notice) bool {
	return placeOf(n) != c.place || n.Get("Other-Leg-Unique-ID") != ""
}

// deal decides about one key press, and does what comes of it.
func (w *watcher) deal(setup *setup, c *announced, uuid string, ch channel) {
	conn := c.session
	defer w.over(c, uuid)
	ses := newSession(w.srv.cut, w.srv, setup, conn)
	ses.waiting = &ch
	e := ses.guarded()
	conn.close(errOver)
	// The hang-up is still to come to us, but another start of ours must not take the
	// call for one on offer.
	w.mark(conn.link, uuid, "true", "0")
	conn.freeAgent()
	if e.Outcome == deflect.Sent && ses.profile.OnSent.Transfer != "" && (e.confirmed == "" || e.confirmed == "true") {
		w.transfer(conn, ch.uuid, ses.profile.OnSent.Transfer)
	}
}

// bridging is how long a queue takes to connect a call to an agent, from the end of
// what it was playing to the event that tells.
const bridging = 250 * time.Millisecond

// transfer takes a caller who was texted out of the queue, unless an agent has.
func (w *watcher) transfer(conn *waitingConn, id, target string) {
	cmd, ok := transferTo(conn.uuid, target)
	if !ok {
		return
	}
	select {
	case <-time.After(bridging):
	case <-w.srv.cut.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	if !conn.stillThere(ctx) {
		return
	}
	if _, err := conn.link.do(ctx, cmd); err != nil {
		w.srv.log.Warn("a caller who was texted was not transferred and waits on", "call_id", id, "err", err)
	}
}

// over ends the dealing with a key press.
func (w *watcher) over(c *announced, uuid string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.session = nil
	if c.gone && w.calls[uuid] == c {
		delete(w.calls, uuid)
	}
}

// declined keeps the answer of a caller who does not want a text.
func (w *watcher) declined(l *link, uuid string, ch channel, began time.Time) {
	e := end(deflect.Declined, deflect.ReasonDeclineKey)
	digits := keepDigits(ch.call.Digits + ch.pressed)
	if cmd, ok := setVariables(uuid, assignments(*outVariables(e, digits, ch.texted()))); ok {
		l.post(cmd, nil)
	}
	w.mark(l, uuid, "true", "0")
	w.settle(ch, began, e)
}

// assignments is the argument of multiset in the form of uuid_setvar_multi.
func assignments(multiset string) string {
	return strings.ReplaceAll(strings.TrimPrefix(multiset, "^^~"), "~", ";")
}

// nothingMore is what is left to be done, without w.mu, when nothing is.
func nothingMore() {}

// drop takes a call off that is not where it was announced, or was withdrawn; w.mu
// is held. What it returns has to be done without.
func (w *watcher) drop(l *link, uuid string, c *announced) func() {
	if c.session != nil {
		// The key was pressed before, so there will be a text, but nothing is played to
		// a caller who is somewhere else by now.
		c.session.left("CHANNEL_BRIDGE")
		return nothingMore
	}
	was := c.on
	w.turn(c, false)
	delete(w.calls, uuid)
	return func() {
		w.mark(l, uuid, "", "")
		if was {
			w.settle(c.ch, c.began, end(deflect.NoInput, deflect.ReasonNoKey))
		}
	}
}

// withdraw takes a call off offer.
func (w *watcher) withdraw(l *link, uuid string) {
	after := nothingMore
	w.mu.Lock()
	if c := w.calls[uuid]; c != nil {
		after = w.drop(l, uuid, c)
	}
	w.mu.Unlock()
	after()
}

// bridged takes a call off offer that an agent has taken.
func (w *watcher) bridged(l *link, uuid string, n notice) {
	after := nothingMore
	w.mu.Lock()
	switch c := w.calls[uuid]; {
	case c == nil:
	case c.session != nil:
		c.session.see(n)
	default:
		after = w.drop(l, uuid, c)
	}
	w.mu.Unlock()
	after()
}

// pass hands the end of an application to who waits for it. It also tells that the
// call was moved.
func (w *watcher) pass(l *link, n notice) {
	uuid, after := n.Get("Unique-ID"), nothingMore
	w.mu.Lock()
	switch c := w.calls[uuid]; {
	case c == nil:
	case c.session != nil:
		c.session.see(n)
	case c.on && c.moved(n):
		after = w.drop(l, uuid, c)
	}
	w.mu.Unlock()
	after()
}

// hungUp ends a call.
func (w *watcher) hungUp(uuid string) {
	w.mu.Lock()
	c := w.calls[uuid]
	if c == nil {
		w.mu.Unlock()
		return
	}
	was := c.on
	w.turn(c, false)
	if c.session != nil {
		c.gone = true
		c.session.left("CHANNEL_HANGUP")
	} else {
		delete(w.calls, uuid)
	}
	w.mu.Unlock()
	if was {
		w.settle(c.ch, c.began, end(deflect.Abandoned, deflect.ReasonHangup))
	}
}

// lost tells the sessions of a link that it is gone.
func (w *watcher) lost(l *link) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.session != nil && c.session.link == l {
			c.session.close(errAway)
		}
	}
}

// from returns the ids of the calls that were announced on a switch.
func (w *watcher) from(sw *watched) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for uuid, c := range w.calls {
		if c.from == sw {
			ids = append(ids, uuid)
		}
	}
	return ids
}

func (w *watcher) knows(uuid string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[uuid] != nil
}

// settle counts and records a call that ended without a session of its own.
func (w *watcher) settle(ch channel, began time.Time, e ending) {
	setup := w.srv.setup.Load()
	s := &session{srv: w.srv, setup: setup, ch: ch, began: began, profile: setup.profiles.serving(&ch)}
	s.count(e)
	s.record(e)
}
