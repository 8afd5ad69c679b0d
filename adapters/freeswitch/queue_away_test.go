package freeswitch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
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

// wantUp checks which switches are connected, by both ways to know.
func (r *watchRig) wantUp(up ...string) {
	r.t.Helper()
	synctest.Wait()
	series := series(r.t, r.reg, "deflect_freeswitch_watch_up")
	away := r.srv.Away()
	for addr := range r.switches {
		name := strings.TrimSuffix(addr, ":8021")
		want := slices.Contains(up, name)
		if (series[name] == 1) != want || slices.Contains(away, name) == want {
			r.t.Errorf("%s: up is %d, away are %q, want up %t", name, series[name], away, want)
		}
	}
}

// A switch goes away and comes back: offers pause, and go on with the calls that are
// still there.
func TestWatchSwitchComesBack(t *testing.T) {
	inWatchBubble(t, []string{"fs1", "fs2"}, nil, func(t *testing.T, r *watchRig) {
		r.wantUp("fs1", "fs2")
		one, two := r.queued("fs1"), r.queued("fs2", func(c *fst.Call) { c.UUID = "two"; c.ANI = "+14043438647" })
		r.setDown("fs1", true)
		r.sw("fs1").Drop()
		time.Sleep(time.Minute)
		r.wantUp("fs2")
		if n := one.Press("1"); n != 0 {
			t.Errorf("the key went out on %d connections", n)
		}
		two.Press("1")
		settled()
		r.wantTexts(1)
		r.setDown("fs1", false)
		time.Sleep(31 * time.Second)
		r.wantUp("fs1", "fs2")
		one.Press("1")
		settled()
		r.wantTexts(2)
		if one.Result().Transferred == "" || two.Result().Transferred == "" {
			t.Error("a caller was not transferred")
		}
		one.HangUp()
		two.HangUp()
		r.forgotten()
		if said := r.log.String(); strings.Count(said, "switch is away") > 2 || strings.Contains(said, "pass-w0rd") {
			t.Errorf("the log:\n%s", said)
		}
	})
}

// What happened in the gap is learned afterwards: calls that ended, and those that
// were announced, or withdrawn, or moved.
func TestWatchLearnsOfTheGap(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		gone := r.queued("fs1", func(c *fst.Call) { c.UUID = "gone" })
		moved := r.queued("fs1", func(c *fst.Call) { c.UUID = "moved" })
		served := r.queued("fs1", func(c *fst.Call) { c.UUID = "served" })
		r.setDown("fs1", true)
		r.sw("fs1").Drop()
		synctest.Wait()
		gone.HangUp()
		moved.Transfer("voicemail")
		served.Agent("callcenter")
		park := func(uuid string, set bool) *fst.Waiting {
			w := r.sw("fs1").Park(fst.Call{UUID: uuid, ANI: "+14043438646", DNIS: "18005550100"})
			w.Set("deflect_offer", "true")
			if set { // as the dialplan does, before it announces
				w.Set("deflect_offer_at", fmt.Sprintf("1.%d", time.Now().UnixMicro()))
			}
			w.Announce()
			return w
		}
		announced, unmarked := park("announced", true), park("unmarked", false)
		r.setDown("fs1", false)
		settled()
		settled()
		for _, w := range []*fst.Waiting{moved, served, unmarked} {
			w.Press("1")
			settled()
		}
		r.wantTexts(0)
		announced.Press("1")
		settled()
		r.wantTexts(1)
		for _, w := range []*fst.Waiting{moved, served, announced, unmarked} {
			w.HangUp()
		}
		r.forgotten()
		want := map[string]int{"abandoned hangup": 1, "no_input no_key": 2, "sent ok": 1}
		if got := outcomes(t, r.reg); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("counted %v, want %v", got, want)
		}
	})
}

// Another start of the program goes on with the calls on offer, but for those that
// were answered, or are somewhere else by now.
func TestWatchGoesOnAfterARestart(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.api.Inject(livedeflecttest.Fault{Status: 400})
		answered := r.queued("fs1", func(c *fst.Call) { c.UUID = "answered" })
		answered.Press("1")
		settled()
		open := r.queued("fs1", func(c *fst.Call) { c.UUID = "open" })
		moved := r.queued("fs1", func(c *fst.Call) { c.UUID = "moved" })
		r.stop()
		if err := <-r.watched; err != nil {
			t.Fatal(err)
		}
		moved.Transfer("voicemail")

		next := watchRigOf(t, r.switches, []string{"fs1"}, nil)
		settled()
		for _, w := range []*fst.Waiting{answered, moved, open} {
			w.Press("1")
			settled()
		}
		next.wantTexts(1)
		if open.Result().Transferred == "" {
			t.Error("the caller was not transferred")
		}
		for _, w := range []*fst.Waiting{answered, moved, open} {
			w.HangUp()
		}
		next.forgotten()
		next.stop()
		r.watched <- <-next.watched // for the end of the test
	})
}

