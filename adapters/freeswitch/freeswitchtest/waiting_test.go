package freeswitchtest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// queued is a switch with one call and a peer that hears its story.
func queued(t *testing.T) (*Switch, *Waiting, *peer) {
	t.Helper()
	s := &Switch{
		Prompts: map[string]time.Duration{"long.wav": 5 * time.Second, "short.wav": time.Second},
		Missing: []string{"none.wav"},
	}
	w := s.Park(caller())
	return s, w, login(t, s, story)
}

// tell gives the story since the last time: events, applications, outcomes.
func (p *peer) tell() []string {
	var all []string
	for _, f := range p.read() {
		if value(f, "Content-Type") != "text/event-plain" {
			continue
		}
		words := strings.TrimPrefix(value(f, "Event-Name"), "CHANNEL_")
		for _, name := range []string{"Application", "Application-Data", "Application-Response", "Playback-Status"} {
			if v := value(f, name); v != "" {
				words += " " + v
			}
		}
		all = append(all, words)
	}
	return all
}

func TestBroadcastsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, p := queued(t)
		for _, what := range []string{"short.wav", "'say::en number iterated 123'", "none.wav", "other.wav"} {
			equal(t, what, p.ask("api uuid_broadcast c-1 "+what+" aleg"), "+OK Message sent\n")
		}
		time.Sleep(199 * time.Millisecond)
		equal(t, "too early", p.tell(), nil)
		time.Sleep(10 * time.Second)
		equal(t, "story", p.tell(), []string{
			"EXECUTE playback short.wav", "PLAYBACK_START", "PLAYBACK_STOP done", "EXECUTE_COMPLETE playback short.wav FILE PLAYED",
			"EXECUTE say en number iterated 123", "PLAYBACK_START", "PLAYBACK_STOP done",
			"EXECUTE_COMPLETE say en number iterated 123 _none_",
			"EXECUTE playback none.wav", "EXECUTE_COMPLETE playback none.wav FILE NOT FOUND",
			"EXECUTE playback other.wav", "PLAYBACK_START", "PLAYBACK_STOP done", "EXECUTE_COMPLETE playback other.wav FILE PLAYED",
		})
		const ms = time.Millisecond
		equal(t, "played", w.Result().Played, []Played{
			{File: "short.wav", At: 200 * ms, For: time.Second, Response: "FILE PLAYED"},
			{File: "say en number iterated 123", At: 1380 * ms, For: 2 * time.Second, Response: "_none_"},
			{File: "none.wav", At: 3560 * ms, Response: "FILE NOT FOUND"},
			{File: "other.wav", At: 3740 * ms, For: 2 * time.Second, Response: "FILE PLAYED"},
		})
		equal(t, "violations", s.Violations(), nil)
	})
}

func TestBreak(t *testing.T) {
	const began, ended = "EXECUTE playback long.wav", "EXECUTE_COMPLETE playback long.wav FILE PLAYED"
	tests := []struct {
		name  string
		after time.Duration // the broadcast of a long and a short prompt
		flag  string
		want  []string
	}{
		{"while it plays", time.Second, "", []string{began, "PLAYBACK_START", "PLAYBACK_STOP break", ended,
			"EXECUTE playback short.wav", "PLAYBACK_START", "PLAYBACK_STOP done", "EXECUTE_COMPLETE playback short.wav FILE PLAYED"}},
		{"all", time.Second, " all", []string{began, "PLAYBACK_START", "PLAYBACK_STOP break", ended}},
		{"too early", 100 * time.Millisecond, "", []string{began, "PLAYBACK_START", "PLAYBACK_STOP done", ended,
			"EXECUTE playback short.wav", "PLAYBACK_START", "PLAYBACK_STOP done", "EXECUTE_COMPLETE playback short.wav FILE PLAYED"}},
		{"all, too early", 100 * time.Millisecond, " all", []string{began, "PLAYBACK_START", "PLAYBACK_STOP done", ended}},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			_, _, p := queued(t)
			p.send("api uuid_broadcast c-1 long.wav aleg", "api uuid_broadcast c-1 short.wav aleg")
			time.Sleep(tt.after)
			p.send("api uuid_break c-1" + tt.flag)
			time.Sleep(10 * time.Second)
			equal(t, "story", p.tell(), tt.want)
		})
	}
	bubble(t, "takes a frame", func(t *testing.T) {
		_, w, p := queued(t)
		p.send("api uuid_break c-1") // nothing plays: it is lost
		time.Sleep(time.Second)
		p.send("api uuid_broadcast c-1 long.wav aleg")
		time.Sleep(1200 * time.Millisecond)
		equal(t, "so far", w.Result().Played[0].For, time.Second)
		p.send("api uuid_break c-1")
		time.Sleep(time.Second)
		equal(t, "heard", w.Result().Played[0].For, 1020*time.Millisecond)
	})
	bubble(t, "by the caller", func(t *testing.T) {
		_, w, p := queued(t)
		p.send("api uuid_broadcast c-1 long.wav aleg")
		time.Sleep(1200 * time.Millisecond)
		w.Press("1")
		equal(t, "goes on", w.Result().Played[0].Response, "")
		w.Press("*")
		equal(t, "ends", w.Result().Played[0].Response, "FILE PLAYED")
	})
}

func TestUUIDTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w, p := queued(t)
		p.send("api uuid_broadcast c-1 long.wav aleg", "api uuid_broadcast c-1 short.wav aleg")
		time.Sleep(1200 * time.Millisecond)
		equal(t, "begins", p.tell(), []string{"EXECUTE playback long.wav", "PLAYBACK_START"})
		before := p.ask("api uuid_dump c-1")
		equal(t, "answer", p.ask("api uuid_transfer c-1 9999 XML agents"), "+OK\n")
		// The new profile is there at once, the end of the queue a frame later.
		after := p.ask("api uuid_dump c-1")
		equal(t, "profile", []string{value(before, "Caller-Profile-Index"), value(after, "Caller-Profile-Index")}, []string{"1", "2"})
		equal(t, "number", []string{value(before, "Caller-Destination-Number"), value(after, "Caller-Destination-Number"),
			value(after, "Caller-RDNIS"), value(after, "Caller-Context")}, []string{"18005550100", "9999", "18005550100", "agents"})
		if value(before, "Caller-Profile-Created-Time") == value(after, "Caller-Profile-Created-Time") {
			t.Error("the profile is as old as before")
		}
		equal(t, "queue", p.tell(), nil)
		time.Sleep(frameTime)
		equal(t, "story", p.tell(), []string{
			"PLAYBACK_STOP done", "EXECUTE_COMPLETE playback long.wav PLAYBACK ERROR",
			"EXECUTE playback short.wav", "EXECUTE_COMPLETE playback short.wav PLAYBACK ERROR", "EXECUTE_COMPLETE park PLAYBACK ERROR",
		})
		equal(t, "transferred", w.Result().Transferred, "9999 XML agents")
		// It waits there, and can be steered as before.
		p.ask("api uuid_transfer c-1 8888")
		time.Sleep(time.Second)
		equal(t, "again", w.Result().Transferred, "8888 XML agents")
		w.Transfer("7777")
		dump := p.ask("api uuid_dump c-1")
		equal(t, "by somebody else", []string{value(dump, "Caller-Destination-Number"), value(dump, "Caller-Profile-Index"),
			w.Result().Transferred, value(dump, "variable_sip_to_user")}, []string{"7777", "4", "8888 XML agents", "18005550100"})
		w.HangUp()
		equal(t, "end", p.tell(), []string{"HANGUP"})
		equal(t, "calls", s.Calls(), 0)
	})
}

func TestHangUpWhileItPlays(t *testing.T) {
	for name, end := range map[string]func(w *Waiting, p *peer){
		"PLAYBACK ERROR": func(w *Waiting, _ *peer) { w.HangUp() },
		"FILE PLAYED":    func(_ *Waiting, p *peer) { p.send("api uuid_kill c-1 CALL_REJECTED") },
	} {
		bubble(t, name, func(t *testing.T) {
			s, w, p := queued(t)
			p.send("api uuid_broadcast c-1 long.wav aleg", "api uuid_broadcast c-1 short.wav aleg")
			time.Sleep(1200 * time.Millisecond)
			end(w, p)
			equal(t, "story", p.tell(), []string{"EXECUTE playback long.wav", "PLAYBACK_START",
				"HANGUP", "PLAYBACK_STOP done", "EXECUTE_COMPLETE playback long.wav " + name, "EXECUTE_COMPLETE park " + name})
			equal(t, "hung up", w.Result().HungUp, true)
			equal(t, "exists", p.ask("api uuid_exists c-1"), "false")
			time.Sleep(10 * time.Second)
			equal(t, "played", len(w.Result().Played), 1)
			equal(t, "violations", s.Violations(), nil)
		})
	}
}
