package deflect

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

// settler settles doubts, one lookup at a time. Its goroutine lives while there
// are any; another one tells of results while there are any.
type settler struct {
	client *Client
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wake   chan struct{}

	mu      sync.Mutex
	idle    *sync.Cond // busy or telling changed
	open    []*doubt
	pause   time.Time // no lookup before
	busy    bool      // the goroutine runs
	closed  bool
	ending  sync.Once
	untold  []Settlement // for OnSettled
	telling bool         // somebody tells them
}

// longestPause is how much later than its time a lookup may come to serve several.
const longestPause = 5 * time.Second

func newSettler(c *Client) *settler {
	s := &settler{client: c, wake: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.idle = sync.NewCond(&s.mu)
	return s
}

// add takes an uncertain deflection, which the journal then knows of as entry. It does not
// wait.
func (s *settler) add(by *setup, text *Text, entry Entry, began time.Time) {
	c := s.client
	cfg := c.setup.Load().Settle
	if cfg.Disabled {
		c.ended(entry, Uncertain, entry.Reason, entry.CallID)
		return
	}
	if c.durable {
		entry.Data = doubtData(text, began, by.name)
	}
	c.journal.Note(entry)
	now := time.Now()
	s.take(text, entry, began, &doubt{by: by, entry: entry, since: now, next: now.Add(cfg.After), wait: cfg.After})
}

// take takes a doubt that the journal knows of.
func (s *settler) take(text *Text, entry Entry, began time.Time, d *doubt) {
	unknown := func(err error) {
		if errors.Is(err, ErrClosed) && s.client.durable {
			return // the next Client takes it up
		}
		s.client.ended(entry, Uncertain, entry.Reason, entry.CallID)
		s.settled(Settlement{ExternalCallID: entry.ExternalCallID, Result: SettledUnknown, Err: err})
	}
	switch {
	case d.by == nil:
		unknown(errOtherBackend)
		return
	case d.by.teller == nil:
		unknown(errCannotTell)
		return
	}
	if d.Doubt = d.by.teller.Doubt(text, began); d.Doubt == nil {
		unknown(errCannotTell)
		return
	}
	if err := s.enqueue(d, s.client.setup.Load().Settle.Max); err != nil {
		unknown(err)
	}
}

// ids are those of the calls in doubt.
func (s *settler) ids() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.open {
		ids = append(ids, d.entry.ExternalCallID)
	}
	return ids
}

// forget forgets doubts about which nobody is to ask any more.
func (s *settler) forget(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = slices.DeleteFunc(s.open, func(d *doubt) bool { return slices.Contains(ids, d.entry.ExternalCallID) })
	s.client.metrics.settleOpen.Set(float64(len(s.open)))
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
		go s.run()
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
			for len(due) > 0 && s.ctx.Err() == nil {
				due = s.try(due)
			}
			continue
		}
		select {
		case <-time.After(time.Until(next)):
		case <-s.wake:
		case <-s.ctx.Done():
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
		next = period.Earlier(next, d.next)
	}
	if len(s.open) == 0 || s.ctx.Err() != nil {
		s.busy = false // together with the decision, or a new one would be forgotten
		s.idle.Broadcast()
		return nil, next, false
	}
	if now.Before(s.pause) {
		return nil, period.Later(next, s.pause), true
	}
	if len(due) > 0 {
		// What becomes due until then is served by one request.
		s.pause = now.Add(min(s.client.setup.Load().Settle.After/3, longestPause))
	}
	return due, next, true
}

// try looks up the doubts of one backend, settles what can be, and says when to come back
// for those. It returns the doubts of others.
func (s *settler) try(due []*doubt) (others []*doubt) {
	asked, name := time.Now(), due[0].by.name
	ctx, cancel := context.WithTimeoutCause(s.ctx, lookupWithin, errLongLookup)
	defer cancel()
	looked := make(map[*doubt]bool, len(due))
	var doubts []Doubt
	for _, d := range due {
		if d.by.name != name {
			others = append(others, d)
			continue
		}
		doubts, looked[d] = append(doubts, d.Doubt), true
	}
	by := due[0].by
	if now := s.client.setup.Load().named(name); now != nil {
		by = now // with the limit of today
	}
	outage := s.lookUp(ctx, by.teller, doubts)
	if s.ctx.Err() != nil {
		return nil // close settles the rest
	}
	limit, now := by.settleLimit(), time.Now()
	over := func(d *doubt, now time.Time) bool { return now.Sub(d.since) >= limit }
	type ended struct {
		entry Entry
		Settlement
	}
	var done []ended
	s.mu.Lock()
	s.open = slices.DeleteFunc(s.open, func(d *doubt) bool {
		if looked[d] {
			told := s.told(d)
			told.Err = cmp.Or(told.Err, outage) // nothing was proved
			v := d.settlement(told, asked, limit)
			v.Took = now.Sub(d.since)
			// Another lookup of a report that cannot be had would be as long, and in vain.
			if v.Result == SettledSent || over(d, asked) || over(d, now) && outage != nil {
				done = append(done, ended{d.entry, v})
				return true
			}
			d.wait *= 2
			d.next = asked.Add(d.wait)
			if last := d.since.Add(limit); d.next.After(last) {
				d.next = last
			}
			return false
		}
		if d.by.name == name && over(d, now) && outage != nil {
			told := s.told(d)
			told.Err = outage
			done = append(done, ended{d.entry, d.settlement(told, now, limit)})
			return true
		}
		return false
	})
	s.client.metrics.settleOpen.Set(float64(len(s.open)))
	s.mu.Unlock()
	for _, v := range done {
		s.write(v.entry, v.Settlement)
		s.settled(v.Settlement)
	}
	return others
}

