package freeswitch_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// farConn is a connection over a long way.
type farConn struct {
	lateConn
	there time.Duration
}

func (c farConn) Send(command string) (freeswitch.Reply, error) {
	time.Sleep(c.there)
	a, err := c.SwitchConn.Send(command)
	time.Sleep(c.there)
	return a, err
}

// far makes the server reach fs1 over a long way, and counts the connections.
func (r *watchRig) far(there time.Duration) (dials func() int) {
	n := make(chan int, 1)
	n <- 0
	r.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
		n <- 1 + <-n
		time.Sleep(6 * there) // connect, wait for the request, authenticate
		c, err := r.connect(address, password)
		if err != nil {
			return nil, err
		}
		return farConn{newLate(c, there), there}, nil
	})
	r.sw("fs1").Drop()
	time.Sleep(5 * time.Second)
	return func() int { k := <-n; n <- k; return k }
}

// 60 callers press the key at 30 a second, and the switch is 50 ms away. None waits for
// the commands of the others, and the connections are no more than they may be.
func TestWatchFarSwitchHoldsNobodyUp(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].NoCooldown = true }, func(t *testing.T, r *watchRig) {
		dials := r.far(25 * time.Millisecond)
		var callers []*fst.Waiting
		for i := range 60 {
			callers = append(callers, r.queued("fs1", func(c *fst.Call) {
				c.UUID, c.ANI = fmt.Sprintf("call-%d", i), fmt.Sprintf("+1404343%04d", i)
				c.Prompts = map[string]time.Duration{"sent.wav": 300 * time.Millisecond}
			}))
		}
		time.Sleep(2 * time.Second)
		for _, w := range callers {
			w.Press("1")
			time.Sleep(time.Second / 30)
		}
		settled()
		var took []time.Duration
		for _, w := range callers {
			at := map[string]time.Duration{}
			for _, e := range w.Result().Timeline {
				at[e.Text] = e.At
			}
			sent, ok := at["a program sends the call to 9999 XML default"]
			if !ok {
				t.Fatalf("%+v", w.Result())
			}
			took = append(took, sent-at["caller presses 1"])
		}
		slices.Sort(took)
		// One alone: 0.5 s of prompt, the wait for a bridge, and eight ways.
		if n := dials(); took[30] > 1500*time.Millisecond || took[59] > 2*time.Second || n < 4 || n > 33 {
			t.Errorf("from the key to the transfer: %v at the median, %v at most; %d connections", took[30], took[59], n)
		}
		for _, w := range callers {
			w.HangUp()
		}
		settled()
		r.forgotten()
	})
}

// After a gap, the switch is asked about many calls, not about one after the other.
func TestWatchFarSwitchLearns(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		for i := range 400 {
			r.queued("fs1", func(c *fst.Call) {
				c.UUID, c.ANI = fmt.Sprintf("call-%d", i), fmt.Sprintf("+1404343%04d", i)
			})
		}
		r.far(25 * time.Millisecond)
		r.sw("fs1").Drop()
		time.Sleep(5 * time.Second) // all at once 0.1 s, one by one 20 s
		callers := r.sw("fs1").Calls()
		before := len(r.sw("fs1").Commands())
		time.Sleep(5 * time.Second)
		if asked := len(r.sw("fs1").Commands()) - before; asked > 5 {
			t.Errorf("the switch is still asked about %d calls: %d commands", callers, asked)
		}
	})
}
