package livedeflecttest

import (
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Fault is a way to fail. Every fault is said to strike before the request is
// processed, so that no text is sent, or after it, so that the text is sent
// although the client does not learn it. A request that the double refuses
// anyway is never processed; a fault that strikes after processing then spoils
// the refusal. For a report there is no text, and both are the same.
//
// Delay and RetryAfter go with any fault; Truncate, Gzip and Body with those that
// answer; SuccessBool, Truncate and Gzip may stand alone. Of the others one decides,
// the first in the order of the fields; ParseFault refuses several.
type Fault = double.Fault

// ParseFault reads a fault as a person types it: words with commas between
// them, such as "status=429,retry-after=1". The words are delay=DURATION,
// conn-refused, reset-before, hang, redirect=URL, status=CODE,
// status-after=CODE (the text is sent), invalid-nonce, success-false, no-text,
// success-bool, hang-after, delivered-twice, reset-after, garbage, truncate, gzip,
// retry-after=VALUE and, last because it may hold commas, body=TEXT.
func ParseFault(s string) (Fault, error) {
	f, err := double.ParseFault(s)
	if err != nil {
		return Fault{}, fmt.Errorf("livedeflecttest: %w", err)
	}
	return f, nil
}

// Inject lets the next requests to contextAndInvite, and to paths that are
// none of the API's, meet faults: the first request the first fault, and so
// on, one a request. The zero Fault lets a request through unharmed. Faults
// that were injected earlier come first, and all of them go before the one of
// SetFault.
func (s *Server) Inject(f ...Fault) { s.faults.Inject(f...) }

// SetFault lets every request that Inject is for meet a fault until it is
// replaced. Nil ends it.
func (s *Server) SetFault(f *Fault) { s.faults.Set(f) }

// InjectReport is Inject for getLiveDeflectData.
func (s *Server) InjectReport(f ...Fault) { s.reportFaults.Inject(f...) }

// SetReportFault is SetFault for getLiveDeflectData.
func (s *Server) SetReportFault(f *Fault) { s.reportFaults.Set(f) }

// takeFault gives the fault that a request meets. It calls the user's code, so the lock
// must not be held.
func (s *Server) takeFault(path string, arrived func() *double.Arrival) Fault {
	if s.cfg.FaultFor != nil && path == s.base.Path+pathContextAndInvite {
		d, _ := decodeDeflection(arrived())
		if f, strikes := s.cfg.FaultFor(d.clone()); strikes {
			return f
		}
	}
	if s.isReport(path) {
		return s.reportFaults.Take()
	}
	return s.faults.Take()
}

func (s *Server) isReport(path string) bool { return path == s.base.Path+pathReport }
