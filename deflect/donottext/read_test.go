package donottext

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// What is somebody else's number when it is read as it stands is refused, with what
// to write instead.
func TestListEntries(t *testing.T) {
	const other = "another country's"
	for _, tt := range []struct {
		line, region string
		want         string // E.164, or else part of what is said
	}{
		{"+491713920001", "US", "+491713920001"},
		{"+49 (0)171 392 00 01", "US", "+491713920001"},
		{"0049 171 3920001", "DE", "+491713920001"},
		{"01713920001", "DE", "+491713920001"},
		{"0171/3920001", "DE", "+491713920001"},
		{"+493012345678", "US", "+493012345678"}, // whoever writes that much means it
		{"14043438646", "US", "+14043438646"},
		{"1 (404) 343-8646", "US", "+14043438646"},
		{"404.343.8646", "US", "+14043438646"},
		{"447911123456", "GB", "+447911123456"},
		{"9876543210", "IN", "+919876543210"}, // the 0 is not needed
		{"22997123456", "BJ", "+2290197123456"},

		{"491713920001", "DE", "can be two numbers, with its country code and without: write it with +49"},
		{"1713920001", "DE", "date, a time"},
		{"15112345678", "DE", "lacks what is dialled before it in DE: write it with +49"},
		{"1713920001.0", "DE", "as text"}, {"01713920001.0", "DE", "as text"}, {"+491713920001.0", "DE", "as text"}, {"4043438646.00", "US", "as text"},
		{"01713920001 5", "DE", "two columns"}, {"+491713920001 5", "US", "two columns"}, {"0171 3920001 20", "DE", "plan"}, {"0160 1234567 8", "DE", "two columns"},
		{"2024-11-26", "DE", "date"}, {"26.11.2024", "DK", "date"}, {"11/26/2024", "DK", "date"}, {"20241126", "DK", "date"}, {"26-11-24", "FO", "date"}, {"2024-11-26 10:00", "DE", "neither"},
		{"1732579200", "DE", "a time"}, {"1732579200000", "DE", "a time"}, {"1732579200", "US", "a time"},
		{"447911123456", "DE", other}, {"07911123456", "DE", other}, {"0612345678", "DE", other}, {"3401234567", "DE", other}, {"612345678", "FR", "lacks"},
		{"03022345678", "DE", other}, {"33612345678", "US", "neither"}, {"8005550100", "US", other},
		{"+15550001111", "US", "plan"}, {"5550001111", "US", "plan"}, {"+4917139200", "US", "plan"}, {"1234", "DE", "plan"},
		{"0000000000", "US", "no number"}, {"+10000000000", "US", "no number"}, {"266696687", "DE", "no number"},
		{"01713920001", "", "neither"}, {"Jane", "US", "neither"}, {"sha256:12", "US", "neither"},
	} {
		h, fault := readEntry(tt.line, tt.region)
		switch {
		case tt.want[0] == '+' && (fault != "" || h != hashOf(phoneOf(tt.want))):
			t.Errorf("%q in %s: %q, want %s", tt.line, tt.region, fault, tt.want)
		case tt.want[0] != '+' && !strings.Contains(fault, tt.want):
			t.Errorf("%q in %s: %q, want %q", tt.line, tt.region, fault, tt.want)
		}
		for _, digits := range []string{"171392", "04343", "791112", "151123", "555000"} {
			if strings.Contains(fault, digits) {
				t.Errorf("what is said repeats the line: %s", fault)
			}
		}
	}
}

