package freeswitch_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// A daemon dies at some moment after the key: within ten seconds the call is on offer at
// the other one, for another press; nobody is texted twice, nobody waits in vain.
func TestFleetDeathIsTakenOver(t *testing.T) {
	moments := []time.Duration{}
	for d := time.Duration(0); d < 300*time.Millisecond; d += 7 * time.Millisecond {
		moments = append(moments, d)
	}
	for d := 300 * time.Millisecond; d < 6*time.Second; d += 330 * time.Millisecond {
		moments = append(moments, d)
	}
	for _, after := range moments {
		t.Run(after.String(), func(t *testing.T) {
			inFleetBubble(t, func(dc *deflect.Config, _ *freeswitch.Config) {
				// Everything takes its time, so that there are many moments.
			}, func(t *testing.T, f *fleetRig) {
				f.claims.takes = 20 * time.Millisecond
				first, second := f.daemons[0], f.daemons[1]
				for _, m := range f.daemons {
					m.slowly(20 * time.Millisecond)
					m.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
				}
				// The other one sees keys later.
				f.claims.setAway(second.name, true)
				w := f.queued()
				time.Sleep(2 * time.Second)
				w.Press("1")
				time.Sleep(2 * time.Millisecond)
				f.claims.setAway(second.name, false)
				time.Sleep(after)
				f.cutOff(first)
				time.Sleep(10 * time.Second)
				left := w.Result()
				if n := len(f.texts()); left.Transferred != "" && n == 0 {
					t.Errorf("transferred to %q without a text", left.Transferred)
				}
				if left.Transferred == "" {
					before := len(left.Played)
					w.Press("1")
					settled()
					res := w.Result()
					if len(res.Played) == before {
						t.Errorf("nobody has answered the next press: %v", res.Timeline)
					}
					if res.HungUp || res.Vars["deflect_outcome"] == "" {
						t.Errorf("%+v", res)
					}
				}
				if n := f.texts()[w.UUID()]; n > 1 || n == 0 && w.Result().Vars["deflect_asked"] != "uncertain" {
					t.Errorf("%d texts: %v", n, w.Result().Timeline)
				}
				f.back(first)
				time.Sleep(time.Minute)
				w.HangUp()
				time.Sleep(6 * time.Minute)
				for _, m := range f.daemons {
					m.forgotten()
				}
			})
		})
	}
}

// The other daemon comes when the first one is dead: a restart. It finds the call in hand,
// and takes it over.
func TestFleetRestartTakesOver(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		f.daemons[0].api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second})
		f.cutOff(f.daemons[1])
		w := f.queued()
		w.Press("1")
		time.Sleep(time.Second)
		f.cutOff(f.daemons[0])
		f.join(nil)
		time.Sleep(10 * time.Second)
		if n := f.offered(); n < 1 {
			t.Errorf("%d offers", n)
		}
		w.Press("1")
		settled()
		if res := w.Result(); res.Vars["deflect_reason"] != "already_asked" || len(res.Played) != 1 {
			t.Errorf("%+v", res)
		}
		f.wantTexts(1)
		f.back(f.daemons[0])
		f.back(f.daemons[1])
		settled()
		f.over(w)
	})
}

// An agent of fifo answers while a prompt plays whose daemon has died: agent and caller are
// connected.
func TestFleetDeathLeavesNoAgentWaiting(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		f.claims.setAway(f.daemons[1].name, true)
		w := f.queued(inFifo)
		w.Press("1")
		time.Sleep(1500 * time.Millisecond) // the prompt plays
		f.claims.setAway(f.daemons[1].name, false)
		if len(w.Result().Played) != 1 {
			t.Fatalf("%+v", w.Result())
		}
		f.cutOff(f.daemons[0])
		w.Agent("fifo")
		settled()
		if !w.Result().Bridged {
			t.Error("agent and caller wait for ever")
		}
		f.back(f.daemons[0])
		settled()
		f.over(w)
	})
}

// A daemon with no room, or with a configuration that does not serve the call, leaves it to
// the other one.
func TestFleetOtherDaemonServes(t *testing.T) {
	for what, change := range map[string]func(*freeswitch.Config){
		"no room":    func(c *freeswitch.Config) { c.MaxCalls = 1 },
		"no profile": func(c *freeswitch.Config) { c.Profiles[0].Dialed = []string{"+18005550199"} },
	} {
		t.Run(what, func(t *testing.T) {
			n := 0
			inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) {
				if n++; n == 1 {
					change(c)
				}
			}, func(t *testing.T, f *fleetRig) {
				for _, m := range f.daemons {
					m.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
				}
				var calls []*fst.Waiting
				for i := range 20 {
					calls = append(calls, f.queued(func(c *fst.Call) { c.UUID = fmt.Sprint("call-", i); c.ANI = fmt.Sprintf("+1404343%04d", i) }))
				}
				settled()
				for _, w := range calls {
					w.Press("1")
				}
				settled()
				f.wantTexts(len(calls))
				f.over(calls...)
				if all, _ := f.counted(); all["sent ok"] != len(calls) {
					t.Errorf("counted %v", all)
				}
			})
		})
	}
}

