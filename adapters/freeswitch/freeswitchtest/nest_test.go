package freeswitchtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A step is one write of the peer, some time after the step before it.
type step struct {
	after    time.Duration
	commands []string
}

const ms = time.Millisecond

func prompts(lengths map[string]time.Duration) Call {
	return Call{SocketResume: true, Answered: true, Prompts: lengths}
}

// nested plays steps against a call and gives what the switch told about
// applications: when, what, its id, and its response if it has ended.
func nested(t *testing.T, c Call, steps ...step) ([]string, Result) {
	t.Helper()
	p, results := start(t, c)
	done := make(chan []string)
	p.send("connect", "linger 1", "myevents", "filter Event-Name CHANNEL_EXECUTE", "filter Event-Name CHANNEL_EXECUTE_COMPLETE")
	time.Sleep(100 * ms)
	begin := time.Now()
	go func() {
		var seen []string
		for f := range p.frames {
			id, ok := bodyHeader("\n"+f, "Application-UUID")
			if app, _ := bodyHeader("\n"+f, "Application"); !ok || app == "socket" {
				continue
			}
			text := fmt.Sprintf("%v %s", time.Since(begin), id)
			if r, ok := bodyHeader("\n"+f, "Application-Response"); ok {
				text += " " + decoded(r)
			}
			seen = append(seen, text)
		}
		done <- seen
	}()
	for _, s := range steps {
		time.Sleep(s.after)
		if s.commands == nil {
			_ = p.conn.Close()
			continue
		}
		p.send(s.commands...)
	}
	return <-done, <-results
}

var leave = []string{"resume", "exit"}

