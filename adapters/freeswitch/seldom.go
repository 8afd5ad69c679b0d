package freeswitch

import (
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// seldom lets a warning into the log once a minute, and of those that differ in what
// they are about so many: strangers can neither flood the log with them nor make what
// is remembered grow.
type seldom struct {
	mu      sync.Mutex
	next    map[warning]time.Time // when each may be said again
	skipped int
}

type warning struct{ about, message string }

const (
	sayEvery = time.Minute
	sayMost  = 10 // different ones in that time
)

// warn logs, or counts that it did not. What it is about, such as an address, may be "".
func (s *seldom) warn(log *slog.Logger, about, message string, args ...any) {
	skipped, now := s.turn(warning{about, message})
	if !now {
		return
	}
	if skipped > 0 {
		args = append(args, "not_logged_before", skipped)
	}
	log.Warn(message, args...)
}

// turn reports whether a warning may be said now, and how many were not said before.
func (s *seldom) turn(w warning) (skipped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if _, said := s.next[w]; said || len(s.next) >= sayMost {
		maps.DeleteFunc(s.next, func(_ warning, next time.Time) bool { return !now.Before(next) })
		if _, said := s.next[w]; said || len(s.next) >= sayMost {
			s.skipped++
			return 0, false
		}
	}
	if s.next == nil {
		s.next = map[warning]time.Time{}
	}
	skipped, s.skipped = s.skipped, 0
	s.next[w] = now.Add(sayEvery)
	return skipped, true
}

// defect is a panic that was caught, with where that was.
type defect struct {
	value any
	stack []byte
}

// defect logs a panic. Its text may be somebody else's, and hold a caller's name: only
// that of the runtime is shown.
func (s *Server) defect(what string, p any, about ...any) {
	d, ok := p.(defect)
	if !ok {
		d = defect{p, debug.Stack()}
	}
	text := fmt.Sprintf("%T", d.value)
	if err, ok := d.value.(runtime.Error); ok {
		text = err.Error()
	}
	s.log.Error("defect: "+what+" panicked", append(about, "panic", text, "stack", string(d.stack))...)
}
