package deflect

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/due"
)

// Cooldowns remembers which callers were texted lately. A Client has one in
// memory; several processes that must not text the same caller twice bring a
// shared one. Keys are the name of a [Policy] and an E.164 number: keep them as
// private as numbers.
//
// The methods are safe for concurrent use and return soon after ctx ends; a call
// waits for them. An error means that the store does not know, and the caller is
// not texted then.
//
// While a text is on its way, the others who want to text its caller wait for how that ends.
// Those of one process do by themselves. For those of others, Take of a shared store may
// wait, as long as ctx does, until the one who holds the key has given it back or kept it:
// such a store has a method Keep(key, token string), which is called for each key when its
// text went out, or may have, and does not wait.
//
// A process can die when it has taken a key, and before its text goes out. A store that
// outlives its processes may therefore let what was taken end after some seconds, if it has
// a method Confirm(ctx context.Context, key, token string) error: that is called for each
// key right before the text goes out, and from then on the key lasts as Take said. An error
// means that it may not, and the caller is not texted; one is due where another one has the
// key meanwhile.
type Cooldowns interface {
	// Held reports whether key is taken.
	Held(ctx context.Context, key string) (bool, error)
	// Take takes a key for so long and reports true, or reports false when it is
	// taken. Of several that ask at the same moment one gets it. The token says who took
	// it. It is used again only by a process that was killed in a try of a text that waits:
	// a store that outlives its processes reports true then, for it is the same try.
	Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error)
	// Release gives back a key before its time, if it is still held by this token.
	// It also comes after a Take that ended in an error, which may have taken it.
	Release(ctx context.Context, key, token string) error
}

// memoryCooldowns is the store of one process. When it is full, the key that has
// the least time left makes room: that caller can be texted again too early, which
// is better than not to text a new one.
type memoryCooldowns struct {
	mu      sync.Mutex
	max     int
	byKey   map[string]*cooldown
	byEnd   due.Heap[*cooldown]
	evicted func()
}

type cooldown struct {
	key, token string
	until      time.Time
	at         int // in the heap
}

// NewCooldowns returns a store in memory, for at most so many callers (0: 100000), as a
// [Client] has one where Config.Cooldowns is nil.
func NewCooldowns(most int) Cooldowns {
	def(&most, 100_000)
	return newMemoryCooldowns(max(most, 1), func() {})
}

func newMemoryCooldowns(max int, evicted func()) *memoryCooldowns {
	return &memoryCooldowns{max: max, byKey: map[string]*cooldown{}, evicted: evicted}
}

func (m *memoryCooldowns) Held(_ context.Context, key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heldLocked(key, time.Now()), nil
}

func (m *memoryCooldowns) heldLocked(key string, now time.Time) bool {
	c := m.byKey[key]
	return c != nil && now.Before(c.until)
}

func (m *memoryCooldowns) Take(_ context.Context, key, token string, lasts time.Duration) (bool, error) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heldLocked(key, now) {
		return false, nil
	}
	m.forgetLocked(now, forgetAtOnce)
	if over := m.byKey[key]; over != nil {
		m.dropLocked(over)
	}
	m.makeRoomLocked(now, m.max-1)
	mine := &cooldown{key: key, token: token, until: now.Add(lasts)}
	m.byKey[key] = mine
	heap.Push(&m.byEnd, mine)
	return true, nil
}

func (m *memoryCooldowns) Release(_ context.Context, key, token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.byKey[key]; c != nil && c.token == token {
		m.dropLocked(c)
	}
	return nil
}

// forgetAtOnce bounds how long one call can be held up by those that are over.
const forgetAtOnce = 64

// forgetLocked drops some of what is over, and reports whether there may be more.
func (m *memoryCooldowns) forgetLocked(now time.Time, most int) bool {
	for range most {
		if len(m.byEnd) == 0 || now.Before(m.byEnd[0].until) {
			return false
		}
		m.dropLocked(m.byEnd[0])
	}
	return true
}

func (m *memoryCooldowns) dropLocked(c *cooldown) {
	heap.Remove(&m.byEnd, c.at)
	delete(m.byKey, c.key)
}

// OnEvicted says what to call whenever a cooldown ends before its time for lack of room.
func (m *memoryCooldowns) OnEvicted(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.evicted = f
}

// Cooling counts what is not over. It lets calls in between.
func (m *memoryCooldowns) Cooling() (n int) {
	for more := true; more; {
		m.mu.Lock()
		more = m.forgetLocked(time.Now(), forgetAtOnce)
		n = len(m.byEnd)
		m.mu.Unlock()
	}
	return n
}

// SetMaxCooldowns changes how many there may be, and evicts those above. It lets calls in between,
// which may have found room meanwhile.
func (m *memoryCooldowns) SetMaxCooldowns(max int) {
	for more := true; more; {
		m.mu.Lock()
		m.max = max
		m.makeRoomLocked(time.Now(), max)
		more = len(m.byEnd) > max
		m.mu.Unlock()
	}
}

// makeRoomLocked drops some of those that end first, as long as there are more than most.
func (m *memoryCooldowns) makeRoomLocked(now time.Time, most int) {
	for i := 0; i < forgetAtOnce && len(m.byEnd) > most; i++ {
		if m.byEnd[0].until.After(now) {
			m.evicted()
		}
		m.dropLocked(m.byEnd[0])
	}
}

func (c *cooldown) Before(other *cooldown) bool { return c.until.Before(other.until) }

func (c *cooldown) Place() *int { return &c.at }

// turns lets one deflection of a key run at a time. The next one waits, because
// only the end of the first tells whether its caller has a text.
type turns struct {
	mu   sync.Mutex
	keys map[string]*turn
}

type turn struct {
	free    chan struct{} // holds one token while nobody has the turn
	waiting int           // who has it or waits for it
}

// take waits for the turn; false when ctx ends first.
func (t *turns) take(ctx context.Context, key string) (done func(), ok bool) {
	t.mu.Lock()
	if t.keys == nil {
		t.keys = map[string]*turn{}
	}
	mine := t.keys[key]
	if mine == nil {
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		t.keys[key] = mine
	}
	mine.waiting++
	t.mu.Unlock()

	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.waiting--; mine.waiting == 0 {
			delete(t.keys, key)
		}
	}
	done = func() { mine.free <- struct{}{}; leave() }
	select {
	case <-mine.free: // also for one whose time is over
		return done, true
	default:
	}
	select {
	case <-mine.free:
		return done, true
	case <-ctx.Done():
		leave()
		return nil, false
	}
}
