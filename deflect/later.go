package deflect

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

const (
	// longestSleep is after how long the clock is looked at again: it may be set, and a
	// machine sleep.
	longestSleep = time.Minute
	// maxWaiting bounds how many texts wait. Those above are not offered, or fail.
	maxWaiting = 10_000
	// laterAtOnce is how many texts that waited are sent at a time: callers on the line
	// come first.
	laterAtOnce = 8
	// lateOpening is how long a text for when the team is back is still sent after its time,
	// which may have come while no process ran.
	lateOpening = time.Hour
)

// tryAgain is after how long a text is tried again, as the vendor advises; the last one is
// that of all further tries.
var tryAgain = []time.Duration{
	5 * time.Second, 10 * time.Second, 15 * time.Second,
	2 * time.Minute, 4 * time.Minute, 8 * time.Minute,
}

func pauseAfter(tries int) time.Duration { return tryAgain[min(tries, len(tryAgain)-1)] }

// canWait reports whether texts by a policy can wait now.
func (c *Client) canWait(s *setup, p *Policy) bool {
	return s.policies[p.name] != nil && c.later.room()
}

// reopens returns when it opens again for a caller who calls at a time, if the text can wait
// until then.
func (q *inquiry) reopens(at time.Time) (time.Time, bool) {
	most := q.policy.rules.Later.Closed
	if most == 0 || !q.client.canWait(q.setup, q.policy) {
		return time.Time{}, false
	}
	return q.policy.hours.reopens(at, most)
}

// mayWait reports whether a text that ended so is tried again for a while.
func (c *Client) mayWait(q *inquiry, e ending) bool {
	return e.Outcome == Failed && !q.without && q.policy.rules.Later.Failed > 0 && slices.Contains(e.Reason.row().outcomes, Deferred) && c.canWait(q.setup, q.policy)
}

// tryLater keeps a text that failed, of which the journal does not know.
func (c *Client) tryLater(q *inquiry, e ending) (ending, bool) {
	now := time.Now().Round(0)
	entry := q.entry(Waiting, e.Reason)
	entry.Next = now.Add(max(pauseAfter(0), e.RetryAfter))
	entry.Until = now.Add(q.policy.rules.Later.Failed)
	if entry.Next.After(entry.Until) {
		return e, false // the API wants to be left alone for longer than the text would wait
	}
	return c.keep(q, entry, e.Err)
}

// atOpening keeps a text for when the team is back.
func (c *Client) atOpening(q *inquiry, opens time.Time) ending {
	if !c.canWait(q.setup, q.policy) {
		return ending{Attempt: Attempt{Outcome: Ineligible, Reason: ReasonOutsideHours, Err: errCannotWait}}
	}
	entry := q.entry(Waiting, ReasonOutsideHours)
	entry.Next, entry.Until = q.policy.afterOpening(opens)
	e, _ := c.keep(q, entry, nil)
	return e
}

// afterOpening is when a text goes out for which a team was waited that is back at a time,
// and when it is given up.
func (p *Policy) afterOpening(opens time.Time) (next, until time.Time) {
	later := p.rules.Later
	next = opens.Round(0).Add(rand.N(p.hours.openFor(opens, later.Spread)))
	return next, next.Add(max(later.Failed, lateOpening))
}

// keep puts a text into the journal, and reports whether it is there: nobody is promised a
// text that a crash can take.
func (c *Client) keep(q *inquiry, entry Entry, why error) (e ending, kept bool) {
	data, err := q.setup.callData(q.text, q.place.token)
	if err != nil {
		return ending{Attempt: failed(ReasonInternal, clean.Error{Err: err})}, false
	}
	entry.Data, entry.Outcome = data, Deferred
	// The time of the call may be over, which can be why the text has to wait.
	ctx, answered := c.journalTime(context.WithoutCancel(q.ctx), q)
	changed, err := c.journal.Change(ctx, "", entry)
	answered()
	switch {
	case err != nil:
		c.erase(entry.ExternalCallID) // it may have been kept all the same
		err = c.journalError(q, err)
	case !changed:
		err = fmt.Errorf("%w: %w", ErrJournal, errOtherState)
	default:
		c.later.add(entry)
		return ending{Attempt: Attempt{Outcome: Deferred, Reason: entry.Reason, Err: why}}, true
	}
	c.metrics.journalFailures[journalRefused].Inc()
	return ending{Attempt: failed(ReasonJournal, err)}, false
}

