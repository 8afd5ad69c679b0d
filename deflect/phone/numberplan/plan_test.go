package numberplan

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// The number plans are asked as the library asks them: for numbers of each region and
// kind, their neighbours and chance numbers.
func TestInPlanIsWhatTheLibrarySays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[phonenumbers.PhoneNumberType]int{}
	same := func(n *phonenumbers.PhoneNumber) {
		t.Helper()
		seen[planAsLibrary(t, n)]++
	}
	for code := range phonenumbers.GetSupportedCallingCodes() {
		for _, region := range phonenumbers.GetRegionCodesForCountryCode(code) {
			for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.VOICEMAIL; kind++ {
				n := phonenumbers.GetExampleNumberForType(region, kind)
				if region == "001" {
					n = phonenumbers.GetExampleNumberForNonGeoEntity(code)
				}
				if n == nil {
					continue
				}
				same(n)
				own := *n.NationalNumber
				for range 20 {
					*n.NationalNumber = own + r.Uint64N(1000) - 500
					same(n)
					*n.NationalNumber = own + r.Uint64N(own/10+1)
					same(n)
				}
			}
		}
		for digits := uint64(100); digits < 1e14; digits *= 10 {
			same(&phonenumbers.PhoneNumber{CountryCode: new(int32(code)), NationalNumber: new(digits + r.Uint64N(9*digits))})
		}
	}
	for kind := phonenumbers.FIXED_LINE; kind <= phonenumbers.UNKNOWN; kind++ {
		if seen[kind] < 10 {
			t.Errorf("kind %d: %d numbers", kind, seen[kind])
		}
	}
}

func planAsLibrary(t *testing.T, n *phonenumbers.PhoneNumber) phonenumbers.PhoneNumberType {
	t.Helper()
	national := phonenumbers.GetNationalSignificantNumber(n)
	if own := ofLibrary(n.GetCountryCode(), national); phonenumbers.GetNationalSignificantNumber(own) != national {
		t.Errorf("+%d %s: made again it is %s", n.GetCountryCode(), national, phonenumbers.GetNationalSignificantNumber(own))
	}
	region, kind := inPlan(n.GetCountryCode(), national)
	wantRegion, want := phonenumbers.GetRegionCodeForNumber(n), phonenumbers.GetNumberType(n)
	if region != wantRegion || kind != want {
		t.Errorf("+%d %d: %q %d, the library says %q %d", n.GetCountryCode(), n.GetNationalNumber(), region, kind, wantRegion, want)
	}
	return kind
}

func FuzzInPlan(f *testing.F) {
	for _, n := range []string{"+14043438646", "+491713920001", "+442079460018", "+80012345678", "+390612345678", "+77012345678", "+1242"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := phonenumbers.Parse(s, "US"); err == nil {
			planAsLibrary(t, n)
		}
	})
}

func BenchmarkInPlan(b *testing.B) {
	for _, n := range []string{"+14043438646", "+491713920001"} {
		p, err := phonenumbers.Parse(n, "")
		if err != nil {
			b.Fatal(err)
		}
		national := phonenumbers.GetNationalSignificantNumber(p)
		b.Run(fmt.Sprintf("%s/ours", n), func(b *testing.B) {
			for b.Loop() {
				inPlan(p.GetCountryCode(), national)
			}
		})
		b.Run(fmt.Sprintf("%s/library", n), func(b *testing.B) {
			for b.Loop() {
				phonenumbers.GetNumberType(p)
			}
		})
	}
}
