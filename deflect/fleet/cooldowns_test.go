package fleet

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// contract is a store of which every take ends at once, and that ends with its Fleet.
type contract struct {
	*cooldowns
	*Fleet
}

func (c contract) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	took, err := c.cooldowns.Take(ctx, key, token, lasts)
	if took {
		c.Keep(key, token)
	}
	return took, err
}

// The contract, of which the waiting is left to tests of this package.
func TestCooldowns(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			addr := s.start(t)
			deflecttest.TestCooldowns(t, func() deflect.Cooldowns {
				f := newFleet(t, addr)
				return contract{f.cooldowns, f}
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
