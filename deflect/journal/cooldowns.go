package journal

import (
	"bytes"
	"container/heap"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/due"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

const (
	defaultMaxCooldowns = 100_000
	// longestCooldown is what rules can ask for. One that lasts longer was written by a
	// clock that was wrong.
	longestCooldown = 31 * 24 * time.Hour
	// forgetAtOnce bounds how long one call can be held up by those that are over.
	forgetAtOnce = 64
)

// cooldowns are all in memory, where calls look, and in the file for the next start.
type cooldowns struct {
	byKey   map[cooldownKey]*cooldown
	byEnd   due.Heap[*cooldown]
	max     int
	evicted func()
}

type cooldown struct {
	key   cooldownKey
	token string        // of who took it
	end   time.Duration // since the start of the journal
	at    int           // in the heap
}

// freshCooldown is one that the file does not have yet, or has no more.
type freshCooldown struct {
	value []byte // nil when it is gone
}

// Held implements [deflect.Cooldowns]. It answers from memory, whatever became of ctx.
func (j *Journal) Held(_ context.Context, key string) (bool, error) {
	k, _, _ := j.keys.cooldown(key)
	now := time.Since(j.start)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.heldLocked(k, now), j.closedLocked()
}

func (j *Journal) heldLocked(k cooldownKey, now time.Duration) bool {
	c := j.byKey[k]
	return c != nil && now < c.end
}

// Take implements [deflect.Cooldowns]. It does not wait for the disk: the next Change does.
// One that a process took which was killed is its token's again.
func (j *Journal) Take(_ context.Context, key, token string, lasts time.Duration) (bool, error) {
	k, policy, number := j.keys.cooldown(key)
	now := time.Since(j.start)
	j.mu.Lock()
	held, err := j.heldLocked(k, now), j.closedLocked()
	mine := held && err == nil && j.byKey[k].token == token
	j.mu.Unlock()
	if held || err != nil {
		return mine, err
	}
	rest := appendField(appendField(appendField(nil, policy), phone.Number(number).String()), token)
	fresh := &freshCooldown{j.keys.seal(cooldownBucket, k[:], newHead(time.Now().Add(lasts)), rest)}

	var evicted int
	defer func() { j.evict(evicted) }()
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closed:
		return false, ErrClosed
	case j.readOnly:
		return false, ErrReadOnly
	case j.heldLocked(k, now):
		return false, nil
	}
	j.forgetLocked(now, forgetAtOnce)
	if over := j.byKey[k]; over != nil {
		j.dropLocked(over)
	}
	evicted = j.makeRoomLocked(now, j.max-1)
	j.addLocked(&cooldown{key: k, token: token, end: now + lasts})
	j.freshCooldowns[k] = fresh
	j.writeSoonLocked()
	return true, nil
}

// Release implements [deflect.Cooldowns].
func (j *Journal) Release(_ context.Context, key, token string) error {
	k, _, _ := j.keys.cooldown(key)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.closedLocked(); err != nil {
		return err
	}
	if c := j.byKey[k]; c != nil && c.token == token {
		j.dropLocked(c)
	}
	return nil
}

// Cooling returns how many callers are in a cooldown.
func (j *Journal) Cooling() (n int) {
	for more := true; more; {
		j.mu.Lock()
		more = j.forgetLocked(time.Since(j.start), forgetAtOnce)
		n = len(j.byEnd)
		j.mu.Unlock()
	}
	return n
}

// SetMaxCooldowns changes how many callers in a cooldown are remembered. Of more than
// that, those are forgotten that have the least time left.
func (j *Journal) SetMaxCooldowns(n int) {
	for more := true; more; {
		j.mu.Lock()
		j.max = n
		evicted := j.makeRoomLocked(time.Since(j.start), n)
		more = len(j.byEnd) > n
		j.mu.Unlock()
		j.evict(evicted)
	}
}

// OnEvicted says what to call whenever a cooldown is forgotten before its time, because
// there are too many.
func (j *Journal) OnEvicted(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.evicted = f
}

func (j *Journal) evict(n int) {
	j.mu.Lock()
	f := j.evicted
	j.mu.Unlock()
	for i := 0; i < n && f != nil; i++ {
		f()
	}
}

func (j *Journal) addLocked(c *cooldown) {
	j.byKey[c.key] = c
	heap.Push(&j.byEnd, c)
}

func (j *Journal) dropLocked(c *cooldown) {
	heap.Remove(&j.byEnd, c.at)
	delete(j.byKey, c.key)
	if len(j.freshCooldowns) >= max(maxFresh, 2*j.max) {
		// The next start may know it again: better that than memory without end while
		// nothing can be written.
		delete(j.freshCooldowns, c.key)
		return
	}
	j.freshCooldowns[c.key] = &freshCooldown{}
	j.writeSoonLocked()
}

// forgetLocked drops some of what is over, and reports whether there may be more.
func (j *Journal) forgetLocked(now time.Duration, most int) bool {
	for range most {
		if len(j.byEnd) == 0 || now < j.byEnd[0].end {
			return false
		}
		j.dropLocked(j.byEnd[0])
	}
	return true
}

// makeRoomLocked drops some of those that end first, as long as there are more than most,
// and returns how many of them had time left.
func (j *Journal) makeRoomLocked(now time.Duration, most int) (evicted int) {
	for i := 0; i < forgetAtOnce && len(j.byEnd) > most; i++ {
		if now < j.byEnd[0].end {
			evicted++
		}
		j.dropLocked(j.byEnd[0])
	}
	return evicted
}

// dropNumber ends all cooldowns of a number.
func (j *Journal) dropNumber(number numberHash) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for k, c := range j.byKey {
		if bytes.HasPrefix(k[:], number[:]) {
			j.dropLocked(c)
			j.freshCooldowns[k] = &freshCooldown{} // it was asked for, and is told
			n++
		}
	}
	return n
}

// load reads all cooldowns into memory. Those that are over are erased with the next
// commit.
func (j *Journal) load(tx *bbolt.Tx) error {
	add := func(k cooldownKey, v []byte) error {
		rest, err := j.keys.open(cooldownBucket, k[:], v, headSize)
		if err != nil {
			return err
		}
		c := &cooldown{key: k, token: tokenIn(rest), end: min(headOf(v).until().Sub(j.start), longestCooldown), at: len(j.byEnd)}
		if c.end <= 0 {
			j.freshCooldowns[c.key] = &freshCooldown{}
			return nil
		}
		j.byKey[c.key] = c
		j.byEnd = append(j.byEnd, c)
		return nil
	}
	err := tx.Bucket([]byte(cooldownBucket)).ForEach(func(k, v []byte) error {
		if j.logged.cooldowns[cooldownKey(k)] != nil {
			return nil
		}
		return add(cooldownKey(k), v)
	})
	for k, c := range j.logged.cooldowns {
		if c.value != nil && err == nil {
			err = add(k, c.value)
		}
	}
	heap.Init(&j.byEnd)
	return err
}

// tokenIn reads who took a cooldown; "" where an earlier version kept it.
func tokenIn(rest []byte) (token string) {
	for range 3 { // policy, number, token
		var err error
		if token, rest, err = cutField(rest); err != nil {
			return ""
		}
	}
	return token
}

func (c *cooldown) Before(other *cooldown) bool { return c.end < other.end }

func (c *cooldown) Place() *int { return &c.at }
