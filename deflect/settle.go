package deflect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
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

// Settlement is how an uncertain deflection was settled. Every one is settled
// once: the results add up to the uncertain outcomes, less those that are open.
type Settlement struct {
	ExternalCallID string // Call.ExternalCallID
	Result         SettleResult
	CallID         string        // LiveDeflect's id, when the report shows the call and the id has its form
	SentAt         time.Time     // when the text was sent, as the report says; zero unless sent
	Lookups        int           // how often the report was read
	Took           time.Duration // from the deflection to this result
	Err            error         // why it is unknown, else nil
}

// Errors of a [Settlement] that is unknown.
var (
	ErrClosed     = errors.New("the client was closed before the report could tell")
	ErrTooMany    = errors.New("too many uncertain deflections are open already (Settle.Max)")
	ErrTooEarly   = errors.New("the report shows no text yet, which may be its lag: ask again later")
	errIncomplete = errors.New("an entry of the report could not be read, and may be the one")
)

const (
	// What the clocks here and there may differ by.
	clockSlack = time.Minute
	// How long before its text a call may have begun, when nobody knows. With
	// the default limit it fits one window.
	longCall = 45 * time.Minute
)

// Settle looks once into the report for the text of a call that was deflected at
// about the given time. Without a sign of it the result is [SettledNotSent] only
// when that was Settle.Limit ago: a report lags.
func (c *Client) Settle(ctx context.Context, externalCallID string, at time.Time) Settlement {
	// The time is a person's memory: a text may be older than it says.
	d := &doubt{externalID: externalCallID, accepted: at.Add(-c.cfg.Settle.Limit), since: at}
	now := time.Now()
	till := at.Add(c.cfg.Settle.Limit + clockSlack)
	if till.After(now) {
		till = now
	}
	c.settler.lookUp(ctx, []*doubt{d}, []period{{at.Add(-longCall), till}})
	return d.verdict(now, c.cfg.Settle.Limit)
}

// doubt is an uncertain deflection that is to be settled.
type doubt struct {
	externalID      string
	begin, accepted time.Time
	since           time.Time // when it ended uncertain
	next            time.Time // when it is looked up
	wait            time.Duration

	lookups int
	shown   bool // the report shows the text
	callID  string
	sentAt  time.Time
	gap     error // why the last lookup did not see everything
}

// verdict is the settlement as of now.
func (d *doubt) verdict(now time.Time, limit time.Duration) Settlement {
	s := Settlement{ExternalCallID: d.externalID, Lookups: d.lookups, Took: now.Sub(d.since), CallID: d.callID}
	switch {
	case d.shown:
		s.Result, s.SentAt = SettledSent, d.sentAt
	case d.gap != nil:
		s.Result, s.Err = SettledUnknown, d.gap
	case now.Sub(d.since) < limit:
		s.Result, s.Err = SettledUnknown, ErrTooEarly
	default:
		s.Result = SettledNotSent
	}
	return s
}

// settler settles doubts one lookup at a time. Its goroutine lives while there
// are any.
type settler struct {
	client *Client
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wake   chan struct{}
	work   sync.WaitGroup

	mu     sync.Mutex
	open   []*doubt
	pause  time.Time // no lookup before
	busy   bool      // the goroutine runs
	closed bool
}

