package freeswitch

import (
	"errors"
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// ending is how a call ended.
type ending struct {
	deflect.Result
	err       error
	confirmed string // "true", "false", or "" when nobody asked
	heard     string // whether the prompt of the outcome was played to its end; "" when there is none
}

func end(o deflect.Outcome, r deflect.Reason) ending {
	return ending{Result: deflect.Result{Outcome: o, Reason: r}}
}

// endFor is an ending with its cause.
func endFor(o deflect.Outcome, r deflect.Reason, cause error) ending {
	e := end(o, r)
	e.err = cause
	return e
}

// notTexted is the ending of a call that Offer or Check refuses, each with an outcome of
// its own.
func notTexted(err error) ending {
	outcome := deflect.Ineligible
	if e := (*deflect.Error)(nil); errors.As(err, &e) {
		outcome = e.Outcome
	}
	return endFor(outcome, deflect.ReasonOf(err), err)
}

// endAway is the ending of a call that left before the caller accepted.
func (s *session) endAway() ending {
	switch s.talk.gone {
	case hungUp:
		return end(deflect.Abandoned, deflect.ReasonHangup)
	case transferred, served:
		return end(deflect.Abandoned, deflect.ReasonTransferred)
	}
	return endFor(deflect.Failed, deflect.ReasonSwitch, s.talk.line.why())
}

// endCut is the ending of a call that had to end before the caller decided.
func (s *session) endCut() ending {
	if s.stop.Err() != nil {
		return end(deflect.Failed, deflect.ReasonShutdown)
	}
	return endFor(deflect.Failed, deflect.ReasonSwitch, fmt.Errorf("the offer did not end within %s", maxCall))
}
