package freeswitchtest

import (
	"strings"
	"time"
)

// The switch looks at the queue once a frame, wherever it is: also in the
// middle of a prompt. What it finds there runs inside the prompt, which waits.

// top is what is running now, inside all the others.
func (l *leg) top() *execution {
	if len(l.stack) == 0 {
		return nil
	}
	return l.stack[len(l.stack)-1]
}

// pickUp looks at the queue in the next frame.
func (l *leg) pickUp() {
	if l.picking || len(l.queue) == 0 {
		return
	}
	l.picking = true
	l.at(frameTime, func() {
		l.picking = false
		l.look()
	})
}

// look does what is in the queue, up to a break.
func (l *leg) look() {
	if l.inline != nil && len(l.stack) == 0 {
		l.inlineDone()
		return
	}
	if l.breaking || l.over {
		return
	}
	for len(l.queue) > 0 && l.ch.up() && l.listens() {
		e := l.queue[0]
		l.queue = l.queue[1:]
		l.perform(e)
		if e.app == "break" {
			l.looks--
			break
		}
	}
	if len(l.stack) == 0 {
		l.rest()
	}
}

// rest is for a call where nothing runs.
func (l *leg) rest() {
	switch {
	case !l.ch.up() || l.over:
	case !l.leaving:
		l.pickUp()
	case len(l.queue) == 0 || l.looks <= 0:
		l.goOn()
	case l.cut:
		l.look()
	default:
		l.pickUp()
	}
}

// listens tells whether the switch looks at the queue where it is.
func (l *leg) listens() bool {
	e := l.top()
	return e == nil || e.sounds() || e.app == "sleep" && !l.ch.answered.IsZero()
}

// enter begins an application that takes time. What was running waits.
func (l *leg) enter(e *execution, d time.Duration) {
	if outer := l.top(); outer != nil {
		outer.left = time.Until(outer.ends)
		outer.waits = time.Now()
	}
	l.stack = append(l.stack, e)
	l.endIn(e, d)
}

// endIn lets the application that is running end by itself.
func (l *leg) endIn(e *execution, d time.Duration) {
	e.ends = time.Now().Add(d)
	l.at(d, func() {
		if l.top() == e && !l.breaking && !time.Now().Before(e.ends) {
			l.ended("FILE PLAYED")
		}
	})
}

// ended goes on with what waits for the application that has ended.
func (l *leg) ended(response string) {
	l.finish(response)
	if outer := l.top(); outer != nil && !l.breaking {
		// Sound waits, the clock does not.
		left := time.Until(outer.ends)
		if outer.sounds() {
			left = outer.left
		}
		l.endIn(outer, max(left, 0))
	}
	l.look()
}

// finish ends the application that is running.
func (l *leg) finish(response string) {
	e := l.top()
	l.stack = l.stack[:len(l.stack)-1]
	if outer := l.top(); outer != nil {
		outer.waited += time.Since(outer.waits)
	}
	l.finished(e, response)
}

// finished tells that an application that takes time has ended.
func (l *leg) finished(e *execution, response string) {
	if e.app == "answer" && l.ch.up() {
		l.pickedUp()
	}
	if e.app != "playback" {
		response = ""
	}
	l.complete(e, response)
}

// finishAll ends everything that is running at once. Once the call has ended
// only the innermost prompt notices that it was cut.
func (l *leg) finishAll(response string) {
	l.unwinds++
	l.breaking = false
	for len(l.stack) > 0 {
		l.finish(response)
		if !l.ch.up() {
			response = "FILE PLAYED"
		}
	}
}

// unwind ends everything that is running, the innermost first, one a frame.
func (l *leg) unwind(after time.Duration, response string, then func()) {
	l.unwinds++
	l.breaking = true
	mine := l.unwinds
	var next func()
	next = func() {
		if mine != l.unwinds {
			return // something else has ended it
		}
		if len(l.stack) > 0 {
			l.finish(response)
		}
		if len(l.stack) > 0 {
			l.at(frameTime, next)
			return
		}
		l.breaking = false
		then()
	}
	l.at(after, next)
}

// breakIn runs break, which ends everything that is running. It does nothing
// to what begins later.
func (l *leg) breakIn(e *execution) {
	if e.arg != "" && !strings.EqualFold(e.arg, "all") {
		l.queue = nil // as the switch does
	}
	l.complete(e, "")
	if len(l.stack) > 0 {
		l.unwind(frameTime, "FILE PLAYED", l.rest)
	}
}
