package livedeflect

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

// ReportConfig says how the report is fetched.
type ReportConfig struct {
	// Window is the longest span of one request; longer spans are fetched in
	// several. The vendor names no limit. 1 h
	Window time.Duration
	// Parallel is how many windows are fetched at once; 3, at most 16.
	Parallel int
}

func (r ReportConfig) validate(bad func(field, format string, args ...any)) {
	if r.Window < time.Second || r.Window > 31*24*time.Hour {
		bad("Report.Window", "is %s; must be between 1s and 744h", r.Window)
	}
	if r.Parallel < 1 || r.Parallel > 16 {
		bad("Report.Parallel", "is %d; must be between 1 and 16", r.Parallel)
	}
}

// ReportQuery is what [Client.Report] is asked for.
type ReportQuery struct {
	From, To time.Time // cut to whole milliseconds

	// Progress, if set, is called before the first window and after each one,
	// on the goroutine that iterates.
	Progress func(done, total int)
}

// ReportError is a part of a report that could not be had: its events are
// missing, the events outside of it are not affected.
type ReportError struct {
	From, To time.Time
	Reason   deflect.Reason
	Err      error // the cause; *APIError or a network error in its chain
}

func (e *ReportError) Error() string {
	s := fmt.Sprintf("deflect: report: %s: the events from %s to %s are missing", e.Reason, e.From.UTC().Format(time.RFC3339), e.To.UTC().Format(time.RFC3339))
	if advice := reportEnds[e.Reason].advice; advice != "" {
		s += "; " + advice
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ReportError) Unwrap() error { return e.Err }

// Is matches the class of the reason.
func (e *ReportError) Is(target error) bool { return target != nil && e.Reason.Class() == target }

// DeflectReason is the Reason, for [deflect.ReasonOf].
func (e *ReportError) DeflectReason() deflect.Reason { return e.Reason }

// reportEnd is what a request for the report ended with.
type reportEnd struct {
	again    bool   // the same request may pass later
	hopeless bool   // every other window would meet the same
	advice   string // what to do
}

const (
	shorterWindows = "ask again later, or with shorter windows"
	otherServer    = "what answered is no LiveDeflect API: check its address, and proxies on the way"
	otherKeys      = "ask LivePerson whether these keys may read reports"
)

// reportEnds is every reason that a request for the report can end with.
var reportEnds = map[deflect.Reason]reportEnd{
	deflect.ReasonOK:             {},
	deflect.ReasonUnauthorized:   {hopeless: true, advice: otherKeys},
	deflect.ReasonInvalidNonce:   {hopeless: true, advice: otherKeys},
	deflect.ReasonRateLimited:    {again: true, advice: "ask again later, or with longer windows"},
	deflect.ReasonRejected:       {advice: "check the account id, and whether the report still reaches back so far"},
	deflect.ReasonRedirected:     {hopeless: true, advice: otherServer},
	deflect.ReasonBadResponse:    {advice: otherServer},
	deflect.ReasonUnreachable:    {again: true, advice: shorterWindows},
	deflect.ReasonServerError:    {again: true, advice: shorterWindows},
	deflect.ReasonTimeout:        {again: true, advice: shorterWindows},
	deflect.ReasonConnectionLost: {again: true, advice: shorterWindows},
	deflect.ReasonCanceled:       {hopeless: true},
	deflect.ReasonInternal:       {again: true},
}

// hopeless reports whether every other window would meet the same.
func (e *ReportError) hopeless() bool { return reportEnds[e.Reason].hopeless }

// LongestReport is the longest span of a report: ten years.
const LongestReport = period.LongestReport

// Report returns the events of the account between two instants, as LiveDeflect
// tells them now. It sends nothing before it is iterated over, and may be
// iterated over again. Memory does not grow with the answer.
//
// Long spans are fetched in windows, a few at once; the events come window by
// window, the newest last. The vendor does not say by which time it filters, nor
// whether the ends of a span belong to it: events of calls that only touch the
// span may come, and windows overlap by a millisecond. An event comes once, as
// long as no more than 260,000 others are between its appearances, and again when more
// is known of its call than before: a conversation that has opened while the report was
// read. Package funnel counts a call once in any case.
//
// Each error is one of two. An [*EventError] is one malformed entry. A
// [*ReportError] is a window whose events are missing, or are cut off; a window
// is asked for again after 5, 10 and 15 seconds (the vendor's schedule) where
// that can help, but only once while others of the same report are in vain. The
// iteration goes on after both, unless the rest would fail in the same way; so read
// on, and remember that what you have is not all.
//
// The breaker has no say in it: reports are not live. Cancelling ctx ends the
// iteration with a ReportError for the rest of the span; one that begins after
// [Client.Close] is a ReportError that is [deflect.ErrClosed].
func (c *Client) Report(ctx context.Context, q ReportQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if no := c.refuses(); no != nil {
			yield(Event{}, &ReportError{From: q.From, To: q.To, Reason: no.Reason, Err: no.Err})
			return
		}
		span, err := period.OfReport(q.From, q.To)
		if err != nil {
			yield(Event{}, &ReportError{From: q.From, To: q.To, Reason: deflect.ReasonInvalidCall, Err: err})
			return
		}
		r := &reportRun{client: c, setup: c.setup.Load(), query: q, from: span.From, to: span.To}
		r.iterate(ctx, yield)
	}
}

