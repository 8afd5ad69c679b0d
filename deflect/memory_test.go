package deflect

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A key that was taken anew is not given back by who held it before.
func TestReleaseAfterRetake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryCooldowns(10, func() {})
		take := func(token string, want bool) {
			t.Helper()
			if got, err := m.Take(t.Context(), "key", token, time.Minute); got != want || err != nil {
				t.Errorf("Take by %s = %t, %v", token, got, err)
			}
		}
		release := func(token string, held bool) {
			t.Helper()
			if err := m.Release(t.Context(), "key", token); err != nil {
				t.Error(err)
			}
			if got, _ := m.Held(t.Context(), "key"); got != held {
				t.Errorf("after Release by %s: held %t", token, got)
			}
		}
		take("a", true)
		take("b", false)
		release("b", true)
		time.Sleep(time.Minute)
		take("b", true)
		release("a", true)
		release("b", false)
		release("b", false)
		take("c", true)
	})
}

// What is over is forgotten a little at a time, and never counted.
func TestManyCooldownsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		evicted := 0
		m := newMemoryCooldowns(1000, func() { evicted++ })
		for i := range 1000 {
			m.Take(t.Context(), fmt.Sprint(i), "t", time.Minute) //nolint:errcheck // cannot fail
		}
		time.Sleep(time.Minute)
		if ok, _ := m.Take(t.Context(), "999", "t", time.Minute); !ok {
			t.Error("what is over is still held")
		}
		if n := len(m.byEnd); n < 1000-forgetAtOnce {
			t.Errorf("%d left after one Take", n)
		}
		if n := m.Cooling(); n != 1 || evicted != 0 || len(m.byKey) != 1 {
			t.Errorf("%d held, %d in the map, %d evicted", n, len(m.byKey), evicted)
		}
		// A smaller store makes room at once, and goes on so.
		for i := range 100 {
			m.Take(t.Context(), fmt.Sprint("b", i), "t", time.Hour) //nolint:errcheck // cannot fail
		}
		m.SetMaxCooldowns(10)
		if n := len(m.byEnd); n != 10 || len(m.byKey) != 10 || evicted != 91 {
			t.Errorf("%d held, %d in the map, %d evicted", n, len(m.byKey), evicted)
		}
		for i := range 2 {
			m.Take(t.Context(), fmt.Sprint("c", i), "t", time.Hour) //nolint:errcheck // cannot fail
		}
		if n := m.Cooling(); n != 10 || evicted != 93 {
			t.Errorf("%d held, %d evicted", n, evicted)
		}
	})
}
