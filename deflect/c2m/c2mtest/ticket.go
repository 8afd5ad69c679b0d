package c2mtest

import (
	"strconv"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// ticket is a callId: one transaction of the reports.
type ticket struct {
	Eligibility
	ahead    time.Duration // of the API's clock, when it was asked for
	channel  string        // the one that there would be
	refused  code          // why there is no eligibility, as far as there is a code
	skipped  bool          // there is none because of an opt-out
	answered bool          // with the callId
	failed   time.Time     // of the last invite that was not
	failure  code
	tried    bool // an invite may have sent something
	messages []*message
}

// message is what became of it: what was sent, or else was not; nil without any.
func (t *ticket) message() *message {
	for _, m := range t.messages {
		if m.Sent {
			return m
		}
	}
	if len(t.messages) > 0 {
		return t.messages[0]
	}
	return nil
}

// message is what an invite sent, or would have.
type message struct {
	Invite
	ahead   time.Duration
	skipped bool
	taken   bool // by is known
	by      Consumer
	closed  time.Time // its conversation
}

// replied is when the conversation opened, as far as it can be known.
func (m *message) replied() (at time.Time, replies bool) {
	if !m.Sent || !m.taken || m.by.Error != "" || !m.by.Replies {
		return time.Time{}, false
	}
	return m.Time.Add(max(m.by.After, 0)), true
}

// open reports whether its conversation is open.
func (m *message) open(now time.Time) bool {
	at, replies := m.replied()
	return replies && !at.After(now) && m.closed.IsZero()
}

// tickets are the callIds that are known, in order.
type tickets struct {
	seed  string
	given int64
	byID  map[string]*ticket
	all   double.History[*ticket]
}

func newTickets(keep int, seed string) tickets {
	return tickets{seed: seed, byID: map[string]*ticket{}, all: double.History[*ticket]{Keep: keep}}
}

// add gives a ticket its callId.
func (t *tickets) add(to *ticket) {
	t.given++
	to.CallID = double.UUIDOf("call " + t.seed + " " + strconv.FormatInt(t.given, 10))
	if len(t.all.Items) == t.all.Keep {
		delete(t.byID, t.all.Items[0].CallID)
	}
	t.byID[to.CallID] = to
	t.all.Add(to)
}

func (s *Server) numberOf(callID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tickets.byID[callID]; t != nil {
		return t.Number
	}
	return ""
}
