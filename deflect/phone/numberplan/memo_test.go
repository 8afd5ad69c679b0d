package numberplan

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// What is remembered is what reading gives.
func TestKnownNumbers(t *testing.T) {
	for _, s := range []phone.Number{"+14043438646", "4043438646", "0400111222", "+493012345678", "+390612345678", "(404) 343-8646", "1234567890", "911", "alice", ""} {
		for _, region := range []string{"US", "AU", "DE", "", "ZZ", "no region at all"} {
			want, wantOK := Read(s, region)
			for range 3 {
				if got, ok := Parse(s, region); ok != wantOK || got != want.Parsed {
					t.Errorf("%q in %q: %s, %t, want %s, %t", string(s), region, shown(got), ok, shown(want.Parsed), wantOK)
				}
			}
		}
	}
}

// shown is a number with all that is known of it.
func shown(p phone.Parsed) string {
	type plain phone.Parsed // without its methods
	return fmt.Sprintf("%+v", plain(p))
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
		Parse(phone.Number(s), "US")
	}
	Parse("+14043438646", strings.Repeat("US", 1000))
	if n := len(numbers.young) + len(numbers.old); n != 0 {
		t.Errorf("%d remembered", n)
	}
	if allocs := testing.AllocsPerRun(100, func() { Parse("+14043438646", "US") }); allocs != 0 {
		t.Errorf("%v allocations for a number that is known", allocs)
	}
}

// Calls share parsed numbers: the race detector looks on.
func TestSharedNumbers(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				n, ok := Parse(phone.Number(fmt.Sprintf("+6140011%04d", i%7)), "US")
				if !ok || WithTrunkPrefix(n) != fmt.Sprintf("040011%04d", i%7) || n.Region != "AU" {
					t.Errorf("%s, %t", shown(n), ok)
				}
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
		got, ok := parseOne(s, region)
		want, err := phonenumbers.Parse(s, region)
		if err != nil || !ok || phonenumbers.IsPossibleNumberWithReason(want) != phonenumbers.IS_POSSIBLE {
			t.Fatalf("%q in %q: %s, %v", s, region, shown(got), err)
		}
		if got.National != phonenumbers.GetNationalSignificantNumber(want) || got.Country != "1" || got.E164 != phonenumbers.Format(want, phonenumbers.E164) {
			t.Fatalf("%q in %q: %s, want %v", s, region, shown(got), want)
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
