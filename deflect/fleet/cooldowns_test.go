package fleet

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// closing is a store that ends with its Fleet.
type closing struct {
	*cooldowns
	*Fleet
}

func TestCooldowns(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			addr := s.start(t)
			deflecttest.TestCooldowns(t, func() deflect.Cooldowns {
				f := newFleet(t, addr)
				return closing{f.cooldowns, f}
			})
		})
	}
}

// servers are what tests are run against.
var servers = []struct {
	name  string
	start func(t *testing.T) (addr string)
}{
	{"miniredis", startMini},
	{"redis", func(t *testing.T) string { return fleettest.Start(t).Addr }},
}

// startMini starts a server within the test, of which the time goes on as ours.
func startMini(t *testing.T) string {
	m := miniredis.RunT(t)
	ticker := time.NewTicker(time.Millisecond)
	done := make(chan struct{})
	go func() {
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			case now := <-ticker.C:
				// What was starved ages nothing that is younger.
				m.FastForward(min(now.Sub(last), 5*time.Millisecond))
				last = now
			}
		}
	}()
	t.Cleanup(func() { ticker.Stop(); close(done) })
	return m.Addr()
}
