package freeswitch

import (
	"errors"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// askNumber lets the caller key in a number to text. It reports true when there is
// one, read back and confirmed, else how the call ended.
func (s *session) askNumber() (ending, bool) {
	s.private = true
	var last ending
	for try := 1; try <= s.profile.NumberEntry.Tries; try++ {
		last = end(deflect.NoInput, deflect.ReasonNoNumber)
		digits, c := s.collect(fmt.Sprintf("number-%d", try))
		if e, over := s.endOf(c); over {
			return e, false
		}
		if digits == "" {
			s.talk.hush()
			if e, ok := s.heard("the question for a number"); !ok {
				return s.bye(e), false
			}
			continue
		}
		call := *s.ch.call
		call.NumberOverride = phone.Number(digits)
		err := s.checkNumber(call)
		switch reason := deflect.ReasonOf(err); {
		case err == nil:
		case s.stop.Err() != nil:
			return s.endCut(), false
		case aboutNumber(reason):
			last = endFor(deflect.Ineligible, reason, err)
			if try < s.profile.NumberEntry.Tries {
				s.tellInvalid(try)
			}
			continue
		default:
			*s.ch.call = call
			return s.bye(notTexted(err)), false
		}
		e, c := s.readBack(try, digits)
		switch {
		case e.Reason == deflect.ReasonPrompt:
			return s.bye(e), false
		case e.Outcome != "":
			return e, false
		}
		if c == yes {
			*s.ch.call = call
			return ending{}, true
		}
	}
	return s.bye(last), false
}

func (s *session) checkNumber(call deflect.Call) error {
	if len(call.NumberOverride) < s.profile.NumberEntry.MinDigits {
		return &deflect.Error{Outcome: deflect.Ineligible, Reason: deflect.ReasonNumberInvalid, Err: errFewDigits}
	}
	var err error
	s.aside(func() { err = s.setup.Client.Check(s.ctx, call) })
	return err
}

// tellInvalid says that a number cannot be texted. The first key of the next one
// ends it, but not the rest of one that has all the digits that it may have.
func (s *session) tellInvalid(try int) {
	t := &s.talk
	t.hush()
	t.keys = nil // the rest of the number is no part of the next one
	t.play(fmt.Sprintf("invalid-%d", try), s.voice.prompts.NumberInvalid)
	if s.full {
		s.deaf(hardlyBegun)
	}
	for t.playing != "" && !t.over {
		if len(t.keys) > 0 && s.full && string(t.keys[0]) == s.profile.NumberEntry.Terminator {
			s.full, t.keys = false, t.keys[1:]
		}
		if len(t.keys) > 0 {
			return
		}
		t.next(time.Time{})
	}
	s.wasPlayed()
}

var errFewDigits = errors.New("the number that was keyed in has too few digits")

// aboutNumber reports whether another number could be texted.
func aboutNumber(r deflect.Reason) bool {
	switch r {
	case deflect.ReasonNumberHidden, deflect.ReasonNumberInvalid, deflect.ReasonNumberFixedLine,
		deflect.ReasonNumberNotTextable, deflect.ReasonNumberNotMobile, deflect.ReasonCountry:
		return true
	}
	return false
}

// endOf tells how a call ends in which nobody can be asked any more.
func (s *session) endOf(c choice) (ending, bool) {
	switch c {
	case away:
		return s.endAway(), true
	case cut:
		return s.endCut(), true
	}
	return ending{}, false
}

// collect asks for a number and returns the digits, none for silence. What was
// pressed before the prompt belongs to them, for those who know it by heart.
func (s *session) collect(id string) (string, choice) {
	t, n := &s.talk, s.profile.NumberEntry
	t.hush()
	t.play(id, s.voice.prompts.Number)
	full := s.full // the last number; its terminator may come late
	s.full = false
	var digits []byte
	var silent time.Time // set when the prompt has ended, and with each digit
	for {
		for k := t.key(); k != 0; k = t.key() {
			switch {
			case string(k) == n.Terminator && full && len(digits) == 0:
				full = false
			case string(k) == n.Terminator:
				return string(digits), silence
			case k >= '0' && k <= '9':
				digits = append(digits, k)
				t.stop()
				silent = time.Now().Add(n.Gap)
			}
			if len(digits) == n.MaxDigits {
				s.full = true
				return string(digits), silence
			}
		}
		switch {
		case t.gone != here:
			return "", away
		case t.over:
			return "", cut
		}
		if silent.IsZero() && t.playing == "" {
			if t.result == notFound {
				return "", silence
			}
			silent = time.Now().Add(n.Gap)
		}
		if t.next(silent) == sawTimer {
			return string(digits), silence
		}
	}
}

// saidSoon is what a digit takes at least to be read out. A switch that cannot say
// anything does not tell: it is done at once.
const saidSoon = 100 * time.Millisecond

// readBack reads the digits out and asks whether they are right; an ending with an
// outcome ends the call. Silence is no yes, and neither is a key pressed before the
// question: it may be the rest of a number that was too long or keyed in slowly.
func (s *session) readBack(try int, digits string) (ending, choice) {
	t := &s.talk
	t.hush()
	began := time.Now()
	t.sayDigits(fmt.Sprintf("say-%d", try), s.voice.say, digits)
	for t.playing != "" && !t.over {
		t.next(time.Time{})
	}
	t.keys = nil
	if t.gone == here && !t.over && time.Since(began) < time.Duration(len(digits))*saidSoon {
		s.srv.metrics.promptErrors[otherPrompt].Inc()
		return endFor(deflect.Failed, deflect.ReasonPrompt, fmt.Errorf("the switch did not read the number back: is its say module for %q loaded?", s.voice.say)), silence
	}
	c := s.question(fmt.Sprintf("right-%d", try), s.voice.prompts.NumberConfirm, s.profile.Gap)
	if e, over := s.endOf(c); over {
		return e, c
	}
	if c == silence {
		if e, ok := s.heard("the question whether the number is right"); !ok {
			return e, c
		}
	}
	if c == no {
		s.deaf(pressedTwice)
	}
	t.keys = nil
	return ending{}, c
}

// pressedTwice is how close together an impatient caller presses a key twice.
const pressedTwice = 500 * time.Millisecond
