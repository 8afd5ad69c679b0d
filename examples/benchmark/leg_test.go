package main

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// A call as a subject has to serve it, a command an element.
var goodCall = []string{
	"connect", "linger 5", "myevents",
	"filter Event-Name DTMF", "filter Event-Name CHANNEL_EXECUTE_COMPLETE", "filter Event-Name CHANNEL_HANGUP",
	execute("answer", "", ""), execute("playback", offerPrompt, "offer-1"), execute("break", "", ""),
	execute("playback", sentPrompt, "bye-1"), execute("multiset", "^^~deflect_outcome=sent~deflect_call_id=1", ""),
	"resume", "exit",
}

func execute(app, data, id string) string {
	return "sendmsg\r\ncall-command: execute\r\nExecute-App-Name: " + app + "\nexecute-app-arg: " + data + "\nevent-uuid: " + id
}

// newLeg is a call with somebody who says these commands, whatever comes back, and whose
// text has been asked for.
func newLeg(t *testing.T, commands []string) *leg {
	t.Helper()
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, theirs)
	t.Cleanup(func() { ours.Close() })
	said := strings.NewReader(strings.Join(commands, "\r\n\r\n") + "\n\n")
	l := &leg{id: identify(7), rec: testRecording(t), conn: ours, in: bufio.NewReader(said), marks: &marks{}}
	l.marks.request.Store(1)
	return l
}

func TestLeg(t *testing.T) {
	l := newLeg(t, goodCall)
	if err := l.finish(0); err != nil {
		t.Fatal(err)
	}
	if m := l.marks; m.pressed.Load() == 0 || m.command.Load() < m.pressed.Load() {
		t.Errorf("key at %d, next command at %d", m.pressed.Load(), m.command.Load())
	}
}

// TestLegRefuses shows that a subject which does less, or something else, fails.
func TestLegRefuses(t *testing.T) {
	for i, c := range goodCall {
		if c == "linger 5" {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(c, "sendmsg\r\ncall-command: execute\r\nExecute-App-Name: "), "\n")
		t.Run("without "+name, func(t *testing.T) {
			without := append(append([]string{}, goodCall[:i]...), goodCall[i+1:]...)
			if err := newLeg(t, without).finish(0); err == nil {
				t.Error("it is fine")
			}
		})
	}
	for _, tt := range []struct{ name, instead string }{
		{"unknown application", execute("system", "reboot", "")},
		{"unknown command", "bgapi reboot"},
		{"another outcome", execute("multiset", "^^~deflect_outcome=failed~x=y", "")},
		{"body", "sendmsg\ncontent-length: 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			commands := append([]string{}, goodCall...)
			commands[10] = tt.instead
			if err := newLeg(t, commands).finish(0); err == nil || err == errNotWhole {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestLegRefusesAnotherOrder(t *testing.T) {
	for name, i := range map[string]int{"resume before the outcome": 10, "told before the break": 8} {
		commands := append([]string{}, goodCall...)
		commands[i], commands[i+1] = commands[i+1], commands[i]
		if err := newLeg(t, commands).finish(0); err == nil || err == errNotWhole {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLegRefusesEarlyOutcome(t *testing.T) {
	l := newLeg(t, goodCall)
	l.marks.request.Store(0)
	if err := l.finish(0); err == nil || !strings.Contains(err.Error(), "no request") {
		t.Errorf("an outcome without a request: %v", err)
	}
}

func TestNote(t *testing.T) {
	p := &phase{first: 5, marks: make([]marks, 2)}
	asked := func(n int, number string) []byte {
		return []byte(`{"customerPhoneNumber":"` + number + `","externalCallId":"` + identify(n).uuid + `"}`)
	}
	body := func(n int) []byte { return asked(n, identify(n).number[1:]) }
	if p.note(body(5), 9) == nil {
		t.Error("a text before the key is fine")
	}
	p.marks[0].pressed.Store(1)
	p.marks[1].pressed.Store(1)
	if err := p.note(body(5), 9); err != nil || p.marks[0].request.Load() != 9 {
		t.Errorf("a text after the key: %v", err)
	}
	if p.note(body(5), 10) == nil {
		t.Error("two texts are fine")
	}
	for _, bad := range [][]byte{body(4), body(7), asked(6, identify(5).number[1:]), []byte(`{}`), []byte(`{"externalCallId":"x"}`)} {
		if p.note(bad, 1) == nil {
			t.Errorf("a text of %s is fine", bad)
		}
	}
}
