package fleet

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// How often Redis is probed: while it is away, while it refuses something, and while
// nobody asks it anything.
const (
	probeAway    = 250 * time.Millisecond
	probeTrouble = time.Second
	probeIdle    = 5 * time.Second
)

// Troubles last at least so long when one node of a Cluster can be the cause of some of
// them, and at most so long when nothing more is heard of what no probe can tell.
const (
	clusterTrouble = 15 * time.Second
	longestTrouble = 30 * time.Second
)

// partlyAway is how lately something went well in a Cluster of which only a part is away.
const partlyAway = 2 * time.Second

// health is what is known of Redis. That a request got no answer is a doubt, which a probe
// decides; that Redis refused one is said by itself.
type health struct {
	start time.Time
	begun chan struct{} // closed by the first request
	begin sync.Once
	doubt chan struct{} // holds one while a request got no answer, or was refused

	shut   atomic.Pointer[redisError] // Redis is away: nobody needs to ask
	asked  atomic.Int64               // when the last request went well, since start
	inDire atomic.Bool                // there are troubles

	mu       sync.Mutex
	troubles map[string]trouble // by operation
	now      *redisError        // the trouble that was told of
	since    time.Time
}

type trouble struct {
	*redisError
	at time.Duration // since start
}

func newHealth() *health {
	return &health{start: time.Now(), begun: make(chan struct{}), doubt: make(chan struct{}, 1), troubles: map[string]trouble{}}
}

// Err returns why Redis is of no use now, or of less; nil while it answers. It is up to
// date to a second while it is not nil, to some seconds when nobody asks Redis anything.
func (f *Fleet) Err() error {
	if f.ctx.Err() != nil {
		return ErrClosed
	}
	f.health.mu.Lock()
	defer f.health.mu.Unlock()
	if f.health.now == nil {
		return nil
	}
	return f.health.now
}

// do makes one request, within the time that there is for one. While Redis is known to be
// away it makes none. The error says in words what failed, or is that of ctx; [redis.Nil]
// is handed on, and no failure.
func (f *Fleet) do(ctx context.Context, operation string, fn func(ctx context.Context) error) error {
	h := f.health
	h.begin.Do(func() { close(h.begun) })
	m := f.metrics.of[operation]
	switch shut := h.shut.Load(); {
	case f.ctx.Err() != nil:
		return ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case shut != nil:
		m.results[resultError].Inc()
		return shut
	}
	return f.ask(ctx, operation, fn)
}

// ask is do, also while Redis is away.
func (f *Fleet) ask(ctx context.Context, operation string, fn func(ctx context.Context) error) error {
	h, m := f.health, f.metrics.of[operation]
	start := time.Now()
	within, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	err := fn(within)
	cancel()
	took := time.Since(start)
	if err == nil || isNil(err) {
		m.count(resultOK, took)
		h.asked.Store(int64(time.Since(h.start)))
		m.well.Store(int64(time.Since(h.start)))
		return err
	}
	e := inWords(err)
	if errors.Is(e, context.DeadlineExceeded) || timedOut(err) {
		m.count(resultTimeout, took)
	} else {
		m.count(resultError, took)
	}
	switch {
	case f.ctx.Err() != nil, e.class == ourWrong:
		return ErrClosed
	case e.class == away && ctx.Err() != nil: // of who asked: Redis had less time
		return context.Cause(ctx)
	}
	f.failed(operation, e)
	return e
}

func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}

// failed notes a trouble. One request without an answer is none: it may be the connection.
// Nor is what an inspection is refused.
func (f *Fleet) failed(operation string, e *redisError) {
	h := f.health
	if operation != "inspect" && (e.class != away || operation == "probe" || f.cfg.Cluster) {
		h.mu.Lock()
		h.troubles[operation] = trouble{e, time.Since(h.start)}
		h.inDire.Store(true)
		tell := f.judgeLocked()
		h.mu.Unlock()
		tell()
	}
	if operation == "probe" {
		return
	}
	select {
	case h.doubt <- struct{}{}:
	default:
	}
}

