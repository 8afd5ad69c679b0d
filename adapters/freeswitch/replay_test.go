package freeswitch_test

import (
	"context"
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
func TestRecordings(t *testing.T) {
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
			}
			inBubble(t, once, func(t *testing.T, r *rig) {
				f, err := os.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				replayer := fst.Replayer{}
				if strings.HasPrefix(tt.outcome, "no_input") {
					replayer.Quiet = 10 * time.Second // we listen longer than the recorded peer did
				}
				res, err := replayer.Replay(context.Background(), r.ln.dial(t), f)
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
