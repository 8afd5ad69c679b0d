package freeswitch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// An agent of mod_fifo answers at some moment of the dialogue. The two talk at once, the
// dialogue is over, and the caller stays with the agent.
func TestWatchFifoAgentIsFreed(t *testing.T) {
	for name, after := range map[string]time.Duration{ // the key
		"while the request runs":       500 * time.Millisecond,
		"the prompt is asked for":      1050 * time.Millisecond,
		"the prompt plays":             2 * time.Second,
		"before the question":          3150 * time.Millisecond,
		"the question is asked for":    3250 * time.Millisecond,
		"the question begins":          3600 * time.Millisecond,
		"the question plays":           4800 * time.Millisecond,
		"in the silence":               6500 * time.Millisecond,
		"the caller has just answered": 5001 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].Confirm = true }, func(t *testing.T, r *watchRig) {
				r.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
				w := r.queued("fs1", inFifo)
				w.Press("1")
				if name == "the caller has just answered" {
					time.AfterFunc(5*time.Second, func() { w.Press("1") })
				}
				time.Sleep(after)
				w.Agent("fifo")
				played := len(w.Result().Played)
				time.Sleep(400 * time.Millisecond)
				synctest.Wait()
				if !w.Result().Bridged {
					t.Error("agent and caller wait for each other")
				}
				settled()
				res := w.Result()
				if len(res.Played) > played+1 || res.Transferred != "" || res.Vars["deflect_outcome"] != "sent" {
					t.Errorf("%+v", res)
				}
				if r.srv.Calls() > 0 {
					t.Error("the dialogue goes on")
				}
				r.wantTexts(1)
				w.HangUp()
				r.forgotten()
			})
		})
	}
}

// An agent has cut the reading out of a number: nobody has heard it, and no key that
// comes then confirms it.
func TestWatchFifoAgentCutsReadBack(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].AskNumber = true }, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1", inFifo, func(c *fst.Call) {
			c.HideNumber = true
			c.Prompts = map[string]time.Duration{"say en number iterated 4043438647": 3 * time.Second}
		})
		w.Press("1")
		time.Sleep(time.Second)
		for _, key := range "4043438647#" {
			w.Press(string(key))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2500 * time.Millisecond) // most of it was said
		w.Agent("fifo")
		time.Sleep(300 * time.Millisecond)
		w.Press("1")
		settled()
		r.wantTexts(0)
		if res := w.Result(); !res.Bridged || res.Transferred != "" {
			t.Errorf("%+v", res)
		}
		r.wantOutcome(fst.Result{}, deflect.Abandoned, deflect.ReasonTransferred)
		w.HangUp()
		r.forgotten()
	})
}
