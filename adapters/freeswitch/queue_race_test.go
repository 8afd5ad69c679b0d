package freeswitch_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// slowConn takes its time for what it is told to.
type slowConn struct {
	freeswitch.SwitchConn
	slow *atomic.Int64
}

func (c slowConn) Send(command string) (freeswitch.Reply, error) {
	if strings.HasPrefix(command, "api ") {
		time.Sleep(time.Duration(c.slow.Load()))
	}
	return c.SwitchConn.Send(command)
}

// An agent answers while a switch that is far away is asked whether the caller still
// waits: the caller is not taken away from the agent.
func TestWatchLateTransferLeavesTheAgent(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		var slow atomic.Int64
		r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return slowConn{c, &slow} })
		w := r.queued("fs1")
		w.Press("1")
		time.Sleep(2150 * time.Millisecond) // the prompt ends in 50 ms
		slow.Store(int64(100 * time.Millisecond))
		time.Sleep(350 * time.Millisecond) // the question is on its way, for 100 ms
		w.Agent("callcenter")
		settled()
		settled()
		if to := w.Result().Transferred; to != "" {
			t.Errorf("taken away from the agent, to %q", to)
		}
	})
}

// A call is withdrawn while nobody watches, before or after it was announced.
func TestWatchWithdrawnInTheGapIsOff(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprint(own), func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				var w *fst.Waiting
				if !own {
					w = r.queued("fs1") // announced before the gap
				}
				r.setDown("fs1", true)
				r.sw("fs1").Drop()
				synctest.Wait()
				if own { // announced and withdrawn in the gap
					w = r.sw("fs1").Park(fst.Call{UUID: "x", ANI: "+14043438646", DNIS: "18005550100"})
					w.Set("deflect_offer", "true")
					w.Announce()
				}
				w.Set("deflect_offer", "false") // as the dialplan does, before it withdraws
				w.Withdraw()                    // the dialplan goes on with a menu of its own
				r.setDown("fs1", false)
				settled()
				settled()
				w.Press("1") // for that menu
				settled()
				if w.Result().Transferred != "" || len(r.api.Sent()) > 0 {
					t.Errorf("announced in the gap %t: %d texts, transferred to %q", own, len(r.api.Sent()), w.Result().Transferred)
				}
			})
		})
	}
}

// A call that was announced in the gap without its place may be anywhere.
func TestWatchMovedInTheGapIsOff(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.setDown("fs1", true)
		r.sw("fs1").Drop()
		synctest.Wait()
		w := r.sw("fs1").Park(fst.Call{UUID: "x", ANI: "+14043438646", DNIS: "18005550100"})
		w.Set("deflect_offer", "true")
		w.Announce()
		w.Transfer("voicemail")
		r.setDown("fs1", false)
		settled()
		settled()
		w.Press("1")
		settled()
		if n := len(r.api.Sent()); n > 0 {
			t.Errorf("%d texts for a key pressed in voicemail", n)
		}
	})
}

// A call that no profile serves is counted once, however often it is looked at.
func TestWatchNoProfileCountsOnce(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		w := r.sw("fs1").Park(fst.Call{UUID: "x", ANI: "+14043438646", DNIS: "18005550199"})
		w.Set("deflect_offer", "true")
		w.Set("deflect_offer_at", fmt.Sprintf("1.%d", time.Now().UnixMicro()))
		w.Announce()
		time.Sleep(time.Hour)
		if n := outcomes(t, r.reg)["ineligible no_profile"]; n != 1 {
			t.Errorf("one call was counted %d times", n)
		}
	})
}

// Keys pressed before the first answer are not counted again with the second one.
func TestWatchDigitsCountOnce(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.api.Inject(livedeflecttest.Fault{Status: 400})
		w := r.queued("fs1")
		for _, k := range "471" {
			w.Press(string(k))
			synctest.Wait()
		}
		settled()
		w.Announce()
		w.Press("1")
		settled()
		if d := w.Result().Vars["deflect_digits"]; d != "47" {
			t.Errorf("deflect_digits=%q", d)
		}
	})
}

