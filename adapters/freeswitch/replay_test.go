package freeswitch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// The switch's side of every outbound recording of a real FreeSWITCH, played to
// the session: the right outcome, and no command that a FreeSWITCH refuses.
func TestRecordedCallsEndAsTheyDid(t *testing.T) {
	tests := map[string]struct {
		outcome string
		texts   int
	}{
		"accept":               {"sent ok", 1},
		"dtmf_burst":           {"sent ok", 1},
		"full_myevents":        {"sent ok", 1},
		"hostile_caller":       {"sent ok", 1},
		"no_digit":             {"no_input no_key", 0},
		"other_digit":          {"no_input no_key", 0},
		"anonymous":            {"ineligible number_hidden", 0},
		"hangup_before_answer": {"abandoned hangup", 0},
		"hangup_during_prompt": {"abandoned hangup", 0},
		"hangup_no_linger":     {"abandoned hangup", 0},
		"killed":               {"abandoned hangup", 0},
		"transfer":             {"abandoned transferred", 0},
		"moved_exit":           {"abandoned transferred", 0},
		"moved_unset_exit":     {"abandoned transferred", 0},
		"static_resume":        {"failed switch", 0},
		"static_unset_exit":    {"failed switch", 0},
		"stale_key_flush":      {"no_input no_key", 0},
		"star_default":         {"no_input no_key", 0},
		"star_scoped":          {"no_input no_key", 0},
		"not_full":             {"sent ok", 1},
		// The recorded peer sent commands that the switch refused.
		"errors": {"failed switch", 0},
	}
	recordings, err := filepath.Glob("testdata/transcripts/*.jsonl")
	if err != nil || len(recordings) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, path := range recordings {
		name := strings.TrimSuffix(filepath.Base(path), ".jsonl")
		tt, ok := tests[name]
		if !ok {
			if !strings.HasPrefix(name, "inbound") {
				t.Errorf("recording %s has no test", name)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			once := func(_ *deflect.Config, c *freeswitch.Config) {
				c.Profiles[0].Repeat = 1
				c.Profiles[0].Prompts.Sent = ""
				c.Profiles[0].Dialed = nil // they dialled several
			}
			inBubble(t, once, func(t *testing.T, r *rig) {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				replayer := fst.Replayer{}
				if strings.HasPrefix(tt.outcome, "no_input") {
					replayer.Quiet = 10 * time.Second // we listen longer than the recorded peer did
				}
				res, err := replayer.Replay(context.Background(), r.ln.dial(t), strings.NewReader(asWeSpeak(string(data))))
				if err != nil {
					t.Fatal(err)
				}
				r.drain()
				if len(res.Violations) > 0 {
					t.Errorf("a FreeSWITCH does not accept %q", res.Violations)
				}
				if got := outcomes(t, r.reg); len(got) != 1 || got[tt.outcome] != 1 {
					t.Errorf("outcomes %v, want %s\n%s", got, tt.outcome, strings.Join(res.Commands, "\n--\n"))
				}
				r.wantTexts(tt.texts)
				for _, cmd := range res.Commands {
					for _, s := range []string{"Zo", "system", "pwned", "%{", "${", "Jane", "4043438646"} {
						if strings.Contains(cmd, s) {
							t.Errorf("the caller's %q got into %q", s, cmd)
						}
					}
				}
			})
		})
	}
}

// asWeSpeak makes a recording fit to what a session says: recorded peers did not forget
// the keys of menus before nor leave ends out, and some asked the api in the middle.
func asWeSpeak(recording string) string {
	const flush = `{"t": %s, "dir": ">", "data": "sendmsg\ncall-command: execute\nexecute-app-name: flush_dtmf\nexecute-app-arg: \nEvent-UUID: f\n\n"}
{"t": %s, "dir": "<", "data": "Content-Type: command/reply\nReply-Text: +OK\n\nContent-Length: 82\nContent-Type: text/event-plain\n\nEvent-Name: CHANNEL_EXECUTE_COMPLETE\nApplication: flush_dtmf\nApplication-UUID: f\n\n"}
`
	const left = `{"t": %s, "dir": ">", "data": "filter Application -x\n\n"}
{"t": %s, "dir": "<", "data": "Content-Type: command/reply\nReply-Text: +OK filter added. [Application]=[-x]\n\n"}
`
	var out strings.Builder
	api := false
	for line := range strings.Lines(recording) {
		var l struct {
			T         json.Number
			Dir, Data string
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			panic(err)
		}
		switch {
		case l.Dir == ">" && strings.HasPrefix(l.Data, "api ") && strings.Count(l.Data, "\n\n") == 1 && strings.Contains(recording, "single-channel"):
			api = true
			continue
		case api: // its reply
			api = false
			continue
		}
		out.WriteString(line)
		if l.Dir == "<" && strings.Contains(l.Data, "[CHANNEL_HANGUP]") {
			for range 3 {
				fmt.Fprintf(&out, left, l.T, l.T)
			}
		}
		if l.Dir == "<" && strings.Contains(l.Data, "\nApplication: answer\n") && !strings.Contains(recording, "flush_dtmf") && !strings.Contains(l.Data, "Profile-Index: 2") {
			fmt.Fprintf(&out, flush, l.T, l.T)
		}
	}
	return out.String()
}
