package fleet

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

var _ deflect.DoNotText = (*OptOuts)(nil)

const optedOut, brazil, brazilBefore = "+14043438646", "+5511987654321", "+551187654321"

func wantHolds(t *testing.T, o *OptOuts, e164 string, want bool) {
	t.Helper()
	if held, err := o.Holds(t.Context(), e164); held != want || err != nil {
		t.Errorf("Holds of %s is %t, %v; want %t", e164, held, err, want)
	}
}

func wantAdd(t *testing.T, o *OptOuts, e164 string, want bool) {
	t.Helper()
	if added, err := o.Add(t.Context(), e164); added != want || err != nil {
		t.Errorf("Add of %s is %t, %v; want %t", e164, added, err, want)
	}
}

func wantRemove(t *testing.T, o *OptOuts, e164 string, want bool) {
	t.Helper()
	if removed, err := o.Remove(t.Context(), e164); removed != want || err != nil {
		t.Errorf("Remove of %s is %t, %v; want %t", e164, removed, err, want)
	}
}

func wantLen(t *testing.T, o *OptOuts, want int) {
	t.Helper()
	if n, err := o.Len(t.Context()); n != want || err != nil {
		t.Errorf("Len is %d, %v; want %d", n, err, want)
	}
}

func TestOptOuts(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		f := newFleet(t, addr)
		o, other := f.OptOuts("marketing"), newFleet(t, addr).OptOuts("marketing")
		wantHolds(t, o, optedOut, false)
		wantLen(t, o, 0)
		wantRemove(t, o, optedOut, false)
		wantAdd(t, o, optedOut, true)
		wantAdd(t, other, optedOut, false)
		wantHolds(t, other, optedOut, true)
		wantHolds(t, other, "+14043438647", false)
		wantHolds(t, f.OptOuts("support"), optedOut, false)
		wantLen(t, o, 1)
		wantAdd(t, o, brazilBefore, true)
		wantAdd(t, o, brazil, false)
		wantHolds(t, o, brazil, true)
		wantLen(t, o, 2)
		wantRemove(t, o, brazilBefore, true)
		wantHolds(t, o, brazil, false)
		wantRemove(t, other, optedOut, true)
		wantRemove(t, other, optedOut, false)
		wantHolds(t, o, optedOut, false)
		wantLen(t, o, 0)
		wantAdd(t, o, optedOut, true)
	})
}

func TestOptOutsOfAnotherKey(t *testing.T) {
	onBoth(t, func(t *testing.T, addr string) {
		o := newFleet(t, addr).OptOuts("marketing")
		other := newFleet(t, addr, func(c *Config) { c.Key = bytes.Repeat([]byte{8}, KeySize) }).OptOuts("marketing")
		wantHolds(t, other, optedOut, false)
		wantAdd(t, o, optedOut, true)
		for range 2 {
			if held, err := other.Holds(t.Context(), optedOut); held || err != errOtherKey {
				t.Errorf("Holds with another key is %t, %v", held, err)
			}
			if removed, err := other.Remove(t.Context(), optedOut); removed || err != errOtherKey {
				t.Errorf("removed: %t, %v", removed, err)
			}
			if added, err := other.Add(t.Context(), optedOut); added || err != errOtherKey {
				t.Errorf("Add with another key is %t, %v", added, err)
			}
		}
		wantHolds(t, o, optedOut, true)
		wantRemove(t, o, optedOut, true)
		wantHolds(t, o, optedOut, false)
	})
}

func TestOptOutsKeepNoNumbers(t *testing.T) {
	server := miniredis.RunT(t)
	f := newFleet(t, server.Addr())
	wantAdd(t, f.OptOuts("marketing"), optedOut, true)
	dump := server.Dump()
	if !strings.Contains(dump, "ivrdeflect:optout:marketing") || strings.Contains(dump, "404343") || strings.Contains(dump, "8646") {
		t.Errorf("the server has %q", dump)
	}
}

// What is not in E.164 form has another hash than its number, and would not be found.
func TestOptOutsTakeNumbersOnly(t *testing.T) {
	o := newFleet(t, miniredis.RunT(t).Addr()).OptOuts("marketing")
	for _, text := range []string{"", "+", "4043438646", "14043438646", "+1 404 343 8646", "+04043438646", "+1404343864٦", "+123456", "+1234567890123456", "+14043438646\n"} {
		held, err1 := o.Holds(t.Context(), text)
		added, err2 := o.Add(t.Context(), text)
		removed, err3 := o.Remove(t.Context(), text)
		if held || added || removed || err1 != errNotE164 || err2 != errNotE164 || err3 != errNotE164 {
			t.Errorf("%q: %t, %v; %t, %v; %t, %v", text, held, err1, added, err2, removed, err3)
		}
	}
	wantLen(t, o, 0)
}

func TestOptOutsDoNotKnow(t *testing.T) {
	server := fleettest.Start(t)
	f := newFleet(t, server.Addr, hasty)
	o := f.OptOuts("marketing")
	wantAdd(t, o, optedOut, true)
	if err := f.rdb.Set(t.Context(), f.cfg.Prefix+"optout:support", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if held, err := f.OptOuts("support").Holds(t.Context(), optedOut); held || err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("Holds of what is no set is %t, %v", held, err)
	}
	if added, err := f.OptOuts("support").Add(t.Context(), optedOut); added || err == nil {
		t.Errorf("Add to what is no set is %t, %v", added, err)
	}
	server.Stall(time.Minute)
	start := time.Now()
	held, err := o.Holds(t.Context(), "+14043438647")
	if held || err == nil || strings.Contains(err.Error(), "4043") || strings.Contains(err.Error(), "marketing") {
		t.Errorf("Holds of a stalled server is %t, %v", held, err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
