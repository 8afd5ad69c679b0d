package livedeflect

import (
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

func TestSpellings(t *testing.T) {
	tests := []struct {
		region, number, told string
		want                 likeness
	}{
		{"US", "+14043438646", "", ours},
		{"US", "+14043438646", "null", ours},
		{"US", "+14043438646", "4043438646", ours},
		{"US", "+14043438646", "04043438646", ours},
		{"US", "+14043438646", "+1 (404) 343-8646", ours},
		{"US", "+14043438646", "0014043438646", ours},
		{"US", "+14043438646", "3438646", ours},
		{"US", "+14043438646", "404***8646", ours},
		{"US", "+14043438646", "0404***8646", ours},
		{"US", "+14043438646", "+1404xxx8646", ours},
		{"US", "+14043438646", "***46", ours},
		{"US", "+14043438646", "******8646", ours},
		{"US", "+14043438646", "404343****", ours},
		{"US", "+14043438646", "4**3**8646", ours},
		{"US", "+14043438646", "404...8646", maybeOurs},
		{"US", "+14043438646", "9***8646", maybeOurs},
		{"US", "+14043438646", "4043438646x12", maybeOurs},
		{"US", "+14043438646", "4.043438646e+09", maybeOurs},
		{"US", "+14043438646", "tel:4043438646", maybeOurs},
		{"US", "+14043438646", "9f86d081884c7d65", maybeOurs},
		{"US", "+14043438646", "404343864", maybeOurs},
		{"US", "+14043438646", "2125558646", maybeOurs},
		{"US", "+14043438646", "0000000000", maybeOurs},
		{"US", "+14043438646", "4043438655", another},
		{"US", "+14043438646", "404***8655", another},
		{"US", "+14043438646", "***55", another},
		{"US", "+14043438646", "+49 151 12345678", another},
		{"AR", "+5491123456789", "011 15-2345-6789", maybeOurs},
		{"RU", "+79161234567", "8 916 123-45-67", ours},
		{"GB", "+447400123456", "+44 (0)7400 123456", ours},
	}
	for _, tt := range tests {
		n, ok := numberplan.Parse(phone.Number(tt.number), tt.region)
		if !ok {
			t.Fatalf("%s is no number", tt.number)
		}
		if got := spellingsOf(n).like(tt.told); got != tt.want {
			t.Errorf("%s told as %q: %d, want %d", tt.number, tt.told, got, tt.want)
		}
		// As it may have been sent: trunk and mobile prefixes can stand within it.
		if got := spellingsOf(n).like(numberplan.WithTrunkPrefix(n)); got != ours {
			t.Errorf("%s told as %q: %d", tt.number, numberplan.WithTrunkPrefix(n), got)
		}
	}
	if got := spellings(nil).like("4043438646"); got != ours {
		t.Errorf("without a number of ours: %d", got)
	}
}

func FuzzSpellings(f *testing.F) {
	for _, s := range []string{"404***8646", "04043438646", "x", "*", "4.04e9", "\xff*1"} {
		f.Add(s)
	}
	n, _ := numberplan.Parse("+14043438646", "US")
	forms := spellingsOf(n)
	f.Fuzz(func(t *testing.T, told string) {
		// What goes before the whole number never makes it somebody else's.
		for _, form := range forms {
			if got := forms.like(told + form); got == another {
				t.Errorf("%q is taken for somebody else's", told+form)
			}
		}
	})
}
