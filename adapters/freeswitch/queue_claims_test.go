package freeswitch_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Whatever two daemons see, one of them answers: one text, one prompt, one count.
func TestFleetOneAnswers(t *testing.T) {
	tests := []struct {
		name    string
		do      func(*fst.Waiting)
		counted string
		texts   int
		prompts []string
	}{
		{"accept", func(w *fst.Waiting) { w.Press("1") }, "sent ok", 1, []string{"sent.wav"}},
		{"accept twice", func(w *fst.Waiting) { w.Press("11") }, "sent ok", 1, []string{"sent.wav"}},
		{"other keys first", func(w *fst.Waiting) { w.Press("471") }, "sent ok", 1, []string{"sent.wav"}},
		{"decline", func(w *fst.Waiting) { w.Press("2") }, "declined decline_key", 0, nil},
		{"decline, then accept", func(w *fst.Waiting) { w.Press("2"); settled(); w.Press("1") }, "declined decline_key", 0, nil},
		{"hang-up", (*fst.Waiting).HangUp, "abandoned hangup", 0, nil},
		{"accept and hang-up", func(w *fst.Waiting) { w.Press("1"); w.HangUp() }, "sent ok", 1, nil},
		{"withdrawn", func(w *fst.Waiting) { w.Set("deflect_offer", "false"); w.Withdraw() }, "no_input no_key", 0, nil},
		{"an agent", func(w *fst.Waiting) { w.Agent("callcenter") }, "no_input no_key", 0, nil},
		{"an agent, too", func(w *fst.Waiting) { w.Agent("fifo") }, "no_input no_key", 0, nil},
		{"in another menu", func(w *fst.Waiting) { w.Transfer("voicemail"); w.Press("1") }, "no_input no_key", 0, nil},
	}
	for _, tt := range tests {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dialplan without variables %t", tt.name, plain), func(t *testing.T) { testFleetOneAnswers(t, tt.do, plain, tt.counted, tt.texts, tt.prompts) })
		}
	}
}

func testFleetOneAnswers(t *testing.T, do func(*fst.Waiting), plain bool, counted string, texts int, prompts []string) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		w := f.parked()
		if plain {
			w.Announce()
		} else {
			offerHere(w, 1, time.Now())
		}
		settled()
		do(w)
		settled()
		if got := files(w.Result().Played); !slices.Equal(got, prompts) {
			t.Errorf("played %q, want %q", got, prompts)
		}
		f.over(w)
		f.wantTexts(texts)
		f.wantCounted(map[string]int{counted: 1})
	})
}

// 1,000 callers press whatever they like, hang up, get an agent, are taken out of the
// queue: each is answered by one daemon, and counted once over both.
func TestFleetManyCallersAreAnsweredOnce(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		rng := rand.New(rand.NewPCG(1, 2))
		const calls = 1000
		pressed := map[string]bool{}
		var waiting []*fst.Waiting
		for i := range calls {
			w := f.sw().Park(fst.Call{UUID: fmt.Sprintf("call-%d", i), ANI: fmt.Sprintf("+1404343%04d", i), DNIS: "18005550100"})
			offerHere(w, 1, time.Now())
			waiting = append(waiting, w)
			time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
		}
		settled()
		for _, i := range rng.Perm(calls) {
			w := waiting[i]
			for range rng.IntN(4) {
				d := string("01234567891"[rng.IntN(11)])
				w.Press(d)
				if d == "1" || d == "2" {
					if _, was := pressed[w.UUID()]; !was {
						pressed[w.UUID()] = d == "1"
					}
				}
				time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
			}
			switch rng.IntN(8) {
			case 0:
				w.HangUp()
			case 1:
				w.Agent("callcenter")
			case 2:
				w.Set("deflect_offer", "false")
				w.Withdraw()
			}
		}
		time.Sleep(time.Minute)
		for _, w := range waiting {
			w.HangUp()
		}
		time.Sleep(time.Minute)
		wanted := 0
		for id, yes := range pressed {
			if n := f.texts()[id]; yes && n != 1 || !yes && n != 0 {
				t.Errorf("%s has %d texts, pressed accept first %t", id, n, yes)
			}
			if yes {
				wanted++
			}
		}
		all, sum := f.counted()
		if sum != calls || all["sent ok"] != wanted {
			t.Errorf("%d counts for %d calls, of which %d asked for a text: %v", sum, calls, wanted, all)
		}
		for _, m := range f.daemons {
			if n := outcomes(t, m.reg)["sent ok"]; n < wanted/10 {
				t.Errorf("%s has answered %d of %d", m.name, n, wanted)
			}
			m.forgotten()
		}
	})
}

