package deflect

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// RuleAnswer is what one rule says to a call.
type RuleAnswer string

// The answers.
const (
	RulePass   RuleAnswer = "pass"   // the rule has nothing against a text
	RuleRefuse RuleAnswer = "refuse" // no text
	RuleAsk    RuleAnswer = "ask"    // not to this number: the caller can be asked for another one
	RuleSkip   RuleAnswer = "skip"   // there is no number yet to judge
)

// Verdict is one rule with its answer.
type Verdict struct {
	Rule   string // name of the rule, such as "hours"
	Answer RuleAnswer
	Reason Reason // why not, for RuleRefuse and RuleAsk
	Detail string // the answer in words; holds no number
	err    error
}

// inquiry is one call that the rules are asked about.
type inquiry struct {
	ctx      context.Context
	client   *Client
	setup    *setup
	policy   *Policy
	now      time.Time
	until    time.Time // when those who answer slowly have to have done so: a caller waits
	over     error     // the cause of an end of that time
	text     *Text
	problems problems
	token    string        // that takes cooldowns, where it has to be known again; else ""
	keys     []string      // of the cooldowns that were taken with it
	journal  time.Duration // how long the call has waited for the journal
	asked    bool          // the backend was asked, before the offer
	written  bool          // the journal was asked to know of its text
	without  bool          // it goes on without the journal
	words    bool          // verdicts that pass say why
	traced   bool          // verdicts are told to whoever traces calls, if anybody does
	final    bool          // nobody can be asked for another number any more
	noNumber bool          // the number cannot be texted, and another one will be asked for
	unsure   bool          // who refused did not know
	opens    time.Time     // when it opens, for a text that can wait until then; zero when it is open
	noLine   bool          // the number cannot be texted at all, so that its kind does not matter
	place    place         // that the text has in the budget
	hadPlace place         // that it had, and may have yet
}

// rule is one reason not to text a caller.
type rule struct {
	name string
	// always: it protects who is texted, so Deflect asks it as well. The others are
	// about the moment of the offer, and an offer that was made is kept.
	always bool
	judge  func(q *inquiry) Verdict
}

// rules is every rule in the order in which they are asked: what is certain about
// the caller, then what depends on the moment, then what calls share. The first
// refusal decides.
var rules = []rule{
	{"number", true, (*inquiry).number},
	{"line_type", true, (*inquiry).lineType},
	{"country", true, (*inquiry).country},
	{"request", true, (*inquiry).request},
	{"consent", true, (*inquiry).consent},
	{"do_not_text", true, (*inquiry).doNotText},
	{"hours", false, (*inquiry).hours},
	{"agents", false, (*inquiry).agents},
	{"wait", false, (*inquiry).wait},
	{"percent", false, (*inquiry).percent},
	{"cooldown", false, (*inquiry).cooldown},
	{"budget", false, (*inquiry).budget},
	{"breaker", false, (*inquiry).breaker},
}

func (c *Client) inquire(ctx context.Context, call Call, now time.Time) *inquiry {
	return c.inquireOf(c.setup.Load().of(call.Policy.Name()), ctx, call, now)
}

func (c *Client) inquireOf(s *setup, ctx context.Context, call Call, now time.Time) *inquiry {
	q := &inquiry{ctx: ctx, client: c, setup: s, policy: call.Policy.inForce(), now: now, traced: true}
	// The times of a call are judged by the clock, also when somebody asks about
	// another moment.
	clock := time.Now()
	q.until, q.over = clock.Add(s.LiveDeadline), cutoff.ErrLiveDeadline
	q.text, q.problems = s.validate(call, clock)
	return q
}

// bound is a context that ends when those who answer slowly have to have done so.
func (q *inquiry) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadlineCause(ctx, q.until, q.over)
}

// ask asks one rule.
func (q *inquiry) ask(r rule) Verdict {
	v := r.judge(q)
	v.Rule = r.name
	return v
}

// refusal asks rules in their order and returns the error of the first one that
// refuses, nil if none does and there is still time.
func (q *inquiry) refusal(asked func(rule) bool) *Error {
	tell := q.client.trace.Verdict
	if !q.traced {
		tell = nil
	}
	q.words = tell != nil
	for _, r := range rules {
		if !asked(r) {
			continue
		}
		v := q.ask(r)
		if tell != nil {
			q.client.hook(func() { tell(q.ctx, v) })
		}
		if v.Answer == RuleRefuse {
			return refused(v)
		}
	}
	if q.ctx.Err() != nil {
		a := late(q.ctx, cutoff.BeforeRequest)
		return &Error{Outcome: a.Outcome, Reason: a.Reason, Err: a.Err}
	}
	return nil
}

func refused(v Verdict) *Error {
	e := &Error{Outcome: Ineligible, Reason: v.Reason, Err: v.err}
	if v.Reason == ReasonCanceled {
		e.Outcome = Failed // nobody judged this caller
	}
	return e
}

