package freeswitchtest

import "time"

// publish brings an event to all connections that want it, and counts them.
func (s *Switch) publish(m *message) int {
	n := 0
	for _, l := range s.listeners {
		if l.authed && l.wanted.wants(m) {
			l.deliver(m.frame(l.wanted.format))
			n++
		}
	}
	return n
}

// emit brings an event of a channel to all connections that want it.
func (s *Switch) emit(ch *channel, e event) int {
	ch.core, ch.sequence = s.id(), s.next()
	return s.publish(&message{
		name: e.name, subclass: e.subclass,
		build: func() []byte { return ch.append(make([]byte, 0, eventSize), e) },
	})
}

// next counts the events, also those that nobody wants.
func (s *Switch) next() int {
	s.sequence++
	return s.sequence
}

// id is the switch's own, a new one after each restart.
func (s *Switch) id() string {
	if s.core == "" {
		s.core = newUUID()
	}
	return s.core
}

// at does something later.
func (s *Switch) at(d time.Duration, do func()) {
	s.agenda.add(time.Now().Add(d), do)
	s.arm()
}

func (s *Switch) arm() {
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
	s.arm()
}
