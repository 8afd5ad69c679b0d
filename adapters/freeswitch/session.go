package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

const (
	// lingerSeconds is how long the switch keeps the socket after a hang-up, so
	// that the last events arrive.
	lingerSeconds = 5
	// breakAgain is after how long a prompt that did not stop is told so again.
	breakAgain = 250 * time.Millisecond
	// maxCall ends a call whose switch sends events for ever and no end of a
	// prompt: many times what an offer takes.
	maxCall = 15 * time.Minute
	// partTimeout is how long the switch may take to close after exit.
	partTimeout = 2 * time.Second
)

// session is one call. One goroutine runs it; only the request to LiveDeflect
// runs beside it, because the call goes on meanwhile.
type session struct {
	srv     *Server
	setup   *setup
	line    *line
	stop    context.Context // ends when the call has to end now
	began   time.Time
	ch      channel
	judged  judged
	profile *profile
	voice   *voice
	private bool // keys may be a number to text, which is not for deflect_digits
	full    bool // the last number that was keyed in has all the digits that it may have
	counted bool
	pending bool // the channel says that a text may have been sent, until more is known
	missing bool // the last prompt could not be played
	silent  bool // the prompt of the outcome could not be played

	// waiting is what is known of a caller who waits in a queue and has pressed the
	// key, nil for a call that the dialplan handed over.
	waiting *channel
}

// ending is how a call ended.
type ending struct {
	deflect.Result
	err       error
	confirmed string // "true", "false", or "" when nobody asked
	heard     string // whether the prompt of the outcome was played to its end; "" when there is none
}

func end(o deflect.Outcome, r deflect.Reason) ending {
	return ending{Result: deflect.Result{Outcome: o, Reason: r}}
}

// endFor is an ending with its cause.
func endFor(o deflect.Outcome, r deflect.Reason, cause error) ending {
	e := end(o, r)
	e.err = cause
	return e
}

// notTexted is the ending of a call that Offer or Check refuses, each with an outcome of
// its own.
func notTexted(err error) ending {
	outcome := deflect.Ineligible
	if e := (*deflect.Error)(nil); errors.As(err, &e) {
		outcome = e.Outcome
	}
	return endFor(outcome, deflect.ReasonOf(err), err)
}

// newSession returns the session of a call, which ends soon after stop does.
func newSession(stop context.Context, s *Server, setup *setup, c conn) *session {
	return &session{srv: s, setup: setup, line: newLine(c, stop), stop: stop, began: time.Now()}
}

// guarded is run for a caller that a defect must not end.
func (s *session) guarded() (e ending) {
	defer func() {
		if p := recover(); p != nil {
			e = end(deflect.Failed, deflect.ReasonInternal)
			s.line.part(nil)
			s.count(e)
			s.srv.defect("a call's session", p, s.ch.ids()...)
		}
	}()
	return s.run()
}

// run takes the call from the first command to exit, and returns how it ended: an
// ending without an outcome is that of a connection that was no call. It waits with as
// little on its stack as it can.
func (s *session) run() ending {
	defer context.AfterFunc(s.stop, s.line.conn.Wake)()
	if !s.open() {
		// Not a call: a port scan, a health check, a peer that breaks the rules.
		// If it is one, the dialplan goes on.
		s.line.leave(broken)
		s.line.part(nil)
		if err := s.line.conn.Err(); s.stop.Err() == nil && s.waiting == nil {
			s.srv.unopened.warn(s.srv.log, "", "a connection ended before its channel data: if it was a call, it went on without an offer", "err", err)
		}
		return ending{}
	}
	s.missingWords()
	e := s.decide()
	s.finish(&e)
	return e
}

// missingWords says what the dialplan has forgotten, which no call's line tells.
func (s *session) missingWords() {
	switch l := s.line; {
	case l.static:
		s.srv.words.warn(s.srv.log, "", `the dialplan says socket without async: such calls get no offer; write "socket HOST:PORT async full"`, s.ch.ids()...)
	case l.limited:
		s.srv.words.warn(s.srv.log, "", `the dialplan says socket without full: the last events of calls that hang up are lost, and calls that somebody transfers are held; write "socket HOST:PORT async full"`, s.ch.ids()...)
	}
}

// open gets to know the call. It reports false when there is none.
func (s *session) open() bool {
	data, ok := s.line.open(s.setup.FirstFrameTimeout)
	if !ok && s.waiting == nil {
		return false
	}
	aside(func() {
		s.know(data, ok)
		if s.stop.Err() == nil && !s.line.static {
			s.judge()
		}
	})
	return true
}