func newSettler(c *Client) *settler {
	s := &settler{client: c, wake: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// add takes an uncertain deflection. It does not wait.
func (s *settler) add(call Call, accepted time.Time) {
	cfg := s.client.cfg.Settle
	if cfg.Disabled {
		return
	}
	now := time.Now()
	d := &doubt{
		externalID: call.ExternalCallID, begin: call.Start, accepted: accepted,
		since: now, next: now.Add(cfg.After), wait: cfg.After,
	}
	if err := s.enqueue(d, cfg.Max); err != nil {
		s.settled(Settlement{ExternalCallID: d.externalID, Result: SettledUnknown, Err: err})
	}
}

func (s *settler) enqueue(d *doubt, max int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case len(s.open) >= max:
		return ErrTooMany
	}
	s.open = append(s.open, d)
	s.client.metrics.settleOpen.Set(float64(len(s.open)))
	if !s.busy {
		s.busy = true
		s.work.Go(s.run)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *settler) run() {
	for {
		due, next, more := s.due(time.Now())
		switch {
		case !more:
			return
		case len(due) > 0:
			s.try(due)
			continue
		}
		select {
		case <-time.After(time.Until(next)):
		case <-s.wake:
		case <-s.ctx.Done():
			return
		}
	}
}

// due returns the doubts to look up now, or when the next one is. With nothing
// open the goroutine has to end.
func (s *settler) due(now time.Time) (due []*doubt, next time.Time, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.open {
		if !d.next.After(now) {
			due = append(due, d)
		}
		next = earlier(next, d.next)
	}
	s.busy = len(s.open) > 0 && s.ctx.Err() == nil
	if now.Before(s.pause) {
		return nil, later(next, s.pause), s.busy
	}
	if len(due) > 0 {
		// What becomes due until then is served by one request.
		s.pause = now.Add(s.client.cfg.Settle.After / 3)
	}
	return due, next, s.busy
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// try looks up and settles what can be, and says when to come back for the rest.
func (s *settler) try(due []*doubt) {
	asked := time.Now()
	var spans []period
	for _, d := range due {
		spans = append(spans,
			period{d.begin.Add(-clockSlack), d.begin.Add(clockSlack)},
			period{d.accepted.Add(-clockSlack), asked})
	}
	s.lookUp(s.ctx, due, merge(spans))
	if s.ctx.Err() != nil {
		return // close settles the rest
	}
	limit := s.client.cfg.Settle.Limit
	var done []Settlement
	s.mu.Lock()
	for _, d := range due {
		if v := d.verdict(asked, limit); v.Result == SettledSent || asked.Sub(d.since) >= limit {
			s.open = slices.DeleteFunc(s.open, func(o *doubt) bool { return o == d })
			done = append(done, v)
			continue
		}
		d.wait *= 2
		d.next = asked.Add(d.wait)
		if last := d.since.Add(limit); d.next.After(last) {
			d.next = last
		}
	}
	s.client.metrics.settleOpen.Set(float64(len(s.open)))
	s.mu.Unlock()
	for _, v := range done {
		s.settled(v)
	}
}

// lookUp reads the report and notes what it shows of the doubts.
func (s *settler) lookUp(ctx context.Context, doubts []*doubt, spans []period) {
	byID := map[string][]*doubt{}
	for _, d := range doubts {
		d.lookups++
		d.gap = nil
		byID[d.externalID] = append(byID[d.externalID], d)
	}
	for _, span := range spans {
		var gap error
		for e, err := range s.client.Report(ctx, ReportQuery{From: span.from, To: span.to}) {
			var malformed *EventError
			switch {
			case errors.As(err, &malformed):
				gap = fmt.Errorf("%w: %w", errIncomplete, err)
			case err != nil:
				gap = err
			default:
				for _, d := range byID[e.ExternalCallID] {
					d.see(e)
				}
			}
		}
		if gap == nil {
			continue
		}
		for _, d := range doubts {
			d.gap = gap
		}
	}
}

// see notes an event of the doubt's call. A text that is older than the
// caller's wish is not the one: ids come again.
func (d *doubt) see(e Event) {
	if callIDForm.MatchString(e.CallID) {
		d.callID = e.CallID
	}
	if e.Type == EventSendText && (e.Time.IsZero() || !e.Time.Before(d.accepted.Add(-clockSlack))) {
		d.shown, d.sentAt = true, e.Time
	}
}

// settled counts, logs and tells.
func (s *settler) settled(v Settlement) {
	c := s.client
	c.metrics.settled[v.Result].Inc()
	level := slog.LevelInfo
	if v.Result == SettledUnknown {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("call_id", v.ExternalCallID), slog.String("result", string(v.Result)),
		slog.Int("lookups", v.Lookups), slog.Duration("took", v.Took),
	}
	if v.Err != nil {
		attrs = append(attrs, slog.Any("err", v.Err))
	}
	c.log.LogAttrs(context.Background(), level, "uncertain text settled", attrs...)
	if c.cfg.OnSettled != nil {
		c.cfg.OnSettled(v)
	}
}

// close ends the lookups. What is open then is unknown for good.
func (s *settler) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.client.metrics.settleOpen.Set(0)
	s.mu.Unlock()
	now := time.Now()
	for _, d := range open {
		s.settled(Settlement{
			ExternalCallID: d.externalID, Result: SettledUnknown, CallID: d.callID,
			Lookups: d.lookups, Took: now.Sub(d.since), Err: ErrClosed,
		})
	}
}

// period is a span of time.
type period struct{ from, to time.Time }

// merge joins periods that touch.
func merge(all []period) []period {
	slices.SortFunc(all, func(a, b period) int { return a.from.Compare(b.from) })
	var out []period
	for _, p := range all {
		if last := len(out) - 1; last >= 0 && !p.from.After(out[last].to) {
			if p.to.After(out[last].to) {
				out[last].to = p.to
			}
			continue
		}
		out = append(out, p)
	}
	return out
}
