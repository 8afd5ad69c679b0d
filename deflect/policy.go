package deflect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Rules say which callers are offered a text, and when. The zero value restricts
// nothing but landlines and the like, and has a cooldown of 15 minutes. Make a
// [Policy] of them.
type Rules struct {
	Countries []string  // ISO 3166 regions whose numbers are texted, such as "US"; any
	LineTypes LineTypes // LenientLineTypes
	Hours     Hours     // opening hours of the messaging team; always

	// Agents knows whether anybody is on shift to answer a text, beside the hours; nil is
	// whenever it is open.
	Agents        Agents
	AgentsUnknown AgentsUnknown // OfferUnknown

	MinWait  time.Duration // least expected wait that an offer is worth; calls that do not say (Call.Wait) pass; 0
	Withhold int           // percentage of calls that are not offered a text, chosen by Call.ExternalCallID; 0
	// From is where the share that is offered one begins among the 100 points on which calls
	// fall, up to Withhold, so that two policies split the calls of one number: one that
	// withholds 10 has the points 0 to 89, and one that withholds 90 from 90 the others; 0.
	From int
	// Shared is the name by which cooldowns and budget are kept, for policies that serve the
	// same callers; the policy's own.
	Shared string

	// DoNotText knows the numbers that are never texted, such as a list of package
	// donottext; nil is nobody.
	DoNotText DoNotText
	Consent   Consent // ConsentImplied

	Cooldown   time.Duration // how long a caller who was texted is not texted again; 15 min
	NoCooldown bool          // text a caller as often as asked

	Budget Budget // at most how many texts the agents get in a time; none

	// Later says which texts may wait; the zero value is none.
	Later Later

	// AskNumber says that callers whose number cannot be texted can be asked for
	// another one, see [Offer].
	AskNumber bool
}

// Later says which texts wait in the journal instead of not being sent at all. It needs a
// [Config].Journal, and the policy among Config.Policies.
type Later struct {
	// Closed offers a text outside of the hours, for when the team is back, if that is at
	// most so long away, up to 7 days; 0 is no offer.
	Closed time.Duration
	// Failed is how long a text that a caller asked for, and that certainly was not sent, is
	// tried again, up to 24 h; 0 is not at all.
	Failed time.Duration
	// Spread is over how long the texts of those who called while it was closed go out after
	// it opens, so that agents are not flooded; 10 min.
	Spread time.Duration
}

// LineTypes says which kinds of line are texted.
type LineTypes int

// The line types; the zero value is lenient, because number plans do not tell
// mobiles from landlines in much of the world, North America among them.
const (
	LenientLineTypes LineTypes = iota // what is not known to be something else than a mobile
	StrictLineTypes                   // only what is known to be a mobile
)

// Consent says what counts as the caller's consent to a text.
type Consent int

// The kinds of consent.
const (
	ConsentImplied  Consent = iota // pressing the key
	ConsentRequired                // Call.Consent: it was given before the offer
)

// Agents knows whether anybody is on shift. It is safe for concurrent use, and does not
// wait: an offer is decided by what it knows.
type Agents interface {
	// OnShift reports whether anybody is on shift now, if that is known.
	OnShift() (on, known bool)
}

// AgentsUnknown says what comes of a caller when nobody knows whether agents are on shift.
type AgentsUnknown int

// What comes of that caller; the zero value is an offer.
const (
	OfferUnknown  AgentsUnknown = iota // the other rules decide
	RefuseUnknown                      // no offer
)

// DoNotText knows numbers that must not be texted: a list in memory, or a database. It is
// asked for each spelling of a number, before an offer and again before the text.
//
// It is safe for concurrent use and returns soon after ctx ends; a call waits for it, within
// the live deadline. An error means that it does not know, and the caller is not texted
// then, as if it held the number.
type DoNotText interface {
	// Holds reports whether an E.164 number must not be texted.
	Holds(ctx context.Context, e164 string) (bool, error)
}

const (
	maxCooldown = 31 * 24 * time.Hour
	maxLater    = 7 * 24 * time.Hour
)

// Validate returns every problem of the rules, each a [*ConfigError], joined; nil
// when there is none.
func (r Rules) Validate() error {
	_, err := NewPolicy("", r)
	return err
}

// Policy is [Rules], checked and ready for calls: set it in [Call.Policy]. Make one with
// [NewPolicy]; the zero value is that of NewPolicy("", Rules{}). It is safe for
// concurrent use.
type Policy struct {
	name      string
	rules     Rules
	countries map[string]bool
	hours     *timetable
}

