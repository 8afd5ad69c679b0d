package freeswitchtest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAcceptedOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := Call{
			ANI: "+14045550123", DNIS: "18005550100", SocketResume: true,
			Prompts: map[string]time.Duration{"offer.wav": 6 * time.Second},
			Script:  []Action{Press("1").After(time.Second)},
		}
		p, results := start(t, call)
		p.offer("offer.wav")
		p.until("DTMF-Digit: 1")
		p.send("sendmsg\ncall-command: execute\nexecute-app-name: break\nexecute-app-arg: ",
			exec("multiset", "^^~deflect_outcome=sent~deflect_call_id=473513", "s-1"), "resume", "exit")
		equal(t, "frames", p.rest(), []string{"+OK", "+OK", "+OK", "+OK bye", "disconnect"})
		r := <-results
		equal(t, "vars", r.Vars, map[string]string{"deflect_outcome": "sent", "deflect_call_id": "473513"})
		equal(t, "violations", r.Violations, nil)
		equal(t, "played", r.Played, []Played{
			{File: "offer.wav", At: 40 * time.Millisecond, For: 1020 * time.Millisecond, Response: "PLAYBACK ERROR"},
		})
		equal(t, "flags", []bool{r.Answered, r.Resumed, r.Continued, r.HungUp, r.Lost}, []bool{true, true, true, false, false})
		equal(t, "continued after", r.ContinuedAfter, 1060*time.Millisecond)
		var words []string
		for _, e := range r.Timeline {
			words = append(words, e.Text)
		}
		equal(t, "timeline", words, []string{
			"the call reaches the socket", "answered", "plays offer.wav", "caller presses 1",
			"asked to let the dialplan go on", "the call was given back", "offer.wav ends after 1.02s",
			"sets deflect_outcome=sent", "sets deflect_call_id=473513", "the dialplan goes on",
		})
		equal(t, "entry", r.Timeline[3].String(), "  1.040s  caller presses 1")
	})
}

// The commands of an offer in one write are answered in order.
func TestPipelinedCommandsAreAnsweredInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{SocketResume: true})
		p.send(append(slices.Clone(setUp), "myevents", "bogus", "exit", "resume")...)
		equal(t, "replies", p.rest(), []string{
			"CHANNEL_DATA %2BOK%0A", "+OK will linger 5 seconds", "+OK Events Enabled",
			"+OK filter added. [Event-Name]=[DTMF]", "+OK filter added. [Event-Name]=[CHANNEL_EXECUTE_COMPLETE]",
			"+OK filter added. [Event-Name]=[CHANNEL_HANGUP]", "-ERR aready enabled.", "-ERR command not found",
			"+OK bye", "disconnect",
		})
		r := <-results
		equal(t, "violations", r.Violations, []string{
			`refused with -ERR aready enabled.: "myevents"`, `unknown command "bogus": "bogus"`,
			`a command after exit: "resume"`,
		})
		equal(t, "commands", len(r.Commands), 10)
		equal(t, "continued", r.Continued, true)
		equal(t, "resumed", r.Resumed, false)
	})
}

