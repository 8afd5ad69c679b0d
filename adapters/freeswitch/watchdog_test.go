package freeswitch_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// A dialplan with a watchdog is left by exit alone: the watchdog may have moved the call
// while we hung, and resume would lose it then.
func TestWatchdogIsLeftWithoutResume(t *testing.T) {
	for name, tt := range map[string]struct {
		variables string
		resume    bool
	}{
		"with a watchdog":    {"variable_socket_resume: true\nvariable_deflect_watchdog: 7\n", false},
		"without a watchdog": {"variable_socket_resume: true\n", true},
		"without anything":   {"", true},
	} {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			commands := r.peer(func(cmd string) string {
				switch {
				case strings.HasPrefix(cmd, "connect"):
					return tt.variables + peerData
				case strings.Contains(cmd, "offer.wav"):
					return peerOK + peerEvent(peerKey) + peerDone("offer-1")
				case strings.Contains(cmd, "sent.wav"):
					r.srv.Cut() // a prompt plays, which something has to cut
				}
				return peerOK
			})
			r.drain()
			if got := slices.Contains(commands, "resume\n"); got != tt.resume || commands[len(commands)-1] != "exit\n" {
				t.Errorf("%s: the commands end with %q", name, commands[max(0, len(commands)-3):])
			}
			r.wantTexts(1)
		})
	}
}

// The watchdog has moved the call before we looked at it: it is left alone, and nobody
// is texted, also who has pressed the key in a menu before.
func TestCallThatTheWatchdogTookIsLeftAlone(t *testing.T) {
	for _, mode := range []string{"", "variable_deflect_mode: accepted\n"} {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			commands := r.peer(func(cmd string) string {
				if strings.HasPrefix(cmd, "connect") {
					return "variable_deflect_watchdog: 7\n" + mode + peerData
				}
				return peerOK
			})
			r.drain()
			for _, c := range commands {
				if strings.HasPrefix(c, "sendmsg") || strings.HasPrefix(c, "resume") {
					t.Errorf("the call was told %q", c)
				}
			}
			r.wantTexts(0)
			if got := outcomes(t, r.reg); got[string(deflect.Abandoned)+" "+string(deflect.ReasonTransferred)] != 1 {
				t.Errorf("counted %v", got)
			}
		})
	}
}
