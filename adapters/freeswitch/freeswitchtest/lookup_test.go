package freeswitchtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// What is the whole switch's is told as FreeSWITCH 1.10.12 does: without line ends where it
// has none, with the password in the settings, and with an error for what is not set.
func TestLookups(t *testing.T) {
	there := filepath.Join(t.TempDir(), "a b.wav")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{
			Modules:  []string{"mod_say_en"},
			Globals:  map[string]string{"playback_terminators": "#", "empty": ""},
			Settings: map[string]string{"listen-ip": "::"},
			Contexts: map[string]string{"public": "<extension name=\"x\"></extension>", "other": "<!-- -->"},
		}
		p := login(t, s)
		for command, want := range map[string]string{
			"global_getvar sound_prefix":         "/usr/share/freeswitch/sounds",
			"global_getvar playback_terminators": "#",
			"global_getvar empty":                "-ERR no reply\n",
			"global_getvar nobody":               "-ERR no reply\n",
			"module_exists mod_say_en":           "true",
			"module_exists mod_say_de":           "false",
			"version short":                      "1.10.12-release\n",
			"file_exists " + there:               "true",
			"file_exists " + filepath.Dir(there): "true",
			"file_exists " + there + ".none":     "false",
			"xml_locate dialplan context name x": "can't find anything\n",
			"xml_locate dialplan": "<section name=\"dialplan\">\n<context name=\"other\">\n<!-- -->\n</context>\n" +
				"<context name=\"public\">\n<extension name=\"x\"></extension>\n</context>\n</section>\n",
		} {
			equal(t, command, p.ask("api "+command), want)
		}
		settings := p.ask("api xml_locate configuration configuration name event_socket.conf")
		for _, want := range []string{`"listen-ip" value="::"`, `"password" value="ClueCon"`, `"listen-port" value="8021"`} {
			if !strings.Contains(settings, want) {
				t.Errorf("the settings hold no %s:\n%s", want, settings)
			}
		}
		equal(t, "violations", s.Violations(), nil)
		equal(t, "a file by a name of its own", p.ask("api file_exists"), "false")
		equal(t, "bad args", p.ask("api xml_locate a b"), "-ERR bad args\n")
	})
}
