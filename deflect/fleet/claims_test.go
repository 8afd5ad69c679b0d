package fleet

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

func wantClaim(t *testing.T, c *Claims, id string, lasts time.Duration, want bool) {
	t.Helper()
	if got, err := c.Claim(t.Context(), id, lasts); got != want || err != nil {
		t.Errorf("Claim of %s is %t, %v; want %t", id, got, err, want)
	}
}

func wantRelease(t *testing.T, c *Claims, id string) {
	t.Helper()
	if err := c.Release(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestClaims(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		// Daemons that were given one name by mistake are told apart by their process, which
		// these two cannot be.
		one, other := newFleet(t, addr), newFleet(t, addr)
		a, b := one.Claims(), other.Claims()
		wantClaim(t, a, "call 1", time.Hour, true)
		wantClaim(t, a, "call 1", time.Hour, true)
		wantClaim(t, one.Claims(), "call 1", time.Hour, true)
		wantClaim(t, b, "call 1", time.Hour, false)
		wantClaim(t, b, "call 2", time.Hour, true)
		wantRelease(t, b, "call 1")
		wantRelease(t, b, "call 3")
		wantClaim(t, b, "call 1", time.Hour, false)
		wantRelease(t, a, "call 1")
		wantClaim(t, b, "call 1", time.Hour, true)
	})
}

func TestClaimEnds(t *testing.T) {
	server := miniredis.RunT(t)
	a, b := newFleet(t, server.Addr()).Claims(), newFleet(t, server.Addr()).Claims()
	wantClaim(t, a, "call", 10*time.Second, true)
	server.FastForward(8 * time.Second)
	wantClaim(t, a, "call", 10*time.Second, true) // lasts anew
	server.FastForward(8 * time.Second)
	wantClaim(t, b, "call", 10*time.Second, false)
	server.FastForward(3 * time.Second)
	wantClaim(t, b, "call", 10*time.Second, true)
	wantRelease(t, a, "call")
	wantClaim(t, a, "call", 10*time.Second, false)
	if dump := server.Dump(); strings.Contains(dump, "call") {
		t.Errorf("the server has %q", dump)
	}
}

func TestClaimOfManyAtOnce(t *testing.T) {
	addr := fleettest.Start(t).Addr
	var all sync.WaitGroup
	var got [20]atomic.Int32
	for range 5 {
		c := newFleet(t, addr).Claims()
		for call := range got {
			all.Go(func() {
				mine, err := c.Claim(t.Context(), fmt.Sprint(call), time.Hour)
				if err != nil {
					t.Error(err)
				}
				if mine {
					got[call].Add(1)
				}
			})
		}
	}
	all.Wait()
	for call := range got {
		if n := got[call].Load(); n != 1 {
			t.Errorf("call %d has %d daemons", call, n)
		}
	}
}

func TestClaimAnswerIsLost(t *testing.T) {
	server := fleettest.Start(t)
	proxy := fleettest.StartProxy(t, server.Addr)
	c := newFleet(t, proxy.Addr).Claims()
	wantClaim(t, c, "before", time.Hour, true) // the script is known
	proxy.Swallow()
	wantClaim(t, c, "call", time.Hour, true)
	wantClaim(t, newFleet(t, server.Addr).Claims(), "call", time.Hour, false)
}

// What somebody else wrote in place of a claim is another's, and never too large to be read.
func TestClaimOfStrangers(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		f := newFleet(t, addr)
		c := f.Claims()
		for _, value := range []string{"", "x", f.self() + "x", strings.Repeat(f.self(), 10_000)} {
			if err := f.rdb.Set(t.Context(), f.key("k", "call"), value, 0).Err(); err != nil {
				t.Fatal(err)
			}
			wantClaim(t, c, "call", time.Hour, false)
			wantRelease(t, c, "call")
			wantClaim(t, c, "call", time.Hour, false)
		}
		f.rdb.Del(t.Context(), f.key("k", "call"))
		if err := f.rdb.SAdd(t.Context(), f.key("k", "call"), "x").Err(); err != nil {
			t.Fatal(err)
		}
		mine, err := c.Claim(t.Context(), "call", time.Hour)
		if mine || err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
			t.Errorf("Claim of what is a set is %t, %v", mine, err)
		}
		if err := c.Release(t.Context(), "call"); err == nil {
			t.Error("Release of what is a set says nothing")
		}
	})
}

func TestClaimWhileAway(t *testing.T) {
	server := fleettest.Start(t)
	c := newFleet(t, server.Addr, hasty).Claims()
	wantClaim(t, c, "call", time.Hour, true)
	server.Stall(time.Minute)
	if mine, err := c.Claim(t.Context(), "call", time.Hour); mine || err == nil {
		t.Errorf("Claim of a stalled server is %t, %v", mine, err)
	}
}
