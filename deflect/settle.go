package deflect

import (
	"context"
	"errors"
	"strings"
	"time"
)

// SettleConfig says how an [Uncertain] deflection is looked up in the report,
// in the background, to learn whether its text went out after all.
type SettleConfig struct {
	Disabled bool          // leave uncertain what is uncertain
	After    time.Duration // from the deflection to the first lookup, the next one after twice as long, and so on; 15 s
	Limit    time.Duration // from the deflection to the last lookup; 10 min
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

// SettleResult is what the report says of an uncertain deflection.
type SettleResult string

// The results. The list is closed.
const (
	SettledSent    SettleResult = "sent"     // the report shows the text
	SettledNotSent SettleResult = "not_sent" // the report, read without a gap at the limit, shows no text
	SettledUnknown SettleResult = "unknown"  // the report could not be read, or not for long enough
)

var settleResults = []SettleResult{SettledSent, SettledNotSent, SettledUnknown}

// Settlement is how an uncertain deflection was settled. Every deflection that
// [Client.Deflect] ends as uncertain is settled once, unless Settle.Disabled is set.
type Settlement struct {
	ExternalCallID string // Call.ExternalCallID
	Result         SettleResult
	CallID         string        // LiveDeflect's id, when the report shows the call and the id has its form
	SentAt         time.Time     // when the text was sent, as the report says; zero unless sent
	Lookups        int           // how often the report was read
	Took           time.Duration // from the deflection to this result
	Err            error         // why it is unknown, else nil: one of the errors below, or an error of the report
}

// ErrClosed is the error of what a Client is asked for after [Client.Close], and of a
// [Settlement] that is unknown because of it.
var ErrClosed = errors.New("the client was closed")

// Errors of a [Settlement] that is unknown.
var (
	ErrTooMany    = errors.New("too many uncertain deflections are open already (Settle.Max)")
	ErrTooEarly   = errors.New("the report shows no text yet, which may be its lag: ask again later")
	ErrOtherText  = errors.New("the report shows a text under the same id that may be another one: an earlier one, one to another spelling of the number, or the clocks differ")
	errIncomplete = errors.New("an entry of the report could not be read, and may be the one")
	errNameless   = unclear("the report shows a text without an external call id, which may be the one")
	errLongLookup = errors.New("the lookup took too long")
	errClocks     = unclear("the clock of the API was changed too often meanwhile")
)

// unclear is why nobody can tell whose text the report shows.
type unclear string

func (u unclear) Error() string { return string(u) }

// Is makes it an [ErrOtherText].
func (u unclear) Is(target error) bool { return target == ErrOtherText }

const (
	// What the clocks here and there may differ by, for asking ...
	clockSlack = 10 * time.Minute
	// ... and for believing that a text belongs to what the caller asked for.
	textSlack = time.Minute
	// How long one lookup may take: it holds up the others.
	lookupWithin = 2 * time.Minute
	// Moments that differ by less are one, and so many are believed of one text.
	sameMoment, maxMoments = textSlack / 2, 8
	// How long before its text a call may have begun, when nobody knows: as a
	// rule, with which one window is enough, and at most.
	longCall, longestCall = 45 * time.Minute, 24 * time.Hour
)

// Settle looks once into the report for the text of a call that was deflected at
// about the given time (to some minutes), and began at most a day before. Without a sign of the text the result is [SettledNotSent]
// only when that was Settle.Limit ago: a report lags.
func (c *Client) Settle(ctx context.Context, externalCallID string, at time.Time) Settlement {
	if no := c.refuses(); no != nil {
		return Settlement{ExternalCallID: externalCallID, Result: SettledUnknown, Err: no.Err}
	}
	if externalCallID == "" {
		return Settlement{Result: SettledUnknown, Err: &ValidationError{Field: "ExternalCallID", Code: CodeMissing, Detail: "is missing"}}
	}
	// The time is a person's memory.
	slack := max(c.setup.Load().Settle.Limit, clockSlack)
	began := at.Round(0).Add(-slack)
	d := &doubt{externalID: externalCallID, accepted: began, began: began, since: at}
	now := time.Now()
	look := func(spans ...period) {
		c.settler.lookUp(ctx, []*doubt{d}, func() (all []period) {
			for _, m := range append(d.moments, began) {
				for _, s := range spans {
					off := m.Sub(began)
					all = append(all, period{s.from.Add(off), earlier(s.to.Add(off), now.Add(off+clockSlack))})
				}
			}
			return all
		})
	}
	near := period{at.Add(-longCall), at.Add(slack + textSlack)}
	look(near)
	if v := d.verdict(now, c.setup.Load().Settle.Limit); v.Result != SettledNotSent {
		return v
	}
	// Before it is said that there was none, the days around.
	look(period{at.Add(-longestCall), near.from}, period{near.to, at.Add(longestCall)})
	return d.verdict(now, c.setup.Load().Settle.Limit)
}

// doubt is an uncertain deflection that is to be settled.
type doubt struct {
	externalID      string
	number          spellings   // that was to be texted; nil when nobody knows
	begin, accepted time.Time   // as they were sent; begin is zero when nobody knows
	began, since    time.Time   // when Deflect began, and when it ended uncertain
	moments         []time.Time // what the API's clock showed when it began, as its answers tell
	next            time.Time   // when it is looked up
	wait            time.Duration

	lookups int
	shown   bool // the report shows the text
	callID  string
	sentAt  time.Time
	other   bool  // the report shows a text that may be this one
	gap     error // why the last lookup did not see everything
}

// learn notes what a reading tells about when the deflection began. Readings tell
// different moments when the API's clock was changed meanwhile.
func (d *doubt) learn(r *reading) {
	if r == nil {
		return
	}
	moment := r.show(d.began)
	for _, m := range d.moments {
		if apart(m, moment) < sameMoment {
			return
		}
	}
	if len(d.moments) <= maxMoments {
		d.moments = append(d.moments, moment)
	}
}

// when is what the API's clock may have shown when the deflection began.
func (d *doubt) when(now time.Time) []time.Time {
	if len(d.moments) > 0 {
		return d.moments
	}
	return d.ours(now)
}

// ours is what our clock showed when the deflection began: before and after it was
// changed meanwhile.
func (d *doubt) ours(now time.Time) []time.Time {
	then, seenFromNow := d.began.Round(0), now.Round(0).Add(-now.Sub(d.began))
	if apart(then, seenFromNow) < sameMoment {
		return []time.Time{then}
	}
	return []time.Time{then, seenFromNow}
}

// spans is where a text of the deflection is in the report, by whichever time the
// API filters: those that were sent, and its own from then until now. What was read
// too much does no harm, so that all clocks are believed.
func (d *doubt) spans(now time.Time) []period {
	spans := []period{around(d.begin, d.begin), around(d.accepted, d.accepted)}
	for _, m := range append(d.ours(now), d.moments...) {
		spans = append(spans, around(m, m.Add(now.Sub(d.began))))
	}
	return spans
}

func around(from, to time.Time) period { return period{from.Add(-clockSlack), to.Add(clockSlack)} }

// verdict is the settlement as of now.
func (d *doubt) verdict(now time.Time, limit time.Duration) Settlement {
	s := Settlement{ExternalCallID: d.externalID, Lookups: d.lookups, Took: now.Sub(d.since), CallID: d.callID}
	switch {
	case d.shown:
		s.Result, s.SentAt = SettledSent, d.sentAt
	case d.gap != nil:
		s.Result, s.Err = SettledUnknown, d.gap
	case d.other:
		s.Result, s.Err = SettledUnknown, ErrOtherText
	case now.Sub(d.since) < limit:
		s.Result, s.Err = SettledUnknown, ErrTooEarly
	default:
		s.Result = SettledNotSent
	}
	return s
}

// see notes an event under the doubt's id. Ids come again, of other callers and
// of the same one, so the number has to be ours, and the time. An earlier text is
// another one only when the clocks cannot explain it and its begin, which the
// report may echo as we sent it, is another call's.
func (d *doubt) see(e Event) {
	like := d.number.like(string(e.CustomerPhoneNumber))
	switch {
	case like == another:
		return
	case e.ExternalCallID != d.externalID:
		like = maybeOurs // but for case and blanks
	}
	// Of what the API's clock may have shown. Its word for it can be another machine's on
	// the way: ours is heard too before a text is said to be another one.
	all, any := true, false
	now := time.Now()
	for _, m := range d.when(now) {
		all = all && !e.Time.Before(m.Add(-textSlack))
		any = any || !e.Time.Before(m.Add(-clockSlack))
	}
	for _, m := range d.ours(now) {
		any = any || !e.Time.Before(m.Add(-clockSlack))
	}
	all, any = all || e.Time.IsZero(), any || e.Time.IsZero()
	same := d.begin.IsZero() || e.Begin.IsZero() || sameInstant(e.Begin, d.begin) || sameInstant(e.Begin, d.accepted)
	text := e.Type == EventSendText
	switch {
	case like == ours && (all || same && !text && !d.begin.IsZero()):
		if isCallID(e.CallID) {
			d.callID = e.CallID
		}
		if text {
			d.shown, d.sentAt = true, e.Time
		}
	case text && (same || any):
		d.other = true
	}
}

// sameInstant compares a time of the report with one that was sent, which may
// have been cut to seconds.
func sameInstant(told, sent time.Time) bool {
	return told.UnixMilli() == sent.UnixMilli() || told.UnixMilli() == sent.Unix()*1000
}

// sameID is an id without what systems change about ids.
func sameID(id string) string { return strings.ToLower(strings.TrimSpace(id)) }
