package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// onBoth runs a test with the Redis in memory and with a real one.
func onBoth(t *testing.T, test func(t *testing.T, addr string)) {
	t.Run("miniredis", func(t *testing.T) { test(t, miniredis.RunT(t).Addr()) })
	t.Run("redis", func(t *testing.T) { test(t, fleettest.Start(t).Addr) })
}

// wantTake takes a place, and says whether that should succeed.
func wantTake(t *testing.T, b deflect.Budgets, token string, of deflect.Budget, want bool) {
	t.Helper()
	if got, err := b.Take(t.Context(), "sales", token, of); got != want || err != nil {
		t.Errorf("Take of %s of %v is %t, %v; want %t", token, of, got, err, want)
	}
}

func wantLeft(t *testing.T, b deflect.Budgets, of deflect.Budget, want bool) {
	t.Helper()
	if got, err := b.Left(t.Context(), "sales", of); got != want || err != nil {
		t.Errorf("Left of %v is %t, %v; want %t", of, got, err, want)
	}
}

func TestBudgetsKeepTheirContract(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		deflecttest.TestBudgets(t, func() deflect.Budgets { return newFleet(t, addr).Budgets() })
	})
	t.Run("with a memory beside", func(t *testing.T) {
		addr := fleettest.Start(t).Addr
		deflecttest.TestBudgets(t, func() deflect.Budgets { return newFleet(t, addr, withLocal).Budgets() })
	})
}

func TestBudgetOfManyDaemons(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		const texts = 137
		asks := 10_000 / lessWork
		if strings.HasSuffix(t.Name(), "miniredis") {
			asks = 500 // it takes a millisecond for each
		}
		of := deflect.Budget{Texts: texts, Per: time.Hour}
		var all sync.WaitGroup
		var took atomic.Int32
		begin := make(chan struct{})
		for d := range 3 {
			b := newFleet(t, addr).Budgets()
			for i := range asks {
				if i%3 != d {
					continue
				}
				all.Go(func() {
					<-begin
					got, err := b.Take(t.Context(), "sales", fmt.Sprint("call ", i), of)
					for err != nil { // it took too long here; that one may have taken is known next
						time.Sleep(10 * time.Millisecond)
						got, err = b.Take(t.Context(), "sales", fmt.Sprint("call ", i), of)
					}
					if got {
						took.Add(1)
					}
				})
			}
		}
		close(begin)
		all.Wait()
		if n := took.Load(); n != texts {
			t.Errorf("%d of %d got one of %d places", n, asks, texts)
		}
	})
}

func TestBudgetSlides(t *testing.T) {
	server := miniredis.RunT(t)
	b := newFleet(t, server.Addr()).Budgets()
	at := time.Now()
	pass := func(d time.Duration) {
		at = at.Add(d)
		server.SetTime(at)
		server.FastForward(d)
	}
	pass(0)
	two := deflect.Budget{Texts: 2, Per: time.Minute}
	wantTake(t, b, "a", two, true)
	pass(40 * time.Second)
	wantLeft(t, b, two, true)
	wantTake(t, b, "b", two, true)
	wantTake(t, b, "a", two, true) // it has its place
	wantTake(t, b, "c", two, false)
	wantLeft(t, b, two, false)
	pass(20*time.Second - time.Microsecond)
	wantTake(t, b, "c", two, false)
	pass(time.Microsecond)
	wantLeft(t, b, two, true)
	wantTake(t, b, "c", two, true)
	wantTake(t, b, "a", two, false) // its place ended
	pass(39 * time.Second)
	wantTake(t, b, "d", two, false)
	if err := b.Release(t.Context(), "sales", "nobody"); err != nil {
		t.Error(err)
	}
	wantLeft(t, b, two, false)
	if err := b.Release(t.Context(), "sales", "c"); err != nil {
		t.Error(err)
	}
	wantTake(t, b, "d", two, true)
	pass(time.Minute + time.Second)
	if keys := server.Keys(); len(keys) != 0 {
		t.Errorf("after all their time there are still %q", keys)
	}
}