func TestEventsAreSubscribed(t *testing.T) {
	tests := []struct {
		name     string
		commands []string
		want     []string
	}{
		{"none", nil, nil},
		{"filter alone", []string{"filter Event-Name DTMF"}, nil},
		{"all of the channel", []string{"myevents"}, []string{
			"CHANNEL_EXECUTE answer", "CHANNEL_ANSWER", "CHANNEL_EXECUTE_COMPLETE answer _none_", "DTMF 7",
			"CHANNEL_HANGUP", "CHANNEL_UNPARK", "CHANNEL_EXECUTE_COMPLETE socket _none_", "CHANNEL_STATE",
			"CHANNEL_STATE", "CHANNEL_HANGUP_COMPLETE",
		}},
		{"filters add up", []string{"myevents", "filter Event-Name DTMF", "filter Event-Name CHANNEL_HANGUP"},
			[]string{"DTMF 7", "CHANNEL_HANGUP"}},
		{"another header", []string{"myevents", "filter DTMF-Digit 7", "filter DTMF-Digit 8"}, []string{"DTMF 7"}},
		{"deleted", []string{"myevents", "filter Event-Name DTMF", "filter Event-Name CHANNEL_HANGUP", "filter delete Event-Name DTMF"},
			[]string{"CHANNEL_HANGUP"}},
		{"no more", []string{"myevents", "noevents"}, nil},
		{"by name", []string{"event plain DTMF"}, []string{"DTMF 7"}},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			p, results := start(t, Call{Script: []Action{
				Press("7").SinceAnswer(time.Second), HangUp().SinceAnswer(2 * time.Second),
			}})
			p.send("connect")
			p.next()
			for _, c := range tt.commands {
				p.send(c)
				p.next()
			}
			p.send("sendmsg\ncall-command: execute\nexecute-app-name: answer\nEvent-UUID: a-1")
			p.next()
			frames := p.rest()
			equal(t, "frames", frames[:len(frames)-1], append([]string{}, tt.want...))
			equal(t, "last", frames[len(frames)-1], "disconnect")
			<-results
		})
	}
}

func TestExecutesInOneWriteNest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{
			Missing: []string{"no.wav"}, Prompts: map[string]time.Duration{"b.wav": 500 * time.Millisecond},
			Script: []Action{HangUp().SincePromptEnd(1, time.Second)},
		})
		begin := time.Now()
		p.send(append(slices.Clone(setUp), exec("answer", "", "1"), exec("playback", "a.wav", "2"),
			exec("playback", "no.wav", "3"), exec("set", "x=y z", "4"), exec("sleep", "1000", "5"), exec("playback", "b.wav", "6"))...)
		for _, want := range []struct{ id, response string }{
			{"1", "_none_"}, {"3", "FILE%20NOT%20FOUND"}, {"4", "_none_"}, {"6", "FILE%20PLAYED"}, {"5", "FILE%20PLAYED"}, {"2", "FILE%20PLAYED"},
		} {
			f := p.until("Application-UUID: " + want.id)
			if !strings.Contains(f, "\nApplication-Response: "+want.response+"\n") {
				t.Errorf("application %s ended with %s", want.id, brief(f))
			}
		}
		equal(t, "all took", time.Since(begin), 2*time.Second+time.Second+2*frameTime)
		p.until("Content-Disposition: linger")
		_ = p.conn.Close()
		r := <-results
		equal(t, "vars", r.Vars, map[string]string{"x": "y z"})
		equal(t, "played", len(r.Played), 3)
		equal(t, "hung up", r.HungUp, true)
	})
}

func TestHangUpLingers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{Script: []Action{HangUp().After(time.Second)}})
		p.offer("offer.wav")
		equal(t, "frames", p.rest(), []string{
			"CHANNEL_HANGUP", "CHANNEL_EXECUTE_COMPLETE playback PLAYBACK%20ERROR",
			"CHANNEL_EXECUTE_COMPLETE socket PLAYBACK%20ERROR", "linger", "disconnect",
		})
		<-results
	})
}

func TestLingerLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{Script: []Action{HangUp().After(time.Second)}})
		p.offer("offer.wav")
		p.until("Content-Disposition: linger")
		begin := time.Now()
		p.send(exec("set", "a=b", ""), "resume")
		equal(t, "frames", p.rest(), []string{"+OK", "+OK", "disconnect"})
		equal(t, "lingered", time.Since(begin), 5*time.Second)
		r := <-results
		equal(t, "vars", r.Vars, map[string]string{})
		equal(t, "flags", []bool{r.HungUp, r.Lost, r.Continued}, []bool{true, false, false})
		equal(t, "cause", r.HangupCause, "NORMAL_CLEARING")
		equal(t, "response", r.Played[0].Response, "PLAYBACK ERROR")
	})
}

