package freeswitch

import "time"

// Answers to the question whether the text arrived.
const (
	confirmedYes     = "yes"
	confirmedNo      = "no"
	confirmedSilence = "silence" // also when this process had to stop
	confirmedHangup  = "hangup"  // the caller left, or was moved away
)

// hardlyBegun is for how long nobody can have heard what a question asks.
const hardlyBegun = time.Second

// confirm asks whether the text arrived, and returns deflect_confirmed: anything
// but a yes keeps the caller's place in the queue.
func (s *session) confirm() string {
	came, confirmed := confirmedSilence, "false"
	switch {
	case s.talk.gone != here:
		came = confirmedHangup
	default:
		s.talk.hush()
		s.talk.play("confirm-1", s.voice.prompts.Confirm)
		s.deaf(hardlyBegun) // a key pressed twice is no answer to what comes next
		switch s.hear(s.profile.ConfirmGap) {
		case silence:
			s.wasPlayed() // or says that nobody was asked
		case yes:
			came, confirmed = confirmedYes, "true"
		case no:
			came = confirmedNo
		case away:
			came = confirmedHangup
		}
	}
	s.srv.metrics.confirmed[came].Inc()
	return confirmed
}
