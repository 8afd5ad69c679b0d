package journal

import (
	"fmt"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

const (
	// pace is from one commit to the next where several wait at a time, or one soon after
	// the other (busyGap): who comes in between shares it, and its two syncs.
	pace    = 1500 * time.Microsecond
	busyGap = 1300 * time.Microsecond

	writeAfter = 100 * time.Millisecond // what nobody waits for is written
	retryAfter = time.Second            // after what could not be written

	sweepEvery = 10 * time.Minute
	sweepNext  = time.Second // while a sweep is not through
	sweepLook  = 100_000     // records that are looked at in one go
	sweepDrop  = 500         // and erased, so that no change waits long
)

// writer is what the goroutine needs that writes.
type writer struct {
	now     chan struct{} // holds a token when somebody waits
	soon    *time.Timer
	sweep   *time.Timer
	timed   bool        // soon is set; guarded by mu
	orders  chan func() // what must be done between two commits
	quit    chan struct{}
	ended   chan struct{}
	store   func(batch) error
	suspect bool   // a sync failed: nobody knows what of the file is on the disk
	swept   []byte // the last key that a sweep looked at
}

// waiter is somebody who waits for the disk, to have changed a text or for all that was
// done before.
type waiter struct {
	key   textKey
	text  *text // nil for none
	done  chan<- error
	since time.Time
}

// batch is what is written in one transaction.
type batch struct {
	texts     map[textKey]*text
	cooldowns map[cooldownKey]*freshCooldown
	over      [][]byte // keys of what has ended, to be erased if it is over
}

func (j *Journal) waitLocked(w waiter) {
	j.waiters = append(j.waiters, w)
	select {
	case j.now <- struct{}{}:
	default:
	}
}

func (j *Journal) writeSoonLocked() {
	if j.timed || j.readOnly {
		return
	}
	j.timed = true
	after := writeAfter
	if j.err != nil {
		after = retryAfter
	}
	j.soon.Reset(after)
}

// write writes until the journal is closed. While it waits for the disk, what comes
// gathers for the next transaction: many share a sync.
func (j *Journal) write() {
	defer close(j.ended)
	var began time.Time
	last := 0            // how many waited for the last commit
	apart := time.Second // how far commits are apart, about
	for {
		select {
		case <-j.now:
			gap := time.Since(began)
			apart += (min(gap, time.Second) - apart) / 16
			if max(j.waiting(), last) > 1 || apart < busyGap {
				time.Sleep(pace - gap)
			}
			began, last = time.Now(), j.waiting()
			_ = j.commit(nil) // whoever waits hears of it
		case <-j.soon.C:
			j.mu.Lock()
			j.timed = false
			j.mu.Unlock()
			_ = j.commit(nil) // whoever waits hears of it
		case <-j.sweep.C:
			j.sweep.Reset(j.sweepSome())
		case do := <-j.orders:
			do()
		case <-j.quit:
			_ = j.commit(nil) // whoever waits hears of it
			return
		}
	}
}

// waiting is how many wait for the disk.
func (j *Journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.waiters)
}

