package freeswitchtest

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSwitchAuth(t *testing.T) {
	bubble(t, "wrong password", func(t *testing.T) {
		s := &Switch{Password: "secret"}
		p := reach(t, s)
		p.next()
		p.send("auth ClueCon", "event plain ALL")
		equal(t, "frames", p.heard(), []string{"-ERR invalid", "", "end"})
		equal(t, "listeners", s.Listeners(), 0)
		equal(t, "commands", s.Commands(), []string{"auth ***", "event plain ALL"})
		equal(t, "violations", s.Violations(), []string{`refused with -ERR invalid: "auth ***"`})
	})
	bubble(t, "right password", func(t *testing.T) {
		s := &Switch{Password: "secret"}
		p := reach(t, s)
		p.next()
		equal(t, "too early", p.ask("api uuid_exists x"), "-ERR command not found")
		equal(t, "reply", p.ask("auth secret"), "+OK accepted")
		equal(t, "twice", p.ask("auth secret"), "-ERR command not found")
	})
	bubble(t, "silence", func(t *testing.T) {
		p := reach(t, &Switch{})
		p.next()
		time.Sleep(25*time.Second - 1)
		equal(t, "before", p.heard(), nil)
		time.Sleep(time.Nanosecond)
		equal(t, "after", p.heard(), []string{"", "end"})
	})
	bubble(t, "one command is enough", func(t *testing.T) {
		p := reach(t, &Switch{})
		p.next()
		p.ask("api x")
		time.Sleep(time.Hour)
		equal(t, "reply", p.ask("auth ClueCon"), "+OK accepted")
	})
	bubble(t, "refused", func(t *testing.T) {
		s := &Switch{Refuse: true}
		p := reach(t, s)
		equal(t, "frames", p.read(), []string{
			"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n",
			"Content-Type: text/disconnect-notice\nContent-Length: 67\n\n" + goodbye, "end",
		})
		equal(t, "listeners", s.Listeners(), 0)
	})
}

// Each connection has its own subscription, and answers stay in order.
func TestSwitchConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{}
		p, q := login(t, s, "event plain DTMF"), login(t, s, "event json DTMF CUSTOM a::b")
		login(t, s)
		w := s.Park(caller())
		equal(t, "connections", w.Press("1"), 2)
		equal(t, "plain", p.heard(), []string{"DTMF 1"})
		if f := q.next(); !strings.Contains(f, `"Event-Name":"DTMF"`) || !strings.Contains(f, "text/event-json") {
			t.Errorf("not JSON: %q", f)
		}
		equal(t, "listeners", s.Listeners(), 3)
		// The event of a command comes behind its answer.
		q.send("sendevent CUSTOM\nEvent-Subclass: a::b\nX: 1 2%", "api uuid_exists c-1")
		frames := q.read()
		equal(t, "frames", len(frames), 3)
		equal(t, "reply", strings.HasPrefix(frames[0], "Content-Type: command/reply\nReply-Text: +OK "), true)
		equal(t, "event", strings.Contains(frames[1], `"X":"1 2%"`), true)
		equal(t, "answer", strings.HasSuffix(frames[2], "\n\ntrue"), true)
		q.send("exit", "api uuid_exists c-1")
		equal(t, "exit", brief(q.next()), "+OK bye")
		equal(t, "notice", q.read(), []string{
			"Content-Type: text/disconnect-notice\nContent-Length: 67\n\n" + goodbye, "end",
		})
		equal(t, "listeners", s.Listeners(), 2)
		equal(t, "violations", s.Violations(), []string{`a command after exit: "api uuid_exists c-1"`})
	})
}

func TestSwitchSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{unread: 100 << 10}
		here, there := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); s.ServeConn(there) }()
		go func() { _, _ = here.Write([]byte("auth ClueCon\n\nevent plain CUSTOM deflect::offer\n\n")) }()
		buf := make([]byte, 1<<10)
		for got := ""; !strings.Contains(got, "listener enabled"); {
			n, err := here.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got += string(buf[:n])
		}
		w := s.Park(caller())
		for range 100 { // some are on the way, the rest is too much
			w.Announce()
		}
		<-done
		equal(t, "violations", s.Violations(), []string{errSlowReader.Error()})
		equal(t, "listeners", s.Listeners(), 0)
	})
}
