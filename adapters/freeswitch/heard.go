package freeswitch

import (
	"time"
)

// settling is how long after a prompt's error the event comes that tells of a hang-up or
// a transfer, if that was the cause.
const settling = 250 * time.Millisecond

// wasPlayed reports whether the last prompt was played, and says in the log and the
// metrics if it could not be: its caller heard nothing.
func (s *session) wasPlayed() bool {
	l := s.line
	s.missing = false
	if l.response == played || l.prompt == "" {
		return true
	}
	if l.response == "" {
		return false // it was not played to its end, or not at all
	}
	if l.response == playError {
		for until := time.Now().Add(settling); l.gone == here && !l.over && l.next(until) != sawTimer; {
		}
	}
	if l.gone == here && !l.over {
		s.unheard(l.prompt, l.response)
	}
	l.response = ""
	return false
}

// unheard says that a prompt could not be played.
func (s *session) unheard(prompt, response string) {
	s.missing = true
	name := s.voice.name(prompt)
	s.srv.metrics.promptErrors[name].Inc()
	if response != notFound && response != playError {
		response = "another answer" // a stranger's
	}
	s.srv.log.Warn("the switch could not play a prompt: the caller heard nothing", append(s.ch.ids(), "prompt", name, "file", prompt, "response", response)...)
}

// name is what a prompt is for.
func (v *voice) name(prompt string) string {
	for _, f := range v.prompts.all() {
		if *f.value == prompt {
			return f.label()
		}
	}
	return otherPrompt
}
