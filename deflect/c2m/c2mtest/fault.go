package c2mtest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Fault is a way to fail. Every fault is said to strike before the request is
// processed, so that no message goes out, or after it, so that it goes out
// although the client does not learn it. A request that the double refuses
// anyway is never processed; a fault that strikes after processing then spoils
// the refusal. Only an invite has a message: for the other calls both are the same.
//
// Of the fields that are LiveDeflect's by name, InvalidNonce refuses the token or the
// signature (401, code 1100), SuccessFalse says no: eligible false to an eligibility, 400
// with code 1400 to an invite, 401 to the others; SuccessBool does nothing. To the second
// copy of DeliveredTwice an invite with a token is answered code 1400.
//
// Delay and RetryAfter go with any fault; Truncate, Gzip and Body with those that
// answer. Of the others one decides, the first in the order of the fields; ParseFault
// refuses several.
type Fault = double.Fault

// ParseFault reads a fault as a person types it, the call in front: "invite:status=503",
// "token:delay=2s,garbage". The words are delay=DURATION, conn-refused, reset-before, hang,
// redirect=URL, status=CODE, status-after=CODE (the message goes out), invalid-nonce,
// success-false, no-text, hang-after, delivered-twice, reset-after, garbage, truncate,
// gzip, retry-after=VALUE and, last because it
// may hold commas, body=TEXT.
func ParseFault(s string) (call string, f Fault, err error) {
	call, words, _ := strings.Cut(s, ":")
	if !known(call) {
		return "", Fault{}, fmt.Errorf("c2mtest: parse fault: %q does not begin with one of %s, and a colon", s, strings.Join(Calls(), ", "))
	}
	f, err = double.ParseFault(words)
	if err == nil && f.SuccessBool {
		err = fmt.Errorf("parse fault: success-bool is LiveDeflect's alone")
	}
	if err != nil {
		return "", Fault{}, fmt.Errorf("c2mtest: %w", err)
	}
	return call, f, nil
}

func known(call string) bool {
	_, known := methods[call]
	return known
}

// Inject lets the next requests of a call meet faults: the first request the first fault,
// and so on, one a request. The zero Fault lets a request through unharmed. Faults
// that were injected earlier come first, and all of them go before the one of
// SetFault. It panics if call is none of Calls.
func (s *Server) Inject(call string, f ...Fault) { s.queue(call).Inject(f...) }

// SetFault lets every request of a call meet a fault until it is replaced. Nil ends it. It
// panics if call is none of Calls.
func (s *Server) SetFault(call string, f *Fault) { s.queue(call).Set(f) }

func (s *Server) queue(call string) *double.FaultQueue {
	if !known(call) {
		panic("c2mtest: there is no call " + call)
	}
	return s.faults[call]
}

// takeFault gives the fault that a request meets; one to nowhere meets none. It calls the
// user's code, so the lock must not be held.
func (s *Server) takeFault(path string, arrived func() *double.Arrival) Fault {
	call := s.route(path).call
	if call == "" {
		return Fault{}
	}
	if s.cfg.FaultFor != nil {
		id, number := asked(call, arrived())
		if call == CallInvite {
			number = s.numberOf(id)
		}
		if f, strikes := s.cfg.FaultFor(Asked{call, id, number}); strikes {
			return f
		}
	}
	return s.faults[call].Take()
}

// asked reads from any body what tells requests apart.
func asked(call string, a *double.Arrival) (callID, number string) {
	if call != CallEligibility && call != CallInvite {
		return "", ""
	}
	var b struct {
		CallID string `json:"callId"`
		Number string `json:"consumerPhoneNumber"`
	}
	if json.Unmarshal(a.Body, &b) != nil {
		return "", ""
	}
	if call == CallInvite {
		return b.CallID, ""
	}
	return "", b.Number
}
