package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// Two calls of one caller at two processes: the second one waits for how the first ends.
func TestSecondWaits(t *testing.T) {
	t.Parallel()
	type answer struct {
		took bool
		err  error
	}
	for _, s := range servers {
		for _, tt := range []struct {
			name string
			end  func(first *cooldowns) // of the first one's text
			took bool
		}{
			{"released", func(first *cooldowns) { _ = first.Release(context.Background(), "key", "first") }, true},
			{"kept", func(first *cooldowns) { first.Keep("key", "first") }, false},
		} {
			t.Run(s.name+", "+tt.name, func(t *testing.T) {
				t.Parallel()
				addr := s.start(t)
				first, second := newFleet(t, addr).cooldowns, newFleet(t, addr).cooldowns
				if took, err := first.Take(t.Context(), "key", "first", time.Hour); !took || err != nil {
					t.Fatal(took, err)
				}
				if held, err := second.Held(t.Context(), "key"); !held || err != nil {
					t.Errorf("held meanwhile is %t, %v", held, err)
				}
				answers := make(chan answer, 1)
				go func() {
					took, err := second.Take(t.Context(), "key", "second", time.Hour)
					answers <- answer{took, err}
				}()
				select {
				case got := <-answers:
					t.Fatalf("while the first one's text is under way the answer is %+v", got)
				case <-time.After(5 * pollEvery):
				}
				tt.end(first)
				if got := <-answers; got != (answer{tt.took, nil}) {
					t.Errorf("the answer is %+v", got)
				}
			})
		}
	}
}

func TestSecondWaitsNoLonger(t *testing.T) {
	t.Parallel()
	f := newFleet(t, startMini(t))
	c := f.cooldowns
	k := f.key("c", "key")

	// Whose time is over gets an error, and has taken nothing.
	f.rdb.Set(t.Context(), k, holderOf("other").pending(time.Now()), time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 3*pollEvery)
	defer cancel()
	if took, err := c.Take(ctx, "key", "mine", time.Hour); took || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without time the answer is %t, %v", took, err)
	}

	// One that has died may have sent a text. Nor is anybody's clock trusted.
	for _, age := range []time.Duration{pendingFor + time.Second, -pendingFor - time.Second} {
		f.rdb.Set(t.Context(), k, holderOf("other").pending(time.Now().Add(-age)), time.Hour)
		if took, err := c.Take(t.Context(), "key", "mine", time.Hour); took || err != nil {
			t.Errorf("of one that began %s ago the answer is %t, %v", age, took, err)
		}
	}

	// What is not of ours is somebody's.
	for _, value := range []string{"", "x", "p", "p1", "p@", "p1@x", "-1", "99999999999999999999", "p99999999999999999999@1", strings.Repeat("9", 1000)} {
		f.rdb.Set(t.Context(), k, value, time.Hour)
		if took, err := c.Take(t.Context(), "key", "mine", time.Hour); took || err != nil {
			t.Errorf("%.30q: the answer is %t, %v", value, took, err)
		}
	}
}

// A wait ends in an error, also where this process decides while Redis is away: somebody
// else's text is under way.
func TestWaitingIsNotLocal(t *testing.T) {
	t.Parallel()
	server := fleettest.Start(t)
	f := newFleet(t, server.Addr, withLocal)
	f.rdb.Set(t.Context(), f.key("c", "key"), holderOf("other").pending(time.Now()), time.Hour)
	time.AfterFunc(2*pollEvery, server.Kill)
	if took, err := f.cooldowns.Take(t.Context(), "key", "mine", time.Hour); took || !errors.Is(err, errWaited) {
		t.Errorf("the answer is %t, %v", took, err)
	}
}

func FuzzReadHolder(f *testing.F) {
	f.Add("p1@2")
	f.Add("1")
	f.Add(holderOf("x").pending(time.Now()))
	f.Fuzz(func(t *testing.T, value string) {
		h, since, pending := readHolder(value)
		if h < 1<<63 && h.kept() != value && !strings.HasPrefix(value, "p") && !strings.HasPrefix(value, "0") {
			t.Errorf("%q is of %d", value, h)
		}
		if pending && !strings.HasPrefix(value, "p") {
			t.Errorf("%q is pending since %s", value, since)
		}
	})
}