// The names of policies and the tokens are nobody's business.
func TestBudgetTellsNothing(t *testing.T) {
	server := miniredis.RunT(t)
	b := newFleet(t, server.Addr()).Budgets()
	of := deflect.Budget{Texts: 5, Per: time.Minute}
	wantTake(t, b, strings.Repeat("+14043438646", 10_000), of, true)
	if dump := server.Dump(); strings.Contains(dump, "4043438646") || strings.Contains(dump, "sales") || len(dump) > 200 {
		t.Errorf("the server has %.500q", dump)
	}
}

func TestBudgetChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		f := newFleet(t, addr)
		b := f.Budgets()
		of := func(texts int, per time.Duration) deflect.Budget { return deflect.Budget{Texts: texts, Per: per} }
		for i := range 10 {
			wantTake(t, b, fmt.Sprint(i), of(10, time.Minute), true)
		}
		wantTake(t, b, "10", of(10, time.Hour), false)
		wantTake(t, b, "10", of(5, time.Second), false)
		wantLeft(t, b, of(11, time.Second), true)
		wantTake(t, b, "10", of(11, time.Second), true)
		wantTake(t, b, "11", of(11, 24*time.Hour), false)
		if ttl := f.rdb.PTTL(t.Context(), f.key("b", "sales")).Val(); ttl < 30*time.Second {
			t.Errorf("places of a minute are kept for %s", ttl)
		}
	})
}

// What is over does not stay, however long there are texts.
func TestBudgetIsBounded(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		f := newFleet(t, addr)
		b := f.Budgets()
		of := deflect.Budget{Texts: 4, Per: 2 * time.Millisecond}
		for i := range 50 {
			if _, err := b.Take(t.Context(), "sales", fmt.Sprint(i), of); err != nil {
				t.Fatal(err)
			}
			if n := f.rdb.ZCard(t.Context(), f.key("b", "sales")).Val(); n > 4 {
				t.Fatalf("%d places are kept", n)
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// Places that last for ever are those of a clock that was set back since.
func TestBudgetOfAnotherClock(t *testing.T) {
	server := miniredis.RunT(t)
	f := newFleet(t, server.Addr())
	b, k, of := f.Budgets(), f.key("b", "sales"), deflect.Budget{Texts: 3, Per: time.Hour}
	for i, score := range []string{"9e18", "+inf", "-inf"} {
		if err := f.rdb.Do(t.Context(), "ZADD", k, score, fmt.Sprint("stranger ", i)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	wantTake(t, b, "a", of, true)
	wantTake(t, b, "b", of, false)
	server.SetTime(time.Now().Add(24*time.Hour + time.Minute))
	wantTake(t, b, "b", deflect.Budget{Texts: 1, Per: time.Hour}, true)
}

func TestBudgetWithoutScripts(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		f := newFleet(t, addr)
		b := f.Budgets()
		of := deflect.Budget{Texts: 2, Per: time.Hour}
		wantTake(t, b, "a", of, true)
		if err := f.rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		wantTake(t, b, "b", of, true)
		if err := f.rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		wantLeft(t, b, of, false)
	})
}

func TestBudgetOfAnotherType(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		f := newFleet(t, addr)
		b := f.Budgets()
		if err := f.rdb.Set(t.Context(), f.key("b", "sales"), strings.Repeat("x", 1000), 0).Err(); err != nil {
			t.Fatal(err)
		}
		of := deflect.Budget{Texts: 2, Per: time.Hour}
		left, err1 := b.Left(t.Context(), "sales", of)
		took, err2 := b.Take(t.Context(), "sales", "a", of)
		if err := b.Release(t.Context(), "sales", "a"); err != nil { // later, if then
			t.Error(err)
		}
		if left || took {
			t.Errorf("Left is %t, Take is %t", left, took)
		}
		for _, err := range []error{err1, err2} {
			if err == nil || !strings.Contains(err.Error(), "WRONGTYPE") || strings.Contains(err.Error(), f.cfg.Prefix) {
				t.Errorf("error %v", err)
			}
		}
	})
}

// An answer that was lost may have been a yes: the same ask is the same place, also when
// the client asks again by itself.
func TestBudgetAnswerIsLost(t *testing.T) {
	server := fleettest.Start(t)
	proxy := fleettest.StartProxy(t, server.Addr)
	f := newFleet(t, proxy.Addr)
	b := f.Budgets()
	of := deflect.Budget{Texts: 2, Per: time.Hour}
	wantTake(t, b, "first", deflect.Budget{Texts: 5, Per: time.Hour}, true) // the script is known
	if err := b.Release(t.Context(), "sales", "first"); err != nil {
		t.Fatal(err)
	}
	proxy.Swallow()
	wantTake(t, b, "a", of, true)
	wantTake(t, b, "b", of, true)
	wantTake(t, b, "c", of, false)
}

// Takes that lie before a server that stands still are done when it goes on, and so are
// those places given back of which it never heard.
func TestBudgetAfterStall(t *testing.T) {
	server := fleettest.Start(t)
	f := newFleet(t, server.Addr, hasty)
	b, of := f.Budgets(), deflect.Budget{Texts: 50, Per: time.Hour}
	wantTake(t, b, "before", of, true)
	server.Stall(3 * time.Second)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			token := fmt.Sprint(i)
			if took, err := b.Take(t.Context(), "sales", token, of); took || err == nil {
				t.Errorf("Take of a stalled server is %t, %v", took, err)
			}
			if err := b.Release(t.Context(), "sales", token); err != nil {
				t.Errorf("Release of a stalled server: %v", err)
			}
		})
	}
	all.Wait()
	eventually(t, "it is known to be away", time.Minute, func() bool { return f.Err() != nil })
	if err := b.Release(t.Context(), "sales", "before"); err != nil {
		t.Error(err)
	}
	eventually(t, "all places are free", time.Minute, func() bool {
		left, err := b.Left(t.Context(), "sales", deflect.Budget{Texts: 1, Per: of.Per})
		return left && err == nil
	})
	time.Sleep(100 * time.Millisecond)
	wantLeft(t, b, deflect.Budget{Texts: 1, Per: of.Per}, true)
}

