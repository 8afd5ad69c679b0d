package livedeflecttest

// faultQueue holds the faults that the next requests of one call meet.
type faultQueue struct {
	injected []Fault
	standing Fault
}

func (q *faultQueue) set(f *Fault) {
	q.standing = Fault{}
	if f != nil {
		q.standing = *f
	}
}

func (q *faultQueue) take() Fault {
	if len(q.injected) == 0 {
		return q.standing
	}
	f := q.injected[0]
	q.injected = q.injected[1:]
	return f
}

// Inject lets the next requests to contextAndInvite, and to paths that are
// none of the API's, meet faults: the first request the first fault, and so
// on, one a request. The zero Fault lets a request through unharmed. Faults
// that were injected earlier come first, and all of them go before the one of
// SetFault.
func (s *Server) Inject(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.injected = append(s.faults.injected, f...)
}

// SetFault lets every request that Inject is for meet a fault until it is
// replaced. Nil ends it.
func (s *Server) SetFault(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.set(f)
}

// InjectReport is Inject for getLiveDeflectData.
func (s *Server) InjectReport(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reportFaults.injected = append(s.reportFaults.injected, f...)
}

// SetReportFault is SetFault for getLiveDeflectData.
func (s *Server) SetReportFault(f *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reportFaults.set(f)
}

// takeFault gives the fault that a request meets. It calls the user's code, so the lock
// must not be held.
func (s *Server) takeFault(path string, arrived func() *arrival) Fault {
	if s.cfg.FaultFor != nil && path == s.base.Path+pathContextAndInvite {
		d, _ := decodeDeflection(arrived())
		if f, strikes := s.cfg.FaultFor(d.clone()); strikes {
			return f
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isReport(path) {
		return s.reportFaults.take()
	}
	return s.faults.take()
}

func (s *Server) isReport(path string) bool { return path == s.base.Path+pathReport }
