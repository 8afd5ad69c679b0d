package numberplan

import (
	"strings"
	"sync"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
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
	phone.Parsed
	ok bool
}

func newMemo(max int) *memo {
	return &memo{max: max, young: map[memoKey]*memoEntry{}, old: map[memoKey]*memoEntry{}}
}

// Parse reads a number, one without a plus sign as dialled inside region, an ISO 3166
// code such as "US". It reports false for what cannot be a telephone number; that can be
// a Placeholder all the same. The numbers that were read lately are remembered. It is safe
// for concurrent use.
func Parse(n phone.Number, region string) (phone.Parsed, bool) {
	plain, ok := n.Plain()
	if !ok {
		return phone.Parsed{}, false
	}
	e := numbers.get(memoKey{plain, region})
	if e == nil {
		e = &memoEntry{key: memoKey{strings.Clone(plain), strings.Clone(region)}}
		r, ok := read(plain, region)
		e.Parsed, e.ok = r.Parsed, ok
		if len(region) <= maxRegionBytes {
			numbers.put(e)
		}
	}
	return e.Parsed, e.ok
}

// maxRegionBytes is the length of "001": anybody may ask for a region that is none.
const maxRegionBytes = 3

func (m *memo) get(key memoKey) *memoEntry {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.young[key]
	if e == nil {
		if e = m.old[key]; e != nil {
			m.keepLocked(e)
		}
	}
	return e
}

func (m *memo) put(e *memoEntry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keepLocked(e)
}

// keepLocked forgets the old ones when the young ones are as many as there may be: what
// was asked for meanwhile is among the young.
func (m *memo) keepLocked(e *memoEntry) {
	if len(m.young) >= m.max {
		m.young, m.old = m.old, m.young
		clear(m.young)
	}
	m.young[e.key] = e
}
