package freeswitch

// Answers to the question whether the text arrived.
const (
	confirmedYes     = "yes"
	confirmedNo      = "no"
	confirmedSilence = "silence" // also when this process had to stop
	confirmedHangup  = "hangup"  // the caller left, or was moved away
)

// confirm asks whether the text arrived, and returns deflect_confirmed: anything
// but a yes keeps the caller's place in the queue.
func (s *session) confirm() string {
	s.line.hush()
	s.keepKeys() // those before the question are no answer to it
	answer, confirmed := confirmedSilence, "false"
	switch {
	case s.line.gone != here:
		answer = confirmedHangup
	case s.srv.cut.Err() == nil:
		switch s.question("confirm-1", s.voice.prompts.Confirm, s.profile.ConfirmGap) {
		case yes:
			answer, confirmed = confirmedYes, "true"
		case no:
			answer = confirmedNo
		case left:
			answer = confirmedHangup
		}
	}
	s.srv.metrics.confirmed[answer].Inc()
	return confirmed
}
