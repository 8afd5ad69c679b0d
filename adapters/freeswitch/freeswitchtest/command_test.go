package freeswitchtest

import (
	"testing"
)

func TestEncodingGoesBothWays(t *testing.T) {
	for raw, want := range map[string]string{
		"+14043438646":              "%2B14043438646",
		"Zoë A+\n":                  "Zo%C3%AB%20A%2B%0A",
		"tone_stream://%(300,0,60)": "tone_stream%3A//%25(300,0,60)",
		"a,b(c)/d.e-f_g~h*i!j'k$l":  "a,b(c)/d.e-f_g~h*i!j'k$l",
		"\"#&;<=>?@[\\]^`{|}\x7f":   "%22%23%26%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D%7F",
	} {
		if got := encoded(raw); got != want {
			t.Errorf("encoded(%q) = %q, want %q", raw, got, want)
		}
		if got := decoded(want); got != raw {
			t.Errorf("decoded(%q) = %q, want %q", want, got, raw)
		}
	}
	for text, want := range map[string]string{"100%": "100%", "%zz%4": "%zz%4", "%41": "A"} {
		if got := decoded(text); got != want {
			t.Errorf("decoded(%q) = %q, want %q", text, got, want)
		}
	}
}

// However the bytes arrive, the commands are the same.
func TestCommandsSplitAnywhere(t *testing.T) {
	stream := "\n\nconnect\n\nlinger 5\r\n\r\nsendmsg\ncall-command: execute\nexecute-app-name: playback\n" +
		"content-length: 7\n\na\n\nb\n\nc\n\n\n\nexit\n\nrest"
	want := []string{
		"connect", "linger 5", "sendmsg\ncall-command: execute\nexecute-app-name: playback\ncontent-length: 7\n\na\n\nb\n\nc", "exit",
	}
	for i := range stream {
		var r commandReader
		first, err1 := r.feed([]byte(stream[:i]))
		second, err2 := r.feed([]byte(stream[i:]))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		equal(t, "commands", append(first, second...), want)
		equal(t, "rest", string(r.buf), "rest")
	}
	app, arg := parseCommand(want[2]).application()
	equal(t, "application", app+" "+arg, "playback a\n\nb\n\nc")
}

func FuzzCommands(f *testing.F) {
	f.Add("connect\n\nsendmsg\ncontent-length: 3\n\nabc\n\n", 5)
	f.Add("sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: ${a\n\n", 40)
	f.Fuzz(func(t *testing.T, stream string, cut int) {
		if cut < 0 || cut > len(stream) {
			return
		}
		var whole, split commandReader
		want, _ := whole.feed([]byte(stream))
		first, _ := split.feed([]byte(stream[:cut]))
		second, _ := split.feed([]byte(stream[cut:]))
		got := append(first, second...)
		if len(got) != len(want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("got %q, want %q", got, want)
			}
			Check(want[i])
		}
	})
}

func TestCheckAcceptsWhatTheSwitchDoes(t *testing.T) {
	good := append([]string{
		"linger", "nolinger", "resume", "exit", "noevents", "filter delete all", "getvar x", "log 7", "nolog",
		"sendmsg\ncall-command: execute\nexecute-app-name: break\nexecute-app-arg: ",
		exec("answer", "", "a-1"), exec("playback", "ivr/offer.wav", "p"), exec("set", "a=b c", "s"), exec("sleep", "100", "z"),
		exec("multiset", "^^~deflect_outcome=sent~deflect_call_id=1", "m"), exec("multiset", "a=b c=d", "m"),
		"api uuid_setvar x y z",
	}, setUp...)
	for _, c := range good {
		if problems := Check(c); len(problems) > 0 {
			t.Errorf("%q: %q", c, problems)
		}
	}
}

func TestCheckFindsWhatTheSwitchRefuses(t *testing.T) {
	for command, want := range map[string]string{
		"bogus":                                       "unknown command",
		"auth ClueCon":                                "unknown command",
		"connect\r":                                   "control character",
		"api system reboot":                           "unknown api command",
		"event plain ALL":                             "all calls",
		"myevents json":                               "events in the form",
		"linger soon":                                 "linger for",
		"filter Event-Name":                           "filter without",
		"exit\ncall-command: execute":                 "more than one line",
		"sendmsg":                                     "unknown call-command",
		"sendmsg\ncall-command: nosuch":               "unknown call-command",
		"sendmsg\ncall-command: hangup\nx: y":         "unknown header",
		exec("nosuch", "", "x"):                       "unknown application",
		exec("system", "touch /tmp/x", "x"):           "unknown application",
		exec("playback", "", "x"):                     "playback of nothing",
		exec("playback", "a.wav\nloops: 2", "x"):      "",
		exec("playback", "a\tb", "x"):                 "control character",
		exec("playback", "${system(id)}", "x"):        "would expand ${system(id)}",
		exec("set", "novalue", "x"):                   "does not set",
		exec("set", "a b=c", "x"):                     "does not set",
		exec("multiset", "^^~a=b~c", "x"):             "does not set",
		exec("sleep", "long", "x"):                    "sleep for",
		exec("set", "a=b\nexecute-app-arg: c=d", "x"): "two headers",
	} {
		got := Check(command)
		if want == "" {
			equal(t, command, got, nil)
			continue
		}
		contains(t, command, got, want)
	}
}

// Recorded: a CR takes the place of all line ends before it.
func TestCRTakesTheLinesBefore(t *testing.T) {
	for text, want := range map[string]string{
		"a\nb: c\n":                 "a\nb: c",
		"a\r\nb: c\r\n":             "a\nb: c",
		"a\r\nb: c\n":               "a\nb: c",
		"a\nb: c\r\n":               "a",
		"a\nb: c\nd: e\r\nf: g\n":   "a\nf: g",
		"a\nb: c\nd: e\rf: g\nh: i": "a\nf: g\nh: i",
	} {
		equal(t, text, cutLines(text), want)
	}
}
