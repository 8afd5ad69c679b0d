package deflect

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// memoryJournal is the journal of one process. Of the texts that have ended it knows at
// least the last half of max, and at most max.
type memoryJournal struct {
	mu   sync.Mutex
	max  int
	open map[string]Entry // by the id of their call
	// Of the last ones, and of those before: when there are half of max, they become the
	// ones before, which are forgotten at once, so that no call waits for that.
	last, before map[string]endedText
}

// endedText is an Entry that has ended.
type endedText struct {
	policy, callID string
	outcome        Outcome
	reason         Reason
	since, until   time.Time
}

func newMemoryJournal(max int) *memoryJournal {
	return &memoryJournal{max: max, open: map[string]Entry{}, last: map[string]endedText{}}
}

// Find implements Journal.
func (m *memoryJournal) Find(_ context.Context, externalCallID string) (Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.findLocked(externalCallID), nil
}

func (m *memoryJournal) findLocked(id string) Entry {
	if e, ok := m.open[id]; ok {
		e.Data = bytes.Clone(e.Data)
		return e
	}
	t, ok := m.last[id]
	if !ok {
		t, ok = m.before[id]
	}
	if !ok || !time.Now().Before(t.until) {
		return Entry{}
	}
	return Entry{ExternalCallID: id, State: Ended, Policy: t.policy, Outcome: t.outcome, Reason: t.reason, CallID: t.callID, Since: t.since, Until: t.until}
}

// Change implements Journal.
func (m *memoryJournal) Change(ctx context.Context, from State, e Entry) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.findLocked(e.ExternalCallID).State != from {
		return false, nil
	}
	m.keepLocked(e)
	return true, nil
}

// Note implements Journal.
func (m *memoryJournal) Note(e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keepLocked(e)
}

func (m *memoryJournal) keepLocked(e Entry) {
	delete(m.open, e.ExternalCallID)
	delete(m.last, e.ExternalCallID)
	delete(m.before, e.ExternalCallID)
	switch e.State {
	case "":
	case Ended:
		if len(m.last) >= max(1, m.max/2) {
			m.before, m.last = m.last, map[string]endedText{}
		}
		m.last[e.ExternalCallID] = endedText{e.Policy, e.CallID, e.Outcome, e.Reason, e.Since, e.Until}
	default:
		e.Data = bytes.Clone(e.Data)
		m.open[e.ExternalCallID] = e
	}
}

// Open implements Journal.
func (m *memoryJournal) Open(context.Context) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	open := make([]Entry, 0, len(m.open))
	for _, e := range m.open {
		e.Data = bytes.Clone(e.Data)
		open = append(open, e)
	}
	return open, nil
}

func (m *memoryJournal) setMax(max int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.max = max
}
