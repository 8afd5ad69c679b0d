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
	case ownLimit(r.Unreached) != "":
		return ownLimit(r.Unreached)
	case r.HungUp:
		return ""
	case r.Release == freeswitchtest.Unreached:
		return "no connection: " + unreached(r.Unreached)
	case r.Release == freeswitchtest.GaveUp:
		return "no command within 25s"
	case r.Lost:
		return "hung up, or left in silence"
	case r.Release != freeswitchtest.Exited:
		return "connection broken"
	case !plainOutcome(r.Vars["deflect_outcome"]):
		return "no outcome"
	case r.ResumeLeft:
		return "socket_resume left set"
	}
	return ""
}

// ownLimit is what the generator has run out of, which is no fault of deflectd.
func ownLimit(why error) string {
	switch {
	case errors.Is(why, syscall.EADDRNOTAVAIL):
		return "the generator has no port left (see --help)"
	case errors.Is(why, syscall.EMFILE), errors.Is(why, syscall.ENFILE):
		return "the generator has no file descriptor left (ulimit -n)"
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
	m := momentsOf(r.Moments)
	dialled := r.Connected.Sub(due)
	known := m.result // what became of it
	if known == never {
		known = m.back
	}
	t := callTimes{latency: dialled + known, offer: never, key: never, keyLate: never}
	if m.offer != never {
		t.offer = dialled + m.offer
		t.latency = t.offer
		if m.key != never && len(r.Played) > 0 {
			t.keyLate = m.key - r.Played[0].At - hold
		}
		if m.key != never && answersKey(r.Vars["deflect_outcome"]) {
			t.key = known - m.key
			t.latency += t.key
		}
	}
	if m.heard != never {
		t.latency += m.next - m.heard
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

// moments are those of one call.
type moments struct {
	offer, key  time.Duration // when the offer was to be played, and a key was pressed
	result      time.Duration // when the result prompt was to be played
	heard, next time.Duration // when that was heard, and what came next
	back        time.Duration // when the call was given back
}

func momentsOf(all []freeswitchtest.Moment) moments {
	m := moments{never, never, never, never, never, never}
	first := func(d *time.Duration, at time.Duration) {
		if *d == never {
			*d = at
		}
	}
	for _, a := range all {
		switch a.Kind {
		case freeswitchtest.PromptAsked:
			if m.heard != never {
				first(&m.next, a.At)
			}
			if strings.HasPrefix(a.Name, offerPrompts) {
				first(&m.offer, a.At)
			}
			if a.Name == resultPrompt {
				first(&m.result, a.At)
			}
		case freeswitchtest.PromptEnded:
			if a.Name == resultPrompt {
				first(&m.heard, a.At)
			}
		case freeswitchtest.KeyPressed:
			first(&m.key, a.At)
		case freeswitchtest.ControlEnded:
			first(&m.back, a.At)
			if m.heard != never {
				first(&m.next, a.At)
			}
		}
	}
	if m.next == never {
		m.heard = never // cut by the end of the call
	}
	return m
}
