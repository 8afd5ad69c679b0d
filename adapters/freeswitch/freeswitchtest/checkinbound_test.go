package freeswitchtest

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestCheckInbound(t *testing.T) {
	good := []string{
		"auth ClueCon", "exit", "noevents", "event plain DTMF", "event json CHANNEL_BRIDGE CUSTOM a::b c::d", "nixevent DTMF",
		"filter Event-Name DTMF", "filter delete all", "filter delete Event-Name DTMF", "filter Event-Name -DTMF",
		"sendevent CUSTOM\nEvent-Subclass: a::b\nX: y", "api uuid_dump c-1", "api uuid_dump c-1 json", "api uuid_exists c-1", "bgapi uuid_exists c-1",
		"bgapi uuid_exists c-1\nJob-UUID: mine", "api uuid_setvar c-1 a", "api uuid_setvar c-1 a b c",
		"api uuid_setvar_multi c-1 a=b;c=", "api uuid_broadcast c-1 a.wav aleg", "api uuid_broadcast c-1 tone_stream://%(300,0,600) aleg",
		"api uuid_broadcast c-1 'say::en number iterated 123' aleg", "api uuid_broadcast c-1 'a b.wav' aleg", "api uuid_break c-1",
		"api uuid_break c-1 all", "api uuid_transfer c-1 9999", "api uuid_transfer c-1 +14045550123 XML default",
		"api uuid_kill c-1", "api uuid_kill c-1 NORMAL_CLEARING", "api show channels as json", "api show channels count",
		"api module_exists mod_say_en", "api global_getvar sound_prefix", "api file_exists /a b.wav", "api version", "api version short",
		"api xml_locate dialplan", "api xml_locate dialplan context name public", "api xml_locate configuration configuration name event_socket.conf",
	}
	for _, text := range good {
		equal(t, text, CheckInbound(text), nil)
	}
	bad := map[string]string{
		"":                                  `unknown command ""`,
		"connect":                           `unknown command "connect"`,
		"sendmsg c-1\ncall-command: hangup": `unknown command "sendmsg"`,
		"auth":                              "without a password",
		"exit\nx: y":                        "more than one line",
		"noevents\rfoo":                     `control character '\r'`,
		"event plain":                       "event without events",
		"event plain DTFM":                  `no event "DTFM"`,
		"event plain CUSTOM":                "CUSTOM without a subclass",
		"event plain CUSTOM a::b DTMF":      "DTMF after CUSTOM",
		"event xml DTMF":                    "XML",
		"nixevent plain DTMF":               `no event "plain"`,
		"filter Event-Name":                 "without a header and a value",
		"filter delete":                     "without a header and a value",
		"filter Event-Name /X/":             "regular expression",
		"filter Caller-ANI +14045550123":    "never matches the +",
		"sendevent XYZ":                     `no event "XYZ"`,
		"sendevent CUSTOM\nX: y":            "without Event-Subclass",
		"sendevent CUSTOM\nEvent-Subclass: a\nUnique-ID: b":           "with Unique-ID",
		"sendevent CUSTOM\nEvent-Subclass: a\nContent-Length: 1\n\nx": "with a body",
		"api":                                               `unknown api command ""`,
		"api originate user/1 &park":                        `unknown api command "originate"`,
		"api file_exists a.wav":                             `file_exists with "a.wav"`,
		"api file_exists ${sound_prefix}/a.wav":             "would expand ${sound_prefix}",
		"api global_getvar":                                 `global_getvar with ""`,
		"api xml_locate directory":                          `xml_locate with "directory"`,
		"api uuid_getvar c-1 x":                             `unknown api command "uuid_getvar"`,
		"api show registrations":                            `show with "registrations"`,
		"api uuid_dump":                                     "uuid_dump without a uuid",
		"api uuid_dump c;1":                                 "uuid_dump without a uuid",
		"api uuid_dump c-1 xml":                             `uuid_dump with "xml"`,
		"api uuid_setvar c-1":                               "without the name of a variable",
		"api uuid_setvar c-1 a:b c":                         "without the name of a variable",
		"api uuid_setvar c-1 a ${x}":                        "would expand ${x}",
		"api uuid_setvar_multi c-1":                         "sets nothing",
		"api uuid_setvar_multi c-1 a":                       `does not set a variable with "a"`,
		"api uuid_setvar_multi c-1 a=b;;c=d":                `does not set a variable with ""`,
		"api uuid_setvar_multi c-1 a b=c":                   `does not set a variable with "a b=c"`,
		"api uuid_broadcast c-1 a.wav":                      "want a uuid, what to play and aleg",
		"api uuid_broadcast c-1 a.wav both":                 "want a uuid, what to play and aleg",
		"api uuid_broadcast c-1 a b.wav aleg":               "want a uuid, what to play and aleg",
		"api uuid_broadcast c-1 ${x}.wav aleg":              "would expand ${x}",
		"api uuid_broadcast c-1 system::id aleg":            `runs the application "system"`,
		"api uuid_broadcast c-1 'say::en number 1' aleg":    "say with",
		"api uuid_break c-1 both":                           `uuid_break with "both"`,
		"api uuid_kill c-1 normal":                          `uuid_kill with "normal"`,
		"api uuid_transfer c-1":                             "want an extension",
		"api uuid_transfer c-1 a b c d":                     "want an extension",
		"api uuid_transfer c-1 -both 9999":                  `uuid_transfer to "-both"`,
		"api uuid_transfer c-1 9999,hangup XML default":     `uuid_transfer to "9999,hangup"`,
		"api uuid_transfer c-1 'set:a=b,playback:c' inline": `uuid_transfer to "set:a=b,playback:c"`,
	}
	for text, want := range bad {
		if found := CheckInbound(text); len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), want) {
			t.Errorf("%q: %q, want %q", text, found, want)
		}
	}
	// On the socket of one call the same commands are a mistake, and the
	// other way round.
	equal(t, "outbound", len(Check("event plain DTMF")), 1)
}