// Columns of a table that are no telephone numbers, and numbers with another column
// behind, pass for nobody's in any region.
func TestNoColumnIsAPhone(t *testing.T) {
	rnd := rand.New(rand.NewPCG(20, 26))
	for _, region := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions())) {
		if rnd.IntN(LessWork) > 0 {
			continue
		}
		for range 2 {
			at := time.Unix(1_000_000_000+rnd.Int64N(1_100_000_000), 0).UTC()
			columns := []string{fmt.Sprint(at.Unix()), fmt.Sprint(at.UnixMilli()), fmt.Sprintf("%d.0", at.Unix())}
			for _, layout := range []string{"2006-01-02", "20060102", "02.01.2006", "2.1.2006", "01/02/2006", "2006/01/02", "02-01-06", "2006-01-02 15", "2006 01 02", "200601021504", "20060102150405"} {
				columns = append(columns, at.Format(layout))
			}
			for _, s := range columns {
				if _, fault := readEntry(s, region); fault == "" {
					t.Errorf("%q is a phone in %s", s, region)
				}
			}
			like := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
			if like == nil {
				continue
			}
			p := randomMobile(rnd, region, like)
			want := hashOf(phoneOf(phonenumbers.Format(p, phonenumbers.E164)))
			for name, s := range spelledIn(p, region) {
				for _, column := range []string{" 5", " 12", " 2024", ".0", " 20241126", "  1"} {
					if h, fault := readEntry(s+column, region); fault == "" && h != want {
						t.Errorf("%q (%s) is another phone in %s", s+column, name, region)
					}
				}
			}
		}
	}
}

// The short way for +1 is for area codes that have numbers, and no list needs another.
func TestAreaInUse(t *testing.T) {
	rnd := rand.New(rand.NewPCG(20, 26))
	for code := 200; code < 1000; code++ {
		for i := range 24 {
			p, err := phonenumbers.Parse(fmt.Sprintf("+1%d%d%06d", code, 2+i%8, rnd.IntN(1_000_000)), "")
			if err == nil && phonenumbers.IsValidNumber(p) {
				if _, fault := readEntry(phonenumbers.Format(p, phonenumbers.E164), "DE"); fault != "" {
					t.Errorf("%v: %s", p, fault)
				}
				break
			}
		}
	}
	for code, want := range map[string]bool{"404": true, "800": true, "555": false, "222": false, "911": false} {
		if areaInUse(code) != want {
			t.Errorf("area code %s in use: %t", code, !want)
		}
	}
}

func TestListEnds(t *testing.T) {
	const a, b, c = "+14043438646\n", "+14043438647\n", "+14043438648"
	for _, tt := range []struct {
		name, content string
		ended, open   bool
		entries       int
		want          string // part of the error
	}{
		{"no end", a + b, false, false, 2, ""},
		{"end", a + b + "# end 2\n", true, false, 2, ""},
		{"end without a line break", a + b + "# end 2", true, false, 2, ""},
		{"end, as Windows writes", "+14043438646\r\n#end  1 \r\n\r\n", true, false, 1, ""},
		{"twice the same", a + a + "# end 2\n", true, false, 2, ""},
		{"comments do not count", "# a\n" + a + "\n# end 1\n\n", true, false, 1, ""},
		{"empty with an end", "# end 0\n", true, false, 0, ""},
		{"empty", "", false, false, 0, ""},
		{"a comment", a + "# end of the list\n", false, false, 1, ""},
		{"open", a + c, false, true, 2, ""},
		{"an open comment", a + "# end ", false, true, 1, ""},
		{"a long comment", "# " + strings.Repeat("long ", 50_000) + "\n", false, false, 0, ""},
		{"a long open comment", a + "# " + strings.Repeat("long ", 50_000), false, true, 1, ""},
		{"too few", a + "# end 2\n", false, false, 1, "it has 2 entries, and has 1"},
		{"too many", a + b + "# end 1\n", false, false, 2, "it has 1 entries, and has 2"},
		{"cut in the end", a + b + "# end 1", false, true, 2, "it has 1 entries, and has 2"},
		{"not the last line", a + "# end 1\n" + b, false, false, 2, "lines after"},
		{"two ends", a + "# end 1\n" + b + "# end 2\n", false, false, 2, "lines after"},
		{"bad line", "Jane\n# end 1\n", false, false, 1, "line 1 is neither"},
	} {
		got, err := readList(strings.NewReader(tt.content), "US")
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if got.ended != tt.ended || got.open != tt.open || got.entries != tt.entries {
			t.Errorf("%s: ended %t, open %t, %d entries", tt.name, got.ended, got.open, got.entries)
		}
	}
}
