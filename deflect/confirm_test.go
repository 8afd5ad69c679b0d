package deflect

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// leased is a store of several processes in which what was taken ends after lease, unless it
// was confirmed.
type leased struct {
	*shared
	err  error       // of Confirm
	took chan func() // what befalls who has taken a key, once each
}

const (
	lease     = 10 * time.Second
	confirmed = 24 * time.Hour // how long it lasts then
)

func newLeased() *leased { return &leased{shared: newShared(), took: make(chan func(), 1)} }

func (l *leased) Take(ctx context.Context, key, token string, _ time.Duration) (bool, error) {
	took, err := l.shared.Take(ctx, key, token, lease)
	if took {
		select {
		case befalls := <-l.took:
			befalls()
		default:
		}
	}
	return took, err
}

func (l *leased) Confirm(_ context.Context, key, token string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, "confirmed "+key)
	if l.err != nil {
		return l.err
	}
	c := l.byKey[key]
	if c == nil || c.token != token {
		return errors.New("another one has it")
	}
	l.dropLocked(c)
	_, err := l.memoryCooldowns.Take(context.Background(), key, token, confirmed)
	return err
}

// A process dies when it has taken a caller's cooldown, and before its journal knows of the
// text. Another one has promised the same caller a text: it goes out, and so does one for
// who calls again.
func TestDeadTakeEndsNoPromise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := salesPolicy(t, Rules{Cooldown: confirmed, Later: Later{Failed: time.Hour}})
		api, store := &told{}, newLeased()
		start := func(j Journal) *Client {
			return testClient(t, func(cfg *Config) {
				cfg.Backend, cfg.Cooldowns, cfg.Journal, cfg.Policies = api, store, j, []*Policy{policy}
			})
		}
		call := func(c *Client, id string) Outcome {
			call := callNow(id, 1)
			call.Policy = policy
			res, _ := c.Deflect(t.Context(), call)
			return res.Outcome
		}
		j := newMemoryJournal(100)
		lives := start(j)
		api.tell(always(Failed, ReasonUnreachable))
		if got := call(lives, "promised"); got != Deferred {
			t.Fatal(got)
		}
		api.tell(always(Sent, ReasonOK))
		store.took <- func() { panic("killed") }
		func() {
			defer func() { _ = recover() }()
			call(start(newMemoryJournal(100)), "killed")
		}()
		time.Sleep(time.Minute)
		if e, err := j.Find(t.Context(), "promised"); err != nil || e.Outcome != Sent {
			t.Errorf("the text that was promised: %s %s (%s), %v", e.State, e.Outcome, e.Reason, err)
		}
		// Who has a text is in the cooldown for all of its time.
		time.Sleep(23 * time.Hour)
		if got := call(lives, "again"); got != Ineligible {
			t.Errorf("a call within the cooldown is %s", got)
		}
		if got := len(api.went()); got != 1 {
			t.Errorf("the caller has %d texts", got)
		}
	})
}

// Each key is confirmed when the journal knows of the text, and before that leaves. Where one
// is not, none does.
func TestConfirmed(t *testing.T) {
	caller, texted := "sales +14043438600", "sales +14043438601"
	for _, tt := range []struct {
		name string
		err  error
		late time.Duration // that it stands still after a Take
		want Reason
		done []string
	}{
		{"confirmed", nil, 0, ReasonOK, []string{"confirmed " + caller, "confirmed " + texted, "kept " + caller, "kept " + texted}},
		{"the store does not know", errors.New("away"), 0, ReasonCooldownUnknown, []string{"confirmed " + caller, "released " + caller, "released " + texted}},
		{"it has ended before", nil, lease + time.Second, ReasonCooldownUnknown, []string{"confirmed " + caller, "released " + caller, "released " + texted}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, store, j := &told{}, newLeased(), newMemoryJournal(100)
				store.err = tt.err
				policy := salesPolicy(t, Rules{Cooldown: confirmed})
				c := testClient(t, func(cfg *Config) {
					cfg.Backend, cfg.Cooldowns, cfg.Journal, cfg.LiveDeadline = api, store, j, time.Minute
				})
				store.took <- func() { time.Sleep(tt.late) }
				call := callNow("a", 0)
				call.Policy, call.NumberOverride = policy, phoneOf(1)
				api.tell(func(ctx context.Context, text *Text) Attempt {
					if e, err := j.Find(ctx, "a"); err != nil || e.State != Sending || len(store.done) != 2 {
						t.Errorf("its text leaves when the journal has it as %q (%v), and of %d keys", e.State, err, len(store.done))
					}
					return Attempt{Outcome: Sent, Reason: ReasonOK}
				})
				if res, err := c.Deflect(t.Context(), call); res.Reason != tt.want {
					t.Errorf("%s (%s): %v", res.Outcome, res.Reason, err)
				}
				if !slices.Equal(store.done, tt.done) {
					t.Errorf("the store has heard %q, want %q", store.done, tt.done)
				}
				if e, err := j.Find(t.Context(), "a"); err != nil || tt.want != ReasonOK && e.State != "" {
					t.Errorf("the journal has it as %q, %v", e.State, err)
				}
			})
		})
	}
}
