package deflect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

// liveFunnel turns a report that is polled into counters. A stage of a call is
// counted once, and only if it was reached after the polling began: a restart
// counts nothing for a second time.
type liveFunnel struct {
	polling sync.Mutex    // held by the one poller
	changed chan struct{} // Report.Every may have been
	began   time.Time     // by our clock, as is polled
	polled  time.Time     // when the poll before began, and ...
	shown   time.Time     // ... what the API's clock showed then
	calls   map[string]*counted

	stages         map[EventType]prometheus.Counter
	polls          map[string]prometheus.Counter
	lastComplete   *prometheus.GaugeVec // of no labels: there is no series before there is a time
	toText         prometheus.Histogram
	toConversation prometheus.Histogram
	vectors        []prometheus.Collector
}

// counted is a call of which something was counted.
type counted struct {
	stage [len(stages)]bool
	at    [len(stages)]time.Time // of every stage seen, for the times between
	seen  time.Time              // when the report last told of it, by our clock
}

func newLiveFunnel() *liveFunnel {
	reached := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_funnel_calls_total",
		Help: "Calls by the stages that they reached since the start, as the report tells; conversationid is an open conversation.",
	}, []string{"stage"})
	polls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "deflect_funnel_polls_total",
		Help: "Polls of the report by whether all of it could be read.",
	}, []string{"result"})
	l := &liveFunnel{
		calls: map[string]*counted{},

		changed: make(chan struct{}, 1),
		stages:  map[EventType]prometheus.Counter{},
		polls:   map[string]prometheus.Counter{},
		lastComplete: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "deflect_funnel_last_complete_poll_timestamp_seconds",
			Help: "When all of the report could last be read; absent until it could.",
		}, nil),
		toText: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "deflect_funnel_time_to_text_seconds",
			Help:    "Time from the caller's acceptance to the text, as the report tells.",
			Buckets: []float64{.5, 1, 2, 5, 10, 20, 30, 60, 120, 300},
		}),
		toConversation: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "deflect_funnel_time_to_conversation_seconds",
			Help:    "Time from the text to the consumer's answer, as the report tells.",
			Buckets: []float64{5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600},
		}),
	}
	for _, s := range stages {
		l.stages[s] = reached.WithLabelValues(string(s))
	}
	for _, r := range []string{"complete", "incomplete"} {
		l.polls[r] = polls.WithLabelValues(r)
	}
	l.vectors = []prometheus.Collector{reached, polls}
	return l
}

func (l *liveFunnel) collectors() []prometheus.Collector {
	return append(l.vectors, l.lastComplete, l.toText, l.toConversation)
}

// PollReport reads the report every Report.Every and keeps the deflect_funnel_*
// metrics, until ctx ends or the Client is closed; it returns at once if Every is 0. Each poll reaches
// Report.Lookback back, and what overlaps is counted once. Stages that were reached
// before PollReport began are not counted, so that a restart counts nothing
// twice; nor are those that the report first tells of after twice the Lookback. One
// poller a Client: a second one returns at once. The time of the last complete poll has
// no series before there was one.
func (c *Client) PollReport(ctx context.Context) {
	if !c.made() || c.live == nil || !c.live.polling.TryLock() {
		return
	}
	defer c.live.polling.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.settler.ctx, cancel)()
	c.live.began = time.Now()
	every := c.setup.Load().Report.Every
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		if now := c.setup.Load().Report.Every; now != every {
			every = now
			ticks.Reset(every)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.live.changed:
			continue
		case <-ticks.C:
		}
		c.poll(ctx)
	}
}

