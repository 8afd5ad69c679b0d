package freeswitch

import (
	"context"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// session is one call. One goroutine runs it, along this file; only the request for the
// text runs beside it, because the call goes on meanwhile.
type session struct {
	srv     *Server
	setup   *setup
	talk    talk
	stop    context.Context // ends when the call has to end now
	ctx     context.Context // stop, as whoever traces the call has it
	trace   *callTrace
	began   time.Time
	ch      channel
	judged  judged
	came    deflect.Result // of the text, once that was asked for
	profile *profile
	voice   *voice
	private bool   // keys may be a number to text, which is not for deflect_digits
	full    bool   // the last number that was keyed in has all the digits that it may have
	counted bool   // its offer counts a call that had one, or Deflect one that had none
	pending bool   // the channel says that a text may have been sent, until more is known
	missing bool   // the last prompt could not be played
	silent  bool   // the prompt of the outcome could not be played
	cause   string // of the hang-up

	ready func() ending // asked before a text is, unless it is nil: an outcome is why there is none
}

// newSession returns the session of a call, which ends soon after stop does.
func newSession(stop context.Context, s *Server, setup *setup, l line) *session {
	return &session{srv: s, setup: setup, talk: newTalk(l, stop), stop: stop, ctx: stop, began: time.Now()}
}

// guarded is run for a caller that a defect must not end.
func (s *session) guarded() (e ending) {
	s.beginTrace()
	defer func() { s.endTrace(e) }()
	defer context.AfterFunc(s.stop, s.talk.line.wake)()
	defer func() {
		if p := recover(); p != nil {
			s.talk.part(nil)
			e = s.endDefect()
			s.count(e)
			s.srv.defect("a call's session", p, s.ch.ids()...)
		}
	}()
	return s.run()
}

// endDefect is the ending of a session that a defect ended, and the end of its offer. Of a
// text that was asked for it is what came of that: it may be on its way. Nobody knows that
// the caller has heard of it, who keeps the place in the queue.
func (s *session) endDefect() ending {
	if offer := s.judged.offer; offer != nil {
		offer.End(deflect.Failed, deflect.ReasonInternal)
		s.counted = true
	}
	if s.came.Outcome == "" {
		return end(deflect.Failed, deflect.ReasonInternal)
	}
	return ending{Result: s.came, confirmed: "false"}
}

// run takes the call from the first word to the last, and returns how it ended: an
// ending without an outcome is that of a connection that was no call. It waits with as
// little on its stack as it can.
func (s *session) run() ending {
	opened := s.open()
	if s.handedOver() {
		s.srv.metrics.handed(opened, s.talk.down, s.talk.line.why())
	}
	if !opened {
		// Not a call: a port scan, a health check, a peer that breaks the rules.
		// If it is one, the dialplan goes on.
		s.talk.part(nil)
		if err := s.talk.line.why(); s.stop.Err() == nil {
			s.srv.unopened.warn(s.srv.log, "", "a connection ended before its channel data: if it was a call, it went on without an offer", "err", err)
		}
		return ending{}
	}
	if s.ch.advice != "" {
		s.srv.words.warn(s.srv.log, "", s.ch.advice, s.ch.ids()...)
	}
	e := s.decide()
	s.finish(&e)
	return e
}

// handedOver reports whether the call came over a connection of its own.
func (s *session) handedOver() bool {
	_, is := s.talk.line.(*socketLine)
	return is
}

// open gets to know the call, and judges it. It reports false when there is none.
func (s *session) open() (ok bool) {
	s.talk.open(s.setup.FirstFrameTimeout)
	judge := false
	aside(func() {
		s.ch, ok = s.talk.line.call()
		judge = ok && s.ch.unheard == nil && s.stop.Err() == nil
		if ok && !judge {
			s.profile = s.setup.profiles.serving(&s.ch)
			s.known()
		}
	})
	if judge {
		s.aside(s.judge)
		if s.handedOver() {
			s.talk.keys = nil // pressed for a menu before: nobody has heard an offer
		}
	}
	return ok
}

// decide runs the call up to its outcome.
func (s *session) decide() (e ending) {
	if s.judged.offer == nil {
		if !s.judged.owed {
			return s.unoffered()
		}
		s.answer()
		s.talk.tell(word{do: doListen})
		return s.accepted()
	}
	e = end(deflect.Failed, deflect.ReasonInternal) // of a panic
	defer func() {
		s.judged.offer.End(e.Outcome, e.Reason)
		s.counted = true
	}()
	s.answer()
	s.talk.tell(word{do: doListen})
	if s.ch.mode == modeOffer {
		if e, yes := s.offer(); !yes {
			return e
		}
	}
	if s.judged.offer.NeedsNumber {
		if e, ok := s.askNumber(); !ok {
			return e
		}
	}
	return s.accepted()
}

func (s *session) answer() {
	if !s.ch.answered {
		s.talk.tell(word{do: doAnswer})
	}
}

// accepted is where a key press becomes a request: one, and no other place makes any. It
// asks for the text while the caller hears the wait prompt, then plays what came of it, and
// asks whether it arrived. When the API hangs, the caller hears no more than that prompt for
// as long as the live deadline, then the uncertain one, and goes on in the dialplan. A caller
// who hangs up meanwhile has asked for the text already: the request goes on.
func (s *session) accepted() ending {
	s.ch.call.Accepted = time.Now()
	if s.ready != nil { // it waits for that
		s.setPending()
		s.talk.flush()
	}
	var e ending
	done := make(chan struct{})
	defer func() { <-done }() // also when this goroutine panics
	go func() {
		defer s.talk.line.wake()
		defer close(done)
		e = s.request()
	}()
	s.talk.stop()
	if !s.ch.waits {
		s.setPending()
	}
	s.passTime(done)
	<-done
	e = s.bye(e)
	if e.Outcome == deflect.Sent && s.profile.Confirm {
		e.confirmed = s.confirm()
	}
	return e
}

// setPending tells that a text may have been sent, until more is known. Whoever finds the
// call without us must not text it again.
func (s *session) setPending() {
	s.set(end(deflect.Uncertain, deflect.ReasonInternal))
	s.pending = true
}

// request runs beside the session. It ends within the live deadline.
func (s *session) request() (e ending) {
	defer func() { s.came = e.Result }()
	defer func() {
		if p := recover(); p != nil {
			e = end(deflect.Uncertain, deflect.ReasonInternal)
			s.srv.defect("a request", p, s.ch.ids()...)
		}
	}()
	if s.ready != nil {
		if e := s.ready(); e.Outcome != "" {
			return e
		}
	}
	if s.judged.offer == nil {
		res, err := s.setup.Client.Deflect(s.ctx, *s.ch.call)
		s.counted = true
		return ending{Result: res, err: err}
	}
	res, err := s.judged.offer.Deflect(s.ctx)
	return ending{Result: res, err: err}
}

// passTime plays the wait prompt until done: not before the offer has ended, inside of
// which the switch would play it, and not for an API that answers at once.
func (s *session) passTime(done <-chan struct{}) {
	t, prompt := &s.talk, s.voice.prompts.Wait
	waiting, waited := prompt != "", false
	again := time.Now().Add(breakAgain)
	for !t.down && !closed(done) {
		if t.next(again) == sawTimer {
			waited = true
			if t.playing != "" && t.playing != waitID {
				t.stopAgain()
			}
			again = time.Now().Add(breakAgain)
		}
		if waiting && waited && t.playing == "" {
			t.play(waitID, prompt)
			waiting = false
		}
		if !waiting && waited && t.playing == "" && t.prompt == prompt {
			s.wasPlayed()
		}
	}
}

const waitID = "wait-1" // of the wait prompt

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// bye tells the caller how the call ended. The variables come first: the caller may hang
// up, an agent take the call, this process die meanwhile. That the prompt was heard is known
// only after it.
func (s *session) bye(e ending) ending {
	prompt := s.resultPrompt(e)
	if prompt != "" {
		e.heard = "false"
	}
	s.keepKeys()
	s.set(e)
	switch told := s.playOut("bye-1", prompt); {
	case told && prompt != "":
		e.heard = "true"
	case !told:
		s.silent = s.missing
	}
	return e
}

// set tells the dialplan how the call ended, as far as is known.
func (s *session) set(e ending) { s.talk.tell(word{do: doSet, set: s.variables(e)}) }

func (s *session) variables(e ending) []assignment {
	set := outVariables(e, s.ch.call.Digits, s.ch.texted())
	if s.pending && askedOf(e.Outcome) == "" {
		set = append(set, assignment{askedVariable, askedOf(deflect.Outcome(s.ch.asked))}) // as it was
	}
	return set
}

// finish gives the call back, and then counts, unless its offer did, and records it:
// nothing of that may be in its way.
func (s *session) finish(e *ending) {
	s.keepKeys()
	s.cause = s.talk.part(s.variables(*e))
	if s.handedOver() {
		s.srv.metrics.duration.Observe(time.Since(s.began).Seconds())
	}
	s.count(*e)
	s.record(*e)
}

// count counts the call once.
func (s *session) count(e ending) {
	if !s.counted {
		s.counted = true
		var policy *deflect.Policy
		if s.profile != nil {
			policy = s.profile.policy
		}
		s.setup.Client.CountOutcome(policy, e.Outcome, e.Reason)
	}
}
