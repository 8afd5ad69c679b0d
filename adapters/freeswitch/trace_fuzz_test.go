package freeswitch

import (
	"context"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

var shownForm = regexp.MustCompile(`^[A-Za-z_:, -]*[0-9]{0,2}[A-Za-z_: -]*$`)

// What is not said to a waiting caller any more, who is with an agent by then, is no prompt
// that was played.
func TestTraceOfWhatIsNotSaid(t *testing.T) {
	var heard []string
	hear := func(_ context.Context, l TracedLine) { heard = append(heard, l.Name+" "+l.Masked) }
	l := &link{dialer: &dialer{}, lanes: map[string]*lane{}, more: sync.NewCond(&sync.Mutex{}), commands: make([]switchConn, maxCommands)}
	q := newQueueLine(l, "a-call", spot{}, time.Minute, func(job) {})
	q.trace(&callTrace{srv: &Server{}, hooks: &Trace{Command: hear, Event: hear}, ctx: t.Context()})
	q.tell(word{do: doPlay, id: "bye-1", prompt: "sent.wav"})
	l.lanes["a-call"].jobs[0].done("", errMoved)
	if want := []string{"uuid_broadcast a-call sent.wav aleg", "COMMAND_ERROR the call is not any more where it was"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

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