// The connection breaks while the request runs: the text is sent, the caller waits
// on, and the variables and the transfer follow when the switch is back.
func TestWatchBreakDuringTheRequestTextsAndPays(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second})
		w := r.queued("fs1")
		w.Press("1")
		time.Sleep(time.Second)
		r.setDown("fs1", true)
		r.sw("fs1").Drop()
		settled()
		r.wantTexts(1)
		r.wantOutcome(fst.Result{}, deflect.Sent, deflect.ReasonOK)
		if got := w.Result().Vars["deflect_outcome"]; got != "" {
			t.Fatalf("deflect_outcome=%q over no connection", got)
		}
		r.setDown("fs1", false)
		time.Sleep(time.Minute)
		synctest.Wait()
		res := w.Result()
		if res.Vars["deflect_outcome"] != "sent" || res.Vars["deflect_asked"] != "sent" || res.Transferred != "9999 XML default" {
			t.Errorf("%+v", res)
		}
		w.Press("1") // not on offer any more
		settled()
		r.wantTexts(1)
		w.HangUp()
		time.Sleep(6 * time.Minute) // the variable that lets the hang-up through may not be set
		r.forgotten()
	})
}

// A switch that takes connections and says nothing, refuses them, or stops talking
// later is away; it costs no more than one attempt at a time.
func TestWatchSickSwitchIsAway(t *testing.T) {
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var dials atomic.Int32
			release := make(chan struct{})
			r := newWatchRig(t, []string{"fs1"}, nil)
			r.dialBy(func(string, string) (freeswitch.SwitchConn, error) {
				dials.Add(1)
				<-release
				return nil, errors.New("connection reset")
			})
			r.sw("fs1").Drop() // it may have been dialled already
			time.Sleep(10 * time.Minute)
			if n := dials.Load(); n != 1 {
				t.Errorf("%d attempts under way", n)
			}
			r.wantUp()
			if !strings.Contains(r.log.String(), "did not answer within 10s") {
				t.Errorf("the log:\n%s", r.log.String())
			}
			r.dialBy(nil)
			close(release)
			r.end()
		})
	})
	t.Run("wrong password", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) {
			c.Inbound[0].Password = deflect.NewSecret("wr0ng-secret")
		}, func(t *testing.T, r *watchRig) {
			time.Sleep(time.Minute)
			r.wantUp()
			if said := r.log.String(); !strings.Contains(said, "-ERR invalid") || strings.Contains(said, "wr0ng-secret") {
				t.Errorf("the log:\n%s", said)
			}
			for _, c := range r.sw("fs1").Commands() {
				if strings.Contains(c, "wr0ng-secret") {
					t.Error(c)
				}
			}
		})
	})
	t.Run("no events", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			r.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
				c, err := r.connect(address, password)
				return deafConn{c}, err
			})
			r.sw("fs1").Drop()
			time.Sleep(20 * time.Second)
			r.wantUp("fs1")
			time.Sleep(6 * time.Second)
			if !strings.Contains(r.log.String(), "sent no event within 10s") {
				t.Errorf("the log:\n%s", r.log.String())
			}
			r.dialBy(nil)
			time.Sleep(time.Minute)
			r.wantUp("fs1")
		})
	})
	t.Run("no replies", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			w := r.queued("fs1")
			r.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
				c, err := r.connect(address, password)
				return &muteConn{SwitchConn: c, closed: make(chan struct{})}, err
			})
			r.sw("fs1").Drop()
			time.Sleep(time.Second)
			w.Press("1")
			time.Sleep(20 * time.Second)
			r.wantTexts(0) // it may have been withdrawn: the key is kept
			r.dialBy(nil)
			time.Sleep(time.Minute)
			r.wantUp("fs1")
			r.wantTexts(1)
			if got := w.Result().Vars["deflect_outcome"]; got != "sent" {
				t.Errorf("deflect_outcome=%q", got)
			}
			w.HangUp()
			time.Sleep(6 * time.Minute)
			r.forgotten()
		})
	})
}

// deafConn never gets an event.
type deafConn struct{ freeswitch.SwitchConn }

