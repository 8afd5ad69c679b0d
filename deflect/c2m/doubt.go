package c2m

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

const (
	// The vendor: up to 20 minutes. The text may have been taken a while after our request.
	reportLag = 25 * time.Minute
	// The report is of when eligibility was asked for, by its own clock: an hour before the
	// text at most. Clocks are wrong, and what is asked for by its id costs no more.
	attemptSlack = 6 * time.Hour
	clockSlack   = 10 * time.Minute
)

// Errors of a [deflect.Settlement] that is unknown.
var (
	// ErrNotTold says that the report does not know a call at all. It has calls from their
	// eligibility on, sent or not, so that this proves nothing.
	ErrNotTold = errors.New("the report does not show the call, or not yet (it lags by up to 20 minutes), so that nobody can tell whether there was a text")
	// ErrNoCallID is that of a call which is to be found by another id than the API's.
	ErrNoCallID = errors.New("the API finds a call by its own callId only, which is not known here: it is deflect_call_id in the log")

	errIncomplete = errors.New("a transaction of the report could not be read, and may be the one")
)

// Lag implements [deflect.Teller].
func (c *Client) Lag() time.Duration { return reportLag }

// doubt is an uncertain text.
type doubt struct {
	callID   string
	from, to time.Time // when the API may have been asked about it first, by its clock

	lookups int
	shown   bool // the report knows the call, and ...
	sent    bool // ... its text was sent
	sentAt  time.Time
	gap     error // why the last lookup did not see everything
}

// Doubt implements [deflect.Teller]: a text whose callId is not known cannot be found.
func (c *Client) Doubt(t *deflect.Text, began time.Time) deflect.Doubt {
	if !clean.IsCallID(t.CallID) {
		return nil
	}
	return c.doubt(t.CallID, began, 0)
}

func (c *Client) doubt(callID string, at time.Time, slack time.Duration) *doubt {
	ours, theirs := at.Round(0), c.Now(at)
	return &doubt{
		callID: callID,
		from:   period.Earlier(ours, theirs).Add(-slack - attemptSlack), to: period.Later(ours, theirs).Add(slack + attemptSlack),
	}
}

// LookUp implements [deflect.Teller]: it asks for the transactions of the texts.
func (c *Client) LookUp(ctx context.Context, doubts []deflect.Doubt) error {
	ours := make([]*doubt, len(doubts))
	for i, d := range doubts {
		ours[i] = d.(*doubt)
	}
	return c.lookUp(ctx, ours)
}

func (c *Client) lookUp(ctx context.Context, doubts []*doubt) (outage error) {
	if len(doubts) == 0 {
		return nil
	}
	byID := map[string][]*doubt{}
	var q TransactionQuery
	for _, d := range doubts {
		d.lookups++
		d.gap, d.shown = nil, false
		id := sameID(d.callID)
		if byID[id] == nil {
			q.CallIDs = append(q.CallIDs, d.callID)
		}
		byID[id] = append(byID[id], d)
		q.From, q.To = period.Earlier(q.From, d.from), period.Later(q.To, d.to)
	}
	// Nobody says whether a span may end in times to come.
	now := time.Now()
	if latest := period.Later(now.Round(0), c.Now(now)).Add(clockSlack); q.To.After(latest) && latest.After(q.From) {
		q.To = latest
	}
	for t, err := range c.Transactions(ctx, q) {
		var malformed *TransactionError
		var lost *ReportError
		switch {
		case errors.As(err, &malformed):
			for _, d := range doubts {
				if malformed.CallID == "" || sameID(malformed.CallID) == sameID(d.callID) {
					d.gap = fmt.Errorf("%w: %w", errIncomplete, err)
				}
			}
		case err != nil:
			outage = err
		default:
			for _, d := range byID[sameID(t.CallID)] {
				d.see(&t)
			}
		}
		if errors.As(err, &lost) && reportEnds[lost.Reason].again {
			break // the rest would only cost as much time
		}
	}
	if outage != nil {
		for _, d := range doubts {
			d.gap = outage
		}
	}
	return outage
}

// see notes a transaction of the call. What it told once stays: a text does not come back.
func (d *doubt) see(t *Transaction) {
	d.shown = true
	if !t.WasSent() {
		return
	}
	d.sent = true
	for _, at := range []time.Time{t.Sent, t.Invited, t.Delivered, t.Read, t.Opened} {
		if d.sentAt.IsZero() {
			d.sentAt = at
		}
	}
}

// Told implements [deflect.Doubt].
func (d *doubt) Told() deflect.Told {
	told := deflect.Told{Sent: d.sent, Lookups: d.lookups}
	if d.shown || d.sent {
		told.CallID = d.callID
	}
	switch {
	case d.sent:
		told.SentAt = d.sentAt
	case d.gap != nil:
		told.Err = d.gap
	case !d.shown:
		told.Err = ErrNotTold
	}
	return told
}

// Find implements [deflect.Teller]: it asks for the transaction of a callId. Without one
// nobody can find it.
func (c *Client) Find(ctx context.Context, _, callID string, at time.Time, slack time.Duration) deflect.Told {
	switch {
	case !c.made():
		return deflect.Told{Err: errNotMade}
	case !clean.IsCallID(callID):
		return deflect.Told{Err: ErrNoCallID}
	}
	d := c.doubt(callID, at, slack)
	_ = c.lookUp(ctx, []*doubt{d}) // it is in d too
	return d.Told()
}

// sameID is an id without what systems change about ids.
func sameID(id string) string { return strings.ToLower(id) }
