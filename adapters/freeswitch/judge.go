package freeswitch

import (
	"errors"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// judged is whether the caller may be texted.
type judged struct {
	offer *deflect.Offer
	no    ending // with an outcome: nobody serves the call
	err   error  // why there is no offer
	owed  bool   // ... but the caller has asked for a text, which can wait for a better moment
}

// judge asks whether the caller may be texted.
func (s *session) judge() {
	j := &s.judged
	var textErr error
	s.profile, s.voice, j.no, textErr = s.setup.look(&s.ch)
	s.known()
	if j.no.Outcome != "" {
		return
	}
	if s.ch.mode == modeAccepted {
		s.ch.call.Accepted = time.Now()
	}
	j.offer, j.err = s.setup.Client.Offer(s.ctx, *s.ch.call)
	if j.err == nil && textErr != nil {
		j.no = endFor(deflect.Ineligible, deflect.ReasonInvalidCall, textErr)
		j.offer.End(j.no.Outcome, j.no.Reason)
		j.offer, s.counted = nil, true
	}
	if j.offer != nil {
		s.ch.call = &j.offer.Call
	}
	j.owed = textErr == nil && s.owed()
}

// owed reports whether a caller who has asked for a text is refused because of the API
// alone, and the profile lets such a text wait: whether it does is for Deflect to say.
func (s *session) owed() bool {
	var e *deflect.Error
	if s.ch.mode != modeAccepted || !errors.As(s.judged.err, &e) || s.profile.Later.Failed == 0 {
		return false
	}
	if e.Reason != deflect.ReasonBreakerOpen && e.Outcome != deflect.Failed {
		return false
	}
	return s.setup.Client.Check(s.ctx, *s.ch.call) == nil
}

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

// unoffered is the ending of a call that may not be texted. Who has asked for a text, and
// who was texted a short while ago, is told so; the others are not even answered.
func (s *session) unoffered() ending {
	no, err := s.judged.no, s.judged.err
	switch {
	case s.ch.unheard != nil:
		return endFor(deflect.Failed, deflect.ReasonSwitch, s.ch.unheard)
	case no.Outcome != "":
		return s.toWaiting(no)
	case err == nil: // nobody was asked
		return s.endCut()
	}
	reason := deflect.ReasonOf(err)
	if s.stop.Err() != nil && (reason == deflect.ReasonCanceled || reason == deflect.ReasonDeadline) {
		return s.endCut() // nobody was judged
	}
	e := notTexted(err)
	switch {
	case reason == deflect.ReasonBreakerOpen && s.ch.mode == modeAccepted:
		e = endFor(deflect.Failed, reason, err)
	case reason != deflect.ReasonCooldown || s.resultPrompt(e) == "":
		return s.toWaiting(e)
	}
	s.answer()
	return s.bye(e)
}

// toWaiting tells a caller who waits, and has pressed the key, that there is no
// text. Others were not asked yet, and go on in the dialplan.
func (s *session) toWaiting(e ending) ending {
	if !s.ch.waits || s.voice == nil {
		return e
	}
	return s.bye(e)
}
