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
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// offerHere is what the dialplan does before it announces, in the place that a call came
// to at a time.
func offerHere(w *fst.Waiting, index int, at time.Time) {
	w.Set("deflect_offer", "true")
	w.Set("deflect_offer_at", fmt.Sprintf("%d.%d", index, at.UnixMicro()))
	w.Announce()
}

// A call is announced anew while nobody watches: in another queue, or in the same one
// after an answer. Its next key is an answer.
func TestWatchAnnouncedAnewInTheGap(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprintf("elsewhere %t", elsewhere), func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				at, index := time.Now(), 1
				w := r.queued("fs1")
				if !elsewhere {
					w.Press("2")
					settled()
				}
				r.setDown("fs1", true)
				r.sw("fs1").Drop()
				synctest.Wait()
				if elsewhere {
					at, index = time.Now(), 2
					w.Transfer("second-queue")
				}
				offerHere(w, index, at)
				r.setDown("fs1", false)
				settled()
				settled()
				w.Press("1")
				settled()
				r.wantTexts(1)
				w.HangUp()
				r.forgotten()
				r.wantSum(2)
			})
		})
	}
}

// A key is pressed after a gap, before the switch could be asked about the call: it is
// an answer, whatever becomes of the call then.
func TestWatchKeyBeforeTheCheckCounts(t *testing.T) {
	for what, do := range map[string]func(*fst.Waiting){
		"nothing": func(*fst.Waiting) {}, "hang-up": (*fst.Waiting).HangUp, "announced again": (*fst.Waiting).Announce,
		"an agent":      func(w *fst.Waiting) { w.Agent("callcenter") },
		"an agent, too": func(w *fst.Waiting) { w.Agent("fifo") },
	} {
		t.Run(what, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				var slow atomic.Int64
				r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return slowConn{c, &slow} })
				w := r.queued("fs1")
				time.Sleep(time.Second)
				slow.Store(int64(3 * time.Second))
				r.sw("fs1").Drop()
				time.Sleep(2 * time.Second)
				w.Press("1")
				synctest.Wait()
				do(w)
				time.Sleep(time.Minute)
				r.wantTexts(1)
				if res := w.Result(); strings.HasPrefix(what, "an agent") && (res.Transferred != "" || len(res.Played) > 0) {
					t.Errorf("%+v", res)
				}
				slow.Store(0)
				time.Sleep(10 * time.Second)
				w.HangUp()
				time.Sleep(6 * time.Minute)
				r.forgotten()
			})
		})
	}
}

// badDump answers nonsense about one call.
type badDump struct {
	freeswitch.SwitchConn
	id  string
	bad *atomic.Bool
}

func (c badDump) Send(command string) (freeswitch.Reply, error) {
	if c.bad.Load() && command == "api uuid_dump "+c.id+" json" {
		return freeswitch.TextReply("Event-Name: CHANNEL_DATA\nno colon here\n"), nil
	}
	return c.SwitchConn.Send(command)
}

// A call about which nothing can be learned does not hold up the others, nor itself.
func TestWatchOneBadCallHoldsUpNone(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		var bad atomic.Bool
		r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return badDump{c, "bad", &bad} })
		waiting := []*fst.Waiting{r.queued("fs1", func(c *fst.Call) { c.UUID = "bad" })}
		for i := range 16 {
			waiting = append(waiting, r.queued("fs1", func(c *fst.Call) { c.UUID = fmt.Sprint("call-", i) }))
		}
		bad.Store(true)
		r.sw("fs1").Drop()
		time.Sleep(3 * time.Second)
		for _, w := range waiting {
			w.Press("1")
		}
		settled()
		r.wantTexts(len(waiting))
		for _, w := range waiting {
			w.HangUp()
		}
		r.forgotten()
	})
}

// A foreign call about which nothing can be learned does not have the switch asked for
// all of its calls again and again.
func TestWatchLearnsDespiteOneBadCall(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		var bad atomic.Bool
		bad.Store(true)
		w := r.sw("fs1").Park(fst.Call{UUID: "bad"})
		r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return badDump{c, "bad", &bad} })
		lists := func() (n int) {
			for _, c := range r.sw("fs1").Commands() {
				if c == "api show channels as json" {
					n++
				}
			}
			return n
		}
		time.Sleep(5 * time.Second)
		before := lists()
		time.Sleep(time.Minute)
		if n := lists() - before; before == 0 || n != 0 {
			t.Errorf("%d lists, and %d more in the next minute", before, n)
		}
		if said := r.log.String(); strings.Count(said, "nothing can be learned about a call") != 1 {
			t.Errorf("the log:\n%s", said)
		}
		w.HangUp()
	})
}

