package funnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/metric"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

const (
	maxLiveCalls = 1 << 17 // bounds what one poll holds, and what is remembered
	// A poll that takes longer is given up, so that the next one can come.
	pollWithin = 5 * time.Minute
	// What clocks may be wrong by, or be changed by between two polls, without calls
	// missing: polls overlap.
	pollSlack = 30 * time.Second
)

var (
	errManyCalls = fmt.Errorf("the report has more than %d calls: shorten report.lookback", maxLiveCalls)
	errLongPoll  = errors.New("the poll took too long")
	errStep      = errors.New("the clock of the API, or of this machine, was changed since the poll before: calls from around then may be missing")
)

// LiveConfig says how the report is polled. The zero value of each field is the default
// that its comment names; Every has none.
type LiveConfig struct {
	Every time.Duration // how often; 1 s to 24 h
	// Lookback is how far each poll reaches back, and so how late an event may get into the
	// report and still be counted; of Connect to Messaging, since the call's eligibility, with
	// the 20 minutes that its report may lag; 1 h
	Lookback time.Duration
	// Logger gets a warning for each poll that did not get all of the report; nil discards.
	Logger *slog.Logger
	// Registerer gets the metrics; nil is a private registry. One Live a Registerer.
	Registerer prometheus.Registerer
}

func (c LiveConfig) withDefaults() LiveConfig {
	c.Lookback = cmp.Or(c.Lookback, time.Hour)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate returns every problem of the configuration, each a [*deflect.ConfigError],
// joined; nil when there is none.
func (c LiveConfig) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.Every < time.Second || c.Every > 24*time.Hour {
		errs = append(errs, &deflect.ConfigError{Field: "Every", Err: fmt.Errorf("is %s; must be between 1s and 24h", c.Every)})
	}
	if c.Lookback < time.Minute || c.Lookback > 31*24*time.Hour || c.Lookback < c.Every {
		errs = append(errs, &deflect.ConfigError{Field: "Lookback", Err: fmt.Errorf("is %s; must be between 1m and 744h, and not shorter than the time between two polls", c.Lookback)})
	}
	return errors.Join(errs...)
}

// Live turns a report that is polled into the deflect_funnel_* metrics. A stage of a call is
// counted once, and only if it was reached after the polling began: a restart
// counts nothing for a second time. It is safe for concurrent use; make one with [NewLive].
type Live struct {
	reports []*polled
	cfg     atomic.Pointer[LiveConfig]
	polling sync.Mutex    // held by the one poller
	changed chan struct{} // cfg may have been
	began   time.Time     // by our clock

	stages         map[Stage]prometheus.Counter
	polls          map[string]prometheus.Counter
	lastComplete   *prometheus.GaugeVec // of no labels: there is no series before there is a time
	toText         prometheus.Histogram
	toConversation prometheus.Histogram
	collectors     []prometheus.Collector
	closing        sync.Once
}

// polled is the report of one API.
type polled struct {
	scale   *scale
	now     func(time.Time) time.Time // what the API's clock shows at a time of ours
	collect func(ctx context.Context, spans []period.Span, failed func(error)) []Journey
	at      time.Time // when the poll before began, by our clock, and ...
	shown   time.Time // ... what the API's clock showed then
	calls   map[string]*counted
}

// counted is a call of which something was counted.
type counted struct {
	stage [maxStages]bool
	at    [maxStages]time.Time // of every stage seen, for the times between
	seen  time.Time            // when the report last told of it, by our clock
}

// NewLive returns a Live of the reports of one API or of both, either of which may be nil;
// [Live.Run] polls them. The error lists every problem of the configuration.
func NewLive(live *livedeflect.Client, connect *c2m.Client, cfg LiveConfig) (*Live, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	reached := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_funnel_calls_total",
		Help: "Calls by the stages that they reached since the start, as the report tells; conversationid, or conversation, is an open one.",
	}, []string{"stage"})
	polls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_funnel_polls_total",
		Help: "Polls of the report by whether all of it could be read.",
	}, []string{"result"})
	l := &Live{
		changed: make(chan struct{}, 1),
		stages:  map[Stage]prometheus.Counter{},
		polls:   map[string]prometheus.Counter{},
		lastComplete: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "deflect_funnel_last_complete_poll_timestamp_seconds",
			Help: "When all of the report could last be read; absent until it could.",
		}, nil),
		toText: prometheus.NewHistogram(metric.Native(prometheus.HistogramOpts{
			Name:    "deflect_funnel_time_to_text_seconds",
			Help:    "Time from the caller's acceptance to the text, as the report tells.",
			Buckets: []float64{.5, 1, 2, 5, 10, 20, 30, 60, 120, 300},
		})),
		toConversation: prometheus.NewHistogram(metric.Native(prometheus.HistogramOpts{
			Name:    "deflect_funnel_time_to_conversation_seconds",
			Help:    "Time from the text to the consumer's answer, as the report tells.",
			Buckets: []float64{5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600},
		})),
	}
	if live != nil || connect == nil {
		l.reports = append(l.reports, &polled{scale: &ofLiveDeflect, now: live.Now, collect: collectLive(live), calls: map[string]*counted{}})
	}
	if connect != nil {
		l.reports = append(l.reports, &polled{scale: &ofC2M, now: connect.Now, collect: collectConnect(connect), calls: map[string]*counted{}})
	}
	for _, p := range l.reports {
		for _, s := range p.scale.stages {
			l.stages[s] = reached.WithLabelValues(string(s))
		}
	}
	for _, r := range []string{"complete", "incomplete"} {
		l.polls[r] = polls.WithLabelValues(r)
	}
	l.cfg.Store(&cfg)
	l.collectors = []prometheus.Collector{reached, polls, l.lastComplete, l.toText, l.toConversation}
	if err := metric.Register(cfg.Registerer, l.collectors); err != nil {
		return nil, &deflect.ConfigError{Field: "Registerer", Err: err}
	}
	return l, nil
}

