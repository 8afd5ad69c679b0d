package deflect

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shared is a store of cooldowns of several processes: who wants a key that another one has,
// of which nobody knows yet how it ends, waits for that.
type shared struct {
	*memoryCooldowns
	mu   sync.Mutex
	kept map[string]bool // by key
	done []string        // what was kept and released, in its order
	idle *sync.Cond
}

func newShared() *shared {
	s := &shared{memoryCooldowns: newMemoryCooldowns(1000, func() {}), kept: map[string]bool{}}
	s.idle = sync.NewCond(&s.mu)
	return s
}

func (s *shared) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	defer context.AfterFunc(ctx, s.idle.Broadcast)()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		ok, _ := s.memoryCooldowns.Take(ctx, key, token, lasts)
		if ok || s.kept[key] {
			return ok, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		s.idle.Wait()
	}
}

func (s *shared) Release(ctx context.Context, key, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, "released "+key)
	s.idle.Broadcast()
	return s.memoryCooldowns.Release(ctx, key, token)
}

func (s *shared) Keep(key, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[key] = true
	s.done = append(s.done, "kept "+key)
	s.idle.Broadcast()
}

// A store hears of each of its keys how the text of the call ended.
func TestCooldownsAreKept(t *testing.T) {
	caller, texted := "sales +14043438600", "sales +14043438601"
	for _, tt := range []struct {
		name  string
		tells func(context.Context, *Text) Attempt
		want  []string
	}{
		{"sent", nil, []string{"kept " + caller, "kept " + texted}},
		{"in doubt", always(Uncertain, ReasonTimeout), []string{"kept " + caller, "kept " + texted}},
		{"a panic", func(context.Context, *Text) Attempt { panic("a defect of a backend") }, []string{"kept " + caller, "kept " + texted}},
		{"failed", always(Failed, ReasonRejected), []string{"released " + caller, "released " + texted}},
		{"failed, and sent later", func() func(context.Context, *Text) Attempt {
			n := 0
			return func(context.Context, *Text) Attempt {
				if n++; n == 1 {
					return Attempt{Outcome: Failed, Reason: ReasonRateLimited}
				}
				return Attempt{Outcome: Sent, Reason: ReasonOK}
			}
		}(), []string{"released " + caller, "released " + texted, "kept " + caller, "kept " + texted}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, s := &told{}, newShared()
				policy := salesPolicy(t, Rules{Later: Later{Failed: time.Hour}})
				c := testClient(t, func(cfg *Config) {
					cfg.Backend, cfg.Cooldowns, cfg.Journal, cfg.Policies = api, s, newMemoryJournal(100), []*Policy{policy}
				})
				api.tell(tt.tells)
				call := callNow("a", 0)
				call.Policy, call.NumberOverride = policy, phoneOf(1)
				func() {
					defer func() { _ = recover() }()
					c.Deflect(t.Context(), call) //nolint:errcheck // the store is looked at
				}()
				time.Sleep(time.Minute)
				s.mu.Lock()
				defer s.mu.Unlock()
				if diff := cmp.Diff(tt.want, s.done); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Two calls of one caller on two processes: the second waits for how the first ends, as it
// does in one.
func TestCooldownsOfTwoProcesses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tells Attempt
		takes time.Duration
		want  []Reason
	}{
		{"the first is sent", Attempt{Outcome: Sent, Reason: ReasonOK}, time.Second, []Reason{ReasonOK, ReasonCooldown}},
		{"the first fails", Attempt{Outcome: Failed, Reason: ReasonRejected}, time.Second, []Reason{ReasonRejected, ReasonRejected}},
		{"the first takes long", Attempt{Outcome: Sent, Reason: ReasonOK}, 4500 * time.Millisecond, []Reason{ReasonOK, ReasonCooldownUnknown}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, s := &told{}, newShared()
				api.tell(func(context.Context, *Text) Attempt { time.Sleep(tt.takes); return tt.tells })
				policy := salesPolicy(t, Rules{})
				got := make([]Reason, 2)
				var all sync.WaitGroup
				for i := range got {
					c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Cooldowns = api, s })
					all.Go(func() {
						call := callNow([]string{"a", "b"}[i], 0)
						call.Policy = policy
						res, _ := c.Deflect(t.Context(), call)
						got[i] = res.Reason
					})
				}
				all.Wait()
				slices.Sort(got)
				slices.Sort(tt.want)
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