// NewPolicy returns a policy. Cooldowns and budgets are kept by its name ([Rules].Shared): a caller who was
// texted under one name can be texted under another. The error lists every problem
// of the rules, see [Rules.Validate].
func NewPolicy(name string, r Rules) (*Policy, error) {
	def(&r.Cooldown, 15*time.Minute)
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	p := &Policy{name: name, rules: r, countries: map[string]bool{}}
	for i, c := range r.Countries {
		if !phone.IsRegion(c) {
			bad(fmt.Sprintf("Countries[%d]", i), "is not an ISO 3166 region such as US")
		}
		p.countries[c] = true
	}
	if r.LineTypes != LenientLineTypes && r.LineTypes != StrictLineTypes {
		bad("LineTypes", "is not a known kind")
	}
	p.hours = r.Hours.read(bad)
	if r.MinWait < 0 {
		bad("MinWait", "is %s; must be 0s or longer", r.MinWait)
	}
	if r.Withhold < 0 || r.Withhold > 100 {
		bad("Withhold", "is %d; must be a percentage from 0 to 100", r.Withhold)
	}
	if r.From < 0 || r.From > max(0, r.Withhold) {
		bad("From", "is %d; must be between 0 and Withhold (%d): the points end at 99", r.From, r.Withhold)
	}
	if r.AgentsUnknown != OfferUnknown && r.AgentsUnknown != RefuseUnknown {
		bad("AgentsUnknown", "is not known")
	}
	if !utf8.ValidString(r.Shared) {
		bad("Shared", "is the name %q, which is not UTF-8", r.Shared)
	}
	if r.Consent != ConsentImplied && r.Consent != ConsentRequired {
		bad("Consent", "is not a known kind")
	}
	if r.Cooldown < time.Second || r.Cooldown > maxCooldown {
		bad("Cooldown", "is %s; must be between 1s and 31 days", r.Cooldown)
	}
	r.Budget.validate(bad)
	def(&p.rules.Later.Spread, 10*time.Minute)
	if l := p.rules.Later; l.Closed < 0 || l.Closed > maxLater {
		bad("Later.Closed", "is %s; must be between 0s and 7 days", l.Closed)
	} else if l.Failed < 0 || l.Failed > 24*time.Hour {
		bad("Later.Failed", "is %s; must be between 0s and 24h", l.Failed)
	} else if l.Spread < 0 || l.Spread > 24*time.Hour {
		bad("Later.Spread", "is %s; must be between 0s and 24h", l.Spread)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

// Name returns the name that the policy was made with; "" of a nil Policy.
func (p *Policy) Name() string {
	if p == nil {
		return ""
	}
	return p.name
}

// sharedName is the name by which cooldowns and budget are kept.
func (p *Policy) sharedName() string { return cmp.Or(p.rules.Shared, p.name) }

// Samples reports whether a call, by its ExternalCallID, is of the share of calls that the
// policy lets be offered a text ([Rules].Withhold and From).
func (p *Policy) Samples(externalCallID string) bool {
	_, _, is := p.inForce().samples(externalCallID)
	return is
}

// samples returns the first point that is offered a text and the first after those too.
func (p *Policy) samples(externalCallID string) (from, to int, is bool) {
	from = p.rules.From
	to = from + 100 - p.rules.Withhold
	at := point(externalCallID)
	return from, to, at >= from && at < to
}

// Open reports whether the messaging team is there at a time, by the policy's hours.
func (p *Policy) Open(at time.Time) bool {
	open, _ := p.inForce().hours.open(at)
	return open
}

// Reopens returns when the team is back, seen from a time at which it is not there, if
// that is soon enough for a text to be offered for then ([Later].Closed).
func (p *Policy) Reopens(at time.Time) (back time.Time, soon bool) {
	p = p.inForce()
	if most := p.rules.Later.Closed; most > 0 && !p.Open(at) {
		return p.hours.reopens(at, most)
	}
	return time.Time{}, false
}

// inForce returns the policy that a call with this one goes by.
func (p *Policy) inForce() *Policy {
	switch {
	case p == nil:
		return noRules
	case p.hours == nil: // not made by NewPolicy
		return zeroRules
	}
	return p
}

var (
	noRules   = mustPolicy(Rules{NoCooldown: true}) // of calls without a policy
	zeroRules = mustPolicy(Rules{})                 // of calls with the zero Policy
)

func mustPolicy(r Rules) *Policy {
	p, err := NewPolicy("", r)
	if err != nil {
		panic(err)
	}
	return p
}
