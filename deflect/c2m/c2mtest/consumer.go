package c2mtest

import (
	"strings"
	"time"
)

// consumer is what the platform knows of a number.
type consumer struct {
	open     bool // a conversation that no message of ours began
	optedOut bool
	landline bool
	replies  []*message // those that open a conversation, now or later
}

// of gives what is known of a number, and begins to know it.
func (s *Server) of(number string) *consumer {
	if number = strings.TrimSpace(number); !strings.HasPrefix(number, "+") {
		number = "+" + number
	}
	if s.consumers[number] == nil {
		s.consumers[number] = &consumer{}
	}
	return s.consumers[number]
}

func (s *Server) know(number string, what func(*consumer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what(s.of(number))
}

// OpenConversation lets a number have an open conversation with the brand.
func (s *Server) OpenConversation(number string) { s.know(number, func(c *consumer) { c.open = true }) }

// CloseConversation ends the conversations of a number, also those that replies opened.
func (s *Server) CloseConversation(number string) {
	now := time.Now()
	s.know(number, func(c *consumer) {
		c.open = false
		for _, m := range c.replies {
			if m.open(now) {
				m.closed = now
			}
		}
	})
}

// OptOut lets a number have opted out of messages, or not any more.
func (s *Server) OptOut(number string, out bool) {
	s.know(number, func(c *consumer) { c.optedOut = out })
}

// Landline lets a number be one that cannot be texted.
func (s *Server) Landline(number string) { s.know(number, func(c *consumer) { c.landline = true }) }

// known is what is known of a number. The lock is held.
func (s *Server) known(number string) consumer {
	if c := s.consumers[number]; c != nil {
		return *c
	}
	return consumer{}
}

// converses reports whether a conversation is open. The lock is held.
func (c consumer) converses(now time.Time) bool {
	open := c.open
	for _, m := range c.replies {
		open = open || m.open(now)
	}
	return open
}

// takes asks how a message is taken. It calls the user's code, so the lock must not be
// held.
func (s *Server) takes(m *message) {
	var by Consumer
	if s.cfg.Consumer != nil {
		by = s.cfg.Consumer(m.Invite.clone())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known(m.Number).landline && m.Channel == SMS {
		by = Consumer{Error: "21614", ErrorSource: "twilio"}
	}
	m.by, m.taken = by, true
	if _, replies := m.replied(); replies {
		c := s.of(m.Number)
		c.replies = append(c.replies, m)
	}
}