// What is executed while a prompt plays runs inside it. The times are those
// of FreeSWITCH, at most one frame apart.
func TestNestedExecutes(t *testing.T) {
	p1 := step{0, []string{exec("playback", "a", "p1")}}
	tests := []struct {
		name  string
		call  Call
		steps []step
		want  []string
	}{
		{"playback and multiset", prompts(map[string]time.Duration{"a": 4 * time.Second, "b": time.Second}), []step{
			p1, {time.Second, []string{exec("playback", "b", "p2"), exec("multiset", "x=y", "m1")}}, {7 * time.Second, leave},
		}, []string{"20ms p1", "1.02s p2", "1.02s m1", "1.02s m1 _none_", "2.02s p2 FILE PLAYED", "5.02s p1 FILE PLAYED"}},

		{"three in one write", prompts(map[string]time.Duration{"a": 900 * ms, "b": 600 * ms, "c": 300 * ms}), []step{
			{0, []string{exec("playback", "a", "p1"), exec("playback", "b", "p2"), exec("playback", "c", "p3")}}, {3 * time.Second, leave},
		}, []string{"20ms p1", "20ms p2", "20ms p3", "320ms p3 FILE PLAYED", "920ms p2 FILE PLAYED", "1.82s p1 FILE PLAYED"}},

		{"one break ends all", prompts(map[string]time.Duration{"a": 6 * time.Second, "b": 5 * time.Second}), []step{
			p1, {time.Second, []string{exec("playback", "b", "p2")}}, {time.Second, []string{exec("break", "", "br")}}, {time.Second, leave},
		}, []string{"20ms p1", "1.02s p2", "2.02s br", "2.02s br _none_", "2.04s p2 FILE PLAYED", "2.06s p1 FILE PLAYED"}},

		{"nothing is flushed", prompts(map[string]time.Duration{"a": 3 * time.Second, "b": 800 * ms}), []step{
			p1, {500 * ms, []string{exec("multiset", "x=1", "m1"), exec("break", "", "br"), exec("playback", "b", "p2"), exec("multiset", "y=2", "m2")}},
			{2 * time.Second, leave},
		}, []string{"20ms p1", "520ms m1", "520ms m1 _none_", "520ms br", "520ms br _none_", "540ms p1 FILE PLAYED",
			"560ms p2", "560ms m2", "560ms m2 _none_", "1.36s p2 FILE PLAYED"}},

		{"break of something else", prompts(map[string]time.Duration{"a": 3 * time.Second}), []step{
			p1, {500 * ms, []string{exec("break", "else", "br"), exec("playback", "b", "p2")}}, {time.Second, leave},
		}, []string{"20ms p1", "520ms br", "520ms br _none_", "540ms p1 FILE PLAYED"}},

		{"break in the write of its prompt", prompts(map[string]time.Duration{"a": 3 * time.Second}), []step{
			{0, []string{exec("playback", "a", "p1"), exec("break", "", "br"), exec("set", "x=1", "s1")}}, {time.Second, leave},
		}, []string{"20ms p1", "20ms br", "20ms br _none_", "40ms p1 FILE PLAYED", "60ms s1", "60ms s1 _none_"}},

		{"break before its prompt", prompts(map[string]time.Duration{"a": 600 * ms, "b": 500 * ms}), []step{
			{0, []string{exec("break", "", "br")}}, {500 * ms, []string{exec("playback", "a", "p1")}},
			{time.Second, []string{exec("break", "", "br2"), exec("playback", "b", "p2")}}, {time.Second, leave},
		}, []string{"20ms br", "20ms br _none_", "520ms p1", "1.12s p1 FILE PLAYED",
			"1.52s br2", "1.52s br2 _none_", "1.54s p2", "2.04s p2 FILE PLAYED"}},

		{"answer holds the queue", Call{SocketResume: true, Prompts: map[string]time.Duration{"a": 500 * ms}}, []step{
			{0, []string{exec("answer", "", "a1")}},
			{25 * ms, []string{exec("set", "x=1", "s1"), exec("playback", "a", "p1"), exec("multiset", "y=2", "m1")}}, {time.Second, leave},
		}, []string{"20ms a1", "40ms a1 _none_", "40ms s1", "40ms s1 _none_", "40ms p1", "40ms m1", "40ms m1 _none_", "540ms p1 FILE PLAYED"}},

		{"a missing file", Call{SocketResume: true, Answered: true, Missing: []string{"no"}}, []step{
			p1, {300 * ms, []string{exec("playback", "no", "p2")}}, {2 * time.Second, leave},
		}, []string{"20ms p1", "320ms p2", "320ms p2 FILE NOT FOUND", "2.02s p1 FILE PLAYED"}},

		{"sleep", prompts(map[string]time.Duration{"a": time.Second}), []step{
			{0, []string{exec("sleep", "1500", "s1")}}, {300 * ms, []string{exec("playback", "a", "p1")}},
			{2 * time.Second, []string{exec("sleep", "2000", "s2")}}, {300 * ms, []string{exec("break", "", "br")}}, {time.Second, leave},
		}, []string{"20ms s1", "320ms p1", "1.32s p1 FILE PLAYED", "1.52s s1 FILE PLAYED",
			"2.32s s2", "2.62s br", "2.62s br _none_", "2.64s s2 _none_"}},

		{"sleep before the answer", Call{SocketResume: true}, []step{
			{0, []string{exec("sleep", "600", "s1"), exec("set", "x=1", "s2")}}, {time.Second, leave},
		}, []string{"20ms s1", "620ms s1 _none_", "620ms s2", "620ms s2 _none_"}},

		{"a star ends the inner prompt", Call{SocketResume: true, Answered: true, Prompts: map[string]time.Duration{"a": time.Second},
			Script: []Action{PressDuring(2, "*", 300*ms)}}, []step{
			p1, {500 * ms, []string{exec("playback", "b", "p2")}}, {2 * time.Second, leave},
		}, []string{"20ms p1", "520ms p2", "820ms p2 FILE PLAYED", "1.32s p1 FILE PLAYED"}},

		{"hang-up", Call{Answered: true, Script: []Action{HangUp().After(time.Second)}}, []step{
			p1, {300 * ms, []string{exec("playback", "b", "p2")}},
		}, []string{"20ms p1", "320ms p2", "1.02s p2 PLAYBACK ERROR", "1.02s p1 FILE PLAYED"}},

		{"kill", Call{Answered: true, Script: []Action{Kill().After(time.Second)}}, []step{
			p1, {300 * ms, []string{exec("playback", "b", "p2")}},
		}, []string{"20ms p1", "320ms p2", "1.04s p2 FILE PLAYED", "1.04s p1 FILE PLAYED"}},

		{"unknown application", prompts(nil), []step{
			p1, {300 * ms, []string{exec("nosuch", "", "x")}},
		}, []string{"20ms p1", "320ms p1 FILE PLAYED"}},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			got, _ := nested(t, tt.call, tt.steps...)
			equal(t, "applications", got, tt.want)
		})
	}
}

