package freeswitch

import (
	"context"
	"time"
)

const (
	// breakAgain is after how long a prompt that did not stop is told so again.
	breakAgain = 250 * time.Millisecond
	// maxCall ends a call whose switch sends events for ever and no end of a
	// prompt: many times what an offer takes.
	maxCall = 15 * time.Minute
)

// talk is a session's end of a line: what was pressed, what plays, whether the caller is
// still there. One goroutine uses it.
type talk struct {
	line   line
	cut    context.Context // its end has to be followed by line.wake
	due    time.Time       // when the call is cut in any case
	over   bool            // cut: no more is played or asked
	down   bool            // the line is: nothing more comes
	gone   gone
	unsaid []word // to be said before anything is waited for

	keys    []byte // pressed and not looked at yet
	playing string // id of the prompt that has not ended
	prompt  string // the last one, "" for digits
	stopped bool   // it was told to stop
	result  promptResult
}

func newTalk(l line, cut context.Context) talk {
	return talk{line: l, cut: cut, due: time.Now().Add(maxCall)}
}

// signal is what next came back for.
type signal int

const (
	sawEvent signal = iota // an event changed the talk, or the line is down
	sawTimer
	sawWake // somebody has news: it may be the cut
)

// open waits until the call is known, or will not be. A call that is on its way when it
// is cut gets its outcome, if it comes at once.
func (t *talk) open(within time.Duration) {
	const lastWait = time.Second
	t.line.tell(word{do: doOpen})
	until := time.Now().Add(within)
	for t.gone == here {
		switch e := t.line.next(until); {
		case e.what == callKnown, e.what == timeCame:
			return
		case e.what == lineDown:
			t.down = true
			return
		case e.what == lineWoken && t.cut.Err() != nil && !t.over:
			t.over, until = true, time.Now().Add(lastWait)
		default:
			t.take(e)
		}
	}
}

// next waits for one thing to happen: an event, the time until unless that is zero, or
// a wake. When the line is down it returns at once.
func (t *talk) next(until time.Time) signal {
	t.flush()
	deadline := until
	if !t.over && (deadline.IsZero() || t.due.Before(deadline)) {
		deadline = t.due
	}
	switch e := t.line.next(deadline); e.what {
	case timeCame:
		if deadline.Equal(until) {
			return sawTimer
		}
		t.over = true
		return sawWake
	case lineWoken:
		t.over = t.over || t.cut.Err() != nil
		return sawWake
	default:
		t.take(e)
		return sawEvent
	}
}

// take takes in one event.
func (t *talk) take(e event) {
	switch e.what {
	case keyPressed:
		// A bound: nobody presses this often between two looks.
		if len(t.keys) < maxDigits && t.gone == here {
			t.keys = append(t.keys, e.key)
		}
	case promptEnded:
		if e.id == t.playing {
			t.playing, t.result = "", e.result
		}
	case callLeft:
		t.leave(e.gone)
	case lineDown:
		t.down = true
		t.leave(broken)
	}
}

// leave keeps the first reason.
func (t *talk) leave(why gone) {
	if t.gone == here {
		t.gone = why
	}
	t.playing, t.unsaid = "", nil
}

// key returns the oldest key that was not looked at, 0 without one.
func (t *talk) key() byte {
	if len(t.keys) == 0 {
		return 0
	}
	k := t.keys[0]
	t.keys = t.keys[1:]
	return k
}

// tell says something to a call that is still there, with the next flush.
func (t *talk) tell(w word) {
	if t.gone == here {
		t.unsaid = append(t.unsaid, w)
	}
}

// flush says what was to be told, in one write. What a defect keeps from being said is not
// said again when the call is given back: it would keep that from being said too.
func (t *talk) flush() {
	if words := t.unsaid; len(words) > 0 {
		t.unsaid = nil
		t.line.tell(words...)
	}
}

// play starts a prompt of the configuration; "" plays nothing.
func (t *talk) play(id, prompt string) {
	t.prompt, t.result = prompt, noResult
	if prompt != "" {
		t.start(word{do: doPlay, id: id, prompt: prompt})
	}
}

// sayDigits lets the switch read digits out, one by one.
func (t *talk) sayDigits(id, language, digits string) {
	if languageForm.MatchString(language) && numberForm.MatchString(digits) {
		t.prompt, t.result = "", noResult
		t.start(word{do: doSay, id: id, language: language, digits: digits})
	}
}

func (t *talk) start(w word) {
	if t.gone == here && !t.over {
		t.playing, t.stopped = w.id, false
		t.tell(w)
	}
}

// stop ends the prompt that is playing; its end comes later.
func (t *talk) stop() {
	if t.playing != "" && !t.stopped {
		t.stopped = true
		t.tell(word{do: doStop})
	}
}

// stopAgain is for a prompt that plays on: the switch ignores a stop that comes before
// it began to play.
func (t *talk) stopAgain() {
	t.stopped = false
	t.stop()
}

// hush ends the prompt that is playing and waits until it has.
func (t *talk) hush() {
	if t.playing == "" || t.over {
		return
	}
	t.stop()
	for range 4 {
		again := time.Now().Add(breakAgain)
		for t.playing != "" && !t.over && t.next(again) != sawTimer {
		}
		if t.playing == "" || t.over {
			return
		}
		t.stopAgain()
	}
	t.playing = ""
}

// part gives the call back, with variables for the dialplan, and lets go of it. It
// returns the cause of a hang-up, "" when none is known.
func (t *talk) part(variables []assignment) string {
	t.line.tell(append(t.unsaid, word{do: doGiveBack, set: variables})...)
	t.unsaid = nil
	return t.line.end()
}
