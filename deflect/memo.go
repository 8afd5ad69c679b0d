package deflect

import (
	"strings"
	"sync"
)

// numbers remembers what numbers were read lately: parsing is a hundred times
// slower than looking here, few numbers are dialled, and a caller's is read for the
// offer and again for the text.
var numbers = newMemo(2048)

// memo remembers at least the last so many numbers that were asked for, and at most
// twice as many, in some 400 bytes each. What cannot be a number is remembered as
// well. The strings may be a stranger's: those that are kept are short, and our own.
type memo struct {
	max        int
	mu         sync.Mutex
	young, old map[memoKey]*memoEntry
}

// memoKey is all that a parsed number depends on.
type memoKey struct{ plain, region string }

type memoEntry struct {
	key memoKey
	number
	ok bool
}

func newMemo(max int) *memo {
	return &memo{max: max, young: map[memoKey]*memoEntry{}, old: map[memoKey]*memoEntry{}}
}

// known is parse from memory.
func (n PhoneNumber) known(region string) (number, bool) {
	plain, ok := n.plain()
	if !ok {
		return number{}, false
	}
	e := numbers.get(memoKey{plain, region})
	if e == nil {
		e = &memoEntry{key: memoKey{strings.Clone(plain), strings.Clone(region)}}
		e.number, e.ok = readNumber(plain, region)
		if len(region) <= maxRegionBytes {
			numbers.put(e)
		}
	}
	return e.number, e.ok
}

// maxRegionBytes is the length of "001": anybody may ask for a region that is none.
const maxRegionBytes = 3

func (m *memo) get(key memoKey) *memoEntry {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.young[key]
	if e == nil {
		if e = m.old[key]; e != nil {
			m.keep(e)
		}
	}
	return e
}

func (m *memo) put(e *memoEntry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(e)
}

// keep forgets the old ones when the young ones are as many as there may be: what
// was asked for meanwhile is among the young.
func (m *memo) keep(e *memoEntry) {
	if len(m.young) >= m.max {
		m.young, m.old = m.old, m.young
		clear(m.young)
	}
	m.young[e.key] = e
}
