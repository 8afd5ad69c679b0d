package deflect

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// nobodys are digits that come with calls of nobody in particular.
var nobodys = []phone.Number{
	"0000000000", "0", "0000000", "1111111111", "5555555555", "1234567890", "123456789", "+1234567890",
	"+10000000000", "10000000000", "+11111111111", "+0000000000", "266696687", "86282452253", "+266696687", "+1266696687",
}

func TestPlaceholders(t *testing.T) {
	reasonIn := func(region string, n phone.Number) Reason {
		call := validCall()
		call.ANI = n
		c := testClient(t, func(c *Config) { c.DefaultRegion = region })
		return ReasonOf(c.Check(t.Context(), call))
	}
	for _, region := range []string{"US", "DE", "EG", "KR", "NZ", "GH", "ID"} {
		for _, n := range nobodys {
			if region == "KR" && n == "266696687" {
				continue
			}
			if got := reasonIn(region, n); got != ReasonNumberHidden {
				t.Errorf("%s in %s: %s", string(n), region, got)
			}
		}
	}
	// Real people have such numbers.
	for n, region := range map[phone.Number]string{
		"9999999999": "IN", "+919999999999": "US", "+77777777777": "US", "99999999": "NO", "+4799999999": "US", "7378742733": "US", "2345678901": "US",
	} {
		if got := reasonIn(region, n); got != ReasonOK {
			t.Errorf("%s in %s: %s", string(n), region, got)
		}
	}
	for n, want := range map[phone.Number]Reason{"1234": ReasonNumberInvalid, "1001": ReasonNumberInvalid, "911": ReasonNumberInvalid} {
		if got := reasonIn("DE", n); got != want {
			t.Errorf("%s: %s, want %s", string(n), got, want)
		}
	}
	if !phone.Number("0000000000").Hidden() || phone.Number("1234567890").Hidden() {
		t.Error("zeros are hidden in every region, and nothing else is")
	}
}

// With "ask for another number", a caller with digits that are nobody's is asked.
func TestPlaceholderIsAskedFor(t *testing.T) {
	policy, err := NewPolicy("sales", Rules{AskNumber: true})
	if err != nil {
		t.Fatal(err)
	}
	c := testClient(t, nil)
	for _, n := range nobodys {
		call := validCall()
		call.ANI, call.Policy = n, policy
		offer, err := c.Offer(t.Context(), call)
		if err != nil || !offer.NeedsNumber {
			t.Errorf("%s: %+v, %v", string(n), offer, err)
		}
		// Nobody is the same caller as somebody else without a number.
		call.NumberOverride = "+14043438646"
		q := c.inquire(t.Context(), call, time.Now())
		if keys := q.cooldownKeys(); !slices.Equal(keys, []string{"sales +14043438646"}) {
			t.Errorf("%s: cooldowns of %q", string(n), keys)
		}
		// What was keyed in was not hidden.
		call.NumberOverride = n
		if got := ReasonOf(c.Check(t.Context(), call)); got != ReasonNumberInvalid {
			t.Errorf("keyed in %s: %s", string(n), got)
		}
	}
}

func TestNumberCheck(t *testing.T) {
	for _, tt := range []struct {
		ani             phone.Number
		region          string
		valid, possible Reason
	}{
		{"+14043438646", "US", ReasonOK, ReasonOK},
		{"+15550001111", "US", ReasonNumberInvalid, ReasonOK}, // no such area code
		{"1234", "DE", ReasonNumberInvalid, ReasonOK},         // an extension
		{"+4917139200", "US", ReasonNumberInvalid, ReasonOK},  // cut
		{"+447012345678", "US", ReasonNumberNotTextable, ReasonNumberNotTextable},
		{"+15002345678", "US", ReasonNumberNotTextable, ReasonNumberNotTextable},  // personal
		{"+447640123456", "US", ReasonNumberNotTextable, ReasonNumberNotTextable}, // a pager
		{"1111111111", "US", ReasonNumberHidden, ReasonNumberHidden},
		{"911", "US", ReasonNumberInvalid, ReasonNumberInvalid},
	} {
		for check, want := range map[NumberCheck]Reason{ValidNumbers: tt.valid, PossibleNumbers: tt.possible} {
			c := testClient(t, func(c *Config) { c.DefaultRegion, c.NumberCheck = tt.region, check })
			call := validCall()
			call.ANI = tt.ani
			err := c.Check(t.Context(), call)
			if ReasonOf(err) != want {
				t.Errorf("%s in %s, check %d: %v, want %s", string(tt.ani), tt.region, check, err, want)
			}
			// What is dialled goes on as it is.
			call.ANI, call.DNIS = "+14043438646", tt.ani
			var e *ValidationError
			if err := c.Check(t.Context(), call); errors.As(err, &e) && tt.ani != "911" {
				t.Errorf("dialled %s in %s: %v", string(tt.ani), tt.region, err)
			}
		}
	}
}

// A running Client goes on with another check.
func TestNumberCheckReloads(t *testing.T) {
	c := testClient(t, nil)
	call := validCall()
	call.ANI = "+15550001111"
	cfg := c.setup.Load().Config
	cfg.NumberCheck = PossibleNumbers
	if err := c.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context(), call); err != nil {
		t.Error(err)
	}
	cfg.NumberCheck = ValidNumbers
	if err := c.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context(), call); ReasonOf(err) != ReasonNumberInvalid {
		t.Error(err)
	}
}