func every(rule) bool { return true }

func protecting(r rule) bool { return r.always }

// pass is in words only for those who asked for them: calls come often.
func (q *inquiry) pass(format string, args ...any) Verdict {
	v := Verdict{Answer: RulePass}
	if q.words {
		v.Detail = fmt.Sprintf(format, args...)
	}
	return v
}

func refuse(r Reason, format string, args ...any) Verdict {
	v := Verdict{Answer: RuleRefuse, Reason: r, Detail: fmt.Sprintf(format, args...)}
	v.err = errors.New(v.Detail)
	return v
}

var skipped = Verdict{Answer: RuleSkip, Detail: "there is no number that can be texted"}

// otherwise asks for another number where that is possible.
func (q *inquiry) otherwise(v Verdict) Verdict {
	if q.policy.rules.AskNumber && !q.final && q.text.Call.NumberOverride == "" {
		v.Answer, q.noNumber = RuleAsk, true
	}
	return v
}

// number is about what is wrong with the number to text, line types that no
// policy would text included.
func (q *inquiry) number() Verdict {
	for _, p := range q.problems {
		if r := p.reason(); r != ReasonInvalidCall {
			q.noLine = true
			return q.otherwise(Verdict{Answer: RuleRefuse, Reason: r, Detail: p.Error(), err: q.problems})
		}
	}
	return q.pass("a number that can be texted")
}

func (q *inquiry) lineType() Verdict {
	switch {
	case q.noLine:
		return skipped
	case q.text.Customer.Kind == phone.Mobile:
		return q.pass("a mobile")
	case q.policy.rules.LineTypes == StrictLineTypes:
		return q.otherwise(refuse(ReasonNumberNotMobile, "the number is not known to be a mobile, and line types are strict"))
	}
	return q.pass("not known to be something else than a mobile")
}

func (q *inquiry) country() Verdict {
	switch {
	case len(q.policy.countries) == 0:
		return q.pass("any country")
	case q.noNumber || q.text.Customer == (phone.Parsed{}):
		return skipped
	}
	region := q.text.Customer.Region
	if !q.policy.countries[region] {
		if region == "" {
			region = "no country"
		}
		return q.otherwise(refuse(ReasonCountry, "the number is of %s, which is not among the countries", region))
	}
	return q.pass("the number is of %s", region)
}

// request is about everything else that would make the request malformed.
func (q *inquiry) request() Verdict {
	for _, p := range q.problems {
		if p.reason() == ReasonInvalidCall {
			return Verdict{Answer: RuleRefuse, Reason: ReasonInvalidCall, Detail: q.problems.Error(), err: q.problems}
		}
	}
	return q.pass("complete")
}

func (q *inquiry) consent() Verdict {
	switch {
	case q.policy.rules.Consent == ConsentImplied:
		return q.pass("pressing the key is the consent")
	case q.text.Call.Consent:
		return q.pass("given")
	}
	return refuse(ReasonNoConsent, "consent is required and was not given")
}

func (q *inquiry) doNotText() Verdict {
	list := q.policy.rules.DoNotText
	switch {
	case list == nil:
		return q.pass("there is no list")
	case q.text.Customer == (phone.Parsed{}):
		return skipped
	}
	ctx, cancel := q.bound(q.ctx)
	defer cancel()
	held, err := holds(ctx, list, q.text.Customer.E164)
	switch {
	case err != nil:
		return q.unknown(ctx, theList, ReasonOptedOut, err)
	case held:
		return refuse(ReasonOptedOut, "the number is on the do-not-text list")
	}
	return q.pass("not on the list")
}

// holds asks for each spelling of a phone.
func holds(ctx context.Context, list DoNotText, e164 string) (bool, error) {
	today, before := phone.Spellings(e164)
	held, err := list.Holds(ctx, today)
	if held || err != nil || before == "" {
		return held, err
	}
	return list.Holds(ctx, before)
}

func (q *inquiry) hours() Verdict {
	open, why := q.policy.hours.open(q.now)
	if open {
		return q.pass("open: %s", why)
	}
	opens, ok := q.reopens(q.now)
	if !ok {
		return refuse(ReasonOutsideHours, "closed: %s", why)
	}
	q.opens = opens
	return q.pass("closed: %s; it opens at %s, and the text can wait until then", why, opens.Format("Mon 2006-01-02 15:04"))
}

func (q *inquiry) agents() Verdict {
	agents := q.policy.rules.Agents
	switch {
	case agents == nil:
		return q.pass("any")
	case !q.opens.IsZero():
		return q.pass("the text waits until it opens")
	}
	on, known := agents.OnShift()
	switch {
	case known && on:
		return q.pass("on shift")
	case known:
		return refuse(ReasonOffShift, "no agent is on shift")
	case q.policy.rules.AgentsUnknown == RefuseUnknown:
		return refuse(ReasonShiftUnknown, "nobody knows whether an agent is on shift")
	}
	return q.pass("nobody knows whether one is on shift")
}