func (c deafConn) ReadEvent() (freeswitch.Notice, error) {
	for {
		if _, err := c.SwitchConn.ReadEvent(); err != nil {
			return nil, err
		}
	}
}

// muteConn never gets an answer of the api.
type muteConn struct {
	freeswitch.SwitchConn
	closed chan struct{}
}

func (c *muteConn) Send(command string) (freeswitch.Reply, error) {
	if !strings.HasPrefix(command, "api ") {
		return c.SwitchConn.Send(command)
	}
	<-c.closed
	return freeswitch.Reply{}, net.ErrClosed
}

func (c *muteConn) Close() {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	c.SwitchConn.Close()
}

// A stop lets those who have pressed the key get their answer; the second one ends
// them at once. Keys after it are not taken.
func TestWatchStopTellsWhoPressed(t *testing.T) {
	for _, cut := range []bool{false, true} {
		t.Run(fmt.Sprintf("cut %t", cut), func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				r.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second})
				w, late := r.queued("fs1"), r.queued("fs1", func(c *fst.Call) { c.UUID = "late" })
				w.Press("1")
				time.Sleep(time.Second)
				r.stop()
				synctest.Wait()
				late.Press("1")
				start := time.Now()
				if cut {
					r.srv.Cut()
				}
				err := <-r.watched
				if took := time.Since(start); err != nil || cut && took > 500*time.Millisecond || !cut && took > 10*time.Second {
					t.Errorf("Watch returned %v after %s", err, took)
				}
				res := w.Result()
				want := map[bool]string{false: "sent", true: "uncertain"}[cut]
				if res.Vars["deflect_outcome"] != want || (res.Transferred != "") == cut {
					t.Errorf("%+v", res)
				}
				if len(late.Result().Played) > 0 || late.Result().Vars["deflect_outcome"] != "" {
					t.Errorf("the late key was taken: %+v", late.Result())
				}
				r.watched <- nil // for the end of the test
			})
		})
	}
}

// Two switches, one of which restarts its event socket every second for a minute,
// and 1,000 calls on offer: every accept digit that arrived over a live connection
// leads to exactly one decision, and nothing is left when all have hung up.
func TestWatchManyRestartsDecideOnce(t *testing.T) {
	inWatchBubble(t, []string{"steady", "shaky"}, nil, func(t *testing.T, r *watchRig) {
		rng := rand.New(rand.NewPCG(1, 2))
		const calls = 400
		var waiting []*fst.Waiting
		for i := range calls {
			name := "steady"
			if i%5 == 0 { // after each restart, all of these are looked at
				name = "shaky"
			}
			w := r.sw(name).Park(fst.Call{UUID: fmt.Sprintf("call-%d", i), ANI: fmt.Sprintf("+1404343%04d", i), DNIS: "18005550100"})
			w.Announce()
			waiting = append(waiting, w)
		}
		settled()
		ctx, stop := context.WithCancel(context.Background())
		restarts := make(chan int)
		go func() {
			n := 0
			defer func() { restarts <- n }()
			for range 60 {
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return
				}
				synctest.Wait() // what was sent has arrived
				r.sw("shaky").Drop()
				n++
			}
		}()
		arrived := map[string]bool{}
		for range 60 * 10 {
			time.Sleep(100*time.Millisecond - time.Duration(rng.IntN(1000)))
			w := waiting[rng.IntN(calls)]
			if rng.IntN(4) == 0 {
				w.Press("5")
			}
			if w.Press("1") > 0 {
				arrived[w.UUID()] = true
			}
		}
		stop()
		if n := <-restarts; n < 55 {
			t.Errorf("%d restarts", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()

		pressed := map[string]bool{}
		for _, s := range r.api.Sent() {
			if pressed[s.ExternalCallID] {
				t.Errorf("%s was texted twice", s.ExternalCallID)
			}
			pressed[s.ExternalCallID] = true
		}
		if want := map[string]int{"sent ok": len(arrived)}; !maps.Equal(outcomes(t, r.reg), want) {
			t.Errorf("counted %v, want %v", outcomes(t, r.reg), want)
		}
		if !maps.Equal(pressed, arrived) || len(arrived) < calls/4 {
			t.Errorf("the keys of %d callers arrived, and %d were texted", len(arrived), len(pressed))
		}
		for _, w := range waiting {
			w.HangUp()
		}
		time.Sleep(6 * time.Minute)
		r.forgotten()
		sum := 0
		for _, n := range outcomes(t, r.reg) {
			sum += n
		}
		if sum != calls {
			t.Errorf("%d calls were counted, want %d", sum, calls)
		}
	})
}