// reportRun is one iteration over a report.
type reportRun struct {
	client   *Client
	setup    *setup // of its begin
	query    ReportQuery
	from, to time.Time
	seen     recent

	fetchers sync.WaitGroup
	gaveUp   atomic.Bool // the API is down: windows are tried once
}

// What a window holds before its turn comes is bounded by these.
const (
	entriesPerBatch = 64
	bytesPerBatch   = 48 << 10
	batchesAhead    = 32
)

// fetched is a window under way.
type fetched struct {
	ahead chan []entry
	err   *ReportError // valid when ahead is closed
}

func (r *reportRun) iterate(ctx context.Context, yield func(Event, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer r.fetchers.Wait()
	defer cancel()

	total := int((r.to.Sub(r.from) + r.setup.Report.Window - 1) / r.setup.Report.Window)
	var queue []*fetched
	next := 0
	for done := 0; ; done++ {
		if r.query.Progress != nil {
			r.query.Progress(done, total)
		}
		if done == total {
			return
		}
		for ; next < total && next < done+r.setup.Report.Parallel; next++ {
			queue = append(queue, r.start(ctx, r.window(next)))
		}
		f := queue[0]
		queue = queue[1:]
		if !r.drain(f, yield) {
			return
		}
		if err := f.err; err != nil {
			if err.hopeless() {
				err.To = r.to
			}
			if !yield(Event{}, err) || err.hopeless() {
				return
			}
		}
	}
}

// window returns the nth window. All but the first begin a millisecond early,
// in case the API leaves out both ends.
func (r *reportRun) window(n int) period.Span {
	length := r.setup.Report.Window
	w := period.Span{From: r.from.Add(time.Duration(n) * length)}
	w.To = period.Earlier(w.From.Add(length), r.to)
	if n > 0 {
		w.From = w.From.Add(-time.Millisecond)
	}
	return w
}

func (r *reportRun) start(ctx context.Context, w period.Span) *fetched {
	f := &fetched{ahead: make(chan []entry, batchesAhead)}
	r.fetchers.Go(func() {
		defer close(f.ahead)
		defer func() {
			// A defect on this goroutine would end the process, and every call with it.
			if p := recover(); p != nil {
				f.err = &ReportError{From: w.From, To: w.To, Reason: deflect.ReasonInternal, Err: errors.New("defect: " + clean.Panic(p))}
			}
		}()
		var batch []entry
		size := 0
		flush := func() bool {
			select {
			case f.ahead <- batch:
				batch, size = nil, 0
				return true
			case <-ctx.Done():
				return false
			}
		}
		f.err = r.client.fetch(ctx, r.setup, w, &r.gaveUp, func(e entry) bool {
			if batch == nil {
				batch = make([]entry, 0, entriesPerBatch)
			}
			batch = append(batch, e)
			size += e.size
			return len(batch) < entriesPerBatch && size < bytesPerBatch || flush()
		})
		if len(batch) > 0 && !flush() && f.err == nil {
			f.err = &ReportError{From: w.From, To: w.To, Reason: deflect.ReasonCanceled, Err: cutoff.Error(ctx, cutoff.InReport, nil)}
		}
	})
	return f
}

// drain yields a window's entries that were not there before. It reports
// whether to go on.
func (r *reportRun) drain(f *fetched, yield func(Event, error) bool) bool {
	for batch := range f.ahead {
		for _, e := range batch {
			switch {
			case !r.seen.add(e):
			case e.err != nil:
				if !yield(Event{}, e.err) {
					return false
				}
			case !yield(e.event, nil):
				return false
			}
		}
	}
	return true
}

// generation is how many entries are remembered for certain.
const generation = 1 << 18

// recent remembers which entries were there, in bounded memory: when a
// generation is full, the one before it is forgotten.
type recent struct {
	hash      maphash.Hash // seeded: nobody can prepare two that are the same
	now, past map[uint64]struct{}
}

// add reports whether the entry is new.
func (r *recent) add(e entry) bool {
	r.hash.Reset()
	if e.err != nil {
		fmt.Fprintf(&r.hash, "%s\x00%d\x00%v", e.err.CallID, e.err.Index, e.err.Err)
	} else {
		// All that is counted or matched: what was filled in since is news.
		for _, s := range [...]string{
			e.event.CallID, string(e.event.Type), e.event.Info, e.event.ConversationID, e.event.ExternalCallID, e.event.Skill,
			e.event.CustomerCountryCode, string(e.event.CustomerPhoneNumber), e.event.DialedCountryCode, string(e.event.DialedPhoneNumber),
		} {
			r.hash.WriteString(s)
			r.hash.WriteByte(0)
		}
		maphash.WriteComparable(&r.hash, [2]int64{e.event.Time.UnixMilli(), e.event.Begin.UnixMilli()})
	}
	key := r.hash.Sum64()
	if _, old := r.now[key]; old {
		return false
	}
	if _, old := r.past[key]; old {
		return false
	}
	if r.now == nil || len(r.now) == generation {
		r.past, r.now = r.now, map[uint64]struct{}{}
	}
	r.now[key] = struct{}{}
	return true
}
