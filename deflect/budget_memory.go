package deflect

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/due"
)

// memoryBudgets is the store of one process.
type memoryBudgets struct {
	mu     sync.Mutex
	byName map[string]*places
}

// places are those of one name. There are at most as many as its largest budget had texts.
type places struct {
	byToken map[string]*taken
	byEnd   due.Heap[*taken]
}

type taken struct {
	token string
	until time.Time
	at    int // in the heap
}

// NewBudgets returns a store in memory, as a Client has one without Config.Budgets.
func NewBudgets() Budgets { return newMemoryBudgets() }

func newMemoryBudgets() *memoryBudgets { return &memoryBudgets{byName: map[string]*places{}} }

func (m *memoryBudgets) Left(_ context.Context, name string, b Budget) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leftLocked(name, b, time.Now()), nil
}

func (m *memoryBudgets) leftLocked(name string, b Budget, now time.Time) bool {
	of := m.byName[name]
	if of == nil {
		return true
	}
	m.forgetLocked(name, now, b.Texts)
	return len(of.byEnd) < b.Texts
}

func (m *memoryBudgets) Take(_ context.Context, name, token string, b Budget) (bool, error) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if of := m.byName[name]; of != nil {
		if mine := of.byToken[token]; mine != nil {
			if now.Before(mine.until) {
				return true, nil
			}
			m.dropLocked(name, mine)
		}
	}
	if !m.leftLocked(name, b, now) {
		return false, nil
	}
	for other := range m.byName { // any one: names that nobody asks about any more go so
		m.forgetLocked(other, now, maxBudgetTexts)
		break
	}
	of := m.byName[name]
	if of == nil {
		of = &places{byToken: map[string]*taken{}}
		m.byName[name] = of
	}
	mine := &taken{token: token, until: now.Add(b.Per)}
	of.byToken[token] = mine
	heap.Push(&of.byEnd, mine)
	return true, nil
}

func (m *memoryBudgets) Release(_ context.Context, name, token string) error {
	m.release(name, token)
	return nil
}

func (m *memoryBudgets) release(name, token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if of := m.byName[name]; of != nil {
		if mine := of.byToken[token]; mine != nil {
			m.dropLocked(name, mine)
		}
	}
}

// forgetLocked drops some of what is over, and as much of it as keeps others from a place
// among so many.
func (m *memoryBudgets) forgetLocked(name string, now time.Time, most int) {
	of := m.byName[name]
	for i := 0; len(of.byEnd) > 0 && !now.Before(of.byEnd[0].until); i++ {
		if i >= forgetAtOnce && len(of.byEnd) < most {
			return
		}
		m.dropLocked(name, of.byEnd[0])
	}
}

func (m *memoryBudgets) dropLocked(name string, p *taken) {
	of := m.byName[name]
	heap.Remove(&of.byEnd, p.at)
	delete(of.byToken, p.token)
	if len(of.byEnd) == 0 {
		delete(m.byName, name)
	}
}

func (p *taken) Before(other *taken) bool { return p.until.Before(other.until) }

func (p *taken) Place() *int { return &p.at }
