package fleet

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// Whatever befalls the server and the network, no caller is texted twice, and all of them
// can be texted in the end.
func TestNoSecondText(t *testing.T) {
	t.Parallel()
	const (
		callers = 100
		lasts   = 4 * time.Second
	)
	// Any other fsync lets a server that is killed forget what it has answered.
	s := fleettest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	var proxies []*fleettest.Proxy
	var fleets []*Fleet
	for range 3 {
		p := fleettest.StartProxy(t, s.Addr)
		proxies = append(proxies, p)
		fleets = append(fleets, newFleet(t, p.Addr, hasty))
	}
	var texts [callers]atomic.Int32
	var failed, waited atomic.Int32
	// call is what a Client does with a store, of which text out of ten texts fail.
	call := func(ctx context.Context, caller, fails int) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		c, key, token := fleets[mathrand.N(len(fleets))].cooldowns, fmt.Sprint(caller), rand.Text()
		took, err := c.Take(ctx, key, token, time.Hour)
		switch {
		case err == nil && !took:
			return
		case err == nil:
			time.Sleep(time.Duration(mathrand.N(30)) * time.Millisecond)
			if mathrand.N(10) >= fails {
				if texts[caller].Add(1) > 1 {
					t.Errorf("caller %d is texted again", caller)
				}
				c.Keep(key, token)
				return
			}
		default:
			failed.Add(1)
		}
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if began := time.Now(); c.Release(ctx, key, token) == nil && time.Since(began) > 500*time.Millisecond {
			waited.Add(1)
		}
	}
	var all sync.WaitGroup
	end := time.Now().Add(lasts)
	for range 8 {
		all.Go(func() {
			for time.Now().Before(end) {
				call(t.Context(), mathrand.N(callers), 9)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for n := 0; time.Now().Before(end); n++ {
		p := proxies[mathrand.N(len(proxies))]
		switch n % 5 {
		case 0:
			p.Cut()
		case 1:
			p.Swallow()
		case 2:
			p.Stall(300 * time.Millisecond)
		case 3:
			s.Stall(200 * time.Millisecond)
		case 4:
			s.Restart()
		}
		time.Sleep(150 * time.Millisecond)
	}
	all.Wait()
	t.Logf("%d takes failed", failed.Load())
	defer func() {
		if t.Failed() {
			b, _ := os.ReadFile(s.Dir + "/log")
			t.Logf("%s", b[max(0, len(b)-6000):])
		}
	}()
	if failed.Load() == 0 {
		t.Error("no fault was met")
	}
	if n := waited.Load(); n > 0 {
		t.Errorf("%d waited for long to give back", n)
	}
	// Who got no text is not left in a cooldown.
	eventually(t, "everybody has a text", 30*time.Second, func() bool {
		missing := 0
		for caller := range callers {
			if texts[caller].Load() == 0 {
				missing++
				call(t.Context(), caller, 0)
			}
		}
		return missing == 0
	})
}
