package freeswitch

import (
	"regexp"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

var shownForm = regexp.MustCompile(`^[A-Za-z_:, -]*[0-9]{0,2}[A-Za-z_: -]*$`)

// Whatever a peer says in an event or a refusal, what is shown of it is words of ours and of
// the switch, and short.
func FuzzTracedEvent(f *testing.F) {
	f.Add("DTMF", "DTMF-Digit", "1", "Application", "playback")
	f.Add("CHANNEL_EXECUTE_COMPLETE", "Application-Response", "FILE PLAYED", "Application-UUID", "offer-1")
	f.Add("CHANNEL_HANGUP", "Hangup-Cause", "14043438646", "Event-Date-Timestamp", "-1")
	f.Add(esl.CommandError, "Reply-Text", "-ERR No such channel 4043438646", "Command", "\x1b[2J")
	f.Add(esl.DisconnectNotice, "Content-Disposition", "linger", "Application", "Jane Doe")
	f.Fuzz(func(t *testing.T, name, header, value, other, word string) {
		e := esl.NewEvent(name, map[string]string{header: value, other: word})
		l := tracedEvent(e.Name(), e)
		if !eventForm.MatchString(l.Name) || !shownForm.MatchString(l.Masked) || len(l.Masked) > 300 {
			t.Errorf("shown: %q %q", l.Name, l.Masked)
		}
	})
}
