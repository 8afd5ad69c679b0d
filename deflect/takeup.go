package deflect

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

var errRestarted = errors.New("the process ended while the text was being sent")

// takeUp goes on with the texts that have not ended when a process did.
func (c *Client) takeUp() error {
	if !c.durable {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupWithin)
	defer cancel()
	open, err := c.journal.Open(ctx)
	if err != nil {
		return clean.Error{Err: err}
	}
	for _, e := range open {
		if e.State == Waiting {
			c.later.add(c.respread(e))
			continue
		}
		c.doubt(e)
	}
	return nil
}

// respread spreads those texts for an opening whose time came while no process ran.
func (c *Client) respread(e Entry) Entry {
	now := time.Now().Round(0)
	if p := c.setup.Load().policies[e.Policy]; p != nil && e.Reason == ReasonOutsideHours && e.Next.Before(now) {
		e.Next = period.Earlier(now.Add(rand.N(p.hours.openFor(now, p.rules.Later.Spread))), e.Until)
	}
	return e
}

// doubt takes up a text that may have been sent.
func (c *Client) doubt(e Entry) {
	e.Since = period.Earlier(e.Since, time.Now().Round(0)) // a clock may have been wrong
	setup := c.setup.Load()
	text, began, by, err := setup.text(e)
	if err != nil {
		// A text of another version of this program: who reads the log has to know.
		c.log.Error("an uncertain text cannot be looked up", "call_id", LogID(e.ExternalCallID), "err", clean.Error{Err: err})
		text, began = &Text{Call: Call{ExternalCallID: e.ExternalCallID, Start: e.Since, Accepted: e.Since}}, e.Since
		by = setup.of(e.Policy)
	}
	if e.State == Sending {
		e.State, e.Reason = Doubted, ReasonInternal
		c.log.LogAttrs(context.Background(), slog.LevelWarn, "a text may have been sent when this process was not there to see it: it is looked up, and not sent again",
			slog.String("call_id", LogID(e.ExternalCallID)), slog.Any("err", errRestarted))
		c.journal.Note(e)
	}
	if setup.Settle.Disabled {
		c.ended(e, Uncertain, e.Reason, e.CallID)
		return
	}
	// Not all at once, and not before it can be in the report.
	next := period.Later(e.Since.Add(setup.Settle.After), time.Now().Add(time.Second))
	c.settler.take(text, e, began, &doubt{by: by, entry: e, since: e.Since, next: next, wait: setup.Settle.After})
}

// ReadJournal reads again which texts have not ended, after somebody changed the Journal
// beside the Client: those that were cancelled or erased are forgotten. The error is that
// of the Journal.
func (c *Client) ReadJournal(ctx context.Context) error {
	if no := c.refuses(); no != nil {
		return no
	}
	later, doubts := c.later.ids(), c.settler.ids() // before, so that none is missing that came after
	open, err := c.journal.Open(ctx)
	if err != nil {
		return clean.Error{Err: err}
	}
	is := make(map[string]bool, len(open))
	for _, e := range open {
		is[e.ExternalCallID] = true
	}
	known := func(id string) bool { return is[id] }
	c.later.forget(slices.DeleteFunc(later, known))
	c.settler.forget(slices.DeleteFunc(doubts, known))
	return nil
}
