package freeswitch

import "runtime/debug"

// aside runs what needs much stack on a goroutine of its own: a call that waits keeps
// the largest stack that its goroutine ever had.
func aside(fn func()) {
	ended := make(chan any)
	go func() {
		defer func() {
			p := recover()
			if p != nil {
				p = defect{p, debug.Stack()}
			}
			ended <- p
		}()
		fn()
	}()
	if p := <-ended; p != nil {
		panic(p)
	}
}
