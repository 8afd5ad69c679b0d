package freeswitch

import (
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// settling is how long after a prompt's error the event comes that tells of a hang-up or
// a transfer, if that was the cause.
const settling = 250 * time.Millisecond

// playOut plays a prompt, and reports whether it was heard to its end.
func (s *session) playOut(id, prompt string) bool {
	t := &s.talk
	s.missing = false
	t.hush()
	t.play(id, prompt)
	for t.playing != "" && !t.over {
		t.next(time.Time{})
	}
	return t.gone == here && !t.over && s.wasPlayed()
}

// heard reports whether the last prompt was played, else how the call ends: a
// question that nobody heard gets no answer.
func (s *session) heard(what string) (ending, bool) {
	if s.talk.result == noResult || s.wasPlayed() {
		return ending{}, true
	}
	if s.talk.gone != here {
		return s.endAway(), false
	}
	return endFor(deflect.Failed, deflect.ReasonPrompt, fmt.Errorf("the switch could not play %s", what)), false
}

// wasPlayed reports whether the last prompt was played, and says in the log and the
// metrics if it could not be: its caller heard nothing.
func (s *session) wasPlayed() bool {
	t := &s.talk
	s.missing = false
	if t.result == played || t.prompt == "" {
		return true
	}
	if t.result == noResult {
		return false
	}
	if t.result == playError {
		for until := time.Now().Add(settling); t.gone == here && !t.over && t.next(until) != sawTimer; {
		}
	}
	if t.gone == here && !t.over {
		s.unheard(t.prompt, t.result)
	}
	t.result = noResult
	return false
}

// unheard says that a prompt could not be played.
func (s *session) unheard(prompt string, result promptResult) {
	s.missing = true
	name := s.voice.name(prompt)
	s.srv.metrics.promptErrors[name].Inc()
	s.srv.log.Warn("the switch could not play a prompt: the caller heard nothing", append(s.ch.ids(), "prompt", name, "file", prompt, "response", string(result))...)
}

// name is what a prompt is for.
func (v *voice) name(prompt string) string {
	for row, value := range v.prompts.All() {
		if *value == prompt {
			return row.Key
		}
	}
	return otherPrompt
}