// sendLater tries to send a text that waits. It returns when it is tried again, zero for
// never. Nobody else has the call's text meanwhile but who cancels it.
func (c *Client) sendLater(id string) (again time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), journalSoon)
	defer cancel()
	soon := time.Now().Add(pauseAfter(0))
	done, ok := c.calls.take(ctx, id)
	if !ok {
		return soon
	}
	defer done()
	entry, err := c.journal.Find(ctx, id)
	switch {
	case err != nil:
		c.log.Warn("a text that waits cannot be sent yet: the journal does not answer", "call_id", LogID(id), "err", clean.Error{Err: err})
		return soon
	case entry.State != Waiting: // cancelled, or sent by another
		return time.Time{}
	}
	if c.trace.Later != nil {
		return c.sendWaitingTraced(entry)
	}
	_, again = c.sendWaiting(context.Background(), entry, true)
	return again
}

// sendWaitingTraced is sendWaiting with somebody who traces it.
func (c *Client) sendWaitingTraced(entry Entry) (again time.Time) {
	start := time.Now()
	call, _, err := readCall(entry)
	if err != nil {
		call.ExternalCallID = entry.ExternalCallID
	}
	call.Policy = c.setup.Load().policies[entry.Policy]
	ctx, end := begun(context.Background(), c, func(ctx context.Context, call *Call) (context.Context, func(Result, error)) {
		return c.trace.Later(ctx, call, entry.Tries)
	}, &call)
	var res Result
	if end != nil {
		res, err = endedWith(Uncertain, ReasonInternal, errPanicked) // what a panic leaves
		defer func() { c.hook(func() { end(res, err) }) }()
	}
	e, again := c.sendWaiting(ctx, entry, end != nil)
	if !again.IsZero() {
		e.Outcome = Deferred
	}
	res, err = e.result(e.tried, start)
	return again
}

// sendWaiting tries to send a text that waits, and returns what came of it and when it is
// tried again, zero for never.
func (c *Client) sendWaiting(ctx context.Context, entry Entry, traced bool) (e ending, again time.Time) {
	soon := time.Now().Add(pauseAfter(0))
	e, next, written := c.tryLaterText(ctx, entry, traced)
	switch {
	case e.gone:
		return e, time.Time{}
	case e.Outcome == Sent, e.Outcome == Uncertain:
		c.endLater(entry, e)
		return e, time.Time{}
	}
	after := Entry{ExternalCallID: entry.ExternalCallID}
	if waits := !next.IsZero() && !next.After(entry.Until); waits {
		again, after = next.Round(0), entry
		after.Next = again
		after.Tries++
		if slices.Contains(e.Reason.row().outcomes, Deferred) {
			after.Reason = e.Reason // else it is our own side that was not able to
		}
	}
	if written {
		c.journal.Note(after) // it was ours: nobody can cancel what is being sent
	} else if kept, err := c.changeWaiting(after); err != nil {
		return e, soon
	} else if !kept {
		return ending{Attempt: failed(ReasonJournal, errOtherState)}, time.Time{} // cancelled
	}
	if again.IsZero() {
		c.endLater(entry, e)
	}
	return e, again
}

// changeWaiting keeps what a text that waited came to without its request, unless it was
// cancelled meanwhile.
func (c *Client) changeWaiting(e Entry) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), journalSoon)
	defer cancel()
	return c.journal.Change(ctx, Waiting, e)
}

// doubtLater makes a doubt of a text that waited and whose sending broke.
func (c *Client) doubtLater(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), journalSoon)
	defer cancel()
	if e, err := c.journal.Find(ctx, id); err == nil && e.State == Sending {
		c.endLater(e, ending{Attempt: Attempt{Outcome: Uncertain, Reason: ReasonInternal, Err: errPanicked}})
		c.doubt(e)
	}
}

