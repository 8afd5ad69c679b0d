package freeswitchtest

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fiorix/go-eventsocket/eventsocket"
)

// The programs here use a library that was written for FreeSWITCH and knows
// nothing of the double.

func TestEventsocketDialsTheSwitch(t *testing.T) {
	s := &Switch{Password: "secret", Prompts: map[string]time.Duration{"a.wav": 20 * time.Millisecond}}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if _, err := eventsocket.Dial(s.Addr(), "wrong"); err == nil || err.Error() != "Invalid password" {
		t.Errorf("wrong password: %v", err)
	}
	c, err := eventsocket.Dial(s.Addr(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for _, format := range []string{"plain", "json"} {
		t.Run(format, func(t *testing.T) { useEventsocket(t, s, c, format) })
	}
	if _, err := c.Send("api uuid_dump nobody"); err == nil || !strings.HasPrefix(err.Error(), "No such channel!") {
		t.Errorf("a call that is gone: %v", err)
	}
	ev, err := c.Send("exit")
	if err != nil || ev.Get("Reply-Text") != "+OK bye" {
		t.Errorf("exit: %v, %v", ev, err)
	}
	equal(t, "violations", s.Violations(), []string{`refused with -ERR invalid: "auth ***"`})
}

func useEventsocket(t *testing.T, s *Switch, c *eventsocket.Connection, format string) {
	send := func(command, want string) {
		t.Helper()
		ev, err := c.Send(command)
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if got := ev.Get("Reply-Text") + ev.Body; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	next := func(name string) *eventsocket.Event {
		t.Helper()
		ev, err := c.ReadEvent()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Get("Event-Name") != name {
			t.Fatalf("got %s, want %s", ev.Get("Event-Name"), name)
		}
		return ev
	}
	send("event "+format+" DTMF PLAYBACK_STOP CHANNEL_HANGUP CUSTOM deflect::offer", "+OK event listener enabled "+format)
	call := caller()
	call.Vars = map[string]string{"deflect_info_plan": "Gold Über & more"}
	w := s.Park(call)
	w.Announce()
	offer := next("CUSTOM")
	equal(t, "uuid", offer.Get("Unique-Id"), "c-1")
	equal(t, "name", offer.Get("Caller-Caller-Id-Name"), "Jane Doe")
	equal(t, "plan", offer.Get("Variable_deflect_info_plan"), "Gold Über & more")
	w.Press("1")
	equal(t, "key", next("DTMF").Get("Dtmf-Digit"), "1")
	send("api uuid_setvar_multi c-1 deflect_outcome=sent;deflect_call_id=473513", "+OK\n")
	send("api uuid_exists c-1", "true")
	send("api uuid_dump c-1", "Event-Name: CHANNEL_DATA\n")
	send("api uuid_broadcast c-1 a.wav aleg", "+OK Message sent\n")
	equal(t, "status", next("PLAYBACK_STOP").Get("Playback-Status"), "done")
	send("api uuid_transfer c-1 9999 XML default", "+OK\n")
	w.HangUp()
	next("CHANNEL_HANGUP")
	send("noevents", "+OK no longer listening for events")
	r := w.Result()
	equal(t, "vars", r.Vars, map[string]string{"deflect_outcome": "sent", "deflect_call_id": "473513"})
	equal(t, "transferred", r.Transferred, "9999 XML default")
	equal(t, "heard", len(r.Played), 1)
}

func TestEventsocketServesACall(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	// The library cannot stop listening: the end of the process does it.
	go func() { _ = eventsocket.ListenAndServe(addr, serveByEventsocket) }()
	call := Call{
		ANI: "+14045550123", DNIS: "18005550100", SocketResume: true,
		Prompts: map[string]time.Duration{"offer.wav": time.Minute},
		Script:  []Action{Press("1")},
	}
	r, err := call.Dial(t.Context(), addr)
	for late := time.Now().Add(time.Minute); err == nil && len(r.Commands) == 0 && time.Now().Before(late); {
		runtime.Gosched() // until it listens
		r, err = call.Dial(t.Context(), addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "vars", r.Vars, map[string]string{"key": "1", "from": "+14045550123"})
	equal(t, "answered, continued", []bool{r.Answered, r.Continued, r.Lost}, []bool{true, true, false})
	equal(t, "violations", r.Violations, nil)
}

func serveByEventsocket(c *eventsocket.Connection) {
	defer c.Close()
	data, err := c.Send("connect")
	if err != nil {
		return
	}
	for _, command := range []string{"linger 5", "myevents", "filter Event-Name DTMF"} {
		if _, err := c.Send(command); err != nil {
			return
		}
	}
	_, _ = c.Execute("answer", "", false)
	_, _ = c.Execute("playback", "offer.wav", false)
	key, err := c.ReadEvent()
	if err != nil {
		return
	}
	_, _ = c.Execute("break", "", false)
	_, _ = c.Execute("multiset", "key="+key.Get("Dtmf-Digit")+" from="+data.Get("Caller-Caller-Id-Number"), false)
	_, _ = c.Send("resume")
	_, _ = c.Send("exit")
}
