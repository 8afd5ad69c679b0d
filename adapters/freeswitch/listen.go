package freeswitch

import (
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// choice is what listening came to.
type choice int

const (
	silence choice = iota // the prompt or the time is over
	yes
	no
	away // the call is not ours to speak to any more
	cut  // this process has to stop
)

// offer plays the offer and listens. It reports true when the caller accepted,
// else how the call ended.
func (s *session) offer() (ending, bool) {
	prompt := s.voice.prompts.Offer
	if !s.judged.offer.Later.IsZero() {
		prompt = s.voice.prompts.LaterOffer
	}
	for n := 1; n <= s.profile.Repeat; n++ {
		switch s.question(fmt.Sprintf("offer-%d", n), prompt, s.profile.Gap) {
		case yes:
			return ending{}, true
		case no:
			s.talk.hush()
			return end(deflect.Declined, deflect.ReasonDeclineKey), false
		case away:
			return s.endAway(), false
		case cut:
			return s.endCut(), false
		}
		if e, ok := s.heard("the offer"); !ok {
			return e, false
		}
	}
	return end(deflect.NoInput, deflect.ReasonNoKey), false
}

// question plays a prompt and listens to it and the silence after it.
func (s *session) question(id, prompt string, gap time.Duration) choice {
	s.talk.hush()
	s.talk.play(id, prompt)
	return s.hear(gap)
}

// hear listens during the prompt that is playing, and in the silence after it.
func (s *session) hear(gap time.Duration) choice {
	c := s.listen(time.Time{})
	if c == silence && s.talk.result != notFound {
		// A prompt that ended in an error gets its gap as well: it is how a
		// hang-up and a transfer look before their own events arrive.
		c = s.listen(time.Now().Add(gap))
	}
	return c
}

// listen looks at keys until the prompt has ended, or until a time unless that is
// zero. A key that came before a hang-up counts.
func (s *session) listen(until time.Time) choice {
	t := &s.talk
	for {
		for k := t.key(); k != 0; k = t.key() {
			switch string(k) {
			case s.profile.AcceptDigit:
				return yes
			case s.profile.DeclineDigit:
				return no
			}
			s.keep(k)
		}
		switch {
		case t.gone != here:
			return away
		case t.over:
			return cut
		case until.IsZero() && t.playing == "":
			return silence
		}
		if t.next(until) == sawTimer {
			return silence
		}
	}
}

// deaf lets some time pass in which keys are no answers: a question that was hardly
// begun was not heard.
func (s *session) deaf(d time.Duration) {
	until := time.Now().Add(d)
	for t := &s.talk; t.gone == here && !t.over && t.next(until) != sawTimer; {
	}
	s.keepKeys()
}

// keepKeys keeps what was pressed while nobody listened.
func (s *session) keepKeys() {
	for k := s.talk.key(); k != 0; k = s.talk.key() {
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