// lateConn gets its events later, in their order.
type lateConn struct {
	freeswitch.SwitchConn
	by time.Duration
	ch chan lateEvent
}

// The same press, much later over a second subscription, when the caller has gone.
func TestWatchSeenTwiceLateTextsOnce(t *testing.T) {
	inWatchBubble(t, []string{"fs1", "same"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].NoCooldown = true }, func(t *testing.T, r *watchRig) {
		r.watchedTwice(2 * time.Second)
		w := r.queued("fs1")
		w.Press("1")
		synctest.Wait()
		w.HangUp()
		settled()
		if n := len(r.api.Sent()); n != 1 {
			t.Errorf("%d texts for one key press; counted %v", n, outcomes(t, r.reg))
		}
	})
}

// A stop does not leave an agent of fifo waiting who answered during a prompt.
func TestWatchStopFreesTheAgent(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].OnSent.Transfer = "" }, func(t *testing.T, r *watchRig) {
		var slow atomic.Int64
		slow.Store(int64(time.Millisecond))
		r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return slowConn{c, &slow} })
		w := r.queued("fs1", inFifo)
		w.Press("1")
		time.Sleep(1500 * time.Millisecond) // the prompt plays
		w.Agent("fifo")                     // cuts the prompt, and waits for uuid_break
		r.stop()
		if err := <-r.watched; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		cmds := strings.Join(r.sw("fs1").Commands(), "\n")
		if !strings.Contains(cmds, "uuid_break") || !w.Result().Bridged {
			t.Errorf("agent and caller wait for ever: bridged %t, uuid_break said %t, deflect_offer_at=0 said %t", w.Result().Bridged, strings.Contains(cmds, "uuid_break"), strings.Contains(cmds, "deflect_offer_at=0"))
		}
		r.watched <- nil
	})
}

// A stop that cannot wait leaves the caller where the agent is.
func TestWatchCutLeavesTheAgentTheCaller(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1", inFifo)
		w.Press("1")
		time.Sleep(1500 * time.Millisecond)
		w.Agent("fifo")
		r.stop()
		r.srv.Cut()
		if err := <-r.watched; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		res := w.Result()
		if res.Transferred != "" {
			t.Errorf("an agent had answered, and the caller was transferred to %q", res.Transferred)
		}
		r.watched <- nil
	})
}

// The link breaks before the switch could be told that a call is not on offer.
func TestWatchLostMarkIsOwed(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		var slow atomic.Int64
		r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return slowConn{c, &slow} })
		w := r.queued("fs1")
		time.Sleep(time.Second)
		slow.Store(int64(50 * time.Millisecond))
		w.Withdraw()
		time.Sleep(10 * time.Millisecond)
		r.sw("fs1").Drop()
		settled()
		w.Press("1")
		settled()
		if n := len(r.api.Sent()); n > 0 {
			t.Errorf("%d texts for a key pressed after the withdrawal that we saw", n)
		}
	})
}

// A call is withdrawn while the switch lists it as on offer.
func TestWatchWithdrawnWhileListedIsOff(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		var slow atomic.Int64
		r.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
			c, err := r.connect(address, password)
			return slowAfter{c, &slow}, err
		})
		w := r.sw("fs1").Park(fst.Call{UUID: "x", ANI: "+14043438646", DNIS: "18005550100"})
		w.Set("deflect_offer", "true")
		w.Set("deflect_offer_at", fmt.Sprintf("1.%d", time.Now().UnixMicro()))
		slow.Store(int64(50 * time.Millisecond))
		r.sw("fs1").Drop()
		for range 2000 {
			if c := r.sw("fs1").Commands(); c[len(c)-1] == "api uuid_dump x json" {
				break
			}
			time.Sleep(time.Millisecond)
		}
		w.Withdraw()
		settled()
		if calls, _ := r.srv.Announced(); calls > 0 {
			w.Press("1")
			settled()
			t.Errorf("on offer although withdrawn over a live connection; %d texts", len(r.api.Sent()))
		}
	})
}

