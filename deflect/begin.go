package deflect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// journalWithin is how long a call waits for the journal, all that it asks of it together.
const journalWithin = 250 * time.Millisecond

// journalSoon is how long what is not about a caller on the line waits for it.
const journalSoon = 5 * time.Second

const theJournal = "the journal"

var (
	errOtherState   = errors.New("the journal knows the call's text in another state: somebody else sends it, or it was cancelled")
	errSlowJournal  = fmt.Errorf("the journal did not answer within %s", journalWithin)
	errKnownSending = errors.New("a text of this call was begun, and nobody knows its end")
)

// known returns what has become of the call's text before, if there was one.
func (c *Client) known(ctx context.Context, q *inquiry) (e ending, is bool) {
	id := q.text.Call.ExternalCallID
	if id == "" {
		return e, false // of no call in particular; it is refused
	}
	ctx, answered := c.journalTime(ctx, q)
	entry, err := c.journal.Find(ctx, id)
	answered()
	if err != nil {
		is = c.journalFails(q, &e, err)
		return e, is
	}
	switch entry.State {
	case Ended:
		e.Outcome, e.Reason, e.CallID = entry.Outcome, entry.Reason, entry.CallID
	case Doubted:
		e.Outcome, e.Reason, e.CallID = Uncertain, entry.Reason, entry.CallID
	case Waiting:
		e.Outcome, e.Reason = Deferred, entry.Reason
	case Sending:
		e.Outcome, e.Reason, e.CallID, e.Err = Uncertain, ReasonInternal, entry.CallID, errKnownSending
	default:
		return e, false
	}
	e.repeated = true
	return e, true
}

// begin writes down that a text is about to be asked for. Without that, it is not.
func (c *Client) begin(ctx context.Context, q *inquiry, from State) (e ending, ok bool) {
	if q.without {
		return e, true
	}
	q.written = true
	entry := q.entry(Sending, ReasonInternal)
	if c.durable {
		entry.Data = doubtData(q.text, q.now, q.setup.name)
	}
	bound, answered := c.journalTime(ctx, q)
	changed, err := c.journal.Change(bound, from, entry)
	answered()
	switch {
	case err != nil && from == Waiting && q.ctx.Err() == nil:
		// Nobody is on the line who would have to go without: it waits for the journal, or
		// it would still be waiting for the next process.
		e.Attempt = failed(ReasonJournal, c.journalError(q, err))
		return e, false
	case err != nil:
		refused := c.journalFails(q, &e, err)
		return e, !refused
	case !changed:
		e.Attempt, e.gone = failed(ReasonJournal, errOtherState), true
		return e, false
	}
	return e, true
}

// journalFails says what a call comes to for which the journal does not answer; it reports
// false when the call goes on without.
func (c *Client) journalFails(q *inquiry, e *ending, err error) bool {
	if q.ctx.Err() != nil {
		e.Attempt = late(q.ctx, "while "+theJournal+" was asked")
		return true
	}
	err = c.journalError(q, err)
	if q.setup.JournalOptional {
		q.without = true
		c.metrics.journalFailures[journalSent].Inc()
		c.log.LogAttrs(q.ctx, slog.LevelWarn, "a text goes out without the journal, which does not answer: after a crash it could be sent again",
			slog.String("call_id", LogID(q.text.Call.ExternalCallID)), slog.Any("err", err))
		return false
	}
	c.metrics.journalFailures[journalRefused].Inc()
	e.Attempt = failed(ReasonJournal, err)
	return true
}

func (c *Client) journalError(q *inquiry, err error) error {
	if q.journal >= journalWithin {
		err = errSlowJournal
	}
	return fmt.Errorf("%w: %w", ErrJournal, clean.Error{Err: err})
}

// journalTime bounds how long a call waits for the journal, until it has answered. One in
// memory answers at once.
func (c *Client) journalTime(ctx context.Context, q *inquiry) (bound context.Context, answered func()) {
	if !c.durable {
		return ctx, func() {}
	}
	asked := time.Now()
	bound, cancel := context.WithTimeout(ctx, journalWithin-q.journal)
	return bound, func() {
		cancel()
		q.journal += time.Since(asked)
	}
}

// entry is what the journal keeps of the text, from now on.
func (q *inquiry) entry(s State, r Reason) Entry {
	callID := q.text.CallID
	if s == Waiting {
		callID = "" // it is asked for anew
	}
	return Entry{
		ExternalCallID: q.text.Call.ExternalCallID,
		Customer:       q.text.Customer.E164,
		Policy:         q.policy.name,
		State:          s,
		Reason:         r,
		CallID:         callID,
		Since:          time.Now().Round(0),
	}
}

// ended notes that a text was sent, or may have been and nobody will tell.
func (c *Client) ended(e Entry, o Outcome, r Reason, callID string) {
	c.journal.Note(c.endOf(e, o, r, callID))
}

func (c *Client) endOf(e Entry, o Outcome, r Reason, callID string) Entry {
	e.State, e.Outcome, e.Reason, e.CallID, e.Data = Ended, o, r, callID, nil
	e.Since = time.Now().Round(0)
	e.Until = e.Since.Add(c.setup.Load().Remember)
	return e
}

// endDoubt writes what a doubt came to. One that was erased meanwhile stays so.
func (c *Client) endDoubt(e Entry, o Outcome, r Reason, callID string) {
	e = c.endOf(e, o, r, callID)
	ctx, cancel := context.WithTimeout(context.Background(), journalSoon)
	defer cancel()
	if _, err := c.journal.Change(ctx, Doubted, e); err != nil {
		c.log.Warn("the journal does not take how an uncertain text was settled: the next process looks it up again",
			"call_id", LogID(e.ExternalCallID), "err", clean.Error{Err: err})
	}
}

// erase notes that there is no text of a call.
func (c *Client) erase(externalCallID string) { c.journal.Note(Entry{ExternalCallID: externalCallID}) }
