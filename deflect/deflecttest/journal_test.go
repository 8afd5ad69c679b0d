package deflecttest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// modelJournal is a journal as it should be, and the ways in which one can be wrong.
type modelJournal struct {
	mu      sync.Mutex
	entries map[string]deflect.Entry
	closed  bool
	fault   string
	late    *deflect.Entry // noted, and not known of yet
}

func (m *modelJournal) is(fault string) bool { return m.fault == fault }

func (m *modelJournal) key(id string) string {
	switch {
	case m.is("ids without case"):
		return strings.ToLower(id)
	case m.is("ids without blanks around"):
		return strings.TrimSpace(id)
	case m.is("ids cut at a NUL"):
		id, _, _ = strings.Cut(id, "\x00")
	case m.is("ids cut short") && len(id) > 255:
		return id[:255]
	case m.is("ids in UTF-8"):
		return strings.ToValidUTF8(id, "")
	}
	return id
}

func (m *modelJournal) foundLocked(id string) deflect.Entry {
	e := m.entries[m.key(id)]
	over := !time.Now().Before(e.Until)
	switch {
	case e.State == "", over && e.State == deflect.Ended && !m.is("never forgets"), over && m.is("forgets what waits"):
		return deflect.Entry{}
	case m.is("forgets too early") && e.State == deflect.Ended && !time.Now().Add(100*time.Millisecond).Before(e.Until):
		return deflect.Entry{}
	}
	e.ExternalCallID = id
	return e
}

func (m *modelJournal) keepLocked(e deflect.Entry) {
	if !m.is("keeps another's bytes") {
		e.Data = bytes.Clone(e.Data)
	}
	switch m.fault {
	case "loses the customer":
		e.Customer = ""
	case "loses Next":
		e.Next = time.Time{}
	case "whole seconds":
		e.Since = e.Since.Truncate(time.Second)
	case "loses what is no text":
		e.Data = bytes.ToValidUTF8(e.Data, nil)
	case "keeps Data for ever":
		if before := m.entries[m.key(e.ExternalCallID)]; e.Data == nil {
			e.Data = before.Data
		}
	}
	if e.State == "" {
		if !m.is("erases nothing") {
			delete(m.entries, m.key(e.ExternalCallID))
		}
		return
	}
	m.entries[m.key(e.ExternalCallID)] = e
}

func (m *modelJournal) Find(ctx context.Context, id string) (deflect.Entry, error) {
	if m.is("deaf to contexts") && ctx.Err() != nil {
		time.Sleep(time.Hour)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed && m.is("knows after its end"):
		return deflect.Entry{}, nil
	case m.closed:
		return deflect.Entry{}, errClosed
	case ctx.Err() != nil && m.is("finds for nobody"):
		return deflect.Entry{State: deflect.Sending}, nil
	}
	e := m.foundLocked(id)
	if !m.is("gives its own bytes") {
		e.Data = bytes.Clone(e.Data)
	}
	return e, nil
}

func (m *modelJournal) Change(ctx context.Context, from deflect.State, e deflect.Entry) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		if m.is("changes after its end") {
			return true, nil
		}
		return false, errClosed
	}
	if ctx.Err() != nil && m.is("changes for nobody and keeps nothing") {
		return true, nil
	}
	is := m.foundLocked(e.ExternalCallID).State
	if is != from && !m.is("changes from any state") && (!m.is("changes what waits from nothing") || from != "") {
		return false, nil
	}
	if m.is("looks, then changes") {
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
		m.mu.Lock()
	}
	if m.is("loses what is sent") && e.State == deflect.Sending {
		return true, nil
	}
	m.keepLocked(e)
	if ctx.Err() != nil {
		return false, ctx.Err() // it may have been kept
	}
	return true, nil
}

func (m *modelJournal) Note(e deflect.Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return
	case m.is("notes late"):
		if m.late != nil {
			m.keepLocked(*m.late)
		}
		m.late = &e
		return
	case m.is("keeps the end") && m.foundLocked(e.ExternalCallID).State == deflect.Ended:
		return
	}
	m.keepLocked(e)
}

