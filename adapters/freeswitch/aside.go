package freeswitch

import (
	"runtime/debug"
	"time"
)

// aside runs what needs much stack on a goroutine of its own: a call that waits keeps
// the largest stack that its goroutine ever had.
func aside(fn func()) {
	ended := make(chan any)
	go func() { ended <- caught(fn) }()
	if p := <-ended; p != nil {
		panic(p)
	}
}

// aside is that of the package for what can wait for others, such as an API or a store. The
// session hears meanwhile what becomes of its call: what it says next must not harm one that
// somebody has moved.
func (s *session) aside(fn func()) {
	var p any
	done := make(chan struct{})
	defer func() { // also when this goroutine panics
		if <-done; p != nil {
			panic(p)
		}
	}()
	go func() {
		defer s.talk.line.wake()
		defer close(done)
		p = caught(fn)
	}()
	for !s.talk.down && !closed(done) {
		s.talk.next(time.Time{})
	}
}

// caught runs a function and returns its panic.
func caught(fn func()) (p any) {
	defer func() {
		if p = recover(); p != nil {
			p = defect{p, debug.Stack()}
		}
	}()
	fn()
	return nil
}