func (c *Client) poll(ctx context.Context) {
	cfg, l := c.setup.Load().Report, c.live
	limited, cancel := context.WithTimeoutCause(ctx, max(pollWithin, cfg.Every), errLongPoll)
	defer cancel()
	now := time.Now()
	asked := c.clock.show(now)
	calls, problem := c.lookBack(limited, cfg.Lookback, now, asked)
	shows := c.clock.show(now)
	if apart(shows, asked) > pollSlack {
		// The answer told by which clock to ask.
		calls, problem = c.lookBack(limited, cfg.Lookback, now, shows)
		shows = c.clock.show(now)
	}
	if ctx.Err() != nil {
		return
	}
	if !l.polled.IsZero() && apart(shows, l.shown.Add(now.Sub(l.polled))) > pollSlack {
		problem = cmp.Or(problem, errStep)
	}
	l.polled, l.shown = now, shows
	// By our clock are the times that were sent; it is the one that measures.
	old, took := later(l.began, now.Add(-2*cfg.Lookback)).Sub(now), time.Since(now)
	sent, theirs := period{now.Add(old), now.Add(took)}, period{shows.Add(old), shows.Add(took)}
	for i := range calls {
		if !l.count(&calls[i], sent, theirs, now) {
			problem = cmp.Or(problem, errManyCalls)
		}
	}
	l.forget(now.Add(-2 * cfg.Lookback))
	if problem != nil {
		l.polls["incomplete"].Inc()
		c.log.LogAttrs(ctx, slog.LevelWarn, "report poll incomplete", slog.Any("err", problem))
		return
	}
	l.polls["complete"].Inc()
	l.lastComplete.WithLabelValues().Set(float64(now.UnixMilli()) / 1e3)
}

// lookBack reads what the report tells of the time before each of two moments.
func (c *Client) lookBack(ctx context.Context, lookback time.Duration, a, b time.Time) (calls []Journey, problem error) {
	spans := merge([]period{{a.Add(-lookback), a}, {b.Add(-lookback), b}})
	if apart(a, b) <= pollSlack {
		spans = []period{{b.Add(-lookback), b}}
	}
	events := func(yield func(Event) bool) {
		for _, s := range spans {
			for e := range Events(c.Report(ctx, ReportQuery{From: s.from, To: s.to}), func(err error) { problem = cmp.Or(problem, err) }) {
				if !yield(e) {
					return
				}
			}
		}
	}
	calls = Journeys(slim(events, &problem))
	return calls, problem
}

// slim leaves of the events what is counted, and ends when there are too many
// calls to hold.
func slim(events iter.Seq[Event], problem *error) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		calls, last := 0, ""
		for e := range events {
			if e.CallID != last {
				last = e.CallID
				if calls++; calls > maxLiveCalls {
					*problem = cmp.Or(*problem, errManyCalls)
					return
				}
			}
			if !isCallID(e.CallID) {
				continue
			}
			if !yield(Event{CallID: e.CallID, Type: e.Type, Time: e.Time, Begin: e.Begin, ConversationID: e.ConversationID}) {
				return
			}
		}
	}
}

// count counts what is new about a call. What was reached before the periods is old
// news: it may have been counted, and forgotten. The times of what comes before the
// text are those that were sent, as a rule. It reports false for a call that there is
// no room to remember.
func (l *liveFunnel) count(j *Journey, sent, theirs period, now time.Time) bool {
	known := l.calls[j.CallID]
	for i, s := range stages {
		at := j.at[i]
		if at.IsZero() {
			at = j.When()
		}
		// A time to come is counted when it has come: nothing has been reached yet.
		if !j.reached[i] || !theirs.has(at) && (i >= textStage || !sent.has(at)) || known != nil && known.stage[i] {
			continue
		}
		if known == nil {
			if len(l.calls) >= maxLiveCalls {
				return false
			}
			known = &counted{}
			l.calls[j.CallID] = known
		}
		known.stage[i] = true
		l.stages[s].Inc()
	}
	if known != nil {
		known.seen = now
		l.observe(known, j)
	}
	return true
}

// observe takes the times between stages, each once: when the report has told of
// both ends, perhaps in different polls.
func (l *liveFunnel) observe(known *counted, j *Journey) {
	before := known.at
	for i := range stages {
		known.at[i] = earlier(known.at[i], j.at[i])
	}
	for _, span := range []struct {
		h          prometheus.Histogram
		from, till int
	}{
		{l.toText, acceptStage, textStage}, {l.toConversation, textStage, conversationStage},
	} {
		_, done := lapse(before[span.from], before[span.till])
		d, ok := lapse(known.at[span.from], known.at[span.till])
		if ok && !done && known.stage[span.till] {
			span.h.Observe(d.Seconds())
		}
	}
}

func (l *liveFunnel) forget(before time.Time) {
	for id, k := range l.calls {
		if k.seen.Before(before) {
			delete(l.calls, id)
		}
	}
}