// tryLaterText asks again what protects who is texted, and then for the text. It returns
// when it can be tried again, zero for never, and whether the journal was asked to know that
// it is being sent.
func (c *Client) tryLaterText(ctx context.Context, entry Entry, traced bool) (e ending, next time.Time, written bool) {
	now := time.Now()
	policy := c.setup.Load().policies[entry.Policy]
	call, token, err := readCall(entry)
	var had place
	if entry.Tries == 0 { // or it was given back
		had = place{entry.Policy, token}
		if policy != nil {
			had.name = policy.sharedName()
		}
	}
	defer func() {
		// Not after a panic, which leaves no outcome: nobody knows what was sent.
		if e.Outcome == Failed || e.Outcome == Ineligible {
			c.vacate(had)
		}
	}()
	switch {
	case err != nil:
		return ending{Attempt: failed(ReasonInternal, err)}, next, false
	case policy == nil:
		return refusedLater(ReasonNoProfile, errNoPolicy), next, false
	case now.After(entry.Until):
		return refusedLater(entry.Reason, errTooLate), next, false
	}
	if open, why := policy.hours.open(now); !open {
		if opens, ok := policy.hours.reopens(now, entry.Until.Sub(now)); ok {
			next, _ = policy.afterOpening(opens)
		}
		return refusedLater(ReasonOutsideHours, errors.New("closed: "+why)), next, false
	}
	call.Policy = policy
	q := c.inquire(ctx, call, now)
	q.final, q.traced, q.hadPlace, q.token = true, traced, had, tokenOf(entry)
	ctx, cancel := q.bound(q.ctx)
	defer cancel()
	again := now.Add(pauseAfter(entry.Tries + 1))
	if b := q.setup.breaker; b.state() == "half_open" && b.offered() {
		return refusedLater(ReasonBreakerOpen, errOffered), again, false // the trial is that caller's
	}
	if no := q.refusal(protecting); no != nil {
		if q.unsure {
			next = again
		}
		return ending{Attempt: Attempt{Outcome: no.Outcome, Reason: no.Reason, Err: no.Err}}, next, false
	}
	e, tried := c.send(ctx, q, nil, Waiting)
	e.tried = tried
	if q.place.token != "" {
		had = q.place
	}
	if e.Outcome == Sent || e.Outcome == Uncertain {
		return e, next, q.written
	}
	if e.Reason.row().ours || slices.Contains(e.Reason.row().outcomes, Deferred) {
		next = period.Later(again, now.Add(e.RetryAfter))
	}
	return e, next, q.written
}

// tokenOf is that of the next try of a text that waits: a process that was killed in it
// finds the caller's cooldown as its own, where the store outlives it, and keeps the promise.
func tokenOf(entry Entry) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", entry.ExternalCallID, entry.Since.UnixNano(), entry.Tries))
	return base32.StdEncoding.EncodeToString(sum[:16])[:26]
}

var (
	errNoPolicy   = errors.New("there is no policy of this name any more")
	errOffered    = errors.New("the breaker is half open, and a caller is being offered the one text that it lets through")
	errCannotWait = errors.New("the text cannot wait any more: too many do, or its policy is gone")
	errTooLate    = errors.New("it could not be sent in its time")
)

// refusedLater is the end of a text that waited in vain.
func refusedLater(r Reason, err error) ending {
	o := Ineligible
	if slices.Contains(r.row().outcomes, Failed) {
		o = Failed
	}
	return ending{Attempt: Attempt{Outcome: o, Reason: r, Err: err}}
}

// endLater counts and logs the end of a text that waited.
func (c *Client) endLater(entry Entry, e ending) {
	counter, ok := c.metrics.laterEnded[e.Outcome][e.Reason]
	if !ok {
		counter = c.metrics.laterEnded[Failed][ReasonInternal]
	}
	counter.Inc()
	level, words := slog.LevelInfo, "text that waited was sent"
	switch {
	case e.Outcome == Sent:
	case e.Outcome == Uncertain:
		words = "text that waited may have been sent"
	case e.Reason == ReasonCooldown:
		words = "text that waited is dropped: its caller was, or may have been, texted meanwhile"
	default:
		level, words = slog.LevelWarn, "text that waited is dropped: the caller was promised it, and will not get it"
	}
	attrs := []slog.Attr{
		slog.String("call_id", LogID(entry.ExternalCallID)), slog.String("outcome", string(e.Outcome)), slog.String("reason", string(e.Reason)),
		slog.Duration("waited", time.Since(entry.Since)), slog.Int("tries", entry.Tries+1),
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("err", e.Err))
	}
	c.log.LogAttrs(context.Background(), level, words, attrs...)
}
