package freeswitch_test

import (
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

const someCall = "3e0068c6-dcda-4c96-a87d-305d62b539f6"

// What a session wants done to a call, as it is said to a switch that we dialled.
func TestCommandFor(t *testing.T) {
	for _, tt := range []struct {
		name string
		cmd  esl.Command
		want string // "" for nothing to be said, "no" for what cannot be
	}{
		{"connect", esl.Connect(), "api uuid_dump " + someCall + " json"},
		{"linger", esl.Linger(5), ""},
		{"myevents", esl.MyEvents(), ""},
		{"filter", esl.Filter("Event-Name", "DTMF"), ""},
		{"resume", esl.Resume(), ""},
		{"exit", esl.Exit(), ""},
		{"answer", esl.Execute("ans-1", "answer", ""), ""},
		{"break", esl.Execute("", "break", ""), "api uuid_break " + someCall},
		{"playback", esl.Execute("p", "playback", "ivr/sent.wav"), "api uuid_broadcast " + someCall + " ivr/sent.wav aleg"},
		{"tone", esl.Execute("p", "playback", "tone_stream://%(300,0,440);loops=2"), "api uuid_broadcast " + someCall + " tone_stream://%(300,0,440);loops=2 aleg"},
		{"say", esl.Execute("s", "say", "%[playback_terminators=none]en number iterated 4043438646"), "api uuid_broadcast " + someCall + " 'say::%[playback_terminators=none]en number iterated 4043438646' aleg"},
		{"multiset", esl.Execute("m", "multiset", "^^~deflect_outcome=sent~deflect_digits=12#*~deflect_call_id="), "api uuid_setvar_multi " + someCall + " deflect_outcome=sent;deflect_digits=12#*;deflect_call_id="},

		{"a blank in the prompt", esl.Execute("p", "playback", "ivr/a b.wav"), "no"},
		{"a quote in the prompt", esl.Execute("p", "playback", "ivr/'a.wav"), "no"},
		{"another application", esl.Execute("p", "playback", "system::id"), "no"},
		{"no prompt", esl.Execute("p", "playback", ""), "no"},
		{"two lines", esl.Execute("p", "playback", "a\nb"), "no"},
		{"expansion", esl.Execute("p", "playback", "${a}"), "no"},
		{"something else said", esl.Execute("s", "say", "%[playback_terminators=none]en number iterated 1' x"), "no"},
		{"another variable", esl.Execute("m", "multiset", "^^~a=b c"), "no"},
		{"a variable too many", esl.Execute("m", "multiset", "^^~a=b;c=${d}"), "no"},
		{"an application that nobody needs", esl.Execute("x", "hangup", ""), "no"},
		{"nothing", esl.Command{}, "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := freeswitch.CommandFor(someCall, tt.cmd)
			if want := tt.want; ok != (want != "no") || ok && got != want {
				t.Errorf("%q, %t, want %q", got, ok, want)
			}
			if bad := fst.CheckInbound(got); ok && got != "" && len(bad) > 0 {
				t.Errorf("the switch would not like %q: %q", got, bad)
			}
		})
	}
}

// Whatever gets into a command is one line of the words that it was meant to be.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{"sent.wav", "9999 XML default", "a b", "${x}", "x\n\napi reload", "say::x", "a;b=c", "'", "\\", "\x00", "\x04", "1.2", "-bleg 1 XML default"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, uuid, text string) {
		for _, c := range freeswitch.AllCommands(uuid, text) {
			if strings.ContainsAny(c, "\r\n\x00`\\") || strings.Contains(c, "${") {
				t.Errorf("%q", c)
			}
			if bad := fst.CheckInbound(c); len(bad) > 0 {
				t.Errorf("%q: %q", c, bad)
			}
			words := strings.Fields(c)
			if words[0] != "api" || !strings.HasPrefix(words[1], "uuid_") || words[2] != uuid {
				t.Errorf("%q", c)
			}
		}
	})
}
