package liveperson

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

const (
	// fetchWithin is how long a fetch may take. Those who wait for it wait as long as their
	// own contexts let them.
	fetchWithin = 10 * time.Second
	// After a failure nothing is fetched for a while, and who asks is told of it at once.
	firstPause, longestPause = time.Second, time.Minute
)

// held is a value that was fetched.
type held[V any] struct {
	value V
	// When it was asked for, by a clock that does not step and by one that goes on while
	// the machine sleeps: it is as old as either says.
	at, wall time.Time
	fresh    time.Duration // then it is fetched anew, while it goes on to be used
	lasts    time.Duration // then it is not used any more; 0 for ever
}

// hold returns a value that was asked for at a time.
func hold[V any](value V, at time.Time, fresh, lasts time.Duration) *held[V] {
	return &held[V]{value: value, at: at, wall: at.Round(0), fresh: fresh, lasts: lasts}
}

func (h *held[V]) age() time.Duration {
	now := time.Now()
	return max(now.Sub(h.at), now.Round(0).Sub(h.wall))
}

func (h *held[V]) ended() bool { return h.lasts > 0 && h.age() >= h.lasts }

func (h *held[V]) aging() bool { return h.age() >= h.fresh }

// source is a value that one goroutine at a time fetches for all who ask, in time before it
// ends. While nobody asks there is no goroutine.
type source[V any] struct {
	mu       sync.Mutex
	held     *held[V]
	flight   *flight[V]
	failures int // in a row
	failed   error
	failedAt time.Time
}

// flight is one fetch.
type flight[V any] struct {
	done chan struct{}
	got  *held[V] // valid when done
	err  error
}

// fetcher fetches a value. It ends with its context.
type fetcher[V any] func(ctx context.Context) (*held[V], error)

var errSlow = errors.New("there is no answer yet")

// get returns the value, other than no, and whether it was waited for. That ctx ended first
// is errSlow.
func (s *source[V]) get(ctx context.Context, no *held[V], fetch fetcher[V]) (h *held[V], waited bool, err error) {
	h, f, err := s.now(no, fetch)
	switch {
	case h != nil:
		return h, false, nil
	case f == nil:
		return nil, false, err
	}
	select {
	case <-f.done:
		return f.got, true, f.err
	case <-ctx.Done():
		return nil, true, errSlow
	}
}

// last returns what was fetched last, without fetching.
func (s *source[V]) last() (h *held[V], ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, s.held != nil
}

// now returns the value, or nil with the fetch that is under way for it, or with why there is
// none. It begins one that is needed.
func (s *source[V]) now(no *held[V], fetch fetcher[V]) (*held[V], *flight[V], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held
	if h == no || h != nil && h.ended() {
		h = nil
	}
	if (h == nil || h.aging()) && s.flight == nil && !s.pausingLocked() {
		s.flight = &flight[V]{done: make(chan struct{})}
		go s.run(s.flight, fetch)
	}
	return h, s.flight, s.failed
}

func (s *source[V]) pausingLocked() bool {
	if s.failures == 0 {
		return false
	}
	return time.Since(s.failedAt) < min(firstPause<<min(s.failures-1, 10), longestPause)
}

var errFetch = errors.New("defect: the fetch did not end")

func (s *source[V]) run(f *flight[V], fetch fetcher[V]) {
	f.err = errFetch
	defer func() {
		// A defect on this goroutine would end the process, and every call with it.
		if p := recover(); p != nil {
			f.err = errors.New("defect: " + clean.Panic(p))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.flight = nil
		if f.err == nil {
			s.held, s.failures, s.failed = f.got, 0, nil
		} else {
			s.failures, s.failed, s.failedAt = s.failures+1, f.err, time.Now()
		}
		close(f.done)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
	defer cancel()
	f.got, f.err = fetch(ctx)
}
