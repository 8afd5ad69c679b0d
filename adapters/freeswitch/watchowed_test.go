package freeswitch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

// The link breaks at some moment between the key and the transfer, and is back at once or
// later: who was texted is transferred, with the outcome, and nobody waits on.
func TestWatchBreaksBeforeTheTransfer(t *testing.T) {
	for after := 10 * time.Millisecond; after < 4500*time.Millisecond; after += 240 * time.Millisecond {
		for _, away := range []time.Duration{0, 3 * time.Second} {
			t.Run(fmt.Sprintf("%s, for %s", after, away), func(t *testing.T) {
				inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
					r.api.SetFault(&deflecttest.Fault{Delay: 2 * time.Second})
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
func TestWatchOwedTransferComesTooLate(t *testing.T) {
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