// Reload goes on with another Every and Lookback, see [LiveConfig.Validate]. The rest stays
// as it was given to [NewLive].
func (l *Live) Reload(cfg LiveConfig) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	old := l.cfg.Load()
	cfg.Logger, cfg.Registerer = old.Logger, old.Registerer
	l.cfg.Store(&cfg)
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return nil
}

// Close takes the metrics off the Registerer. End Run before, by its context. It may be
// called more than once.
func (l *Live) Close() {
	l.closing.Do(func() { metric.Unregister(l.cfg.Load().Registerer, l.collectors) })
}

// Run reads the report every LiveConfig.Every and keeps the metrics, until ctx ends. Each
// poll reaches LiveConfig.Lookback back, and what overlaps is counted once. Stages that were
// reached before Run began are not counted, so that a restart counts nothing
// twice; nor are those that the report first tells of after twice the Lookback. A second
// Run beside the first returns at once. The time of the last complete poll has
// no series before there was one.
func (l *Live) Run(ctx context.Context) {
	if !l.polling.TryLock() {
		return
	}
	defer l.polling.Unlock()
	l.began = time.Now()
	every := l.cfg.Load().Every
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		if now := l.cfg.Load().Every; now != every {
			every = now
			ticks.Reset(every)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
			continue
		case <-ticks.C:
		}
		l.pollLocked(ctx)
	}
}

func (l *Live) pollLocked(ctx context.Context) {
	cfg := l.cfg.Load()
	now := time.Now()
	var problem error
	for _, p := range l.reports {
		// Each has time of its own: a report that hangs is not to hide the other one.
		limited, cancel := context.WithTimeoutCause(ctx, max(pollWithin, cfg.Every), errLongPoll)
		problem = cmp.Or(problem, l.pollOneLocked(limited, cfg, p))
		cancel()
	}
	switch {
	case ctx.Err() != nil:
	case problem != nil:
		l.polls["incomplete"].Inc()
		cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "report poll incomplete", slog.Any("err", problem))
	default:
		l.polls["complete"].Inc()
		l.lastComplete.WithLabelValues().Set(float64(now.UnixMilli()) / 1e3)
	}
}

// pollOneLocked polls one report. The error is why it was not all of it.
func (l *Live) pollOneLocked(ctx context.Context, cfg *LiveConfig, p *polled) (problem error) {
	now := time.Now()
	asked := p.now(now)
	calls, problem := p.lookBack(ctx, cfg.Lookback, now, asked)
	shows := p.now(now)
	if period.Apart(shows, asked) > pollSlack {
		// The answer told by which clock to ask.
		calls, problem = p.lookBack(ctx, cfg.Lookback, now, shows)
		shows = p.now(now)
	}
	if ctx.Err() != nil && context.Cause(ctx) != errLongPoll {
		return problem
	}
	if !p.at.IsZero() && period.Apart(shows, p.shown.Add(now.Sub(p.at))) > pollSlack {
		problem = cmp.Or(problem, errStep)
	}
	p.at, p.shown = now, shows
	// By our clock are the times that were sent; it is the one that measures.
	old, took := period.Later(l.began, now.Add(-2*cfg.Lookback)).Sub(now), time.Since(now)
	sent, theirs := period.Span{From: now.Add(old), To: now.Add(took)}, period.Span{From: shows.Add(old), To: shows.Add(took)}
	for i := range calls {
		if !l.countLocked(p, &calls[i], sent, theirs, now) {
			problem = cmp.Or(problem, errManyCalls)
		}
	}
	p.forget(now.Add(-2 * cfg.Lookback))
	return problem
}