func TestSwitchViolations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{}
		p := login(t, s)
		s.Park(caller())
		for _, c := range []string{
			"event plain DTMF", "filter a b", "api uuid_dump nobody", "api uuid_broadcast nobody a.wav aleg", "api uuid_setvar_multi nobody a=b",
			"api uuid_break nobody", "api uuid_transfer nobody 9999", "bgapi uuid_kill nobody",
		} {
			p.ask(c)
		}
		equal(t, "violations", s.Violations(), nil)
		equal(t, "no name", p.ask("api uuid_setvar_multi c-1 =b;a=c"), "-ERR No variable specified\n+OK\n")
		for _, c := range []string{
			"bogus", "noevents", "noevents", "event plain NOBODY", "api uuid_setvar c-1 a ${system(id)}", "bgapi strftime",
		} {
			p.ask(c)
		}
		equal(t, "violations", s.Violations(), []string{
			`uuid_setvar_multi does not set a variable with "=b": "api uuid_setvar_multi c-1 =b;a=c"`,
			`unknown command "bogus": "bogus"`,
			`refused with -ERR not listening for events: "noevents"`,
			`there is no event "NOBODY": "event plain NOBODY"`,
			`the switch would expand ${system(id)}: "api uuid_setvar c-1 a ${system(id)}"`,
			`unknown api command "strftime": "bgapi strftime"`,
		})
		equal(t, "expansions", s.Expansions(), []string{"${system(id)}"})
	})
}

func TestSeparate(t *testing.T) {
	tests := []struct {
		text  string
		delim byte
		max   int
		want  []string
	}{
		{"", ' ', 9, nil},
		{"a b c", ' ', 9, []string{"a", "b", "c"}},
		{"  a   b  ", ' ', 9, []string{"a", "b"}},
		{"a b c d", ' ', 3, []string{"a", "b", "c d"}},
		{"a b c d", ' ', 1, []string{"a b c d"}},
		{"a 'b c' d", ' ', 9, []string{"a", "b c", "d"}},
		{`a b\'c d\sd \\ x\y`, ' ', 9, []string{"a", "b'c", "d d", `\`, `x\y`}},
		{"a=b;c=d", ';', 9, []string{"a=b", "c=d"}},
		{" a=b ; c=d e ", ';', 9, []string{"a=b", "c=d e"}},
		{"a='b;c';d=it's", ';', 9, []string{"a=b;c", "d=it's"}},
		{`a=b\;c`, ';', 9, []string{"a=b;c"}},
		{"a;;b;", ';', 9, []string{"a", "", "b"}},
		{"^^~a=b;c~d=e", ';', 9, []string{"a=b;c", "d=e"}},
		{`a=x\ny`, ';', 9, []string{"a=x\ny"}},
	}
	for _, tt := range tests {
		equal(t, tt.text, separate(tt.text, tt.delim, tt.max), tt.want)
	}
}
