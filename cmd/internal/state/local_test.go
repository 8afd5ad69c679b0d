package state

import (
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// An answer has an end, and says what is not in it. It shows no number and no id with one.
func TestListedIsBoundedAndMasked(t *testing.T) {
	var all journal.Listing
	begin := time.Unix(1_800_000_000, 0)
	for i := range mostListed + 3 {
		all.Cooldowns = append(all.Cooldowns, journal.Cooldown{Policy: "sales", Number: "***46", Until: begin.Add(-time.Duration(i) * time.Second)})
		all.Texts = append(all.Texts, deflect.Entry{ExternalCallID: "case-4043438646", Customer: "+14043438646", State: deflect.Doubted, Since: begin.Add(-time.Duration(i) * time.Second)})
	}
	l := listed(all)
	if len(l.Texts) != mostListed || len(l.Cooldowns) != mostListed || l.More != 6 {
		t.Fatalf("%d texts, %d cooldowns and %d more", len(l.Texts), len(l.Cooldowns), l.More)
	}
	first := begin.Add(-(mostListed + 2) * time.Second)
	want := Text{ExternalID: "case-***46", State: "doubted", Number: "***46", Since: first.UTC()}
	if l.Texts[0] != want || !l.Cooldowns[0].Until.Equal(first) {
		t.Errorf("first are %+v, want %+v, and %+v", l.Texts[0], want, l.Cooldowns[0])
	}
}

func TestSpellings(t *testing.T) {
	for _, tt := range []struct {
		number, region string
		want           []string
	}{
		{"(404) 343-8646", "US", []string{"+14043438646"}},
		{"+55 11 8765-4321", "US", []string{"+5511987654321", "+551187654321"}},
		{"+5511987654321", "US", []string{"+5511987654321", "+551187654321"}},
		{"anonymous", "US", nil},
		{"", "US", nil},
		{"491713920001", "DE", []string{"+491713920001"}},
	} {
		got, err := Spellings(tt.number, tt.region)
		if (err == nil) != (tt.want != nil) || len(got) != len(tt.want) {
			t.Errorf("%q: %v, %v, want %v", tt.number, got, err, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%q: %v, want %v", tt.number, got, tt.want)
			}
		}
	}
}
