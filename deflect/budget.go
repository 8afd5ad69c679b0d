package deflect

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/due"
)

// Budget is how many texts the agents of a policy can take. A text counts from when its
// caller was offered it, and one that waits, or had no offer, from when it goes out: at most
// Texts of them in any time that is as long as Per. The zero value is no budget.
type Budget struct {
	Texts int           // 1 to 100000
	Per   time.Duration // 1 s to 24 h
}

// Budgets counts the texts of policies that have a [Budget], by the policy's name: a place
// each. A Client has a store in memory; several processes whose texts go to the same agents
// bring a shared one. The budget is that of the call that asks, which may have changed.
//
// The methods are safe for concurrent use and return soon after ctx ends; a call
// waits for Left and Take. An error means that the store does not know, and the caller is
// not texted then.
type Budgets interface {
	// Left reports whether there is room: fewer than Texts places are taken.
	Left(ctx context.Context, name string, b Budget) (bool, error)
	// Take takes a place for as long as Per and reports true, or reports false when Texts of
	// them are taken. However many ask at the same moment, no more get one than there are.
	// The token, which is not used for two texts, says who took it: for one that has a place
	// already it takes no other one, and reports true.
	Take(ctx context.Context, name, token string, b Budget) (bool, error)
	// Release gives back the place of a token before its time, if it has one. It also comes
	// after a Take that ended in an error, which may have taken it.
	Release(ctx context.Context, name, token string) error
}

const (
	maxBudgetTexts = 100_000
	maxBudgetPer   = 24 * time.Hour
)

func (b Budget) validate(bad func(field, format string, args ...any)) {
	if b == (Budget{}) {
		return
	}
	if b.Texts < 1 || b.Texts > maxBudgetTexts {
		bad("Budget.Texts", "is %d; must be between 1 and %d, in Budget.Per", b.Texts, maxBudgetTexts)
	}
	if b.Per < time.Second || b.Per > maxBudgetPer {
		bad("Budget.Per", "is %s; must be between 1s and 24h, for Budget.Texts", b.Per)
	}
}

func (b Budget) String() string { return fmt.Sprintf("%d texts in %s", b.Texts, b.Per) }

// memoryBudgets is the store of one process.
type memoryBudgets struct {
	mu     sync.Mutex
	byName map[string]*places
}

// places are those of one name. There are at most as many as its largest budget had texts.
type places struct {
	byToken map[string]*place
	byEnd   due.Heap[*place]
}

type place struct {
	token string
	until time.Time
	at    int // in the heap
}

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
		of = &places{byToken: map[string]*place{}}
		m.byName[name] = of
	}
	mine := &place{token: token, until: now.Add(b.Per)}
	of.byToken[token] = mine
	heap.Push(&of.byEnd, mine)
	return true, nil
}

func (m *memoryBudgets) Release(_ context.Context, name, token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if of := m.byName[name]; of != nil {
		if mine := of.byToken[token]; mine != nil {
			m.dropLocked(name, mine)
		}
	}
	return nil
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

func (m *memoryBudgets) dropLocked(name string, p *place) {
	of := m.byName[name]
	heap.Remove(&of.byEnd, p.at)
	delete(of.byToken, p.token)
	if len(of.byEnd) == 0 {
		delete(m.byName, name)
	}
}

func (p *place) Before(other *place) bool { return p.until.Before(other.until) }

func (p *place) Place() *int { return &p.at }
