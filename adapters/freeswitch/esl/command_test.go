package esl

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

func TestCommandsAreOneFrameEach(t *testing.T) {
	tests := map[string]struct {
		cmd  Command
		want string
	}{
		"connect":  {Connect(), "connect\n\n"},
		"linger":   {Linger(5), "linger 5\n\n"},
		"linger 0": {Linger(0), "linger 0\n\n"},
		"myevents": {MyEvents(), "myevents\n\n"},
		"filter":   {Filter("Event-Name", "DTMF"), "filter Event-Name DTMF\n\n"},
		"blanks":   {Filter("A", "b c"), "filter A b c\n\n"},
		"execute": {Execute("u-1", "playback", "ivr/a.wav"),
			"sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: ivr/a.wav\nEvent-UUID: u-1\n\n"},
		"execute without uuid": {Execute("", "break", ""),
			"sendmsg\ncall-command: execute\nexecute-app-name: break\nexecute-app-arg: \n\n"},
		"dollar alone": {Execute("", "set", "a=$b{c} $"),
			"sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: a=$b{c} $\n\n"},
		"set a variable":   {SetVar("a1-b@c.d:5060", "x_1", "true"), "api uuid_setvar a1-b@c.d:5060 x_1 true\n\n"},
		"unset a variable": {SetVar("u-1", "socket_resume", ""), "api uuid_setvar u-1 socket_resume\n\n"},
		"cancel a task":    {CancelTask("12"), "api sched_del 12\n\n"},
		"get a variable":   {GetVar("u-1", "current_application"), "api uuid_getvar u-1 current_application\n\n"},

		"noevents": {NoEvents(), "noevents\n\n"},
		"resume":   {Resume(), "resume\n\n"},
		"exit":     {Exit(), "exit\n\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := AppendCommand([]byte("before"), tt.cmd)
			if err != nil || string(got) != "before"+tt.want {
				t.Errorf("wrote %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestUnsafeCommandIsRefused(t *testing.T) {
	tests := map[string]Command{
		"zero":                   {},
		"negative linger":        Linger(-1),
		"no header":              Filter("", "DTMF"),
		"blank in header":        Filter("Event-Name DTMF", "x"),
		"another command":        Filter("Delete", "all"),
		"the same, explicit":     Filter("add", "Event-Name DTMF"),
		"no value":               Filter("Event-Name", " "),
		"no application":         Execute("u", "", "x"),
		"blank application":      Execute("u", " ", "x"),
		"expansion in app":       Execute("u", "${x}", ""),
		"expansion in arg":       Execute("u", "playback", "a${system(touch /tmp/x)}"),
		"global expansion":       Execute("u", "playback", "$${x}"),
		"expansion in uuid":      Execute("${x}", "playback", ""),
		"unfinished expansion":   Execute("u", "playback", "x${"),
		"expansion behind a bar": Execute("u", "playback", `\${x}`),
	}
	for _, s := range []string{" ", "\t", ";", ",", "'", "{", "$", "%", "ä", "\n", "\x00"} {
		tests[strconv.Quote(s)+" in the id of a variable"] = SetVar("u"+s, "x", "y")
		tests[strconv.Quote(s)+" in the name of a variable"] = SetVar("u", "x"+s, "y")
		tests[strconv.Quote(s)+" in the value of a variable"] = SetVar("u", "x", "y"+s)
		tests[strconv.Quote(s)+" in the id of a question"] = GetVar("u"+s, "x")
		tests[strconv.Quote(s)+" in the name of a question"] = GetVar("u", "x"+s)
	}
	tests["no task"], tests["another task"] = CancelTask(""), CancelTask("1 2")
	tests["no id"], tests["no name"] = SetVar("", "x", "y"), SetVar("u", "", "y")
	tests["no id of a question"], tests["no name of a question"] = GetVar("", "x"), GetVar("u", "")
	for _, c := range []string{"\n", "\r", "\x00", "\r\n"} {
		for where, s := range map[string]string{"start": c + "x", "middle": "x" + c + "y", "end": "x" + c} {
			at := strconv.Quote(c) + " at the " + where + " of "
			tests[at+"filter header"] = Filter(s, "x")
			tests[at+"filter value"] = Filter("x", s)
			tests[at+"uuid"] = Execute(s, "playback", "x")
			tests[at+"application"] = Execute("u", s, "x")
			tests[at+"argument"] = Execute("u", "playback", s)
		}
	}
	for name, cmd := range tests {
		t.Run(name, func(t *testing.T) {
			if err := cmd.Err(); !errors.Is(err, ErrUnsafe) {
				t.Errorf("error %v, want one of ErrUnsafe", err)
			}
			got, err := AppendCommand([]byte("before"), cmd)
			if !errors.Is(err, ErrUnsafe) || string(got) != "before" {
				t.Errorf("wrote %q, error %v", got, err)
			}
		})
	}
}

// parseCommand makes a command of what was sent to a real switch, or reports
// that this package has no constructor for it.
func parseCommand(wire string) (Command, bool) {
	lines := strings.Split(strings.TrimSuffix(wire, "\n\n"), "\n")
	word, rest, _ := strings.Cut(lines[0], " ")
	switch word {
	case "connect":
		return Connect(), true
	case "myevents":
		return MyEvents(), true
	case "resume":
		return Resume(), true
	case "exit":
		return Exit(), true
	case "linger":
		n, err := strconv.Atoi(rest)
		return Linger(n), err == nil
	case "filter":
		header, value, _ := strings.Cut(rest, " ")
		return Filter(header, value), header != "delete"
	case "api":
		name, args, _ := strings.Cut(rest, " ")
		words := append(strings.Fields(args), "")
		if len(words) < 3 || len(words) > 4 {
			return Command{}, false
		}
		return SetVar(words[0], words[1], words[2]), name == "uuid_setvar"
	case "sendmsg":
		h := map[string]string{}
		for _, l := range lines[1:] {
			name, value, _ := strings.Cut(l, ": ")
			h[name] = value
		}
		c := Execute(h["Event-UUID"], h["execute-app-name"], h["execute-app-arg"])
		return c, rest == "" && h["call-command"] == "execute"
	}
	return Command{}, false
}

func TestCommandsAreThoseOfTheTranscripts(t *testing.T) {
	// Sent to the switch to see what it does, not by this package.
	others := map[string]bool{
		"getvar": true, "bogus": true, "api": true, "bgapi": true, "event": true,
		"log": true, "nolog": true, "auth": true, "filter delete": true, "linger": true,
		"sendmsg 00000000-0000-0000-0000-000000000000": true, "sendmsg\ncall-command: nosuch": true,
	}
	same := 0
	for _, tr := range transcripts(t) {
		for _, wire := range tr.sent {
			cmd, ok := parseCommand(wire)
			if !ok {
				known := false
				for prefix := range others {
					known = known || strings.HasPrefix(wire, prefix)
				}
				if !known {
					t.Errorf("%s: no constructor for %q", tr.name, wire)
				}
				continue
			}
			got, err := AppendCommand(nil, cmd)
			if err != nil || string(got) != wire {
				t.Errorf("%s: wrote %q, %v; want %q", tr.name, got, err, wire)
			}
			same++
		}
	}
	if same < 100 {
		t.Errorf("only %d commands compared", same)
	}
}
