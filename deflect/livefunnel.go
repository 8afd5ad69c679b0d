package deflect

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxLiveCalls bounds what the live funnel remembers.
const maxLiveCalls = 1 << 18

// liveFunnel turns a report that is polled into counters. A stage of a call is
// counted once, and only if it was reached after the polling began: a restart
// counts nothing for a second time.
type liveFunnel struct {
	polling sync.Mutex // held by the one poller
	began   time.Time
	calls   map[string]*counted

	stages         map[EventType]prometheus.Counter
	polls          map[string]prometheus.Counter
	lastComplete   prometheus.Gauge
	toText         prometheus.Histogram
	toConversation prometheus.Histogram
	vectors        []prometheus.Collector
}

// counted is a call of which something was counted.
type counted struct {
	stage [len(stages)]bool
	last  time.Time // of the stages counted
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
		calls:  map[string]*counted{},
		stages: map[EventType]prometheus.Counter{},
		polls:  map[string]prometheus.Counter{},
		lastComplete: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "deflect_funnel_last_complete_poll_timestamp_seconds",
			Help: "When all of the report could last be read; 0 for never.",
		}),
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
// metrics, until ctx ends; it returns at once if Every is 0. Each poll reaches
// Report.Lookback back, and what overlaps is counted once. Stages that were reached
// before PollReport began are not counted, so that a restart counts nothing
// twice. One poller a Client: a second one returns at once.
func (c *Client) PollReport(ctx context.Context) {
	if c.live == nil || !c.live.polling.TryLock() {
		return
	}
	defer c.live.polling.Unlock()
	c.live.began = time.Now()
	ticks := time.NewTicker(c.cfg.Report.Every)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		c.poll(ctx)
	}
}

func (c *Client) poll(ctx context.Context) {
	now := time.Now()
	var problem error
	calls := Journeys(Events(c.Report(ctx, ReportQuery{From: now.Add(-c.cfg.Report.Lookback), To: now}), func(err error) {
		if problem == nil {
			problem = err
		}
	}))
	if ctx.Err() != nil {
		return
	}
	forgotten := now.Add(-2 * c.cfg.Report.Lookback)
	full := 0
	for i := range calls {
		if !c.live.count(&calls[i], forgotten) {
			full++
		}
	}
	c.live.forget(forgotten)
	if problem != nil {
		c.live.polls["incomplete"].Inc()
		c.log.LogAttrs(ctx, slog.LevelWarn, "report poll incomplete", slog.Any("err", problem))
		return
	}
	if full > 0 {
		c.log.LogAttrs(ctx, slog.LevelWarn, "report poll incomplete: too many calls to remember", slog.Int("calls", full))
	}
	c.live.polls["complete"].Inc()
	c.live.lastComplete.Set(float64(now.UnixMilli()) / 1e3)
}

// count counts what is new about a call. What was reached before forgotten is
// old news: it may have been counted, and forgotten. It reports false for a call
// that there is no room to remember.
func (l *liveFunnel) count(j *Journey, forgotten time.Time) bool {
	since := later(l.began, forgotten)
	known := l.calls[j.CallID]
	for i, s := range stages {
		at := j.at[i]
		if at.IsZero() {
			at = j.When()
		}
		if !j.reached[i] || at.Before(since) || known != nil && known.stage[i] {
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
		known.last = later(known.last, at)
		l.stages[s].Inc()
		switch s {
		case EventSendText:
			observe(l.toText, j, EventDeflResponse, EventSendText)
		case EventConversation:
			observe(l.toConversation, j, EventSendText, EventConversation)
		}
	}
	return true
}

func observe(h prometheus.Histogram, j *Journey, from, till EventType) {
	for _, d := range j.between(nil, from, till) {
		h.Observe(d.Seconds())
	}
}

func (l *liveFunnel) forget(before time.Time) {
	for id, k := range l.calls {
		if k.last.Before(before) {
			delete(l.calls, id)
		}
	}
}
