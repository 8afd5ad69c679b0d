package deflect

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Both spellings of a phone whose number was changed.
var sameNumber = []struct{ name, today, before string }{
	{"Brazil", "+5511961234567", "+551161234567"},
	{"Brazil, still valid", "+5511971234567", "+551171234567"},
	{"Benin", "+2290197123456", "+22997123456"},
	{"Argentina", "+541123456789", "+5491123456789"},
	{"Mexico", "+525512345678", "+5215512345678"},
}

func TestRenumberedIsOnePhone(t *testing.T) {
	for _, tt := range sameNumber {
		t.Run(tt.name, func(t *testing.T) {
			for _, ask := range []struct {
				list onlyHolds
				e164 string
				want bool
			}{{onlyHolds(tt.today), tt.before, true}, {onlyHolds(tt.before), tt.today, true}, {onlyHolds(tt.today), "+14043438646", false}} {
				if held, err := holds(t.Context(), ask.list, ask.e164); held != ask.want || err != nil {
					t.Errorf("a list of %s asked for %s: %t, %v", ask.list, ask.e164, held, err)
				}
			}
			policy, err := NewPolicy("", Rules{})
			if err != nil {
				t.Fatal(err)
			}
			c := testClient(t, nil)
			keys := func(n string) []string {
				call := validCall()
				call.ANI, call.Policy = phone.Number(n), policy
				return c.inquire(t.Context(), call, time.Now()).cooldownKeys()
			}
			if a, b := keys(tt.today), keys(tt.before); len(a) != 1 || !slices.Equal(a, b) {
				t.Errorf("cooldowns of %q and %q", a, b)
			}
		})
	}
}

// onlyHolds is a list of one number.
type onlyHolds string

func (l onlyHolds) Holds(_ context.Context, e164 string) (bool, error) { return e164 == string(l), nil }