// A prompt is heard for its own time, whatever was played inside it, and the
// prompts are told in the order in which they began.
func TestNestedPromptsAreHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r := nested(t, prompts(map[string]time.Duration{"a": time.Second, "b": 700 * ms}),
			step{0, []string{exec("playback", "a", "p1")}}, step{400 * ms, []string{exec("playback", "b", "p2")}}, step{3 * time.Second, leave})
		equal(t, "played", r.Played, []Played{
			{File: "a", At: 120 * ms, For: time.Second, Response: "FILE PLAYED"},
			{File: "b", At: 520 * ms, For: 700 * ms, Response: "FILE PLAYED"},
		})
		var words []string
		for _, e := range r.Timeline {
			words = append(words, e.Text)
		}
		equal(t, "timeline", words[:3], []string{"the call reaches the socket", "plays a", "plays b while a waits"})
	})
}

func TestTransferEndsNestedPrompts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, r := nested(t, Call{Answered: true, Script: []Action{Transfer("200").After(time.Second)}},
			step{0, []string{exec("playback", "a", "p1")}}, step{300 * ms, []string{exec("playback", "b", "p2")}})
		equal(t, "prompts", got[2:4], []string{"1.04s p2 PLAYBACK ERROR", "1.06s p1 PLAYBACK ERROR"})
		equal(t, "transferred", r.Transferred, true)
	})
}

// How the dialplan goes on after exit or a broken connection.
func TestReleaseOfPrompt(t *testing.T) {
	long := map[string]time.Duration{"a": 2 * time.Second, "b": 500 * ms}
	p1 := step{0, []string{exec("playback", "a", "p1")}}
	tests := []struct {
		name   string
		resume bool
		steps  []step
		after  time.Duration // the dialplan goes on, since the first step
		played []string
		vars   map[string]string
	}{
		{"resume and exit cut the prompt", false, []step{p1, {500 * ms, leave}}, 520 * ms, []string{"a 500ms PLAYBACK ERROR"}, nil},
		{"variable and exit cut the prompt", true, []step{p1, {500 * ms, []string{"exit"}}}, 520 * ms, []string{"a 500ms PLAYBACK ERROR"}, nil},
		{"exit lets it play", false, []step{p1, {500 * ms, []string{"exit"}}}, 2020 * ms, []string{"a 2s FILE PLAYED"}, nil},
		{"death cuts it", true, []step{p1, {500 * ms, nil}}, 520 * ms, []string{"a 500ms PLAYBACK ERROR"}, nil},
		{"death lets it play", false, []step{p1, {500 * ms, nil}}, 2020 * ms, []string{"a 2s FILE PLAYED"}, nil},
		{"exit in silence", false, []step{{0, []string{"exit"}}}, 20 * ms, nil, nil},
		{"death in silence", false, []step{{0, nil}}, 20 * ms, nil, nil},
		{"nested prompts are cut one after another", true, []step{p1, {300 * ms, []string{exec("playback", "b", "p2")}}, {100 * ms, nil}}, 440 * ms,
			[]string{"a 320ms PLAYBACK ERROR", "b 100ms PLAYBACK ERROR"}, nil},
		{"everything is still done", false, []step{p1, {500 * ms, []string{exec("playback", "b", "p2"), exec("multiset", "x=1", ""), "exit"}}}, 2520 * ms,
			[]string{"a 2s FILE PLAYED", "b 500ms FILE PLAYED"}, map[string]string{"x": "1"}},
		{"prompts in the queue fail", true, []step{{0, []string{exec("playback", "a", "p1"), exec("multiset", "x=1", ""), "exit"}}}, 20 * ms,
			[]string{"a 0s PLAYBACK ERROR"}, map[string]string{"x": "1"}},
		{"break, variables, exit", true, []step{p1, {500 * ms, []string{exec("break", "", ""), exec("multiset", "x=1", ""), "exit"}}}, 520 * ms,
			[]string{"a 500ms PLAYBACK ERROR"}, map[string]string{"x": "1"}},
		{"break, variables, exit without resume", false, []step{p1, {500 * ms, []string{exec("break", "", ""), exec("multiset", "x=1", ""), "exit"}}}, 560 * ms,
			[]string{"a 520ms FILE PLAYED"}, map[string]string{"x": "1"}},
		// The switch stops at the second break. What is behind it is done when
		// the dialplan has gone on.
		{"behind a second break", true, []step{p1, {500 * ms, []string{exec("break", "", ""), exec("multiset", "x=1", ""), exec("break", "", ""), exec("multiset", "y=2", ""), "exit"}}}, 520 * ms,
			[]string{"a 500ms PLAYBACK ERROR"}, map[string]string{"x": "1"}},
		{"behind two breaks", true, []step{{0, []string{exec("break", "", ""), exec("break", "", ""), exec("multiset", "x=1", ""), "exit"}}}, 20 * ms, nil, nil},
		{"behind a second break without resume", false, []step{p1, {500 * ms, []string{exec("break", "", ""), exec("multiset", "x=1", ""), exec("break", "", ""), exec("multiset", "y=2", ""), "exit"}}}, 560 * ms,
			[]string{"a 520ms FILE PLAYED"}, map[string]string{"x": "1"}},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			call := prompts(long)
			call.SocketResume = tt.resume
			_, r := nested(t, call, tt.steps...)
			equal(t, "continued, lost, hung up", []bool{r.Continued, r.Lost, r.HungUp}, []bool{true, false, false})
			equal(t, "after", r.ContinuedAfter, 100*ms+tt.after)
			var played []string
			for _, p := range r.Played {
				played = append(played, fmt.Sprintf("%s %v %s", p.File, p.For, p.Response))
			}
			equal(t, "played", played, tt.played)
			if tt.vars == nil {
				tt.vars = map[string]string{}
			}
			equal(t, "vars", r.Vars, tt.vars)
		})
	}
}