// A withdrawal that comes late over a second subscription is not that of the
// announcement that followed.
func TestWatchLateWithdrawalIsOfTheOldOffer(t *testing.T) {
	inWatchBubble(t, []string{"fs1", "same"}, nil, func(t *testing.T, r *watchRig) {
		r.watchedTwice(300 * time.Millisecond)
		w := r.queued("fs1")
		time.Sleep(time.Second)
		w.Withdraw()
		w.Announce()
		time.Sleep(2 * time.Second)
		w.Press("1")
		settled()
		r.wantTexts(1)
		w.HangUp()
		settled()
		r.forgotten()
	})
}

// An announcement that comes while an earlier key is dealt with counts when that is over.
func TestWatchAnnouncedDuringTheSessionCountsAfterIt(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.api.SetFault(nil)
		w := r.queued("fs1", func(c *fst.Call) { c.Vars = map[string]string{"deflect_number": "+442079460018"} }) // a landline
		w.Press("1")
		time.Sleep(time.Second) // the prompt plays
		w.Set("deflect_number", "")
		w.Announce()
		settled()
		w.Press("1")
		settled()
		r.wantTexts(1)
		w.HangUp()
		r.forgotten()
	})
}

// A key that is pressed after that announcement, while the session goes on, is one of the
// session's, and takes nothing from it.
func TestWatchKeyAfterTheAnnouncementKeepsIt(t *testing.T) {
	for what, move := range map[string]func(*fst.Waiting){"here": func(*fst.Waiting) {}, "elsewhere": func(w *fst.Waiting) {
		w.Withdraw()
		w.Transfer("second-queue")
	}} {
		t.Run(what, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				r.api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second, Status: 400})
				w := r.queued("fs1")
				w.Press("1")
				time.Sleep(time.Second)
				move(w)
				w.Announce()
				synctest.Wait()
				w.Press("7")
				settled()
				r.api.SetFault(nil)
				w.Press("1")
				settled()
				r.wantTexts(1)
				w.HangUp()
				r.forgotten()
			})
		})
	}
}

// A caller declines while the switch is being asked about the call: what it said before
// does not put the call on offer again.
func TestWatchDeclinedDuringTheCheckStaysSo(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		var slow atomic.Int64
		r.through(func(c freeswitch.SwitchConn) freeswitch.SwitchConn { return slowAfter{c, &slow} })
		w := r.queued("fs1")
		time.Sleep(time.Minute)
		slow.Store(int64(2 * time.Second))
		dumps := func() int { return strings.Count(strings.Join(r.sw("fs1").Commands(), "\n"), "uuid_dump") }
		for before := dumps(); dumps() == before; {
			time.Sleep(100 * time.Millisecond)
		}
		w.Press("2")
		settled()
		slow.Store(0)
		w.Press("1")
		settled()
		r.wantTexts(0)
		w.HangUp()
		r.forgotten()
		r.wantSum(1)
	})
}

// Calls are announced just before the connection is there: the switch's list does not
// have them yet, and they are found all the same.
func TestWatchLearnsTheLatest(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.setDown("fs1", true)
		r.sw("fs1").Drop()
		synctest.Wait()
		calls := 0
		for ; r.sw("fs1").Listeners() < 2; calls++ {
			if calls == 280 {
				r.setDown("fs1", false)
			}
			offerHere(r.sw("fs1").Park(fst.Call{UUID: fmt.Sprintf("call-%d", calls), ANI: fmt.Sprintf("+1404343%04d", calls), DNIS: "18005550100"}), 1, time.Now())
			time.Sleep(5 * time.Millisecond)
		}
		settled()
		settled()
		if n, _ := r.srv.Announced(); n != calls || calls < 281 {
			t.Errorf("%d of %d calls are on offer", n, calls)
		}
		if said := r.log.String(); strings.Count(said, "announced before") != 1 {
			t.Errorf("the log:\n%s", said)
		}
	})
}
