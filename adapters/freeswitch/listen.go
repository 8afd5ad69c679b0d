package freeswitch

import (
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// choice is what listening came to.
type choice int

const (
	nothing choice = iota // the prompt or the time is over
	yes
	no
	left // the caller, or the switch
	cut  // this process has to stop
)

// offer plays the offer and listens. It reports true when the caller accepted,
// else how the call ended.
func (s *session) offer() (ending, bool) {
	for n := 1; n <= s.profile.Repeat; n++ {
		switch s.question(fmt.Sprintf("offer-%d", n), s.voice.prompts.Offer, s.profile.Gap) {
		case yes:
			return ending{}, true
		case no:
			s.line.hush()
			return end(deflect.Declined, deflect.ReasonDeclineKey), false
		case left:
			return s.left(), false
		case cut:
			return s.cut(), false
		}
		if e, ok := s.heard("the offer"); !ok {
			return e, false
		}
	}
	return end(deflect.NoInput, deflect.ReasonNoKey), false
}

// question plays a prompt and listens to it and the silence after it.
func (s *session) question(id, prompt string, gap time.Duration) choice {
	s.line.hush()
	s.line.play(id, prompt)
	return s.answer(gap)
}

// answer listens to the prompt that is playing, and to the silence after it.
func (s *session) answer(gap time.Duration) choice {
	c := s.listen(time.Time{})
	if c == nothing && s.line.response != notFound {
		// A prompt that ended in an error gets its gap as well: it is how a
		// hang-up and a transfer look before their own events arrive.
		c = s.listen(time.Now().Add(gap))
	}
	return c
}

// heard reports whether the last prompt was played, else how the call ends: a
// question that nobody heard gets no answer.
func (s *session) heard(what string) (ending, bool) {
	if s.line.response == "" || s.wasPlayed() {
		return ending{}, true
	}
	if s.line.gone != here {
		return s.left(), false
	}
	return endFor(deflect.Failed, deflect.ReasonPrompt, fmt.Errorf("the switch could not play %s", what)), false
}

// listen looks at keys until the prompt has ended, or until a time unless that is
// zero. A key that came before a hang-up counts.
func (s *session) listen(until time.Time) choice {
	l := s.line
	for {
		for k := l.key(); k != 0; k = l.key() {
			switch string(k) {
			case s.profile.AcceptDigit:
				return yes
			case s.profile.DeclineDigit:
				return no
			}
			s.keep(k)
		}
		switch {
		case l.gone != here:
			return left
		case l.over:
			return cut
		case until.IsZero() && l.playing == "":
			return nothing
		}
		if l.next(until) == sawTimer {
			return nothing
		}
	}
}