// A place that is taken again is not given back by what comes late.
func TestBudgetTakenAgain(t *testing.T) {
	server := fleettest.Start(t)
	proxy := fleettest.StartProxy(t, server.Addr)
	f := newFleet(t, proxy.Addr)
	b, of := f.Budgets(), deflect.Budget{Texts: 1, Per: time.Hour}
	wantTake(t, b, "a", of, true)
	proxy.Refuse(true)
	if err := b.Release(t.Context(), "sales", "a"); err != nil {
		t.Error(err)
	}
	proxy.Refuse(false)
	eventually(t, "it can be taken again", time.Minute, func() bool {
		took, err := b.Take(t.Context(), "sales", "a", of)
		return took && err == nil
	})
	time.Sleep(releaseAgain + 10*endRetry)
	wantLeft(t, b, of, false)
}

func TestBudgetWhileAway(t *testing.T) {
	server := fleettest.Start(t)
	f := newFleet(t, server.Addr, hasty)
	local := newFleet(t, server.Addr, hasty, withLocal)
	of := deflect.Budget{Texts: 2, Per: time.Hour}
	b, own := f.Budgets(), local.Budgets()
	wantTake(t, b, "a", of, true)
	wantTake(t, own, "b", of, true)
	server.Stall(time.Minute)
	if took, err := b.Take(t.Context(), "sales", "c", of); took || err == nil {
		t.Errorf("Take of a stalled server is %t, %v", took, err)
	}
	if left, err := b.Left(t.Context(), "sales", of); left || err == nil {
		t.Errorf("Left of a stalled server is %t, %v", left, err)
	}
	wantTake(t, own, "c", of, true) // one's own are counted before that as well
	wantTake(t, own, "d", of, false)
	wantLeft(t, own, of, false)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if took, err := own.Take(ended, "support", "d", of); took || !errors.Is(err, context.Canceled) {
		t.Errorf("Take for nobody is %t, %v", took, err)
	}
}
