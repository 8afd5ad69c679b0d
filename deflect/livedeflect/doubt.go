package livedeflect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

const (
	// What the clocks here and there may differ by, for asking ...
	clockSlack = 10 * time.Minute
	// ... and for believing that a text belongs to what the caller asked for.
	textSlack = time.Minute
	// Moments that differ by less are one, and so many are believed of one text.
	sameMoment, maxMoments = textSlack / 2, 8
	// How long before its text a call may have begun, when nobody knows: as a
	// rule, with which one window is enough, and at most.
	longCall, longestCall = 45 * time.Minute, 24 * time.Hour
)

// ErrOtherText is why nobody can tell what became of an uncertain text, of a
// [deflect.Settlement] that is unknown.
var ErrOtherText = errors.New("the report shows a text under the same id that may be another one: an earlier one, one to another spelling of the number, or the clocks differ")

var (
	errIncomplete = errors.New("an entry of the report could not be read, and may be the one")
	errNameless   = unclear("the report shows a text without an external call id, which may be the one")
	errClocks     = unclear("the clock of the API was changed too often meanwhile")
)

// unclear is why nobody can tell whose text the report shows.
type unclear string

func (u unclear) Error() string { return string(u) }

// Is makes it an [ErrOtherText].
func (u unclear) Is(target error) bool { return target == ErrOtherText }

// Doubt implements [deflect.Teller].
func (c *Client) Doubt(t *deflect.Text, began time.Time) deflect.Doubt {
	d := &doubt{
		externalID: t.Call.ExternalCallID, number: spellingsOf(t.Customer), begin: t.Call.Start, accepted: t.Call.Accepted, began: began,
	}
	d.learn(c.clock.Last())
	return d
}

// LookUp implements [deflect.Teller]: it reads the report around the texts.
func (c *Client) LookUp(ctx context.Context, doubts []deflect.Doubt) error {
	asked := time.Now()
	ours := make([]*doubt, len(doubts))
	for i, d := range doubts {
		ours[i] = d.(*doubt)
	}
	return c.lookUp(ctx, ours, func() (spans []period.Span) {
		for _, d := range ours {
			spans = append(spans, d.spans(asked)...)
		}
		return spans
	})
}

// Find implements [deflect.Teller]: it reads the report around a time, and before it says
// that there is no text, the days around.
func (c *Client) Find(ctx context.Context, externalCallID, _ string, at time.Time, slack time.Duration) deflect.Told {
	if !c.made() {
		return deflect.Told{Err: errNotMade}
	}
	early := time.Since(at) < slack // it lags
	slack = max(slack, clockSlack)
	began := at.Round(0).Add(-slack)
	d := &doubt{externalID: externalCallID, accepted: began, began: began}
	now := time.Now()
	look := func(spans ...period.Span) {
		c.lookUp(ctx, []*doubt{d}, func() (all []period.Span) { //nolint:errcheck // it is in d too
			for _, m := range append(d.moments, began) {
				for _, s := range spans {
					off := m.Sub(began)
					all = append(all, period.Span{From: s.From.Add(off), To: period.Earlier(s.To.Add(off), now.Add(off+clockSlack))})
				}
			}
			return all
		})
	}
	near := period.Span{From: at.Add(-longCall), To: at.Add(slack + textSlack)}
	look(near)
	if told := d.Told(); early || told.Sent || told.Err != nil {
		return told
	}
	look(period.Span{From: at.Add(-longestCall), To: near.From}, period.Span{From: near.To, To: at.Add(longestCall)})
	return d.Told()
}

// Lag implements [deflect.Teller]: nothing is documented of one.
func (c *Client) Lag() time.Duration { return 0 }

// doubt is an uncertain deflection that is to be settled.
type doubt struct {
	externalID      string
	number          spellings   // that was to be texted; nil when nobody knows
	begin, accepted time.Time   // as they were sent; begin is zero when nobody knows
	began           time.Time   // when Deflect began
	moments         []time.Time // what the API's clock showed when it began, as its answers tell

	lookups int
	shown   bool // the report shows the text
	callID  string
	sentAt  time.Time
	other   bool  // the report shows a text that may be this one
	gap     error // why the last lookup did not see everything
}

// learn notes what a reading tells about when the deflection began. Readings tell
// different moments when the API's clock was changed meanwhile.
func (d *doubt) learn(r *wire.Reading) {
	if r == nil {
		return
	}
	moment := r.Show(d.began)
	for _, m := range d.moments {
		if period.Apart(m, moment) < sameMoment {
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
	if period.Apart(then, seenFromNow) < sameMoment {
		return []time.Time{then}
	}
	return []time.Time{then, seenFromNow}
}

// spans is where a text of the deflection is in the report, by whichever time the
// API filters: those that were sent, and its own from then until now. What was read
// too much does no harm, so that all clocks are believed.
func (d *doubt) spans(now time.Time) []period.Span {
	spans := []period.Span{around(d.begin, d.begin), around(d.accepted, d.accepted)}
	for _, m := range append(d.ours(now), d.moments...) {
		spans = append(spans, around(m, m.Add(now.Sub(d.began))))
	}
	return spans
}

func around(from, to time.Time) period.Span {
	return period.Span{From: from.Add(-clockSlack), To: to.Add(clockSlack)}
}

// Told implements [deflect.Doubt].
func (d *doubt) Told() deflect.Told {
	told := deflect.Told{Sent: d.shown, CallID: d.callID, Lookups: d.lookups}
	switch {
	case d.shown:
		told.SentAt = d.sentAt
	case d.gap != nil:
		told.Err = d.gap
	case d.other:
		told.Err = ErrOtherText
	}
	return told
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
		if clean.IsCallID(e.CallID) {
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

// lookUp reads the report and notes what it shows of the doubts. What is read may
// tell by the API's clock that more has to be. The error is why a part of the report
// could not be had.
func (c *Client) lookUp(ctx context.Context, doubts []*doubt, spans func() []period.Span) (outage error) {
	byID := map[string][]*doubt{}
	for _, d := range doubts {
		d.lookups++
		d.gap, d.other = nil, false
		byID[sameID(d.externalID)] = append(byID[sameID(d.externalID)], d)
	}
	var heard *wire.Reading
	listen := func() {
		if r := c.clock.Last(); r != heard {
			heard = r
			for _, d := range doubts {
				d.learn(r)
			}
		}
	}
	var gap error
	var read []period.Span
	for todo := period.Merge(spans()); len(todo) > 0 && outage == nil; {
		for _, s := range todo {
			for e, err := range c.Report(ctx, ReportQuery{From: s.From, To: s.To}) {
				listen()
				var malformed *EventError
				switch {
				case errors.As(err, &malformed):
					gap = fmt.Errorf("%w: %w", errIncomplete, err)
				case err != nil:
					gap, outage = err, err
				case e.ExternalCallID == "" && e.Type == EventSendText:
					gap = errNameless
				default:
					for _, d := range byID[sameID(e.ExternalCallID)] {
						d.see(e)
					}
				}
			}
			var lost *ReportError
			if errors.As(gap, &lost) && (reportEnds[lost.Reason].again || lost.hopeless()) {
				break // the other spans would only cost as much time
			}
		}
		listen()
		read = period.Merge(append(read, todo...))
		todo = period.Without(period.Merge(spans()), read)
	}
	for _, d := range doubts {
		switch {
		case gap != nil:
			d.gap = gap
		case len(d.moments) > maxMoments:
			d.gap = errClocks
		}
	}
	return outage
}