// slowAfter answers late.
type slowAfter struct {
	freeswitch.SwitchConn
	slow *atomic.Int64
}

func (c slowAfter) Send(command string) (freeswitch.Reply, error) {
	a, err := c.SwitchConn.Send(command)
	if strings.HasPrefix(command, "api ") {
		time.Sleep(time.Duration(c.slow.Load()))
	}
	return a, err
}

// Ids that come from a Call-ID are learned as well.
func TestWatchLearnsCallIDs(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.setDown("fs1", true)
		r.sw("fs1").Drop()
		synctest.Wait()
		w := r.sw("fs1").Park(fst.Call{UUID: "abc.def", ANI: "+14043438646", DNIS: "18005550100"})
		w.Set("deflect_offer", "true")
		w.Set("deflect_offer_at", fmt.Sprintf("1.%d", time.Now().UnixMicro()))
		r.setDown("fs1", false)
		settled()
		if calls, _ := r.srv.Announced(); calls != 1 {
			t.Errorf("%d calls learned", calls)
		}
	})
}

// A switch that takes connections and breaks them at once is not tried all the time.
func TestWatchFlappingSwitchIsLeftInPeace(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
			c, err := r.connect(address, password)
			if err == nil {
				time.AfterFunc(50*time.Millisecond, c.Close)
			}
			return c, err
		})
		r.sw("fs1").Drop()
		time.Sleep(10 * time.Minute)
		if n := strings.Count(r.log.String(), "watching switch"); n > 60 {
			t.Errorf("%d connections in 10 minutes", n)
		}
		r.dialBy(nil)
		time.Sleep(time.Minute)
		r.wantUp("fs1")
	})
}

// FreeSWITCH restarts: its calls are gone, its events are numbered anew, and a call that
// it recovers, with the id that it had, is on offer when it is announced.
func TestWatchRestartedSwitchAnnouncesAnew(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1")
		for range 20 {
			w.Press("5")
		}
		r.queued("fs1", func(c *fst.Call) { c.UUID = "other" })
		r.sw("fs1").Restart()
		settled()
		r.forgotten()
		w = r.queued("fs1")
		w.Press("1")
		settled()
		r.wantTexts(1)
		w.HangUp()
		r.forgotten()
		if got := outcomes(t, r.reg); got["abandoned hangup"] != 2 || got["sent ok"] != 1 {
			t.Errorf("counted %v", got)
		}
	})
}

// lossyConn loses the end of what is said.
type lossyConn struct{ freeswitch.SwitchConn }

func (c lossyConn) ReadEvent() (freeswitch.Notice, error) {
	for {
		n, err := c.SwitchConn.ReadEvent()
		if err == nil && n.Get("Event-Name") == "CHANNEL_EXECUTE_COMPLETE" && n.Get("Application") == "say" {
			continue
		}
		return n, err
	}
}

// The end of a prompt is never told: the session does not wait for it for long.
func TestWatchLostCompletionHoldsNobody(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].AskNumber = true }, func(t *testing.T, r *watchRig) {
		r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return lossyConn{c} })
		w := r.queued("fs1", func(c *fst.Call) { c.HideNumber = true })
		w.Press("1")
		time.Sleep(time.Second)
		for _, key := range "4043438647#" {
			w.Press(string(key))
			time.Sleep(100 * time.Millisecond)
		}
		start := time.Now()
		for r.srv.Calls() > 0 {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took > 3*time.Minute {
			t.Errorf("the session went on for %s: %v", took, outcomes(t, r.reg))
		}
		w.HangUp()
	})
}