// One of two daemons dies while 300 callers press keys: everybody who presses again gets an
// answer, nobody has two texts, nobody is out of the queue without one.
func TestFleetDeathUnderLoad(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, m := range f.daemons {
			m.slowly(5 * time.Millisecond)
			m.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
		}
		var calls []*fst.Waiting
		for i := range 300 {
			calls = append(calls, f.queued(func(c *fst.Call) { c.UUID = fmt.Sprint("call-", i); c.ANI = fmt.Sprintf("+1404343%04d", i) }))
		}
		settled()
		for i, w := range calls {
			w.Press("1")
			time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
			if i == len(calls)/2 {
				f.cutOff(f.daemons[0])
			}
		}
		time.Sleep(10 * time.Second)
		for _, w := range calls {
			if w.Result().Transferred == "" {
				before := len(w.Result().Played)
				w.Press("1")
				time.Sleep(6 * time.Second)
				if len(w.Result().Played) == before {
					t.Errorf("%s: no answer: %v", w.UUID(), w.Result().Timeline)
				}
			}
		}
		for _, w := range calls {
			n := f.texts()[w.UUID()]
			if n > 1 || n == 0 && w.Result().Transferred != "" || n == 0 && w.Result().Vars["deflect_asked"] != "uncertain" {
				t.Errorf("%s: %d texts: %+v", w.UUID(), n, w.Result())
			}
		}
		f.back(f.daemons[0])
		settled()
		f.over(calls...)
	})
}

// A daemon without room takes over what the one with room has left.
func TestFleetFullDaemonTakesOver(t *testing.T) {
	n := 0
	inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) {
		if n++; n == 1 {
			c.MaxCalls = 1
		}
	}, func(t *testing.T, f *fleetRig) {
		full, other := f.daemons[0], f.daemons[1]
		for _, m := range f.daemons {
			m.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second})
		}
		f.claims.setAway(other.name, true)
		first, w := f.queued(func(c *fst.Call) { c.UUID = "first" }), f.queued()
		first.Press("1")
		time.Sleep(10 * time.Millisecond)
		f.claims.setAway(other.name, false)
		w.Press("1")
		time.Sleep(time.Second)
		f.cutOff(other)
		time.Sleep(10 * time.Second)
		before := len(w.Result().Played)
		w.Press("1")
		settled()
		if len(w.Result().Played) == before || full.srv.Calls() > 0 {
			t.Errorf("nobody has answered: %v", w.Result().Timeline)
		}
		f.back(other)
		settled()
		f.over(first, w)
	})
}

// A daemon that was cut off, but lives, ends its session alone: what it says of that later
// does not undo the offer of the one that has taken over.
func TestFleetLivesOnAfterTheTakeover(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		for _, m := range f.daemons {
			m.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second, Status: 400})
		}
		f.claims.setAway(f.daemons[1].name, true)
		w := f.queued()
		w.Press("1")
		time.Sleep(time.Second)
		f.claims.setAway(f.daemons[1].name, false)
		f.cutOff(f.daemons[0])
		time.Sleep(10 * time.Second)
		f.back(f.daemons[0])
		time.Sleep(time.Minute)
		if n := f.offered(); n != 2 {
			t.Errorf("%d offers", n)
		}
		w.Press("1")
		settled()
		if res := w.Result(); len(res.Played) != 1 {
			t.Errorf("played %q: %v", files(res.Played), res.Timeline)
		}
		f.over(w)
	})
}

// A key is answered while a daemon has no connection: it learns that the call is decided, or
// that it is in hand, and then takes it over as if it had seen the key.
func TestFleetKeyInTheGap(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("the other one dies %t", dies), func(t *testing.T) {
			inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
				first, second := f.daemons[0], f.daemons[1]
				for _, m := range f.daemons {
					m.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second, Status: 400})
				}
				w := f.queued()
				settled()
				f.cutOff(second)
				w.Press("1")
				time.Sleep(500 * time.Millisecond)
				f.back(second)
				time.Sleep(2 * time.Second)
				if dies {
					f.cutOff(first)
				}
				time.Sleep(10 * time.Second)
				if n := series(t, second.reg, "deflect_freeswitch_offers")[""]; n == 1 != dies {
					t.Errorf("%d offers", n)
				}
				f.back(first)
				settled()
				f.over(w)
			})
		})
	}
}

// Three daemons: the two that are left agree on who answers the next key.
func TestFleetTwoAreLeft(t *testing.T) {
	for _, after := range []time.Duration{2 * time.Millisecond, 30 * time.Millisecond, time.Second} {
		inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
			f.join(nil)
			settled()
			f.claims.takes = 5 * time.Millisecond
			for _, m := range f.daemons {
				m.api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second, Status: 400})
			}
			first := f.daemons[0]
			for _, m := range f.daemons[1:] {
				f.claims.setAway(m.name, true)
			}
			w := f.queued()
			w.Press("1")
			time.Sleep(after)
			f.cutOff(first)
			for _, m := range f.daemons[1:] {
				f.claims.setAway(m.name, false)
			}
			time.Sleep(13 * time.Second) // a claim that was asked for while the store was away lasts
			if n := f.offered(); n < 2 {
				t.Errorf("%d offers", n)
			}
			before := len(w.Result().Played)
			w.Press("1")
			settled()
			if n := len(w.Result().Played) - before; n != 1 {
				t.Errorf("%d prompts: %v", n, w.Result().Timeline)
			}
			f.back(first)
			settled()
			f.over(w)
		})
	}
}