// A caller can hang up while the last prompt plays to its end.
func TestHangUpAfterExit(t *testing.T) {
	for _, linger := range []string{"linger 5", "nolinger"} {
		bubble(t, linger, func(t *testing.T) {
			p, results := start(t, Call{Answered: true, Script: []Action{HangUp().After(time.Second)}})
			p.send("connect", linger, exec("playback", "a", ""))
			time.Sleep(500 * ms)
			p.send("exit")
			begin := time.Now()
			r := <-results
			equal(t, "took", time.Since(begin), 520*ms)
			equal(t, "hung up, continued, lost", []bool{r.HungUp, r.Continued, r.Lost}, []bool{true, false, false})
			equal(t, "played for", r.Played[0].For, time.Second)
		})
	}
}

// Before the switch has parked the call, the end of the connection leaves it
// there for ever, unless the dialplan may go on.
func TestReleaseBeforePark(t *testing.T) {
	for _, tt := range []struct {
		name     string
		resume   bool
		commands []string
		lost     bool
	}{
		{"exit", false, []string{"connect", "exit"}, true},
		{"resume", false, []string{"connect", "resume", "exit"}, false},
		{"variable", true, []string{"connect", "exit"}, false},
		{"close", false, nil, true},
		{"close with variable", true, nil, false},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			p, results := start(t, Call{SocketResume: tt.resume})
			if tt.commands != nil {
				p.send(tt.commands...)
			} else {
				_ = p.conn.Close()
			}
			r := <-results
			equal(t, "lost, continued", []bool{r.Lost, r.Continued}, []bool{tt.lost, !tt.lost})
		})
	}
}

// Executes of a call that only takes commands are done in the order in which
// they came.
func TestBreakIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, _ := nested(t, prompts(nil), step{0, []string{
			exec("set", "a=1", "1"), exec("break", "", "2"), exec("set", "a=2", "3"),
		}}, step{time.Second, leave})
		var ids []string
		for _, g := range got {
			ids = append(ids, strings.Fields(g)[1])
		}
		equal(t, "order", slices.Compact(ids), []string{"1", "2", "3"})
	})
}
