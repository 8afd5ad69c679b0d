package freeswitch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// A daemon that hears of a key when it was answered long ago answers nothing, whatever has
// become of the call: nor when the store has forgotten who has.
func TestFleetLateDaemonAnswersNothing(t *testing.T) {
	for what, then := range map[string]func(*fst.Waiting, time.Time){
		"waits on":        func(*fst.Waiting, time.Time) {},
		"hangs up":        func(w *fst.Waiting, _ time.Time) { w.HangUp() },
		"announced again": func(w *fst.Waiting, at time.Time) { offerHere(w, 1, at) },
	} {
		for _, forgets := range []bool{false, true} {
			if forgets && what == "hangs up" {
				continue // only the store knows
			}
			t.Run(fmt.Sprintf("%s, store forgets %t", what, forgets), func(t *testing.T) {
				inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].OnSent.Transfer = "" }, func(t *testing.T, f *fleetRig) {
					f.daemons[1].late(8 * time.Second)
					at, w := time.Now(), f.queued()
					time.Sleep(20 * time.Second)
					w.Press("1")
					time.Sleep(5 * time.Second)
					then(w, at)
					if forgets {
						f.claims.forget()
					}
					time.Sleep(30 * time.Second)
					f.wantTexts(1)
					f.over(w)
					if _, sum := f.counted(); sum > 2 {
						t.Errorf("%d counts", sum)
					}
				})
			})
		}
	}
}

// A call is announced again and again in one place, also while a key is answered: every
// announcement is one offer, whoever has answered the one before, dead or alive.
func TestFleetAnnouncedAgainIsOnOffer(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("dialplan without variables %t, one dies %t", plain, dies), func(t *testing.T) {
				inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
					for _, m := range f.daemons {
						m.api.SetFault(&livedeflecttest.Fault{Status: 400, Delay: time.Second})
					}
					at, w := time.Now(), f.parked()
					announce := func() {
						if plain {
							w.Announce()
						} else {
							offerHere(w, 1, at)
						}
						synctest.Wait()
					}
					announce()
					settled()
					for range 3 { // withdrawn, and back at once
						if !plain {
							w.Set("deflect_offer", "false")
						}
						w.Withdraw()
						announce()
						settled()
					}
					answered := func() {
						t.Helper()
						before := len(w.Result().Played)
						w.Press("1")
						settled()
						if n := len(w.Result().Played) - before; n != 1 {
							t.Errorf("%d prompts: %v", n, w.Result().Timeline)
						}
					}
					answered()
					announce()
					settled()
					if dies {
						f.cutOff(f.daemons[0])
						settled()
					}
					answered()
					announce()
					settled()
					for _, after := range []time.Duration{0, 500 * time.Millisecond} { // while it is answered
						w.Press("1")
						time.Sleep(after)
						announce()
						settled()
						answered()
						announce()
						settled()
					}
					f.back(f.daemons[0])
					settled()
					f.over(w)
				})
			})
		}
	}
}

// What a late daemon says of a call does not undo what the faster one has said since.
func TestFleetLateDaemonUndoesNothing(t *testing.T) {
	t.Run("an answer", func(t *testing.T) {
		inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
			f.daemons[1].late(5 * time.Second)
			w := f.parked()
			w.Announce()
			time.Sleep(100 * time.Millisecond)
			w.Press("2")
			time.Sleep(time.Minute)
			w.Press("1")
			settled()
			f.wantTexts(0)
			f.over(w)
			f.wantCounted(map[string]int{"declined decline_key": 1})
		})
	})
	t.Run("another announcement", func(t *testing.T) {
		inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
			f.daemons[1].late(5 * time.Second)
			w := f.queued()
			time.Sleep(time.Minute)
			w.Press("2")
			time.Sleep(time.Minute)
			w.Withdraw()
			at := time.Now()
			w.Transfer("second-queue")
			time.Sleep(2 * time.Second)
			offerHere(w, 2, at)
			time.Sleep(time.Minute)
			f.wantOffered(w)
		})
	})
	t.Run("a daemon that does not serve", func(t *testing.T) {
		n := 0
		inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) {
			if n++; n == 1 {
				c.Profiles[0].Dialed = []string{"+18005550199"}
			}
		}, func(t *testing.T, f *fleetRig) { f.wantOffered(f.queued()) })
	})
}

// wantOffered fails unless a daemon that knows nothing finds a call on offer.
func (f *fleetRig) wantOffered(w *fst.Waiting) {
	f.t.Helper()
	for _, m := range f.daemons {
		f.cutOff(m)
	}
	m := f.join(nil)
	settled()
	if n := series(f.t, m.reg, "deflect_freeswitch_offers")[""]; n != 1 {
		f.t.Errorf("%d calls are on offer", n)
	}
	w.Press("1")
	settled()
	if res := w.Result(); res.Vars["deflect_outcome"] == "" || len(res.Played) == 0 {
		f.t.Errorf("nobody has answered: %+v", res)
	}
	for _, m := range f.daemons {
		f.back(m)
	}
	settled()
	f.over(w)
}

// A store that forgets everything makes nobody count what another one has answered.
func TestFleetStoreForgets(t *testing.T) {
	for after := 2600 * time.Millisecond; after < 5*time.Second; after += 200 * time.Millisecond {
		inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
			w := f.queued()
			w.Press("1")
			time.Sleep(after)
			if w.Result().Transferred == "" {
				t.Fatal("not transferred yet")
			}
			f.claims.forget()
			settled()
			f.over(w)
			f.wantTexts(1)
			f.wantCounted(map[string]int{"sent ok": 1})
		})
	}
}

// A caller presses and hangs up, and the store forgets who has answered before it has told
// the other daemon: that one has nothing left to go by, and texts nobody.
func TestFleetStoreForgetsWhoHasHungUp(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		second := f.daemons[1]
		f.claims.setAway(second.name, true)
		w := f.queued()
		w.Press("1")
		time.Sleep(100 * time.Millisecond)
		w.HangUp()
		time.Sleep(time.Second)
		f.claims.forget()
		f.claims.setAway(second.name, false)
		settled()
		f.wantTexts(1)
		f.over(w)
	})
}
