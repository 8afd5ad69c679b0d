package freeswitch

import (
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// seldom lets a warning into the log once a minute, whichever calls it is about.
type seldom struct {
	mu      sync.Mutex
	next    time.Time
	skipped int
}

const sayEvery = time.Minute

// warn logs, or counts that it did not.
func (s *seldom) warn(log *slog.Logger, msg string, args ...any) {
	s.mu.Lock()
	now := time.Now()
	if now.Before(s.next) {
		s.skipped++
		s.mu.Unlock()
		return
	}
	skipped := s.skipped
	s.next, s.skipped = now.Add(sayEvery), 0
	s.mu.Unlock()
	if skipped > 0 {
		args = append(args, "not_logged_before", skipped)
	}
	log.Warn(msg, args...)
}

// defect is a panic that was caught, with where that was.
type defect struct {
	value any
	stack []byte
}

// defect logs a panic. Its text may be somebody else's, and hold a caller's name: only
// that of the runtime is shown.
func (s *Server) defect(what string, p any) {
	d, ok := p.(defect)
	if !ok {
		d = defect{p, debug.Stack()}
	}
	text := fmt.Sprintf("%T", d.value)
	if err, ok := d.value.(runtime.Error); ok {
		text = err.Error()
	}
	s.log.Error("defect: "+what+" panicked", "panic", text, "stack", string(d.stack))
}
