package deflect

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breaker is the state that calls share about the API's health.
type breaker interface {
	// run calls fn unless the breaker is open. It reports whether fn ran; fn
	// returns what its call told about the API.
	run(fn func() health) bool
	// state is "closed", "open" or "half_open".
	state() string
	// offer takes the one offer that may be out while half open, for at most so
	// long; false when it is out already.
	offer(lasts time.Duration) (release func(), ok bool)
	// offered reports whether that offer is out.
	offered() bool
}

// Warnings is how processes that use the same API tell each other that it fails, so that
// not each has to learn it from callers. A warning is a hint: it may be lost, or wrong. Who
// hears one offers a text to one caller at a time until a request of its own tells how the
// API is, for OpenFor of the breaker at most, and is deaf to others for so long after that.
//
// The methods are safe for concurrent use.
type Warnings interface {
	// Warn tells the others that the API fails, as of now; those who are not told within
	// lasts need not be. It does not wait.
	Warn(lasts time.Duration)
	// OnWarned sets who hears that another one warned, in place of who did before. It is
	// called from a goroutine of the store, one call at a time, and not for one's own Warn.
	OnWarned(func())
}

var breakerStates = []string{"closed", "half_open", "open"}

// health says what a reason tells about the API.
type health int

const (
	silent  health = iota // it tells nothing
	healthy               // it is alive
	sick                  // callers should not be offered a text
)

// localBreaker is the breaker of one process.
type localBreaker struct {
	cb  *gobreaker.CircuitBreaker[struct{}]
	log *slog.Logger

	mu     sync.Mutex
	moves  []string // states moved to, not logged yet
	ticket uint64   // of the last offer when half open
	until  time.Time
}

// What a call of gobreaker ends with: it judges errors. Any other one, that of a
// panic, is sick.
var (
	errHealthy = errors.New("healthy")
	errSick    = errors.New("sick")
	errNoSign  = errors.New("no sign of either")
)

func newLocalBreaker(cfg BreakerConfig, log *slog.Logger, moved func(to string)) *localBreaker {
	b := &localBreaker{log: log}
	b.cb = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:      cfg.OpenFor,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return int64(c.ConsecutiveFailures) >= int64(cfg.Failures) },
		IsSuccessful: func(err error) bool { return err == errHealthy },
		IsExcluded:   func(err error) bool { return err == errNoSign },
		// Runs under the lock of gobreaker: it may not log, nor ask for the state.
		OnStateChange: func(_ string, _, to gobreaker.State) {
			moved(stateName(to))
			b.mu.Lock()
			b.moves = append(b.moves, stateName(to))
			b.mu.Unlock()
		},
	})
	return b
}

func (b *localBreaker) run(fn func() health) (ran bool) {
	defer b.logMoves()
	b.cb.Execute(func() (struct{}, error) { //nolint:errcheck // fn has its own result
		ran = true
		switch fn() {
		case healthy:
			return struct{}{}, errHealthy
		case silent:
			return struct{}{}, errNoSign
		}
		return struct{}{}, errSick
	})
	return ran
}

func (b *localBreaker) state() string {
	defer b.logMoves()
	return stateName(b.cb.State())
}

func (b *localBreaker) logMoves() {
	b.mu.Lock()
	moves := b.moves
	b.moves = nil
	b.mu.Unlock()
	for _, to := range moves {
		level := slog.LevelInfo
		if to == "open" {
			level = slog.LevelWarn
		}
		b.log.Log(context.Background(), level, "breaker moved", "to", to)
	}
}

func stateName(s gobreaker.State) string {
	switch s {
	case gobreaker.StateOpen:
		return "open"
	case gobreaker.StateHalfOpen:
		return "half_open"
	}
	return "closed"
}

// offer lets one caller at a time be offered a text while the breaker is half
// open: the others would be promised what nobody has seen work yet.
func (b *localBreaker) offer(lasts time.Duration) (release func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Before(b.until) {
		return nil, false
	}
	b.ticket++
	mine := b.ticket
	b.until = now.Add(lasts)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.ticket == mine {
			b.until = time.Time{}
		}
	}, true
}

func (b *localBreaker) offered() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.until)
}
