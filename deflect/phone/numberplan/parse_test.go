package numberplan

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in, region               string
		country, national, trunk string // country empty: not a number
		textable                 bool
	}{
		{"+14043438646", "US", "1", "4043438646", "4043438646", true},
		{"14043438646", "US", "1", "4043438646", "4043438646", true},
		{"4043438646", "US", "1", "4043438646", "4043438646", true},
		{"(404) 343-8646", "US", "1", "4043438646", "4043438646", true},
		{" +1 404.343.8646 ", "US", "1", "4043438646", "4043438646", true},
		{"+61400111222", "US", "61", "400111222", "0400111222", true},
		{"0400111222", "AU", "61", "400111222", "0400111222", true},
		{"0061400111222", "DE", "61", "400111222", "0400111222", true},
		{"+4915112345678", "US", "49", "15112345678", "015112345678", true},
		{"+493012345678", "US", "49", "3012345678", "03012345678", false}, // Berlin landline
		{"+442071838750", "US", "44", "2071838750", "02071838750", false}, // London landline
		{"+390612345678", "US", "39", "0612345678", "0612345678", false},  // Rome: the 0 belongs to the number
		{"+393491234567", "US", "39", "3491234567", "3491234567", true},   // Italian mobile
		{"+18005550100", "US", "1", "8005550100", "8005550100", false},    // toll-free
		{"+19005551234", "US", "1", "9005551234", "9005551234", false},    // premium rate
		{"+15550001111", "US", "1", "5550001111", "5550001111", true},     // possible, not assigned: unknown passes
		{"", "US", "", "", "", false},
		{"911", "US", "", "", "", false},
		{"0000111", "AU", "", "", "", false}, // its E.164 form is another number
		{"1001", "US", "", "", "", false},
		{"3438646", "US", "", "", "", false}, // local only
		{"anonymous", "US", "", "", "", false},
		{"+1404343864612345", "US", "", "", "", false},
		{"+815764989237695764", "US", "", "", "", false}, // longer than E.164 allows
		{"1-800-FLOWERS", "US", "", "", "", false},
		{"+14043438646;ext=1", "US", "", "", "", false},
		{"sip:+14043438646@host", "US", "", "", "", false},
		{"+14043438646\n", "US", "1", "4043438646", "4043438646", true}, // space around it is no harm
		{"+1404\n3438646", "US", "", "", "", false},
		{"+1404${x}3438646", "US", "", "", "", false},
		{"٠١٢٣٤٥٦٧٨٩", "US", "", "", "", false},
		{"++14043438646", "US", "", "", "", false},
		{strings.Repeat("1", 1000), "US", "", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.in+" "+tt.region, func(t *testing.T) {
			n, ok := Parse(phone.Number(tt.in), tt.region)
			if ok != (tt.country != "") {
				t.Fatalf("parse ok = %v", ok)
			}
			if !ok {
				return
			}
			if n.Country != tt.country || n.National != tt.national || WithTrunkPrefix(n) != tt.trunk {
				t.Errorf("parse = %s, %s, %s, want %s, %s, %s", n.Country, n.National, WithTrunkPrefix(n), tt.country, tt.national, tt.trunk)
			}
			if n.Textable() != tt.textable {
				t.Errorf("textable = %v, want %v (%v)", n.Textable(), tt.textable, n.Kind)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"+14043438646", "0400111222", "anonymous", "(404) 343-8646", "+", "00", "+1404\x00", "+999123456789"} {
		f.Add(s, "US")
	}
	f.Add("0400111222", "AU")
	f.Add("0000111", "AU")
	f.Add("+815764989237695764", "ZZ")
	f.Fuzz(func(t *testing.T, s, region string) {
		n, ok := Read(phone.Number(s), region)
		if !ok {
			return
		}
		for _, part := range []string{n.Country, n.National, WithTrunkPrefix(n.Parsed)} {
			if part == "" || phone.Digits(part) != part {
				t.Fatalf("%q gives %s, which is not digits", s, shown(n.Parsed))
			}
		}
		if len(n.Country+n.National) > 15 {
			t.Fatalf("%q gives %d digits", s, len(n.Country+n.National))
		}
		// The E.164 form is the same number in any region.
		again, ok := Read(phone.Number(n.E164), "ZZ")
		if !ok || again.Country != n.Country || again.National != n.National {
			t.Fatalf("%q gives %s, which gives %s, %v", s, n.E164, shown(again.Parsed), ok)
		}
	})
}

// The list of regions is kept apart from the library, so that it is compared here.
func TestRegionsAreThoseOfTheLibrary(t *testing.T) {
	library := phonenumbers.GetSupportedRegions()
	for _, region := range slices.Sorted(maps.Keys(library)) {
		if !phone.IsRegion(region) {
			t.Errorf("%s is missing", region)
		}
	}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if code := string([]rune{a, b}); phone.IsRegion(code) != library[code] {
				t.Errorf("IsRegion(%s) = %t", code, phone.IsRegion(code))
			}
		}
	}
}

// Without a plus sign a number can begin with the country code.
func TestCountryCodeWithoutPlus(t *testing.T) {
	for _, tt := range []struct{ in, region, want string }{
		{"491713920001", "DE", "+491713920001"}, {"49 171 3920001", "DE", "+491713920001"}, {"01713920001", "DE", "+491713920001"},
		{"4915123986843", "DE", "+4915123986843"}, {"0491713920001", "DE", "+49491713920001"}, // dialled, a landline in the north
		{"447911123456", "GB", "+447911123456"}, {"14043438646", "US", "+14043438646"}, {"62812340088", "ID", "+62812340088"},
		{"493012345678", "DE", "+493012345678"}, {"004917139200 01", "DE", "+491713920001"},
	} {
		if got, ok := E164(phone.Number(tt.in), tt.region); !ok || got != tt.want {
			t.Errorf("%s in %s = %s, %t, want %s", tt.in, tt.region, got, ok, tt.want)
		}
	}
}

func TestTellsMobiles(t *testing.T) {
	for region, want := range map[string]bool{"US": false, "CA": false, "DE": true, "GB": true, "AU": true, "XX": false} {
		if got := TellsMobiles(region); got != want {
			t.Errorf("TellsMobiles(%s) = %t", region, got)
		}
	}
}
