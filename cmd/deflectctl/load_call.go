package main

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// loss says why a call was lost, "" if it was not: deflectd has given it back with
// an outcome, or its caller has hung up.
func loss(r freeswitchtest.Result, err error) string {
	switch {
	case err != nil:
		return err.Error() // the cause that the call's time was ended with
	case r.HungUp:
		return ""
	case r.Release == freeswitchtest.Unreached:
		return "no connection: " + unreached(r.Unreached)
	case r.Release == freeswitchtest.GaveUp:
		return "no command within 25s"
	case r.Lost:
		return "hung up by deflectd"
	case r.Release != freeswitchtest.Exited:
		return "connection broken"
	case !plainOutcome(r.Vars["deflect_outcome"]):
		return "no outcome"
	case !r.Resumed:
		return "no resume"
	}
	return ""
}

// unreached is why there was no connection, in the words of the system.
func unreached(why error) string {
	var no syscall.Errno
	if errors.As(why, &no) {
		return no.Error()
	}
	var slow interface{ Timeout() bool }
	if errors.As(why, &slow) && slow.Timeout() {
		return "timeout"
	}
	return "no such address"
}

// plainOutcome tells whether a peer that may not be deflectd has set a word.
func plainOutcome(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// callTimes is what a call that was given back has waited for deflectd. What it did
// not wait for is negative.
type callTimes struct {
	latency, offer, key time.Duration
	keyLate             time.Duration // how late the generator pressed the key
}

const never = -1

// timesOf takes the times of a call that was due at some time. They end when
// deflectd's command arrives, not in the next frame of 20 ms in which the switch
// takes it up, which is no matter of deflectd.
func timesOf(hold time.Duration, due time.Time, r freeswitchtest.Result) callTimes {
	offer, key, result, heard, next, back := moments(r.Moments)
	dialled := r.Connected.Sub(due)
	known := result // what became of it
	if result == never {
		known = back
	}
	t := callTimes{latency: dialled + known, offer: never, key: never, keyLate: never}
	if offer != never {
		t.offer = dialled + offer
		t.latency = t.offer
		if key != never && len(r.Played) > 0 {
			t.keyLate = key - r.Played[0].At - hold
		}
		if key != never && answersKey(r.Vars["deflect_outcome"]) {
			t.key = known - key
			t.latency += t.key
		}
	}
	if heard != never {
		t.latency += next - heard
	}
	return t
}

// answersKey tells whether a call that came to this has ended by a key. Others have
// listened to the end, and waited for nobody.
func answersKey(outcome string) bool {
	switch deflect.Outcome(outcome) {
	case deflect.NoInput, deflect.Abandoned:
		return false
	}
	return true
}

// moments finds when the offer was to be played, a key was pressed, the result
// prompt was to be played and was heard, what was next, and when the call was given
// back.
func moments(all []freeswitchtest.Moment) (offer, key, result, heard, next, back time.Duration) {
	offer, key, result, heard, next, back = never, never, never, never, never, never
	first := func(d *time.Duration, at time.Duration) {
		if *d == never {
			*d = at
		}
	}
	for _, m := range all {
		switch m.Kind {
		case freeswitchtest.PromptAsked:
			if heard != never {
				first(&next, m.At)
			}
			if strings.HasPrefix(m.Name, offerPrompts) {
				first(&offer, m.At)
			}
			if m.Name == resultPrompt {
				first(&result, m.At)
			}
		case freeswitchtest.PromptEnded:
			if m.Name == resultPrompt {
				first(&heard, m.At)
			}
		case freeswitchtest.KeyPressed:
			first(&key, m.At)
		case freeswitchtest.ControlEnded:
			first(&back, m.At)
			if heard != never {
				first(&next, m.At)
			}
		}
	}
	if next == never {
		heard = never // cut by the end of the call
	}
	return offer, key, result, heard, next, back
}