// Nobody knows who answers: no text, the caller waits on, and can press again when the store
// is back. The press is counted as rejected, and the call, in the end, once.
func TestFleetWithoutItsStoreRefuses(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		f.claims.setAway("", true)
		w := f.queued()
		w.Press("1")
		synctest.Wait()
		other := f.queued(func(c *fst.Call) { c.UUID = "other" })
		if n := f.offered(); n != 2 { // it waits for nobody
			t.Errorf("%d offers", n)
		}
		settled()
		f.wantTexts(0)
		for _, m := range f.daemons {
			if n := series(t, m.reg, "deflect_freeswitch_rejected_connections_total")["claim_unknown"]; n != 1 {
				t.Errorf("%s: %d presses were rejected", m.name, n)
			}
		}
		if res := w.Result(); len(res.Played) > 0 || res.Transferred != "" || res.Vars["deflect_outcome"] != "" {
			t.Errorf("%+v", res)
		}
		f.claims.setAway("", false)
		settled()
		w.Press("1")
		settled()
		f.wantTexts(1)
		f.over(w, other)
		f.wantCounted(map[string]int{"sent ok": 1, "abandoned hangup": 1})
	})
}

// A daemon that loses its claim before the text is asked for asks for none.
func TestFleetLostClaimTextsNobody(t *testing.T) {
	for what, lose := range map[string]func(*claims){
		"abandoned transferred":       (*claims).steal,
		"ineligible cooldown_unknown": func(c *claims) { c.setAway("", true) },
	} {
		t.Run(what, func(t *testing.T) {
			inFleetBubble(t, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].AskNumber = true }, func(t *testing.T, f *fleetRig) {
				w := f.queued(func(c *fst.Call) { c.HideNumber = true })
				w.Press("1")
				time.Sleep(3 * time.Second)
				lose(f.claims)
				for _, key := range "4043438647#" {
					w.Press(string(key))
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(7 * time.Second)
				w.Press("1") // the number is right
				time.Sleep(time.Minute)
				f.wantTexts(0)
				if p := files(w.Result().Played); what == "abandoned transferred" && slices.Contains(p, "ivrdeflect/en/number_confirm.wav") {
					t.Errorf("played %q to a caller of another daemon", p)
				}
				if all, _ := f.counted(); all[what] != 1 {
					t.Errorf("counted %v: %v", all, w.Result().Timeline)
				}
				f.claims.setAway("", false)
				f.over(w)
			})
		})
	}
}

// A call ends while nobody knows who answers its key: it is counted once, when that is known,
// and by each when it is not known for long.
func TestFleetWithoutItsStoreCounts(t *testing.T) {
	for what, away := range map[string]time.Duration{"for a while": 8 * time.Second, "for long": time.Hour} {
		for _, press := range []string{"", "1", "2"} {
			t.Run(fmt.Sprintf("%s, key %q", what, press), func(t *testing.T) {
				inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
					w := f.queued()
					f.claims.setAway("", true)
					if press != "" {
						w.Press(press)
					}
					time.Sleep(100 * time.Millisecond)
					w.HangUp()
					time.Sleep(away)
					f.claims.setAway("", false)
					settled()
					want := 1
					if away > time.Minute {
						want = 2
					}
					f.over(w)
					f.wantTexts(0)
					f.wantCounted(map[string]int{"abandoned hangup": want})
				})
			})
		}
	}
}

// All calls of a switch end at once: the store is not asked about all of them at once.
func TestFleetManyEndsSpareTheStore(t *testing.T) {
	inFleetBubble(t, nil, func(t *testing.T, f *fleetRig) {
		var waiting []*fst.Waiting
		for i := range 500 {
			waiting = append(waiting, f.queued(func(c *fst.Call) { c.UUID = fmt.Sprintf("call-%d", i) }))
		}
		settled()
		f.over(waiting...)
		if f.claims.most > 50 {
			t.Errorf("the store was asked %d times at once", f.claims.most)
		}
		f.wantCounted(map[string]int{"abandoned hangup": 500})
	})
}
