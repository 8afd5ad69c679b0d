package freeswitchtest

import (
	"slices"
	"testing"
	"time"
)

// What becomes of a call that has left the socket application, by how its socket ends.
func TestEndOfAMovedCall(t *testing.T) {
	unset := "api uuid_setvar the-call socket_resume"
	for name, tt := range map[string]struct {
		move   Action
		resume bool // of the dialplan
		last   []string
		want   string
	}{
		"resume of the dialplan":        {Transfer("200"), true, []string{"exit"}, "transferred lost"},
		"resume of ours":                {Transfer("200"), false, []string{"resume", "exit"}, "transferred lost"},
		"the connection breaks":         {Transfer("200"), true, nil, "transferred lost"},
		"unset in time":                 {Transfer("200"), true, []string{unset, "exit"}, "transferred"},
		"unset, then it breaks":         {Transfer("200"), true, []string{unset}, "transferred"},
		"unset and resumed":             {Transfer("200"), true, []string{unset, "resume", "exit"}, "transferred lost"},
		"parked elsewhere":              {TransferToPark("200"), true, []string{unset, "exit"}, "transferred lost"},
		"another socket, resume":        {OtherSocket(true), true, []string{"exit"}, "continued lost"},
		"another socket, unset in time": {OtherSocket(false), true, []string{unset, "exit"}, "continued"},
	} {
		bubble(t, name, func(t *testing.T) {
			p, results := start(t, Call{UUID: "the-call", SocketResume: tt.resume, Script: []Action{tt.move.After(time.Second)}})
			p.offer("offer.wav")
			p.until("Application: socket")
			if len(tt.last) > 0 {
				p.send(tt.last...)
				time.Sleep(time.Millisecond)
			}
			if !slices.Contains(tt.last, "exit") {
				_ = p.conn.Close()
			}
			equal(t, "the end", ending(<-results), tt.want)
		})
	}
}

// The end of another socket changes nothing for a call that was given back a moment before.
func TestOtherSocketEndsWhileTheCallIsGivenBack(t *testing.T) {
	for before := time.Millisecond; before < 2*frameTime; before += 3 * time.Millisecond {
		bubble(t, before.String(), func(t *testing.T) {
			began := time.Now()
			p, results := start(t, Call{SocketResume: true, Script: []Action{OtherSocket(true).SinceConnect(time.Second)}})
			p.offer("offer.wav")
			time.Sleep(time.Until(began.Add(time.Second - before)))
			p.send("resume", exec("unset", "socket_resume", "u-1"), "exit")
			equal(t, "the end", ending(<-results), "continued")
		})
	}
}

// Whoever holds the socket until the call is over costs nobody the call.
func TestMovedCallIsHeld(t *testing.T) {
	bubble(t, "held", func(t *testing.T) {
		p, results := start(t, Call{SocketResume: true, Script: []Action{TransferToPark("200").After(time.Second)}})
		p.offer("offer.wav")
		p.until("Application: socket")
		p.until("Event-Name: CHANNEL_HANGUP")
		p.send("exit")
		if r := <-results; r.Lost {
			t.Errorf("lost: %v", r.Timeline)
		}
	})
}

// What is left of socket_resume, and when it comes too late.
func TestUnsetAtTheEnd(t *testing.T) {
	unset := exec("unset", "socket_resume", "u-1")
	for name, tt := range map[string]struct {
		last []string
		want string
	}{
		"resume":                {[]string{"resume", "exit"}, "continued resume-left"},
		"unset behind resume":   {[]string{"resume", unset, "exit"}, "continued"},
		"unset without resume":  {[]string{unset, "exit"}, "lost"},
		"unset through the api": {[]string{"api uuid_setvar the-call socket_resume", exec("set", "x=y", "s-1"), "exit"}, "continued"},
	} {
		bubble(t, name, func(t *testing.T) {
			p, results := start(t, Call{UUID: "the-call", SocketResume: true})
			p.offer("offer.wav")
			time.Sleep(3 * time.Second)
			p.send(tt.last...)
			p.rest()
			equal(t, "the end", ending(<-results), tt.want)
		})
	}
}

// Keys of a menu before come as if they were pressed now, until they are flushed.
func TestQueuedKeys(t *testing.T) {
	keysOf := func(t *testing.T, commands ...string) []string {
		p, results := start(t, Call{Answered: true, SocketResume: true, Queued: "12"})
		p.send(append(slices.Clone(setUp), commands...)...)
		time.Sleep(time.Second)
		p.send("resume", "exit")
		got := slices.DeleteFunc(p.rest(), func(s string) bool { return s == "" || s[0] != 'D' })
		<-results
		return got
	}
	bubble(t, "reported", func(t *testing.T) { equal(t, "keys", keysOf(t), []string{"DTMF 1", "DTMF 2"}) })
	bubble(t, "flushed", func(t *testing.T) {
		if got := keysOf(t, exec("flush_dtmf", "", "f-1")); len(got) > 1 {
			t.Errorf("keys %q after they were flushed", got)
		}
	})
}

// sensitive_dtmf keeps keys from being reported at all.
func TestSensitiveKeys(t *testing.T) {
	bubble(t, "sensitive", func(t *testing.T) {
		p, results := start(t, Call{Vars: map[string]string{"sensitive_dtmf": "true"}, Script: []Action{
			Press("1").After(500 * time.Millisecond), Press("2").After(1500 * time.Millisecond), HangUp().After(1900 * time.Millisecond),
		}})
		p.offer("offer.wav")
		time.Sleep(time.Second)
		p.send(exec("unset", "sensitive_dtmf", "u-1"))
		got := slices.DeleteFunc(p.rest(), func(s string) bool { return s == "" || s[0] != 'D' })
		equal(t, "keys", got, []string{"DTMF 2"})
		<-results
	})
}