func (q *inquiry) wait() Verdict {
	least, wait := q.policy.rules.MinWait, q.text.Call.Wait
	switch {
	case least == 0:
		return q.pass("any wait")
	case wait == nil:
		return q.pass("the expected wait is not known")
	case *wait < least:
		return refuse(ReasonWaitTooShort, "the expected wait is %s, less than %s", *wait, least)
	}
	return q.pass("the expected wait is %s, not less than %s", *wait, least)
}

func (q *inquiry) percent() Verdict {
	if q.policy.rules.Withhold == 0 && !q.words {
		return Verdict{Answer: RulePass} // wherever the call id falls
	}
	from, to, is := q.policy.samples(q.text.Call.ExternalCallID)
	at := point(q.text.Call.ExternalCallID)
	switch {
	case !is && from > 0:
		return refuse(ReasonNotSampled, "the call id falls on %d; calls from 0 to 99 are offered a text from %d and below %d", at, from, to)
	case !is:
		return refuse(ReasonNotSampled, "the call id falls on %d; calls from 0 to 99 are offered a text below %d", at, to)
	case from > 0:
		return q.pass("the call id falls on %d, from %d and below %d", at, from, to)
	}
	return q.pass("the call id falls on %d, below %d", at, to)
}

// point places a call id between 0 and 99, the same one always at the same point:
// the first eight bytes of its SHA-256, big endian, modulo 100.
func point(callID string) int {
	sum := sha256.Sum256([]byte(callID))
	return int(binary.BigEndian.Uint64(sum[:8]) % 100)
}

func (q *inquiry) cooldown() Verdict {
	if q.policy.rules.NoCooldown {
		return q.pass("there is none")
	}
	keys := q.cooldownKeys()
	if len(keys) == 0 {
		return skipped
	}
	ctx, cancel := q.bound(q.ctx)
	defer cancel()
	for _, key := range keys {
		held, err := q.client.cooldowns.Held(ctx, key)
		if err != nil {
			return q.unknown(ctx, theCooldowns, ReasonCooldownUnknown, err)
		}
		if held {
			return q.inCooldown()
		}
	}
	return q.pass("not texted in the last %s", q.policy.rules.Cooldown)
}

// Those who are asked about a caller, and may not know.
const (
	theList      = "the do-not-text list"
	theCooldowns = "the store of cooldowns"
	theBudgets   = "the store of budgets"
)

// unknown refuses a caller of whom a list or a store does not know.
func (q *inquiry) unknown(ctx context.Context, who string, reason Reason, err error) Verdict {
	reason, err = storeError(ctx, who, reason, err)
	q.unsure = true
	v := refuse(reason, "%s does not answer", who)
	v.err = err
	return v
}

// storeError is without numbers: a store may well quote its keys. That nobody waited for
// it any more is not the store's fault.
func storeError(ctx context.Context, who string, reason Reason, err error) (Reason, error) {
	err = cutoff.Error(ctx, "while "+who+" was asked", fmt.Errorf("%s does not answer: %w", who, clean.Error{Err: err}))
	if ctx.Err() != nil && waiting(ctx) == ReasonCanceled {
		return ReasonCanceled, err
	}
	return reason, err
}

func (q *inquiry) inCooldown() Verdict {
	return refuse(ReasonCooldown, "the caller was, or may have been, texted less than %s ago", q.policy.rules.Cooldown)
}

// cooldownKeys are the phones that must not be texted again, in the order in which
// they are taken: the one that is texted and, when that is another one, the one that
// calls, or one caller could have any number of strangers texted. A number that is
// nobody's would make one caller of all who have none.
func (q *inquiry) cooldownKeys() []string {
	var keys []string
	add := func(n phone.Parsed) {
		spelling, _ := phone.Spellings(n.E164)
		keys = append(keys, q.policy.sharedName()+" "+spelling)
	}
	if q.text.Customer != (phone.Parsed{}) {
		add(q.text.Customer)
	}
	if q.text.Call.NumberOverride != "" {
		if n, ok := q.setup.read(q.text.Call.ANI); ok && q.setup.usable(n) {
			add(n)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (q *inquiry) breaker() Verdict {
	if !q.opens.IsZero() {
		return q.pass("the text waits, and the API is asked when it opens")
	}
	switch state := q.setup.breaker.state(); state {
	case "open":
		return refuse(ReasonBreakerOpen, "%s", ErrBreakerOpen)
	case "half_open":
		if q.setup.breaker.offered() {
			return refuse(ReasonBreakerOpen, "half open, and the one caller that it lets through is being served")
		}
		return q.pass("half open: one caller at a time")
	}
	if q.setup.asker != nil {
		return q.pass("closed; the API is asked about the caller after the rules")
	}
	return q.pass("closed")
}
