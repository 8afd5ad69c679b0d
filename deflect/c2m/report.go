package c2m

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// TransactionQuery is what [Client.Transactions] is asked for.
type TransactionQuery struct {
	From, To time.Time // of when they were attempted; cut to whole milliseconds
	CallIDs  []string  // those of the eligibilities to tell of; nil for all

	// Progress, if set, is called before the first window of 24 hours and after each one,
	// on the goroutine that iterates.
	Progress func(done, total int)
}

// ReportError is a part of a report that could not be had: its transactions are missing, or
// some of them, and those outside of it are not affected.
type ReportError struct {
	From, To time.Time
	Reason   deflect.Reason
	Err      error // the cause; *APIError or a network error in its chain
}

func (e *ReportError) Error() string {
	s := fmt.Sprintf("deflect: report: %s: the transactions from %s to %s are missing", e.Reason, e.From.UTC().Format(time.RFC3339), e.To.UTC().Format(time.RFC3339))
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

// reportEnd is what a request for transactions ended with.
type reportEnd struct {
	again    bool   // the same request may pass later
	hopeless bool   // every other window would meet the same
	advice   string // what to do
}

const (
	askLater    = "ask again later"
	otherServer = "what answered is no Outbound Reporting API: check its address, and proxies on the way"
	otherKeys   = "look at the credentials, and ask LivePerson whether they may read reports"
)

// reportEnds is every reason that a request for transactions can end with.
var reportEnds = map[deflect.Reason]reportEnd{
	deflect.ReasonOK:             {},
	deflect.ReasonUnauthorized:   {hopeless: true, advice: otherKeys},
	deflect.ReasonInvalidNonce:   {again: true, advice: otherKeys},
	deflect.ReasonRateLimited:    {again: true, advice: askLater},
	deflect.ReasonRejected:       {advice: "check the account id; the report reaches back 13 months"},
	deflect.ReasonRedirected:     {hopeless: true, advice: otherServer},
	deflect.ReasonBadResponse:    {advice: otherServer},
	deflect.ReasonUnreachable:    {again: true, advice: askLater},
	deflect.ReasonServerError:    {again: true, advice: askLater},
	deflect.ReasonTimeout:        {again: true, advice: askLater},
	deflect.ReasonConnectionLost: {again: true, advice: askLater},
	deflect.ReasonCanceled:       {hopeless: true},
	deflect.ReasonInternal:       {again: true},
}

func (e *ReportError) hopeless() bool { return reportEnds[e.Reason].hopeless }

// LongestReport is the longest span of a report: ten years. The vendor keeps 13 months.
const LongestReport = period.LongestReport

const (
	longestWindow = 24 * time.Hour // of one request
	perPage       = 1000           // at most 5000
	maxPages      = 10_000         // of one window: more is no report of a day
	idsPerRequest = 100            // the vendor names no limit
	reportRate    = 10             // requests a second
)

var errNoEnd = fmt.Errorf("the report has no end: %d pages of one day, and more", maxPages)

// Transactions returns what the API reports of the calls that it was asked about between two
// instants, as it tells now: it lags by up to 20 minutes. It sends nothing before it is
// iterated over, and may be iterated over again. Memory does not grow with the answer.
//
// Long spans are asked for in windows of 24 hours, the oldest first, and windows in pages; at
// most ten requests are made in a second. The vendor does not say whether the ends of a span
// belong to it, nor in which order the items are: windows overlap by a millisecond, and a
// transaction may come more than once, with later news of it. Package funnel counts it once.
//
// Each error is one of two. A [*TransactionError] is one malformed item. A [*ReportError] is
// a window of which something is missing; a page is asked for again after 5, 10 and 15
// seconds (the vendor's schedule) where that can help, but only once while the window before
// was in vain. The iteration goes on after both, unless the rest would fail in the same way;
// so read on, and remember that what you have is not all.
//
// The breaker has no say in it: reports are not live. Cancelling ctx ends the iteration with
// a ReportError for the rest of the span; one that begins after [Client.Close] is a
// ReportError that is [deflect.ErrClosed].
func (c *Client) Transactions(ctx context.Context, q TransactionQuery) iter.Seq2[Transaction, error] {
	return func(yield func(Transaction, error) bool) {
		if no := c.refuses(); no != nil {
			yield(Transaction{}, &ReportError{From: q.From, To: q.To, Reason: no.Reason, Err: no.Err})
			return
		}
		span, err := period.OfReport(q.From, q.To)
		if err != nil {
			yield(Transaction{}, &ReportError{From: q.From, To: q.To, Reason: deflect.ReasonInvalidCall, Err: err})
			return
		}
		windows := windowsOf(span)
		r := &reportRun{client: c, setup: c.setup.Load()}
		for done := range len(windows) + 1 {
			if q.Progress != nil {
				q.Progress(done, len(windows))
			}
			if done == len(windows) {
				return
			}
			w := windows[done]
			for ids := q.CallIDs; ; {
				batch := ids[:min(len(ids), idsPerRequest)]
				err := r.window(ctx, w, batch, yield)
				if r.stopped {
					return
				}
				if err != nil {
					if err.hopeless() {
						err.To = span.To
					}
					if !yield(Transaction{}, err) || err.hopeless() {
						return
					}
				}
				if ids = ids[len(batch):]; len(ids) == 0 {
					break
				}
			}
		}
	}
}

// windowsOf cuts a span. All but the first begin a millisecond early, in case the API leaves
// out both ends.
func windowsOf(s period.Span) (windows []period.Span) {
	for from := s.From; ; {
		w := period.Span{From: from, To: period.Earlier(from.Add(longestWindow), s.To)}
		windows = append(windows, w)
		if !w.To.Before(s.To) {
			return windows
		}
		from = w.To.Add(-time.Millisecond)
	}
}

// reportRun is one iteration over a report.
type reportRun struct {
	client  *Client
	setup   *setup // of its begin
	gaveUp  bool   // the API is down: pages are asked for once
	stopped bool   // the reader wants no more
}

// window reads one window.
//
// The count of a page is its own or that of all pages, which the vendor's example, of one
// page, leaves open; and one page says that the length of pages varies. So a window ends with
// an empty page, or with a count that was all. An API that refuses to look behind the end has
// told so too.
func (r *reportRun) window(ctx context.Context, w period.Span, ids []string, yield func(Transaction, error) bool) *ReportError {
	short := false // the page before had room left
	for offset, pages := 0, 0; ; pages++ {
		if pages == maxPages {
			return &ReportError{From: w.From, To: w.To, Reason: deflect.ReasonBadResponse, Err: errNoEnd}
		}
		p, err := r.page(ctx, w, ids, offset, yield)
		switch {
		case r.stopped:
			return nil
		case err != nil && err.Reason == deflect.ReasonRejected && short:
			return nil
		case err != nil:
			return err
		}
		offset += p.items
		if p.items == 0 || p.count > p.items && offset >= p.count {
			return nil
		}
		short = p.items < perPage
	}
}

// page reads one page. Items may come again when an answer breaks off and is asked for anew.
func (r *reportRun) page(ctx context.Context, w period.Span, ids []string, offset int, yield func(Transaction, error) bool) (page, *ReportError) {
	body, err := json.Marshal(transactionsBody{offset, perPage, reportFilters{ids}})
	if err != nil {
		return page{}, &ReportError{From: w.From, To: w.To, Reason: deflect.ReasonInternal, Err: err}
	}
	for n := 0; ; {
		p, v := r.client.ask(ctx, r.setup, w, body, func(t Transaction, err error) bool {
			r.stopped = r.stopped || !yield(t, err)
			return !r.stopped
		})
		if v.Reason == deflect.ReasonTimeout && ctx.Err() != nil {
			v.Reason = deflect.ReasonCanceled // the reader's own limit, not the API's silence
		}
		r.client.heard(callTransactions, v.Reason)
		r.setup.Logger.LogAttrs(ctx, slog.LevelDebug, "report request ended",
			slog.Time("from", w.From), slog.Time("to", w.To), slog.Int("offset", offset), slog.String("reason", string(v.Reason)),
			slog.Int("status", v.Status), slog.Any("err", v.Err))
		pause, again := wire.ReportPause(n, v.RetryAfter)
		switch {
		case r.stopped:
			return p, nil
		case v.Reason == deflect.ReasonOK:
			r.gaveUp = false
			return p, nil
		case again && !r.gaveUp && reportEnds[v.Reason].again:
			n++
			select {
			case <-time.After(pause):
				continue
			case <-ctx.Done():
				v = deflect.Attempt{Reason: deflect.ReasonCanceled, Err: cutoff.Error(ctx, cutoff.InReport, v.Err)}
			}
		}
		r.gaveUp = r.gaveUp || reportEnds[v.Reason].again
		return p, &ReportError{From: w.From, To: w.To, Reason: v.Reason, Err: v.Err}
	}
}

// transactionsBody is the body of a request for transactions.
type transactionsBody struct {
	Offset  int           `json:"offset"`
	Limit   int           `json:"limit"`
	Filters reportFilters `json:"filters,omitzero"`
}

type reportFilters struct {
	CallIDs []string `json:"transactionids,omitempty"`
}

// callTransactions is the call of [deflect.Meter] that reads the report.
const callTransactions = "transactions"

// heard lets the engine know of a request.
func (c *Client) heard(call string, r deflect.Reason) {
	if hear := c.hears.Load(); hear != nil && *hear != nil {
		(*hear)(call, r)
	}
}

// ask makes one request for a page, at most ten in a second.
func (c *Client) ask(ctx context.Context, s *setup, w period.Span, body []byte, emit func(Transaction, error) bool) (page, deflect.Attempt) {
	for {
		if ok, _ := c.reports.Take(ctx); ok {
			break
		}
		select {
		case <-time.After(time.Second / reportRate):
		case <-ctx.Done():
			return page{}, deflect.Attempt{Reason: deflect.ReasonCanceled, Err: cutoff.Error(ctx, cutoff.InReport, nil)}
		}
	}
	root, err := s.reportRoot(ctx)
	if err != nil {
		v := deflect.Attempt{Reason: deflect.ReasonUnreachable, Err: err}
		if ctx.Err() != nil {
			v.Reason, v.Err = wire.Waiting(ctx), cutoff.Error(ctx, cutoff.InReport, err)
		}
		return page{}, v
	}
	at := fmt.Sprintf("%s/api/account/%s/app/c2m/transactions/?attemptedStartTime=%d&attemptedEndTime=%d&v=2.0", root, s.Account, w.From.UnixMilli(), w.To.UnixMilli())
	var p page
	v := s.link.Report(ctx, at, body, judgeReport, func(r io.Reader) error {
		p, err = readPage(r, emit)
		return err
	}, func(status int, err error) deflect.Attempt {
		// The decoder's errors tell where they are, with names of the answer.
		return deflect.Attempt{Status: status, Reason: deflect.ReasonBadResponse, Err: &APIError{Status: status, Err: clean.Error{Err: err}}}
	})
	return p, v
}

// judgeReport says what an answer means that is no success.
func judgeReport(status int, header http.Header, body []byte, readErr error) deflect.Attempt {
	var f struct {
		Message jsontext.Value `json:"message"`
	}
	_ = json.Unmarshal(body, &f, wire.AnswerOptions) // what is no JSON has no message
	e := &APIError{Status: status, Message: clean.Text(wire.Scalar(f.Message)), Err: readErr}
	v := deflect.Attempt{Status: status, Reason: deflect.ReasonServerError, Err: e}
	switch {
	case status >= 300 && status < 400:
		v.Reason = deflect.ReasonRedirected
	case status < 300 || status > 499:
	case strings.Contains(strings.ToLower(string(body)), "invalid nonce"):
		v.Reason = deflect.ReasonInvalidNonce
	case status == http.StatusTooManyRequests:
		v.Reason, v.RetryAfter = deflect.ReasonRateLimited, wire.RetryAfter(header)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		v.Reason = deflect.ReasonUnauthorized
	default:
		v.Reason = deflect.ReasonRejected
	}
	return v
}

// The report has a host of its own, beside that of the API in the account's region.
const (
	reportHost = "cx-reporting"
	vendor     = ".liveperson.net"
)

// reportRoot returns where the report is, without a slash at its end.
func (s *setup) reportRoot(ctx context.Context) (string, error) {
	if s.ReportingURL != "" {
		return wire.Root(s.ReportingURL)
	}
	if s.BaseURL == "" {
		root, err := s.Domains.Near(ctx, service, reportHost)
		if err != nil {
			return "", fmt.Errorf("the host of the report is not known: %w", clean.BeyondNetwork(err))
		}
		return root, nil
	}
	at, err := s.endpoints(ctx)
	if err != nil {
		return "", err
	}
	return besideAPI(at.root)
}

// besideAPI is where the report is that goes with the API at a root. Of a double on this
// machine it is the same.
func besideAPI(root string) (string, error) {
	if strings.HasPrefix(root, "http://") {
		return root, nil // which wire.Root takes from this machine only
	}
	region, ok := strings.CutSuffix(strings.TrimPrefix(root, "https://"), ".connect-to-messaging"+vendor)
	if !ok || strings.Contains(region, ".") {
		return "", errors.New("the host of the report is not known: set ReportingURL, such as https://va." + reportHost + vendor)
	}
	return "https://" + region + "." + reportHost + vendor, nil
}

// page is what a page says of itself.
type page struct {
	items int // that were there, malformed ones too
	count int // as the API has it, 0 for none
}

// readPage decodes a page while it reads it, and gives every item to emit until that returns
// false:
//
//	{"requestMetadata": {...}, "page": {"count": 2, ...}, "transactions": [item, ...]}
func readPage(r io.Reader, emit func(Transaction, error) bool) (p page, err error) {
	s := wire.NewStream(r)
	if err := s.NoObject(); err != nil {
		return p, err
	}
	there := false
	err = s.Object(func(name string) error {
		switch name {
		case "page":
			v, err := s.ReadValue()
			if err != nil {
				return err
			}
			p.count = countOf(v)
			return nil
		case "transactions":
			there = true
			switch s.PeekKind() {
			case jsontext.KindNull, jsontext.KindInvalid:
				return s.SkipValue()
			case jsontext.KindBeginArray:
			default:
				return wire.ShapeError("the answer's transactions are not a list")
			}
			return s.List(func(int) error {
				v, err := s.ReadValue()
				if err != nil {
					return err
				}
				t, wrong := readTransaction(v)
				p.items++
				if wrong != nil {
					t, wrong = Transaction{}, &TransactionError{CallID: t.CallID, Index: p.items - 1, Err: wrong}
				}
				if !emit(t, wrong) {
					return wire.ErrStopped
				}
				return nil
			})
		}
		return s.SkipValue()
	})
	switch {
	case err != nil:
		return p, err
	case !there:
		// Anything may be JSON; taken for an empty report, it would be proof that there
		// was nothing.
		return p, wire.ShapeError("the answer holds no transactions")
	}
	return p, s.End()
}

func countOf(v jsontext.Value) int {
	var f struct {
		Count jsontext.Value `json:"count"`
	}
	if json.Unmarshal(v, &f, wire.AnswerOptions) != nil {
		return 0
	}
	n, err := strconv.Atoi(wire.Scalar(f.Count))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