// know takes in what is known of the call, by its data if they came.
func (s *session) know(data esl.Event, ok bool) {
	if ok {
		s.ch = readChannel(data, s.began, s.setup.Variables)
	} else {
		s.ch = *s.waiting // the key was pressed, whatever has become of the call since
	}
	s.line.watched = s.ch.watched
	if s.waiting != nil {
		s.ch.released = false
		s.ch.mode = modeAccepted
		s.ch.call.Digits = keepDigits(s.ch.call.Digits + s.waiting.pressed)
	}
	if s.ch.released {
		s.line.takenAway()
	}
}

// judge asks whether the caller may be texted.
func (s *session) judge() {
	j := &s.judged
	var textErr error
	if s.profile, s.voice, j.no, textErr = s.setup.look(&s.ch); j.no.Outcome != "" {
		return
	}
	j.offer, j.err = s.setup.Client.Offer(s.stop, s.ch.call)
	if j.err == nil && textErr != nil {
		j.offer.Release()
		j.offer, j.no = nil, endFor(deflect.Ineligible, deflect.ReasonInvalidCall, textErr)
	}
}

// judged is whether the caller may be texted.
type judged struct {
	offer *deflect.Offer
	no    ending // with an outcome: nobody serves the call
	err   error  // why there is no offer
}

// finish gives the call back, and then counts and records it: nothing of that may be in
// its way.
func (s *session) finish(e *ending) {
	s.keepKeys()
	s.line.part(s.variables(*e))
	s.count(*e)
	s.record(*e)
}

func (s *session) variables(e ending) *string {
	arg := outVariables(e, s.ch.call.Digits, s.ch.texted())
	if s.pending && askedOf(e.Outcome) == "" {
		*arg += assign(askedVariable, askedOf(deflect.Outcome(s.ch.asked))) // as it was
	}
	return arg
}

