package deflect

import (
	"context"
	"errors"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// SettleConfig says how an [Uncertain] deflection is looked up by a [Teller],
// in the background, to learn whether its text went out after all.
type SettleConfig struct {
	Disabled bool          // leave uncertain what is uncertain
	After    time.Duration // from the deflection to the first lookup, the next one after twice as long, and so on; 15 s
	Limit    time.Duration // from the deflection to the last lookup, or Teller.Lag if that is longer; 10 min
	Max      int           // how many may be open at once; those above are unknown at once; 1000
}

func (s SettleConfig) validate(bad func(field, format string, args ...any)) {
	if s.After < time.Second {
		bad("Settle.After", "is %s; must be at least 1s", s.After)
	}
	if s.Limit < s.After || s.Limit > 24*time.Hour {
		bad("Settle.Limit", "is %s; must be between the first lookup and 24h", s.Limit)
	}
	if s.Max < 1 {
		bad("Settle.Max", "is %d; must be positive", s.Max)
	}
}

// SettleResult is what the API says of an uncertain deflection.
type SettleResult string

// The results. The list is closed.
const (
	SettledSent    SettleResult = "sent"     // the API shows the text
	SettledNotSent SettleResult = "not_sent" // the API, asked without a gap at the limit, shows no text
	SettledUnknown SettleResult = "unknown"  // the API could not be asked, or not for long enough
)

var settleResults = []SettleResult{SettledSent, SettledNotSent, SettledUnknown}

// Settlement is how an uncertain deflection was settled. Every deflection that
// [Client.Deflect] ends as uncertain is settled once, unless Settle.Disabled is set or the
// backend panicked.
type Settlement struct {
	ExternalCallID string // Call.ExternalCallID
	Result         SettleResult
	CallID         string        // the API's id, when it shows the call and the id has its form
	SentAt         time.Time     // when the text was sent, as the API says; zero unless sent
	Lookups        int           // how often the API was asked
	Took           time.Duration // from the deflection to this result
	Err            error         // why it is unknown, else nil: one of the errors below, or one of the backend
}

// ErrClosed is the error of what a Client is asked for after [Client.Close], and of a
// [Settlement] that is unknown because of it.
var ErrClosed = errors.New("the client was closed")

// Errors of a [Settlement] that is unknown.
var (
	ErrTooMany      = errors.New("too many uncertain deflections are open already (Settle.Max)")
	ErrTooEarly     = errors.New("the report shows no text yet, which may be its lag: ask again later")
	errLongLookup   = errors.New("the lookup took too long")
	errOtherBackend = errors.New("another backend sent the text, which is not configured any more: it cannot be looked up")
	errCannotTell   = errors.New("the backend cannot tell what became of a text")
)

const (
	// How long one lookup may take: it holds up the others.
	lookupWithin = 2 * time.Minute
	// What the clocks here and there may differ by.
	clockSlack = 10 * time.Minute
)

// Settle asks the backends once what became of the text of a call that was deflected at
// about the given time (to some minutes), and began at most a day before. Without a sign of the text the result is [SettledNotSent]
// only when that was Settle.Limit ago, or Teller.Lag: a report lags.
func (c *Client) Settle(ctx context.Context, externalCallID string, at time.Time) Settlement {
	if no := c.refuses(); no != nil {
		return Settlement{ExternalCallID: externalCallID, Result: SettledUnknown, Err: no.Err}
	}
	if externalCallID == "" {
		return Settlement{Result: SettledUnknown, Err: &ValidationError{Field: "ExternalCallID", Code: CodeMissing, Detail: "is missing"}}
	}
	entry := Entry{ExternalCallID: externalCallID}
	if known, err := c.journal.Find(ctx, externalCallID); err == nil {
		entry.CallID = known.CallID
	}
	// Nobody knows which backend sent it: all of them together prove that there is none.
	now, v := time.Now(), Settlement{}
	for i, s := range c.setup.Load().setups {
		one := Settlement{ExternalCallID: externalCallID, Result: SettledUnknown, Err: errCannotTell}
		if s.teller != nil {
			limit, d := s.settleLimit(), doubt{entry: entry, since: at}
			one = d.settlement(s.teller.Find(ctx, externalCallID, entry.CallID, at, limit), now, limit)
		}
		one.Lookups += v.Lookups
		if one.Result == SettledSent {
			return one
		}
		if i > 0 && v.Result == SettledUnknown {
			one.Result, one.Err = v.Result, v.Err
		}
		v = one
	}
	return v
}

// settleLimit is from a deflection to its last lookup: not before the backend tells of a text.
func (s *setup) settleLimit() time.Duration { return max(s.Settle.Limit, s.teller.Lag()) }

// doubt is an uncertain deflection that is to be settled.
type doubt struct {
	Doubt
	by    *setup    // of who sent it
	entry Entry     // as the journal has it
	since time.Time // when Deflect ended uncertain
	next  time.Time // when it is looked up
	wait  time.Duration
}

// settlement is what was told, as of now.
func (d *doubt) settlement(told Told, now time.Time, limit time.Duration) Settlement {
	s := Settlement{ExternalCallID: d.entry.ExternalCallID, Lookups: told.Lookups, Took: now.Sub(d.since)}
	if clean.IsCallID(told.CallID) {
		s.CallID = told.CallID
	}
	switch {
	case told.Sent:
		s.Result, s.SentAt = SettledSent, told.SentAt
	case told.Err != nil:
		s.Result, s.Err = SettledUnknown, told.Err
	case now.Sub(d.since) < limit:
		s.Result, s.Err = SettledUnknown, ErrTooEarly
	default:
		s.Result = SettledNotSent
	}
	return s
}