var errLookUpPanicked = errors.New("the backend panicked while it looked up uncertain texts")

func (s *settler) lookUp(ctx context.Context, teller Teller, doubts []Doubt) (err error) {
	defer func() {
		// On this goroutine it would end the process, and every call with it.
		if p := recover(); p != nil {
			err = errLookUpPanicked
			s.client.log.Error(err.Error(), "panic", clean.Panic(p))
		}
	}()
	return teller.LookUp(ctx, doubts)
}

// told is what the backend says, whatever it does: it is asked where nobody else would
// catch its panic.
func (s *settler) told(d *doubt) (told Told) {
	defer func() {
		if p := recover(); p != nil {
			told = Told{Err: errLookUpPanicked}
			s.client.log.Error(errLookUpPanicked.Error(), "panic", clean.Panic(p))
		}
	}()
	return d.Told()
}

// write lets the journal know how a doubt was settled.
func (s *settler) write(entry Entry, v Settlement) {
	if v.Result == SettledSent {
		s.client.endDoubt(entry, Sent, ReasonOK, v.CallID)
	} else {
		s.client.endDoubt(entry, Uncertain, entry.Reason, cmp.Or(v.CallID, entry.CallID))
	}
}

// settled counts and logs, and lets OnSettled hear of it.
func (s *settler) settled(v Settlement) {
	c := s.client
	c.metrics.settled[v.Result].Inc()
	level := slog.LevelInfo
	if v.Result == SettledUnknown {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("call_id", LogID(v.ExternalCallID)), slog.String("result", string(v.Result)),
		slog.Int("lookups", v.Lookups), slog.Duration("took", v.Took),
	}
	if v.Err != nil {
		attrs = append(attrs, slog.Any("err", v.Err))
	}
	c.log.LogAttrs(context.Background(), level, "uncertain text settled", attrs...)
	if c.trace.Settled != nil {
		c.hook(func() { c.trace.Settled(v) })
	}
	if c.setup.Load().OnSettled == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.untold = append(s.untold, v)
	if !s.telling {
		s.telling = true
		go s.tell()
	}
}

// tell calls OnSettled on a goroutine of its own: user code may hold up neither
// a call nor a lookup.
func (s *settler) tell() {
	for {
		s.mu.Lock()
		if len(s.untold) == 0 {
			s.telling = false
			s.idle.Broadcast()
			s.mu.Unlock()
			return
		}
		v := s.untold[0]
		s.untold = s.untold[1:]
		s.mu.Unlock()
		s.tellOne(v)
	}
}

func (s *settler) tellOne(v Settlement) {
	defer func() {
		// On this goroutine it would end the process, and every call with it.
		if p := recover(); p != nil {
			s.client.log.Error("OnSettled panicked", "call_id", LogID(v.ExternalCallID), "panic", clean.Panic(p))
		}
	}()
	s.client.setup.Load().OnSettled(v)
}

// close ends the lookups. What is open then is unknown for good, unless the
// last lookup has seen it.
func (s *settler) close() {
	s.ending.Do(s.end)
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.telling {
		s.idle.Wait()
	}
}

func (s *settler) end() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	for s.busy {
		s.idle.Wait()
	}
	open := s.open
	s.open = nil
	s.client.metrics.settleOpen.Set(0)
	s.mu.Unlock()
	now := time.Now()
	for _, d := range open {
		if s.client.durable && !s.told(d).Sent {
			continue // the next Client takes it up
		}
		told := s.told(d)
		v := d.settlement(told, now, d.by.settleLimit())
		if !told.Sent {
			v.Result, v.Err = SettledUnknown, ErrClosed
		}
		s.write(d.entry, v)
		s.settled(v)
	}
}