// Without a number the socket stays until the peer leaves it.
func TestLingerWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{Script: []Action{HangUp().SinceConnect(time.Second)}})
		p.send("connect", "linger")
		p.until("Linger-Time: -1")
		time.Sleep(time.Hour)
		p.send("exit")
		equal(t, "frames", p.rest(), []string{"+OK bye", "disconnect"})
		r := <-results
		equal(t, "hung up, lost", []bool{r.HungUp, r.Lost}, []bool{true, false})
		equal(t, "cause", r.HangupCause, "ORIGINATOR_CANCEL")
	})
}

func TestBrokenSocketLetsTheDialplanGoOn(t *testing.T) {
	for resume, after := range map[bool]time.Duration{true: 1060 * time.Millisecond, false: 2040 * time.Millisecond} {
		bubble(t, map[bool]string{true: "at once", false: "after the prompt"}[resume], func(t *testing.T) {
			p, results := start(t, Call{SocketResume: resume})
			p.offer("offer.wav")
			time.Sleep(time.Second)
			_ = p.conn.Close()
			r := <-results
			equal(t, "continued, lost", []bool{r.Continued, r.Lost}, []bool{true, false})
			equal(t, "after", r.ContinuedAfter, after)
		})
	}
}

func TestSilentPeerIsGivenUp(t *testing.T) {
	for _, resume := range []bool{true, false} {
		bubble(t, map[bool]string{true: "resume", false: "stuck"}[resume], func(t *testing.T) {
			p, results := start(t, Call{SocketResume: resume})
			begin := time.Now()
			equal(t, "frames", p.rest(), []string{"disconnect"})
			equal(t, "waited", time.Since(begin), 25*time.Second)
			r := <-results
			equal(t, "continued, lost", []bool{r.Continued, r.Lost}, []bool{resume, !resume})
		})
	}
}

func TestUnknownApplicationHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{SocketResume: true})
		p.send("connect", "myevents", "filter Event-Name CHANNEL_HANGUP", exec("nosuch", "", "x"))
		equal(t, "frames", p.rest()[3:], []string{"+OK", "CHANNEL_HANGUP", "disconnect"})
		r := <-results
		equal(t, "lost", r.Lost, true)
		equal(t, "cause", r.HangupCause, "DESTINATION_OUT_OF_ORDER")
		contains(t, "violations", r.Violations, `unknown application "nosuch"`)
	})
}

func TestPeerHangsUp(t *testing.T) {
	for name, command := range map[string]string{
		"application": exec("hangup", "USER_BUSY", "h"),
		"message":     "sendmsg\ncall-command: hangup\nhangup-cause: USER_BUSY",
		"api":         "api uuid_kill the-call USER_BUSY",
	} {
		bubble(t, name, func(t *testing.T) {
			p, results := start(t, Call{UUID: "the-call", SocketResume: true})
			p.send("connect", command)
			p.rest()
			r := <-results
			equal(t, "lost, hung up", []bool{r.Lost, r.HungUp}, []bool{true, false})
			equal(t, "cause", r.HangupCause, "USER_BUSY")
		})
	}
}

func TestTransferAndKill(t *testing.T) {
	bubble(t, "transfer", func(t *testing.T) {
		p, results := start(t, Call{DNIS: "100", Script: []Action{Transfer("200").After(time.Second)}})
		p.offer("offer.wav")
		f := p.until("Application: socket")
		for _, line := range []string{"Caller-Destination-Number: 200", "Caller-RDNIS: 100", "Application-Response: PLAYBACK%20ERROR"} {
			if !strings.Contains(f, "\n"+line+"\n") {
				t.Errorf("no %q", line)
			}
		}
		p.send("exit")
		r := <-results
		equal(t, "transferred, lost, continued", []bool{r.Transferred, r.Lost, r.Continued}, []bool{true, false, false})
	})
	bubble(t, "kill", func(t *testing.T) {
		p, results := start(t, Call{Script: []Action{Kill().After(time.Second)}})
		p.offer("offer.wav")
		equal(t, "first", []string{brief(p.next()), brief(p.next()), brief(p.next())},
			[]string{"CHANNEL_HANGUP", "linger", "CHANNEL_EXECUTE_COMPLETE playback FILE%20PLAYED"})
		p.rest()
		equal(t, "hung up", (<-results).HungUp, true)
	})
}

func TestScriptMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{Script: []Action{
			Press("9").SinceConnect(10 * time.Millisecond), // nobody hears it
			Press("12").After(time.Second),
			PressAfter(1, "3", 100*time.Millisecond),
			PressDuring(2, "4", time.Second),
			PressDuring(7, "5", 0), // never
			HangUp().SinceAnswer(5 * time.Second),
		}})
		p.offer("a.wav")
		var got []string
		begin := time.Now() // answered
		for f := range p.frames {
			if strings.Contains(f, "\nApplication-UUID: p-1\n") {
				p.send(exec("playback", "b.wav", "p-2"))
			}
			if strings.Contains(f, "\nDTMF-Digit: ") || strings.Contains(f, "CHANNEL_HANGUP\n") {
				got = append(got, brief(f)+" "+time.Since(begin).String())
			}
		}
		equal(t, "events", got, []string{
			"DTMF 1 1s", "DTMF 2 1.3s", "DTMF 3 2.1s", "DTMF 4 3.02s", "CHANNEL_HANGUP 5s",
		})
		<-results
	})
}

func TestStarEndsPrompt(t *testing.T) {
	tests := []struct {
		name, terminators, digit string
		want                     time.Duration
	}{
		{"star", "", "*", time.Second},
		{"other", "", "#", 2 * time.Second},
		{"none", "none", "*", 2 * time.Second},
		{"any", "any", "5", time.Second},
		{"listed", "12#", "#", time.Second},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			call := Call{SocketResume: true, Script: []Action{Press(tt.digit).After(time.Second)}}
			if tt.terminators != "" {
				call.Vars = map[string]string{"playback_terminators": tt.terminators}
			}
			p, results := start(t, call)
			p.offer("offer.wav")
			p.until("Application-UUID: p-1")
			p.send("exit")
			equal(t, "played for", (<-results).Played[0].For, tt.want)
		})
	}
}

func TestExpansionIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{SocketResume: true, Vars: map[string]string{"who": "me"}})
		p.send("connect", exec("set", "a=${who}${system(touch /tmp/x)}!", "s"), "exit")
		r := <-results
		equal(t, "expansions", r.Expansions, []string{"${who}", "${system(touch /tmp/x)}"})
		equal(t, "vars", r.Vars, map[string]string{"a": "me!"})
		contains(t, "violations", r.Violations, "would expand ${system(touch /tmp/x)}")
	})
}

func TestHostileValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := Call{
			ANI: "+1404 555", CallerName: "a\nb: c%0a\r${system(x)}\x00é+", DNIS: "",
			Vars: map[string]string{"deflect_skill": "x\n\nContent-Length: 3"}, SocketResume: true,
		}
		p, results := start(t, call)
		p.send("connect")
		f := p.next()
		for _, line := range []string{
			"Caller-Caller-ID-Name: a%0Ab%3A%20c%250a%0D$%7Bsystem(x)%7D%00%C3%A9%2B",
			"Caller-Caller-ID-Number: %2B1404%20555",
			"variable_deflect_skill: x%0A%0AContent-Length%3A%203",
		} {
			if !strings.Contains(f, "\n"+line+"\n") {
				t.Errorf("no line %q", line)
			}
		}
		if strings.Contains(f, "Caller-Destination-Number") {
			t.Error("a header without a value was sent")
		}
		p.send("exit")
		<-results
	})
}

func TestAPIAndGetvar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{UUID: "u-1", ANI: "+1404", SocketResume: true, Vars: map[string]string{"digit": "1"}})
		p.send("connect", "getvar digit", "getvar sip_from_user_stripped", "getvar nosuch",
			"api uuid_getvar u-1 digit", "api uuid_getvar u-1 no", "api uuid_exists u-1", "api uuid_setvar u-1 a b c",
			"api uuid_setvar_multi u-1 d=e;f=g", "api nosuch", "api uuid_getvar other x", "sendmsg other\ncall-command: execute", "exit")
		p.next()
		for _, want := range []string{
			"Reply-Text: 1", "Reply-Text: 1404", "Reply-Text: -ERR command not found", "Content-Length: 1\n\n1",
			"Content-Length: 7\n\n_undef_", "\n\ntrue", "\n\n+OK\n", "\n\n+OK\n",
			"-ERR nosuch Command not found!\n", "-ERR No such channel!\n", "-ERR invalid session id [other]",
		} {
			if f := p.next(); !strings.Contains(f, want) {
				t.Errorf("got %q, want %q in it", f, want)
			}
		}
		r := <-results
		equal(t, "vars", r.Vars, map[string]string{"a": "b c", "d": "e", "f": "g"})
	})
}

func TestAnsweredBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{Answered: true, SocketResume: true, Script: []Action{Press("1").SinceAnswer(time.Second)}})
		p.send("connect", "myevents", "filter Event-Name DTMF", exec("answer", "", "a"))
		if f := p.next(); !strings.Contains(f, "\nAnswer-State: answered\n") || !strings.Contains(f, "Channel-Call-State: ACTIVE\n") {
			t.Errorf("not answered: %s", f)
		}
		p.until("DTMF-Digit: 1")
		_ = p.conn.Close()
		equal(t, "answered", (<-results).Answered, true)
	})
}

func TestInvalidCalls(t *testing.T) {
	for name, call := range map[string]Call{
		"digit":    {Script: []Action{Press("1x")}},
		"nothing":  {Script: []Action{Press("")}},
		"prompt":   {Script: []Action{PressDuring(0, "1", 0)}},
		"past":     {Script: []Action{HangUp().SinceConnect(-1)}},
		"transfer": {Script: []Action{Transfer("a b")}},
		"variable": {Vars: map[string]string{"a\nb": "c"}},
		"uuid":     {UUID: "a b"},
		"length":   {Prompts: map[string]time.Duration{"a": -1}},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := net.Pipe()
			if _, err := call.Run(t.Context(), there); err == nil {
				t.Error("Run: no error")
			}
			if _, err := here.Write([]byte("x")); err == nil {
				t.Error("the connection is still open")
			}
			if _, err := call.Dial(t.Context(), "127.0.0.1:1"); err == nil {
				t.Error("Dial: no error")
			}
		})
	}
}

func TestContextEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		stop := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stop) })
		begin := time.Now()
		if _, err := (Call{}).Run(ctx, there); !errors.Is(err, stop) {
			t.Errorf("got %v, want %v", err, stop)
		}
		equal(t, "took", time.Since(begin), time.Second)
	})
}

// A peer that writes and never reads does not hold up the call.
func TestPeerNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		go func() { _, _ = here.Write([]byte("connect\n\nlinger 5\n\nmyevents\n\nresume\n\nexit\n\n")) }()
		r, err := Call{}.Run(t.Context(), there)
		if err != nil || !r.Continued || r.ContinuedAfter > time.Second {
			t.Errorf("got %v, %+v", err, r)
		}
	})
}

func TestSlowReaderIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		go func() { _, _ = here.Write([]byte(strings.Repeat("connect\n\n", 1000))) }()
		r, err := Call{SocketResume: true}.Run(t.Context(), there)
		if err != nil || !r.Continued {
			t.Errorf("got %v, %+v", err, r)
		}
		contains(t, "violations", r.Violations, "slowly")
	})
}

func TestEndlessCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{SocketResume: true})
		_, _ = p.conn.Write([]byte(strings.Repeat("x", maxCommand+1)))
		r := <-results
		equal(t, "continued", r.Continued, true)
		contains(t, "violations", r.Violations, "without end")
	})
}

// A Call can be run many times at once.
func TestManyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := Call{SocketResume: true, Vars: map[string]string{"deflect_skill": "sales"}, Script: []Action{Press("1").After(time.Second)}}
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				p, results := start(t, call)
				p.offer("offer.wav")
				p.until("DTMF-Digit: 1")
				p.send("resume", "exit")
				if r := <-results; !r.Continued || len(r.Violations) > 0 {
					t.Errorf("got %+v", r)
				}
			})
		}
		all.Wait()
	})
}
