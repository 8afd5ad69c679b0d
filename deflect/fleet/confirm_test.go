package fleet

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// What a process took that died before its text was about to leave is free soon. What was
// confirmed, or kept, lasts as long as was said.
func TestTakenEnds(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	dead, lives := newFleet(t, m.Addr()).cooldowns, newFleet(t, m.Addr()).cooldowns
	must(t, dead, "key")
	m.FastForward(takenFor)
	if took, err := lives.Take(t.Context(), "key", "another", time.Hour); !took || err != nil {
		t.Errorf("of one that has died: %t, %v", took, err)
	}

	const short = time.Second
	for _, tt := range []struct {
		name  string
		lasts time.Duration
		ends  func(key, token string)
	}{
		{"confirmed", time.Hour, func(key, token string) {
			if err := lives.Confirm(t.Context(), key, token); err != nil {
				t.Error(err)
			}
		}},
		{"kept", time.Hour, lives.Keep},
		{"short", short, func(key, token string) {
			if err := lives.Confirm(t.Context(), key, token); err != nil {
				t.Error(err)
			}
		}},
	} {
		if took, err := lives.Take(t.Context(), tt.name, "mine", tt.lasts); !took || err != nil {
			t.Fatal(took, err)
		}
		k := lives.key(tt.name)
		if left := m.TTL(k); left > min(takenFor, tt.lasts) {
			t.Errorf("%s: what was taken lasts for %s", tt.name, left)
		}
		tt.ends(tt.name, "mine")
		eventually(t, tt.name+" lasts", 5*time.Second, func() bool {
			left := m.TTL(k)
			return left > tt.lasts-30*time.Second && left <= tt.lasts
		})
	}
}

// Who was so slow that its key has ended has it again, unless somebody else does.
func TestLateConfirm(t *testing.T) {
	t.Parallel()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			addr := s.start(t)
			slow, other := newFleet(t, addr).cooldowns, newFleet(t, addr).cooldowns
			take := func(c *cooldowns, key, token string) {
				t.Helper()
				if took, err := c.Take(t.Context(), key, token, time.Hour); !took || err != nil {
					t.Fatal(took, err)
				}
			}
			ended := func(key string) {
				t.Helper()
				if err := slow.f.rdb.Del(t.Context(), slow.key(key)).Err(); err != nil {
					t.Fatal(err)
				}
			}
			take(slow, "free", "slow")
			ended("free")
			if err := slow.Confirm(t.Context(), "free", "slow"); err != nil {
				t.Error(err)
			}
			if left := slow.f.rdb.PTTL(t.Context(), slow.key("free")).Val(); left < 59*time.Minute {
				t.Errorf("it lasts for %s", left)
			}
			for _, key := range []string{"pending", "kept"} {
				take(slow, key, "slow")
				ended(key)
				take(other, key, "other")
				if key == "kept" {
					other.Keep(key, "other")
					eventually(t, "it is kept", 5*time.Second, func() bool {
						return slow.f.rdb.Get(t.Context(), slow.key(key)).Val() == holderOf("other").kept()
					})
				}
				if err := slow.Confirm(t.Context(), key, "slow"); !errors.Is(err, errStoodStill) {
					t.Errorf("%s by another: %v", key, err)
				}
				if held, err := other.Held(t.Context(), key); !held || err != nil {
					t.Errorf("%s by another: then %t, %v", key, held, err)
				}
			}
			if err := slow.f.Err(); err != nil {
				t.Errorf("the server is said to be unwell: %v", err)
			}
		})
	}
}

// Nobody knows of a confirmation without an answer whether the server gets to it yet when
// its key is given back, because its call got no text.
func TestDoubtfulConfirm(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	must(t, f.cooldowns, "late")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.cooldowns.Confirm(ended, "late", "token of late"); !errors.Is(err, context.Canceled) {
		t.Errorf("asked by nobody, its answer is %v", err)
	}
	if err := f.cooldowns.Release(t.Context(), "late", "token of late"); err != nil {
		t.Error(err)
	}
	k := f.key("c", "late")
	s.Do("SET", k, holderOf("token of late").pending(time.Now()))
	eventually(t, "it is given back", 5*time.Second, func() bool { return s.Do("EXISTS", k) == int64(0) })
}
