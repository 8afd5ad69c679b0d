package freeswitch

import (
	"context"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// deal runs the session of a caller who has pressed the accept digit, and then takes who
// was texted out of the queue, if the profile says so.
func (w *watcher) deal(setup *setup, key callKey, c *announced, conn *queueLine, ch channel, h *hold) {
	conn.announced, conn.counting = ch, setup.Variables
	ses := newSession(w.srv.cut, w.srv, setup, conn)
	if h != nil {
		ses.ready = func() ending { return h.ready(conn.link, key.uuid) }
	}
	e := ses.guarded()
	conn.close(errOver)
	// The hang-up is still to come to us, but another start of ours must not take the
	// call for one on offer. In a fleet, it is marked as in hand until all is done.
	if h == nil {
		w.mark(conn.link, key, c, mark{set: decidedMark})
	}
	if e.Outcome == deflect.Sent && ses.profile.OnSent.Transfer != "" && e.confirmed != "false" && !ses.silent {
		w.transfer(conn, &ch, ses.profile.OnSent.Transfer)
	}
	if h != nil {
		w.mark(conn.link, key, c, h.decidedMark())
	}
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	_, _ = conn.link.do(ctx, key.uuid, "") // all of that is done before a stop ends the link
}

// bridging is how long a queue takes to connect a call to an agent, from the end of
// what it was playing to the event that tells.
const bridging = 250 * time.Millisecond

// transfer takes a caller who was texted out of the queue, unless an agent has, or this
// process has to stop now.
func (w *watcher) transfer(conn *queueLine, ch *channel, target string) {
	cmd, ok := transferTo(conn.uuid, target)
	if !ok {
		return
	}
	select {
	case <-time.After(bridging):
	case <-w.srv.cut.Done():
		return
	}
	switch err := conn.transfer(cmd); {
	case unsaid(err):
		w.srv.log.Info("a caller who was texted is transferred when the switch is back", append(ch.ids(), "err", err)...)
	case err != nil:
		w.srv.log.Info("a caller who was texted is not transferred", append(ch.ids(), "err", err)...)
	}
}

// over ends the session of a call, and announces what was announced meanwhile.
func (w *watcher) over(key callKey, c *announced) {
	w.locked(func() (after unlocked) {
		again := w.overLocked(key, c)
		c.elsewhere = c.notOurs
		if c.notOurs && c.phase == takenOff { // whoever has the key counts it, if anybody has
			ch, at, answered, e := c.ch, c.spot.place, c.answered, end(deflect.NoInput, deflect.ReasonNoKey)
			if c.why == hungUp {
				e = end(deflect.Abandoned, deflect.ReasonHangup)
			}
			after = unlocked{func() { w.unanswered(key, at, answered, func() { w.settle(ch, c.began, e) }) }}
		}
		c.notOurs = false
		if again != nil {
			after = append(after, again()...)
		}
		return after
	})
}

// decline sets the outcome of a caller who does not want a text, and counts it.
func (w *watcher) decline(l *link, key callKey, c *announced, ch channel, decided mark) {
	e := end(deflect.Declined, deflect.ReasonDeclineKey)
	digits := keepDigits(ch.call.Digits + ch.pressed)
	if cmd, ok := setVariables(key.uuid, joined(outVariables(e, digits, ch.texted()), ';')); ok {
		j := job{call: key.uuid, command: cmd}
		owe := j
		j.done = func(_ string, err error) {
			if unsaid(err) {
				c.owe(l, key, owe)
			}
		}
		l.post(j)
	}
	w.mark(l, key, c, decided)
	w.settle(ch, c.began, e)
}

// settle counts and records how an offer ended that no session dealt with.
func (w *watcher) settle(ch channel, began time.Time, e ending) {
	setup := w.srv.setup.Load()
	ch.waits = true
	s := &session{srv: w.srv, setup: setup, ch: ch, ctx: w.srv.cut, began: began, profile: setup.profiles.serving(&ch)}
	s.beginTrace()
	s.known()
	s.count(e)
	s.record(e)
	s.endTrace(e)
}
