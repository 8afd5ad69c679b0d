package donottext

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// randomMobile returns a number of a region that may be a mobile, nil when none was found.
func randomMobile(rnd *rand.Rand, region string, like *phonenumbers.PhoneNumber) *phonenumbers.PhoneNumber {
	for range 1000 {
		national := []byte(phonenumbers.GetNationalSignificantNumber(like))
		from := rnd.IntN(len(national))
		for i := from; i < len(national); i++ {
			national[i] = byte('0' + rnd.IntN(10))
		}
		p, err := phonenumbers.Parse("+"+strconv.Itoa(int(like.GetCountryCode()))+string(national), region)
		if err == nil && slices.Contains([]phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE}, phonenumbers.GetNumberType(p)) {
			return p
		}
	}
	return nil
}

// spelledIn returns the ways in which people and phone systems of its region write a number.
func spelledIn(p *phonenumbers.PhoneNumber, region string) map[string]string {
	national := phonenumbers.GetNationalSignificantNumber(p)
	grouped := func(s, separator string) string {
		return s[:len(s)/3] + separator + s[len(s)/3:2*len(s)/3] + separator + s[2*len(s)/3:]
	}
	country := strconv.Itoa(int(p.GetCountryCode()))
	dialled := phonenumbers.GetNddPrefixForRegion(region, true) + national
	all := map[string]string{
		"E.164": "+" + country + national, "international": phonenumbers.Format(p, phonenumbers.INTERNATIONAL),
		"international with dashes": "+" + country + "-" + grouped(national, "-"),
		"national":                  phonenumbers.Format(p, phonenumbers.NATIONAL), "dialled": dialled, "dialled with blanks": grouped(dialled, " "),
		"without plus": country + national, "without plus, with blanks": country + " " + grouped(national, " "),
		"significant": national, "with blanks": grouped(national, " "), "with dots": grouped(national, "."), "with dashes": grouped(national, "-"),
	}
	if phonenumbers.GetNddPrefixForRegion(region, true) == "0" {
		all["international with a zero"] = "+" + country + " (0) " + national
	}
	return all
}

// Whatever the spelling of a mobile of any region: in a list and as caller id it is
// that phone, or it is refused. It is never another one.
func TestNoSpellingIsAnotherPhone(t *testing.T) {
	const each = 8 / LessWork
	rnd := rand.New(rand.NewPCG(20, 26))
	seen, known := 0, map[string]int{}
	for _, region := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions())) {
		like := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
		if like == nil {
			continue // Tristan da Cunha has landlines only
		}
		for range each {
			p := randomMobile(rnd, region, like)
			if p == nil {
				t.Fatalf("%s: no mobile found", region)
			}
			seen++
			n, _ := numberplan.Read(phone.Number(phonenumbers.Format(p, phonenumbers.E164)), "")
			trunk := numberplan.WithTrunkPrefix(n.Parsed)
			if m, ok := numberplan.Read(phone.Number(trunk), region); !ok || m.E164 != n.E164 {
				t.Errorf("%s: %s with its trunk prefix is %s, which is %s", region, n.E164, trunk, m.E164)
			}
			want := phoneOf(phonenumbers.Format(p, phonenumbers.E164))
			for name, s := range spelledIn(p, region) {
				got, ok := numberplan.Parse(phone.Number(s), region)
				if ok && got.Valid() && got.Textable() && !got.Doubtful && !got.Placeholder {
					known["caller id, "+name]++
					if phoneOf(got.E164) != want {
						t.Errorf("%s: caller id %q (%s) of %s is %s", region, s, name, want, got.E164)
					}
				} else if name == "E.164" && !got.Placeholder {
					t.Errorf("%s: caller id %s is refused", region, s)
				}
				h, fault := readEntry(s, region)
				if fault == "" {
					known["list, "+name]++
					if h != hashOf(want) {
						t.Errorf("%s: %q (%s) of %s is another phone in a list", region, s, name, want)
					}
				} else if name == "E.164" {
					t.Errorf("%s: %s is refused in a list: %s", region, s, fault)
				}
			}
		}
	}
	for name, n := range known {
		t.Logf("%-40s %3d %%", name, 100*n/seen)
	}
	// Who writes numbers as the documentation says is understood.
	for name, least := range map[string]int{"E.164": 100, "international": 97, "national": 95, "dialled": 90} {
		for _, where := range []string{"caller id, ", "list, "} {
			if got := 100 * known[where+name] / seen; got < least {
				t.Errorf("%s%s: %d %% of the numbers are known", where, name, got)
			}
		}
	}
}

// phoneOf returns the one spelling by which phones are compared.
func phoneOf(e164 string) string {
	today, _ := phone.Spellings(e164)
	return today
}