// decide runs the call up to its outcome.
func (s *session) decide() ending {
	if s.judged.offer == nil {
		return s.unoffered()
	}
	defer s.judged.offer.Release()
	s.line.answer(s.ch.answered)
	if s.waiting == nil {
		s.line.listen()
	}
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

// unoffered is the ending of a call that may not be texted.
func (s *session) unoffered() ending {
	no, err := s.judged.no, s.judged.err
	switch {
	case s.line.static:
		return endFor(deflect.Failed, deflect.ReasonSwitch, errStatic)
	case no.Outcome != "":
		return s.toWaiting(no)
	case err == nil: // nobody was asked
		return s.cut()
	}
	reason := deflect.ReasonOf(err)
	if s.stop.Err() != nil && (reason == deflect.ReasonCanceled || reason == deflect.ReasonDeadline) {
		return s.cut() // nobody was judged
	}
	if reason == deflect.ReasonBreakerOpen && s.ch.mode == modeAccepted {
		// The caller has asked for a text and hears that there is none.
		s.line.answer(s.ch.answered)
		return s.bye(endFor(deflect.Failed, reason, err))
	}
	return s.refused(err)
}

// aside runs what needs much stack on a goroutine of its own: a call that waits keeps
// the largest stack that its goroutine ever had.
func aside(fn func()) {
	ended := make(chan any)
	go func() {
		defer func() {
			p := recover()
			if p != nil {
				p = defect{p, debug.Stack()}
			}
			ended <- p
		}()
		fn()
	}()
	if p := <-ended; p != nil {
		panic(p)
	}
}

// errStatic tells what the dialplan lacks, see missingWords.
var errStatic = errors.New(`the dialplan's socket lacks the word async: no key could be heard before a prompt has ended`)

var errMode = errors.New("channel variable deflect_mode is neither offer nor accepted")

// look finds who serves a call, or why nobody does: no has no outcome when somebody
// may. textErr is why its text cannot be made.
func (s *setup) look(ch *channel) (p *profile, v *voice, no ending, textErr error) {
	p, v, textErr = s.profiles.find(ch)
	switch {
	case ch.forged:
		no = endFor(deflect.Ineligible, deflect.ReasonInvalidCall, errForged)
	case ch.released:
		no = end(deflect.Abandoned, deflect.ReasonTransferred)
	case ch.mode != modeOffer && ch.mode != modeAccepted:
		no = endFor(deflect.Ineligible, deflect.ReasonInvalidCall, errMode)
	case p == nil:
		no = end(deflect.Ineligible, deflect.ReasonNoProfile)
	case ch.done():
		no = end(deflect.Ineligible, deflect.ReasonAlreadyAsked)
	}
	return p, v, no, textErr
}

// refused is the ending of a call that gets no offer. A caller who was texted a
// short while ago is told so; the others are not even answered.
func (s *session) refused(err error) ending {
	e := notTexted(err)
	if e.Reason != deflect.ReasonCooldown || s.resultPrompt(e) == "" {
		return s.toWaiting(e)
	}
	s.line.answer(s.ch.answered)
	return s.bye(e)
}

// toWaiting tells a caller who waits, and has pressed the key, that there is no
// text. Others were not asked yet, and go on in the dialplan.
func (s *session) toWaiting(e ending) ending {
	if s.waiting == nil || s.voice == nil {
		return e
	}
	return s.bye(e)
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
	s.line.set("set-0", s.variables(e))
	switch told := s.tell("bye-1", prompt); {
	case told && prompt != "":
		e.heard = "true"
	case !told:
		s.silent = s.missing
	}
	return e
}

// left is the ending of a call that ended before the caller accepted.
func (s *session) left() ending {
	switch s.line.gone {
	case hungUp:
		return end(deflect.Abandoned, deflect.ReasonHangup)
	case transferred, served:
		return end(deflect.Abandoned, deflect.ReasonTransferred)
	}
	return endFor(deflect.Failed, deflect.ReasonSwitch, s.line.conn.Err())
}

// cut is the ending of a call that had to end before the caller decided.
func (s *session) cut() ending {
	if s.stop.Err() != nil {
		return end(deflect.Failed, deflect.ReasonShutdown)
	}
	return endFor(deflect.Failed, deflect.ReasonSwitch, fmt.Errorf("the offer did not end within %s", maxCall))
}

// accepted asks for the text while the caller hears the wait prompt, then plays
// what came of it, and asks whether it arrived. A caller who hangs up meanwhile has
// asked for the text already: the request goes on.
func (s *session) accepted() ending {
	s.ch.call.Accepted = time.Now()
	var e ending
	done := make(chan struct{})
	defer func() { <-done }() // also when this goroutine panics
	go func() {
		defer s.line.conn.Wake()
		defer close(done)
		e = s.request(s.ch.call)
	}()

	l := s.line
	l.stop()
	if s.waiting == nil {
		// Until more is known. Whoever finds the call without us must not text it again.
		l.set("set-0", s.variables(endFor(deflect.Uncertain, deflect.ReasonInternal, nil)))
		s.pending = true
	}
	// The wait prompt comes not before the offer has ended, inside of which the
	// switch would play it, and not for an API that answers at once.
	again := time.Now().Add(breakAgain)
	waiting, waited := s.voice.prompts.Wait != "", false
	for !l.ended && !closed(done) {
		if l.next(again) == sawTimer {
			waited = true
			if l.playing != "" && l.playing != waitID {
				l.stopAgain()
			}
			again = time.Now().Add(breakAgain)
		}
		if waiting && waited && l.playing == "" {
			l.play(waitID, s.voice.prompts.Wait)
			waiting = false
		}
		if !waiting && waited && l.playing == "" && l.prompt == s.voice.prompts.Wait {
			s.wasPlayed()
		}
	}
	<-done
	e = s.bye(e)
	if e.Outcome == deflect.Sent && s.profile.Confirm {
		e.confirmed = s.confirm()
	}
	return e
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// tell plays a prompt to its end. It reports whether that was reached.
func (s *session) tell(id, prompt string) bool {
	l := s.line
	s.missing = false
	l.hush()
	l.play(id, prompt)
	for l.playing != "" && !l.over {
		l.next(time.Time{})
	}
	return l.gone == here && !l.over && s.wasPlayed()
}

// deaf lets some time pass in which keys are no answers: a question that was hardly
// begun was not heard.
func (s *session) deaf(d time.Duration) {
	until := time.Now().Add(d)
	for l := s.line; l.gone == here && !l.over && l.next(until) != sawTimer; {
	}
	s.keepKeys()
}

// request runs beside the session. It ends within the live deadline.
func (s *session) request(call deflect.Call) (e ending) {
	defer func() {
		if p := recover(); p != nil {
			e = end(deflect.Uncertain, deflect.ReasonInternal)
			s.srv.defect("a request", p, s.ch.ids()...)
		}
	}()
	res, err := s.setup.Client.Deflect(s.stop, call)
	s.counted = true
	return ending{Result: res, err: err}
}

func (s *session) resultPrompt(e ending) string {
	switch {
	case e.Outcome == deflect.Sent:
		return s.voice.prompts.Sent
	case e.Outcome == deflect.Uncertain:
		return s.voice.prompts.Uncertain
	case e.Reason == deflect.ReasonCooldown || e.Reason == deflect.ReasonAlreadyAsked:
		return s.voice.prompts.AlreadySent
	}
	return s.voice.prompts.Failed
}

// keepKeys keeps what was pressed while nobody listened.
func (s *session) keepKeys() {
	for k := s.line.key(); k != 0; k = s.line.key() {
		if p := s.profile; p == nil || string(k) != p.AcceptDigit && string(k) != p.DeclineDigit {
			s.keep(k)
		}
	}
}

func (s *session) keep(k byte) {
	if !s.private && len(s.ch.call.Digits) < maxDigits {
		s.ch.call.Digits += string(k)
	}
}

// count counts the call once; Deflect counts its own.
func (s *session) count(e ending) {
	if !s.counted {
		s.counted = true
		s.setup.Client.CountOutcome(e.Outcome, e.Reason)
	}
}
