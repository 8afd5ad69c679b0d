package freeswitch_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// The link breaks at some moment between the key and the transfer, and is back at once or
// later: who was texted is transferred, with the outcome, and nobody waits on.
func TestWatchBreakBeforeTheTransferPaysIt(t *testing.T) {
	for after := 10 * time.Millisecond; after < 4500*time.Millisecond; after += 240 * time.Millisecond {
		for _, away := range []time.Duration{0, 3 * time.Second} {
			t.Run(fmt.Sprintf("%s, for %s", after, away), func(t *testing.T) {
				inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
					r.api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second})
					w := r.queued("fs1")
					w.Press("1")
					time.Sleep(after)
					r.setDown("fs1", away > 0)
					r.sw("fs1").Drop()
					time.Sleep(away)
					r.setDown("fs1", false)
					settled()
					settled()
					if res := w.Result(); res.Transferred != "9999 XML default" || res.Vars["deflect_outcome"] != "sent" {
						t.Errorf("%+v", res)
					}
					r.wantTexts(1)
					w.HangUp()
					time.Sleep(6 * time.Minute)
					r.forgotten()
				})
			})
		}
	}
}

// While the link is away, something else becomes of the caller who was texted: the
// transfer that is owed is left.
func TestWatchOwedTransferIsLeftWhenLate(t *testing.T) {
	for what, do := range map[string]func(*freeswitchtest.Waiting){
		"an agent":      func(w *freeswitchtest.Waiting) { w.Agent("callcenter") },
		"an agent, too": func(w *freeswitchtest.Waiting) { w.Agent("fifo") },
		"another menu":  func(w *freeswitchtest.Waiting) { w.Transfer("voicemail") },
		"hang-up":       (*freeswitchtest.Waiting).HangUp,
		"the queue has let go": func(w *freeswitchtest.Waiting) {
			w.Set("deflect_offer", "false")
			w.Withdraw()
		},
	} {
		t.Run(what, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				w := r.queued("fs1", inFifo)
				w.Press("1")
				time.Sleep(time.Second)
				r.setDown("fs1", true)
				r.sw("fs1").Drop()
				synctest.Wait()
				do(w)
				time.Sleep(time.Second)
				r.setDown("fs1", false)
				settled()
				settled()
				if res := w.Result(); res.Transferred != "" || (what == "an agent, too") && !res.Bridged {
					t.Errorf("%+v", res)
				}
				r.wantTexts(1)
				w.HangUp()
				time.Sleep(6 * time.Minute)
				r.forgotten()
			})
		})
	}
}

// While the link is away, the call ends and another one comes with its id, which a caller
// can choose, or after a restart of the switch: nothing of the first is set on it.
func TestWatchOwesNothingToAnotherCall(t *testing.T) {
	for _, key := range []string{"1", "9"} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("key %s, restart %t", key, restart), func(t *testing.T) {
				inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) {
					c.Profiles[0].DeclineDigit = "9"
				}, func(t *testing.T, r *watchRig) {
					r.api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second})
					w := r.queued("fs1")
					r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return unsetConn{c} })
					w.Press(key)
					time.Sleep(time.Second)
					r.setDown("fs1", true)
					if restart {
						r.sw("fs1").Restart()
					} else {
						r.sw("fs1").Drop()
						synctest.Wait()
						w.HangUp()
					}
					time.Sleep(5 * time.Second)
					other := r.queued("fs1")
					r.dialBy(nil)
					r.setDown("fs1", false)
					time.Sleep(time.Minute)
					synctest.Wait()
					if got := other.Result().Vars["deflect_outcome"]; got != "" {
						t.Errorf("deflect_outcome=%q on another call", got)
					}
					other.HangUp()
					time.Sleep(6 * time.Minute)
					r.forgotten()
				})
			})
		}
	}
}

// unsetConn breaks when variables with an outcome are to be set.
type unsetConn struct{ freeswitch.SwitchConn }

func (c unsetConn) Send(command string) (freeswitch.Reply, error) {
	if strings.Contains(command, "deflect_outcome=") {
		c.Close()
		return freeswitch.Reply{}, net.ErrClosed
	}
	return c.SwitchConn.Send(command)
}
