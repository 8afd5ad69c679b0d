package freeswitchtest

import "time"

// publishLocked brings an event to all connections that want it, and counts them.
func (s *Switch) publishLocked(m *message) int {
	n := 0
	for _, l := range s.listeners {
		if l.authed && l.wanted.wants(m) {
			l.deliverLocked(m.frame(l.wanted.format))
			n++
		}
	}
	return n
}

// emitLocked brings an event of a channel to all connections that want it.
func (s *Switch) emitLocked(ch *channel, e event) int {
	ch.core, ch.sequence = s.idLocked(), s.nextLocked()
	return s.publishLocked(&message{
		name: e.name, subclass: e.subclass,
		build: func() []byte { return ch.append(make([]byte, 0, eventSize), e) },
	})
}

// nextLocked counts the events, also those that nobody wants.
func (s *Switch) nextLocked() int {
	s.sequence++
	return s.sequence
}

// idLocked is the switch's own, a new one after each restart.
func (s *Switch) idLocked() string {
	if s.core == "" {
		s.core = newUUID()
	}
	return s.core
}

// atLocked does something later.
func (s *Switch) atLocked(d time.Duration, do func()) {
	s.agenda.add(time.Now().Add(d), do)
	s.armLocked()
}

func (s *Switch) armLocked() {
	if s.timer != nil {
		s.timer.Stop()
	}
	if next, ok := s.agenda.next(); ok {
		s.timer = time.AfterFunc(time.Until(next), s.tick)
	}
}

func (s *Switch) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		do, ok := s.agenda.due(time.Now())
		if !ok {
			break
		}
		do()
	}
	s.armLocked()
}