func (m *modelJournal) Open(ctx context.Context) ([]deflect.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		if m.is("nothing is open after its end") {
			return nil, nil
		}
		return nil, errClosed
	}
	var open []deflect.Entry
	for id := range m.entries {
		e := m.foundLocked(m.entries[id].ExternalCallID)
		switch {
		case e.State == "", e.State == deflect.Ended && !m.is("all is open"):
		case e.State == deflect.Doubted && m.is("doubts are not open"):
		default:
			if m.is("doubts have no data") {
				e.Data = nil
			}
			open = append(open, e)
		}
	}
	return open, nil
}

func (m *modelJournal) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func newModelJournal(fault string) *modelJournal {
	return &modelJournal{entries: map[string]deflect.Entry{}, fault: fault}
}

// Every fault is seen, by the promise that it breaks.
func TestJournalSeesFaults(t *testing.T) {
	for fault, want := range map[string]string{
		"loses the customer":                   "an entry is kept whole",
		"loses Next":                           "an entry is kept whole",
		"whole seconds":                        "an entry is kept whole",
		"loses what is no text":                "an entry is kept whole",
		"keeps Data for ever":                  "an entry is kept whole",
		"doubts have no data":                  "an entry is kept whole",
		"changes from any state":               "an entry is changed from the state that it is in",
		"changes what waits from nothing":      "an entry is changed from the state that it is in",
		"notes late":                           "what is noted is known at once, whatever was before",
		"erases nothing":                       "what is noted is known at once, whatever was before",
		"keeps the end":                        "what is noted is known at once, whatever was before",
		"ids without case":                     "ids are apart",
		"ids without blanks around":            "ids are apart",
		"ids cut at a NUL":                     "ids are apart",
		"ids cut short":                        "ids are apart",
		"ids in UTF-8":                         "ids are apart",
		"keeps another's bytes":                "an entry is its owner's",
		"gives its own bytes":                  "an entry is its owner's",
		"never forgets":                        "what has ended is forgotten in its time, and not before",
		"forgets too early":                    "what has ended is forgotten in its time, and not before",
		"forgets what waits":                   "what has not ended is not forgotten",
		"all is open":                          "all that has not ended is open",
		"doubts are not open":                  "all that has not ended is open",
		"looks, then changes":                  "of many who change at once one does",
		"finds for nobody":                     "who does not wait any more is let go",
		"deaf to contexts":                     "who does not wait any more is let go",
		"changes for nobody and keeps nothing": "who does not wait any more is let go",
		"knows after its end":                  "after its end a journal does not know",
		"changes after its end":                "after its end a journal does not know",
		"nothing is open after its end":        "after its end a journal does not know",
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				for _, c := range journalPromises {
					ctx, cancel := context.WithCancel(t.Context())
					if c.check(ctx, texts{journal: newModelJournal(fault), id: "x"}) != nil {
						got = append(got, c.name)
					}
					cancel()
				}
				if !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("broken are %q, want %q among them", got, want)
				}
				time.Sleep(2 * time.Hour) // who was not waited for
			})
		})
	}
	t.Run("rarer ways", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if noChangeLost(t.Context(), texts{journal: newModelJournal("loses what is sent"), id: "x"}) == nil {
				t.Error("changes are lost, and that is fine")
			}
		})
	})
}

// A journal as it should be passes, and so does a slow one.
func TestJournalOfAModel(t *testing.T) {
	TestJournal(t, func(testing.TB) deflect.Journal { return newModelJournal("") })
}

func TestJournalOfASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range journalPromises {
			if err := c.check(t.Context(), texts{journal: slowJournal{newModelJournal("")}, id: "x"}); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

// slowJournal is one at the other end of a network.
type slowJournal struct{ *modelJournal }

func (s slowJournal) Find(ctx context.Context, id string) (deflect.Entry, error) {
	if err := way(ctx); err != nil {
		return deflect.Entry{}, err
	}
	e, err := s.modelJournal.Find(ctx, id)
	return e, errors.Join(err, way(ctx))
}

func (s slowJournal) Change(ctx context.Context, from deflect.State, e deflect.Entry) (bool, error) {
	if err := way(ctx); err != nil {
		return false, err
	}
	changed, err := s.modelJournal.Change(ctx, from, e)
	return changed, errors.Join(err, way(ctx))
}

func (s slowJournal) Open(ctx context.Context) ([]deflect.Entry, error) {
	if err := way(ctx); err != nil {
		return nil, err
	}
	open, err := s.modelJournal.Open(ctx)
	return open, errors.Join(err, way(ctx))
}