// lookBack reads what the report tells of the time before each of two moments.
func (p *polled) lookBack(ctx context.Context, lookback time.Duration, a, b time.Time) (calls []Journey, problem error) {
	spans := period.Merge([]period.Span{{From: a.Add(-lookback), To: a}, {From: b.Add(-lookback), To: b}})
	if period.Apart(a, b) <= pollSlack {
		spans = []period.Span{{From: b.Add(-lookback), To: b}}
	}
	calls = p.collect(ctx, spans, func(err error) { problem = cmp.Or(problem, err) })
	return calls, problem
}

func collectLive(api *livedeflect.Client) func(context.Context, []period.Span, func(error)) []Journey {
	return func(ctx context.Context, spans []period.Span, failed func(error)) []Journey {
		return Collect(slim(func(yield func(livedeflect.Event, error) bool) {
			for _, s := range spans {
				for e, err := range api.Report(ctx, livedeflect.ReportQuery{From: s.From, To: s.To}) {
					if !yield(e, err) {
						return
					}
				}
			}
		}), failed)
	}
}

func collectConnect(api *c2m.Client) func(context.Context, []period.Span, func(error)) []Journey {
	return func(ctx context.Context, spans []period.Span, failed func(error)) []Journey {
		return CollectC2M(func(yield func(c2m.Transaction, error) bool) {
			n := 0
			for _, s := range spans {
				for t, err := range api.Transactions(ctx, c2m.TransactionQuery{From: s.From, To: s.To}) {
					if n++; n > maxLiveCalls {
						yield(c2m.Transaction{}, errManyCalls)
						return
					}
					if err == nil && !clean.IsCallID(t.CallID) {
						continue
					}
					if !yield(slimC2M(t), err) {
						return
					}
				}
			}
		}, failed)
	}
}

// slimC2M leaves of a transaction what is counted: its other texts may be as long as an item
// of the report, and many.
func slimC2M(t c2m.Transaction) c2m.Transaction {
	t.Channel, t.InitialChannel, t.Skill, t.InitialSkill, t.HandoffID, t.IVRNumber = "", "", "", "", "", ""
	t.ErrorSource, t.ErrorCode, t.ErrorMessage = "", "", ""
	return t
}

// slim leaves of the events what is counted, and ends when there are too many
// calls to hold.
func slim(report iter.Seq2[livedeflect.Event, error]) iter.Seq2[livedeflect.Event, error] {
	return func(yield func(livedeflect.Event, error) bool) {
		calls, last := 0, ""
		for e, err := range report {
			if err != nil {
				if !yield(e, err) {
					return
				}
				continue
			}
			if e.CallID != last {
				last = e.CallID
				if calls++; calls > maxLiveCalls {
					yield(livedeflect.Event{}, errManyCalls)
					return
				}
			}
			if !clean.IsCallID(e.CallID) {
				continue
			}
			if !yield(livedeflect.Event{CallID: e.CallID, Type: e.Type, Time: e.Time, Begin: e.Begin, ConversationID: e.ConversationID}, nil) {
				return
			}
		}
	}
}

// countLocked counts what is new about a call. What was reached before the periods is old
// news: it may have been counted, and forgotten. The times of what comes before the
// text are those that were sent, as a rule. It reports false for a call that there is
// no room to remember.
func (l *Live) countLocked(p *polled, j *Journey, sent, theirs period.Span, now time.Time) bool {
	known := p.calls[j.CallID]
	for i, s := range p.scale.stages {
		at := j.at[i]
		if at.IsZero() {
			at = j.When()
		}
		// A time to come is counted when it has come: nothing has been reached yet.
		if !j.reached[i] || !theirs.Has(at) && (i >= p.scale.text || !sent.Has(at)) || known != nil && known.stage[i] {
			continue
		}
		if known == nil {
			if len(p.calls) >= maxLiveCalls {
				return false
			}
			known = &counted{}
			p.calls[j.CallID] = known
		}
		known.stage[i] = true
		l.stages[s].Inc()
	}
	if known != nil {
		known.seen = now
		l.observeLocked(p.scale, known, j)
	}
	return true
}

// observeLocked takes the times between stages, each once: when the report has told of
// both ends, perhaps in different polls.
func (l *Live) observeLocked(of *scale, known *counted, j *Journey) {
	before := known.at
	for i := range of.stages {
		known.at[i] = period.Earlier(known.at[i], j.at[i])
	}
	for _, span := range []struct {
		h          prometheus.Histogram
		from, till int
	}{
		{l.toText, of.accept, of.text}, {l.toConversation, of.text, of.conversation},
	} {
		_, done := lapse(before[span.from], before[span.till])
		d, ok := lapse(known.at[span.from], known.at[span.till])
		if ok && !done && known.stage[span.till] {
			span.h.Observe(d.Seconds())
		}
	}
}

func (p *polled) forget(before time.Time) {
	for id, k := range p.calls {
		if k.seen.Before(before) {
			delete(p.calls, id)
		}
	}
}