// judgeLocked makes one of the troubles the state, and returns what tells of it.
func (f *Fleet) judgeLocked() (tell func()) {
	h := f.health
	worst := h.now
	if worst != nil && !h.hasLocked(worst.class) {
		worst = nil
	}
	for _, t := range h.troubles {
		if worst == nil || t.class == away { // nothing else is known then
			worst = t.redisError
		}
	}
	before := h.now
	h.now = worst
	h.inDire.Store(worst != nil)
	switch {
	case worst == nil && before == nil, worst != nil && before != nil && worst.class == before.class:
		return func() {}
	case worst == nil:
		took := time.Since(h.since)
		return func() {
			f.cfg.Logger.Info("redis of the fleet is well again", "state", "ok", "was", string(before.class), "duration", took)
		}
	case before == nil:
		h.since = time.Now()
	}
	means := "callers are not texted until it is well again"
	if f.cfg.Local != nil {
		means = "cooldowns are those of this process until it is well again"
	}
	return func() {
		f.cfg.Logger.LogAttrs(context.Background(), slog.LevelWarn, "redis of the fleet is not well: "+means,
			slog.String("state", string(worst.class)), slog.Any("err", worst))
	}
}

func (h *health) hasLocked(c class) bool {
	for _, t := range h.troubles {
		if t.class == c {
			return true
		}
	}
	return false
}

// watch probes Redis for as long as the Fleet is there, and from the first request on.
func (f *Fleet) watch() {
	h := f.health
	select {
	case <-f.ctx.Done():
		return
	case <-h.begun:
	}
	timer := time.NewTimer(probeIdle)
	defer timer.Stop()
	for n := 0; ; n++ {
		doubted := false
		select {
		case <-f.ctx.Done():
			return
		case <-h.doubt:
			doubted = true
		case <-timer.C:
		}
		idle := time.Since(h.start)-time.Duration(h.asked.Load()) > probeIdle/2
		if doubted || idle || h.inDire.Load() {
			f.probe(n)
		}
		switch {
		case h.shut.Load() != nil:
			timer.Reset(probeAway)
		case h.inDire.Load():
			timer.Reset(probeTrouble)
			f.pause(probeAway) // refused requests are doubts, and may be many
		default:
			timer.Reset(probeIdle)
		}
	}
}

func (f *Fleet) pause(d time.Duration) {
	select {
	case <-f.ctx.Done():
	case <-time.After(d):
	}
}

// probe asks for what cooldowns need: that something can be written.
func (f *Fleet) probe(n int) {
	h := f.health
	began := time.Since(h.start)
	err := f.ask(f.ctx, "probe", func(ctx context.Context) error {
		// Another key each time, for the nodes of a Cluster.
		return f.rdb.Set(ctx, f.key("p", f.cfg.Name+string(rune('a'+n%26))), 1, time.Second).Err()
	})
	some := f.cfg.Cluster && began-time.Duration(h.asked.Load()) < partlyAway
	var e *redisError
	switch {
	case err == nil:
		h.shut.Store(nil)
		f.recovered(began)
	case errors.As(err, &e) && e.class == away && !some:
		h.shut.Store(e)
	case err != ErrClosed:
		h.shut.Store(nil) // it answers, if only that it refuses, or some of its nodes do
	}
}

// recovered ends the troubles that a probe which began then has shown to be over, and those
// of operations that went well since.
func (f *Fleet) recovered(probed time.Duration) {
	h := f.health
	if !h.inDire.Load() {
		return
	}
	now := time.Since(h.start)
	h.mu.Lock()
	for op, t := range h.troubles {
		over := t.at < probed && t.class != noRight && t.class != odd && t.class != stranger && t.class != noCopy
		over = over || t.at < time.Duration(f.metrics.of[op].well.Load()) || now-t.at > longestTrouble
		if over && (!f.cfg.Cluster || now-t.at > clusterTrouble) {
			delete(h.troubles, op)
		}
	}
	tell := f.judgeLocked()
	h.mu.Unlock()
	tell()
}
