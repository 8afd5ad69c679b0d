package freeswitch

import (
	"errors"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// askNumber lets the caller key in a number to text. It reports true when there is
// one, read back and confirmed, else how the call ended.
func (s *session) askNumber() (ending, bool) {
	s.private = true
	last := end(deflect.NoInput, deflect.ReasonNoNumber)
	for try := 1; try <= s.profile.NumberEntry.Tries; try++ {
		if try > 1 {
			s.line.keys = nil // the rest of the number before is no part of this one
		}
		digits, c := s.collect(fmt.Sprintf("number-%d", try))
		if e, over := s.ended(c); over {
			return e, false
		}
		if digits == "" {
			s.line.hush()
			if e, ok := s.heard("the question for a number"); !ok {
				return e, false
			}
			continue
		}
		call := s.ch.call
		call.NumberOverride = deflect.PhoneNumber(digits)
		var err error
		if len(digits) < s.profile.NumberEntry.MinDigits {
			err = &deflect.Error{Outcome: deflect.Ineligible, Reason: deflect.ReasonNumberInvalid, Err: errFewDigits}
		} else {
			err = s.setup.Client.Check(s.srv.cut, call)
		}
		switch reason := deflect.ReasonOf(err); {
		case err == nil:
		case aboutNumber(reason):
			last = end(deflect.Ineligible, reason)
			last.err = err
			if try < s.profile.NumberEntry.Tries {
				s.tell(fmt.Sprintf("invalid-%d", try), s.voice.prompts.NumberInvalid)
			}
			continue
		default:
			s.ch.call = call
			e := end(deflect.Ineligible, reason)
			e.err = err
			s.tell("bye-1", s.resultPrompt(e))
			return e, false
		}
		c = s.readBack(try, digits)
		if e, over := s.ended(c); over {
			return e, false
		}
		if c == yes {
			s.ch.call = call
			return ending{}, true
		}
		last = end(deflect.NoInput, deflect.ReasonNoNumber)
	}
	s.tell("bye-1", s.voice.prompts.Failed)
	return last, false
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

// ended tells how a call ends in which nobody can be asked any more.
func (s *session) ended(c choice) (ending, bool) {
	switch c {
	case left:
		return s.left(), true
	case cut:
		return s.cut(), true
	}
	return ending{}, false
}

// collect asks for a number and returns the digits, none for silence. What was
// pressed before the prompt belongs to them, for those who know it by heart.
func (s *session) collect(id string) (string, choice) {
	l, n := s.line, s.profile.NumberEntry
	l.hush()
	l.play(id, s.voice.prompts.Number)
	var digits []byte
	timer := time.NewTimer(n.Gap)
	defer timer.Stop()
	var silence <-chan time.Time // begins when the prompt has ended, or with the first digit
	for {
		for k := l.key(); k != 0; k = l.key() {
			switch {
			case string(k) == n.Terminator:
				return string(digits), nothing
			case k >= '0' && k <= '9':
				digits = append(digits, k)
				l.stop()
				timer.Reset(n.Gap)
				silence = timer.C
			}
			if len(digits) == n.MaxDigits {
				return string(digits), nothing
			}
		}
		if l.gone != here {
			return "", left
		}
		if silence == nil && l.playing == "" {
			if l.response == notFound {
				return "", nothing
			}
			timer.Reset(n.Gap)
			silence = timer.C
		}
		switch l.next(silence, nil) {
		case sawTimer:
			return string(digits), nothing
		case sawCut:
			return "", cut
		}
	}
}

// readBack reads the digits out and asks whether they are right. Silence is no yes.
func (s *session) readBack(try int, digits string) choice {
	l := s.line
	l.hush()
	l.keys = nil // what was pressed after the last digit is no answer
	l.say(fmt.Sprintf("say-%d", try), s.voice.say, digits)
	if c := s.listen(nil); c != nothing {
		return c
	}
	return s.question(fmt.Sprintf("right-%d", try), s.voice.prompts.NumberConfirm, s.profile.Gap)
}
