package freeswitch_test

import (
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

const someCall = "3e0068c6-dcda-4c96-a87d-305d62b539f6"

// What a session says to a call that waits is one command to a switch that we dialled, and
// what could mean something else there is not said at all.
func TestWordsToACallThatWaits(t *testing.T) {
	for _, tt := range []struct {
		name string
		word freeswitch.Word
		want string // "" for nothing to be said, "no" for what cannot be
	}{
		{"open", freeswitch.Open(), "api uuid_dump " + someCall + " json"},
		{"answer", freeswitch.AnswerCall(), ""},
		{"listen", freeswitch.ListenTo(), ""},
		{"stop", freeswitch.Stop(), "api uuid_break " + someCall},
		{"play", freeswitch.Play("ivr/sent.wav"), "api uuid_broadcast " + someCall + " %[playback_terminators=none]ivr/sent.wav aleg"},
		{"tone", freeswitch.Play("tone_stream://%(300,0,440);loops=2"), "api uuid_broadcast " + someCall + " %[playback_terminators=none]tone_stream://%(300,0,440);loops=2 aleg"},
		{"say", freeswitch.Say("en", "4043438646"), "api uuid_broadcast " + someCall + " 'say::%[playback_terminators=none]en number iterated 4043438646' aleg"},
		{"set", freeswitch.Set("deflect_outcome", "sent", "deflect_digits", "12#*", "deflect_call_id", ""), "api uuid_setvar_multi " + someCall + " deflect_outcome=sent;deflect_digits=12#*;deflect_call_id="},
		{"give back", freeswitch.GiveBack("deflect_outcome", "sent"), "api uuid_setvar_multi " + someCall + " deflect_outcome=sent"},
		{"give back without a word", freeswitch.GiveBack(), ""},

		{"a blank in the prompt", freeswitch.Play("ivr/a b.wav"), "no"},
		{"a quote in the prompt", freeswitch.Play("ivr/'a.wav"), "no"},
		{"another application", freeswitch.Play("system::id"), "no"},
		{"no prompt", freeswitch.Play(""), "no"},
		{"two lines", freeswitch.Play("a\nb"), "no"},
		{"expansion", freeswitch.Play("${a}"), "no"},
		{"something else said", freeswitch.Say("en", "1' x"), "no"},
		{"another variable", freeswitch.Set("a", "b c"), "no"},
		{"a variable too many", freeswitch.Set("a", "b;c=${d}"), "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := freeswitch.CommandFor(someCall, tt.word)
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
	f.Add("0", "")
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