// commit writes what is fresh, and erases what of those keys is over.
func (j *Journal) commit(over [][]byte) error {
	j.mu.Lock()
	b := batch{make(map[textKey]*text, len(j.fresh)), make(map[cooldownKey]*freshCooldown, len(j.freshCooldowns)), over}
	for k, t := range j.fresh {
		b.texts[k] = t
	}
	for k, c := range j.freshCooldowns {
		b.cooldowns[k] = c
	}
	waiters, failed := j.waiters, j.err
	j.waiters, j.began = nil, time.Now()
	j.mu.Unlock()

	var err error
	if len(b.texts)+len(b.cooldowns)+len(over) > 0 || failed != nil {
		err = j.store(b)
	}

	j.mu.Lock()
	j.began = time.Time{}
	lost := j.lost
	if err == nil {
		j.commits++
		for k, t := range b.texts {
			if t.before = nil; j.fresh[k] == t {
				delete(j.fresh, k)
			}
		}
		for k, c := range b.cooldowns {
			if j.freshCooldowns[k] == c {
				delete(j.freshCooldowns, k)
			}
		}
		j.err, j.lost = nil, 0
	} else {
		j.err = fmt.Errorf("journal: cannot write to %s: %w: no text is sent until it can be written", j.dir, err)
		waiters = append(waiters, j.waiters...) // who came meanwhile would fare no better
		j.waiters = nil
		for i := len(waiters) - 1; i >= 0; i-- {
			if w := waiters[i]; w.text != nil && j.fresh[w.key] == w.text {
				j.fresh[w.key] = w.text.before // it may have been written: write what was
			}
		}
		j.writeSoonLocked()
	}
	err = j.err
	j.mu.Unlock()

	for _, w := range waiters {
		w.done <- err
	}
	switch {
	case err != nil && failed == nil:
		j.log.Error("journal cannot be written", slog.Any("err", err))
	case err == nil && (failed != nil || lost > 0):
		j.log.Info("journal is written again", slog.Int("lost", lost))
	}
	return err
}

// storeBatch writes a batch in a transaction.
func (j *Journal) storeBatch(b batch) error {
	j.mu.Lock()
	broken := j.broken
	j.mu.Unlock()
	if broken != nil {
		return broken
	}
	if j.db == nil {
		return ErrClosed
	}
	if j.suspect {
		if err := j.compact(); err != nil {
			return err
		}
		j.suspect = false
	}
	var tx *bbolt.Tx
	err := j.guarded(func() (err error) {
		tx, err = j.db.Begin(true)
		return err
	})
	if err != nil {
		return err
	}
	err = j.guarded(func() error {
		if err := put(tx, b); err != nil {
			return err
		}
		return tx.Commit()
	})
	if err != nil {
		j.suspect = !cleanly(err)
		// Not what bbolt does on its own after a panic: that reads the whole file in a
		// goroutine of its own, where a fault ends the process.
		_ = guarded(j.dir, tx.Rollback)
	}
	return err
}

func put(tx *bbolt.Tx, b batch) error {
	open, ended, cooldowns := tx.Bucket([]byte(openBucket)), tx.Bucket([]byte(endedBucket)), tx.Bucket([]byte(cooldownBucket))
	for k, t := range b.texts {
		in, out := open, ended
		if t.State == deflect.Ended {
			in, out = ended, open
		}
		if err := out.Delete(k[:]); err != nil {
			return err
		}
		if err := set(in, k[:], t.value); err != nil {
			return err
		}
	}
	for k, c := range b.cooldowns {
		if err := set(cooldowns, k[:], c.value); err != nil {
			return err
		}
	}
	now := time.Now()
	for _, k := range b.over {
		if v := ended.Get(k); v != nil && headOf(v).over(now) {
			if err := ended.Delete(k); err != nil {
				return err
			}
		}
	}
	return nil
}

func set(b *bbolt.Bucket, k, v []byte) error {
	if v == nil {
		return b.Delete(k)
	}
	return b.Put(k, v)
}

// sweepSome erases some of what is over, and says when to go on.
func (j *Journal) sweepSome() time.Duration {
	j.Cooling() // erases those that are over
	var over [][]byte
	through := false
	now := time.Now()
	err := j.guarded(func() error {
		return j.db.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket([]byte(endedBucket)).Cursor()
			k, v := c.Seek(j.swept)
			for n := 0; k != nil && n < sweepLook && len(over) < sweepDrop; n++ {
				if headOf(v).over(now) {
					over = append(over, append([]byte(nil), k...))
				}
				k, v = c.Next()
			}
			j.swept, through = append([]byte(nil), k...), k == nil
			return nil
		})
	})
	if err != nil {
		j.log.Error("journal cannot be read", slog.Any("err", err))
		return sweepEvery
	}
	if len(over) > 0 {
		_ = j.commit(over)
	}
	if through {
		return sweepEvery
	}
	return sweepNext
}
