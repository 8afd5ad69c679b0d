package deflect

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestParseNumber(t *testing.T) {
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
			n, ok := PhoneNumber(tt.in).parse(tt.region)
			if ok != (tt.country != "") {
				t.Fatalf("parse ok = %v", ok)
			}
			if !ok {
				return
			}
			if n.country != tt.country || n.national != tt.national || n.trunk() != tt.trunk {
				t.Errorf("parse = %s, %s, %s, want %s, %s, %s", n.country, n.national, n.trunk(), tt.country, tt.national, tt.trunk)
			}
			n.kind = phonenumbers.GetNumberType(n.lib)
			if _, textable := n.textable(); textable != tt.textable {
				t.Errorf("textable = %v, want %v (%v)", textable, tt.textable, n.kind)
			}
		})
	}
}

func TestPhoneNumberMasksItself(t *testing.T) {
	type record struct{ Number PhoneNumber }
	n := PhoneNumber("+14043438646")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "number", n)
	j, err := json.Marshal(record{n})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"%v": fmt.Sprintf("%v", n), "%+v": fmt.Sprintf("%+v", record{n}), "%#v": fmt.Sprintf("%#v", record{n}),
		"%q": fmt.Sprintf("%q", n), "log": log.String(), "json": string(j),
	} {
		if strings.Contains(got, "343") || !strings.Contains(got, "***46") {
			t.Errorf("%s shows %s", name, got)
		}
	}
	for in, want := range map[PhoneNumber]string{"": "", "1": "***", "1234": "***", "12345": "***45", "anonymous": "***"} {
		if got := in.String(); got != want {
			t.Errorf("PhoneNumber(%q) shows %q, want %q", string(in), got, want)
		}
	}
}

func TestHidden(t *testing.T) {
	for _, n := range []PhoneNumber{"", "anonymous", "Anonymous", "RESTRICTED", " private ", "unavailable", "Unknown"} {
		if !n.Hidden() {
			t.Errorf("%q is not hidden", string(n))
		}
	}
	for _, n := range []PhoneNumber{"+14043438646", "911", "alice"} {
		if n.Hidden() {
			t.Errorf("%q is hidden", string(n))
		}
	}
}

func FuzzPhoneNumber(f *testing.F) {
	for _, s := range []string{"+14043438646", "0400111222", "anonymous", "(404) 343-8646", "+", "00", "+1404\x00", "+999123456789"} {
		f.Add(s, "US")
	}
	f.Add("0400111222", "AU")
	f.Add("0000111", "AU")
	f.Add("+815764989237695764", "ZZ")
	f.Fuzz(func(t *testing.T, s, region string) {
		n, ok := PhoneNumber(s).parse(region)
		if !ok {
			return
		}
		for _, part := range []string{n.country, n.national, n.trunk()} {
			if part == "" || onlyDigits(part) != part {
				t.Fatalf("%q gives %+v, which is not digits", s, n)
			}
		}
		if len(n.country+n.national) > 15 {
			t.Fatalf("%q gives %d digits", s, len(n.country+n.national))
		}
		// The E.164 form is the same number in any region.
		again, ok := PhoneNumber(n.e164).parse("ZZ")
		if !ok || again.country != n.country || again.national != n.national {
			t.Fatalf("%q gives %s, which gives %+v, %v", s, n.e164, again, ok)
		}
	})
}
