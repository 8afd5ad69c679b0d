package deflect

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// What is remembered is what parsing gives.
func TestKnownNumbers(t *testing.T) {
	for _, s := range []string{"+14043438646", "4043438646", "0400111222", "+493012345678", "+390612345678", "(404) 343-8646", "911", "alice", ""} {
		for _, region := range []string{"US", "AU", "DE", "", "ZZ", "no region at all"} {
			want, wantOK := PhoneNumber(s).parse(region)
			for range 3 {
				got, ok := PhoneNumber(s).known(region)
				if ok != wantOK || got.country != want.country || got.national != want.national || got.e164 != want.e164 {
					t.Errorf("%q in %q: %+v, %t, want %+v, %t", s, region, got, ok, want, wantOK)
				}
				if got.region != want.region || got.kind != want.kind || got.placeholder != want.placeholder {
					t.Errorf("%q in %q: %+v, want %+v", s, region, got, want)
				}
				if ok && (got.region != phonenumbers.GetRegionCodeForNumber(got.lib) || got.kind != phonenumbers.GetNumberType(got.lib)) {
					t.Errorf("%q in %q: %+v", s, region, got)
				}
			}
		}
	}
}

func TestMemoIsBounded(t *testing.T) {
	const max, back = 10, 4
	m := newMemo(max)
	key := func(i int) memoKey { return memoKey{plain: fmt.Sprint(i)} }
	often := key(-1)
	m.put(&memoEntry{key: often})
	for i := range 100 * max {
		m.put(&memoEntry{key: key(i)})
		if m.get(often) == nil {
			t.Fatalf("forgotten although it was asked for, after %d", i)
		}
		if n := len(m.young) + len(m.old); n > 2*max {
			t.Fatalf("%d remembered", n)
		}
		// Asked for since then: four new ones, four that came before, and one often.
		if i >= back && m.get(key(i-back)) == nil {
			t.Fatalf("forgotten after nine others")
		}
	}
	if m.get(key(0)) != nil {
		t.Error("not forgotten")
	}
}

// Strangers choose what is remembered, so it is short and of our own memory.
func TestMemoKeepsLittle(t *testing.T) {
	was := numbers
	t.Cleanup(func() { numbers = was })
	numbers = newMemo(10)
	for _, s := range []string{strings.Repeat("1", 1000), "alice", "+1404${x}3438646"} {
		PhoneNumber(s).known("US")
	}
	PhoneNumber("+14043438646").known(strings.Repeat("US", 1000))
	if n := len(numbers.young) + len(numbers.old); n != 0 {
		t.Errorf("%d remembered", n)
	}
	if allocs := testing.AllocsPerRun(100, func() { PhoneNumber("+14043438646").known("US") }); allocs != 0 {
		t.Errorf("%v allocations for a number that is known", allocs)
	}
}

// Calls share parsed numbers: the race detector looks on.
func TestSharedNumbers(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				n, ok := PhoneNumber(fmt.Sprintf("+6140011%04d", i%7)).known("US")
				if !ok || n.trunk() != fmt.Sprintf("040011%04d", i%7) || n.region != "AU" {
					t.Errorf("%+v, %t", n, ok)
				}
				n.textable()
			}
		})
	}
	wg.Wait()
}

// The short way for North American numbers ends where the library does: in every
// region, for every area code.
func TestNorthAmerican(t *testing.T) {
	regions := []string{"", "ZZ", "001", "US"}
	for region := range phonenumbers.GetSupportedRegions() {
		regions = append(regions, region)
	}
	short := 0
	check := func(s, region string) {
		if _, ok := northAmerican(s, region); !ok {
			return
		}
		short++
		got, ok := parseNumber(s, region)
		want, err := phonenumbers.Parse(s, region)
		if err != nil || !ok || phonenumbers.IsPossibleNumberWithReason(want) != phonenumbers.IS_POSSIBLE {
			t.Fatalf("%q in %q: %+v, %v", s, region, got, err)
		}
		if got.lib.String() != want.String() || got.national != phonenumbers.GetNationalSignificantNumber(want) ||
			got.country != "1" || got.e164 != phonenumbers.Format(want, phonenumbers.E164) {
			t.Fatalf("%q in %q: %+v, want %v", s, region, got, want)
		}
	}
	for area := 200; area < 1000; area++ {
		national := fmt.Sprintf("%d%d%06d", area, 2+area%8, area*7919%1_000_000)
		for _, prefix := range []string{"+1", "1", ""} {
			check(prefix+national, "US")
		}
		check("+1"+national, regions[area%len(regions)])
	}
	if want := 800 * 4; short != want {
		t.Errorf("%d of %d went the short way", short, want)
	}
	for _, s := range []string{"+11043438646", "+14041438646", "+1404343864", "+140434386466", "+1404 3438646", "11 404343864", "14043438646", "4043438646"} {
		if n, ok := northAmerican(s, "CA"); ok {
			t.Errorf("%q went the short way: %s", s, n)
		}
	}
}
