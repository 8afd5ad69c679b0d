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
	// warned is told that the API fails for others.
	warned()
}

// Warnings is how processes that use the same API tell each other that it fails, so that
// not each has to learn it from callers. A warning is a hint: it may be lost, or wrong. Who
// hears one offers a text to one caller at a time until a request of its own tells how the
// API is, for OpenFor of the breaker at most, and is deaf to others for so long after that.
//
// A store that tells APIs apart has a method Of(api string) Warnings, with the warnings of
// one API by its [Backend].Name, which the Client calls once for each: what fails is no sign of
// another one. Without that method they are of Config.Backend alone.
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
	silent     health = iota // it tells nothing
	healthy                  // it is alive
	sick                     // callers should not be offered a text
	answered                 // it answers what is asked before a text: none was seen to work
	unanswered               // it does not
)

// localBreaker is the breaker of one process. While it has a suspicion, it says that it is
// half open, which is for offers: texts that were promised go out as when it is closed.
type localBreaker struct {
	cb       *gobreaker.CircuitBreaker[struct{}]
	failures int
	openFor  time.Duration
	api      string // name of its backend
	log      *slog.Logger
	moved    func(to string)
	opened   func() // told of an opening of one's own

	mu     sync.Mutex
	closed bool     // as gobreaker has it
	moves  []string // states moved to, not logged yet
	ticket uint64   // of the last offer when half open
	until  time.Time
	doubt  *suspicion
	deaf   time.Time // until then warnings are not listened to
	trip   bool      // the next failure opens it
	unsaid int       // questions in a row that were not answered
}

// suspicion is what came of a warning, while no request that began after it has told how
// the API is.
type suspicion struct{ over time.Time }

// What a call of gobreaker ends with: it judges errors. Any other one, that of a
// panic, is sick.
var (
	errHealthy = errors.New("healthy")
	errSick    = errors.New("sick")
	errNoSign  = errors.New("no sign of either")
)

func newLocalBreaker(cfg BreakerConfig, api string, log *slog.Logger, moved func(to string), opened func()) *localBreaker {
	b := &localBreaker{failures: cfg.Failures, openFor: cfg.OpenFor, api: api, log: log, moved: moved, opened: opened, closed: true}
	b.cb = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout: cfg.OpenFor,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return int64(c.ConsecutiveFailures) >= int64(cfg.Failures) || b.trips()
		},
		IsSuccessful: func(err error) bool { return err == errHealthy },
		IsExcluded:   func(err error) bool { return err == errNoSign },
		// Runs under the lock of gobreaker: it may not log, nor ask for the state.
		OnStateChange: func(_ string, _, to gobreaker.State) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.closed, b.doubt, b.trip, b.unsaid = to == gobreaker.StateClosed, nil, false, 0
			if b.closed {
				b.deaf = time.Now().Add(b.openFor) // it was seen to work
			}
			b.moveLocked(stateName(to))
		},
	})
	return b
}

func (b *localBreaker) run(fn func() health) (ran bool) {
	defer b.logMoves()
	doubt := b.suspects()
	b.cb.Execute(func() (struct{}, error) { //nolint:errcheck // fn has its own result
		ran = true
		h := sick // that of a panic
		defer func() { b.tell(doubt, h) }()
		switch h = b.rowOf(doubt, fn()); h {
		case healthy:
			return struct{}{}, errHealthy
		case silent:
			return struct{}{}, errNoSign
		}
		return struct{}{}, errSick
	})
	return ran
}

// rowOf judges questions, which are a row of their own: that they are answered does not end one
// of texts that fail, and between two that failed a thousand may have been answered.
func (b *localBreaker) rowOf(doubt *suspicion, h health) health {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch h {
	case healthy:
		b.unsaid = 0
	case answered:
		b.unsaid = 0
		return silent
	case unanswered:
		if b.unsaid++; b.closed && doubt == nil && b.unsaid < b.failures {
			return silent
		}
		b.trip = b.trip || b.closed
		return sick
	}
	return h
}

func (b *localBreaker) state() string {
	defer b.logMoves()
	state := b.cb.State()
	if state == gobreaker.StateClosed && b.suspects() != nil {
		return "half_open"
	}
	return stateName(state)
}

func (b *localBreaker) trips() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trip
}

func (b *localBreaker) moveLocked(to string) {
	b.moved(to)
	b.moves = append(b.moves, to)
}

// warned makes a closed breaker suspicious. One warning does so, and those after it do not
// until the API was seen to work for a while, or nobody looked for as long: who warns all
// the time, and lies, does not keep this process from offering.
func (b *localBreaker) warned() {
	defer b.logMoves()
	b.suspects()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.closed && b.doubt == nil && !now.Before(b.deaf) {
		b.doubt = &suspicion{over: now.Add(b.openFor)}
		b.moveLocked("half_open")
	}
}

// suspects returns the suspicion that there is, if any.
func (b *localBreaker) suspects() *suspicion {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.doubt != nil && !time.Now().Before(b.doubt.over) {
		b.clearLocked()
	}
	return b.doubt
}

func (b *localBreaker) clearLocked() {
	b.doubt, b.deaf = nil, time.Now().Add(b.openFor)
	b.moveLocked("closed")
}

// tell hears what a request that began under a suspicion has told.
func (b *localBreaker) tell(doubt *suspicion, h health) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if doubt == nil || b.doubt != doubt {
		return
	}
	switch h {
	case healthy:
		b.clearLocked()
	case sick:
		b.trip = true
	}
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
		b.log.Log(context.Background(), level, "breaker moved", "to", to, "api", b.api)
		if to == "open" {
			b.opened()
		}
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
