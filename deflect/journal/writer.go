package journal

import (
	"fmt"
	"log/slog"
	"maps"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// pace is from one commit to the next while more come than one in busyGap: who comes in
	// between shares the commit and its sync, which costs as much as a quarter of a call.
	pace    = 1500 * time.Microsecond
	busyGap = 1300 * time.Microsecond

	writeAfter = 100 * time.Millisecond // what nobody waits for is written
	retryAfter = time.Second            // after what could not be written

	sweepEvery = 10 * time.Minute
	sweepNext  = time.Second // while a sweep is not through
	sweepLook  = 100_000     // records that are looked at in one go
	sweepDrop  = 500         // and erased

	// What of the log reaches the file in one transaction, and the pause after it.
	partSize  = 500
	putsATurn = 25 // of them, before others have theirs
	partPause = 20 * time.Millisecond
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
	wal     wal
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
	apart := time.Second // from one who waits to the next, about
	for {
		select {
		case <-j.now:
			if apart < busyGap {
				time.Sleep(pace - time.Since(began))
			}
			gap := min(time.Since(began), time.Second)
			n := j.waiting()
			for range n {
				apart += (gap/time.Duration(n) - apart) / 16
			}
			began = time.Now()
			_ = j.commit(batch{}) // whoever waits hears of it
		case <-j.soon.C:
			j.mu.Lock()
			j.timed = false
			j.mu.Unlock()
			_ = j.commit(batch{}) // whoever waits hears of it
		case <-j.wal.checkpoint.C:
			if !j.empty(nil) {
				j.wal.checkpoint.Reset(checkpointAfter)
			}
		case err := <-j.wal.emptying:
			if j.emptied(err); err != nil {
				_ = j.commit(batch{whole: true}) // it is tried once more, and whoever waits hears of it
			}
		case <-j.sweep.C:
			j.sweep.Reset(j.sweepSome())
		case do := <-j.orders:
			do()
		case <-j.quit:
			j.await()
			_ = j.commit(batch{whole: true}) // whoever waits hears of it
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

// commit writes what is fresh, as a part of b.
func (j *Journal) commit(b batch) error {
	j.mu.Lock()
	b.layer = layer{maps.Clone(j.fresh), maps.Clone(j.freshCooldowns)}
	b.whole = (b.whole || j.wal.due) && b.size()+j.leaving.size()+j.logged.size() > 0 || j.err != nil
	waiters, failed := j.waiters, j.err
	j.waiters, j.began = nil, time.Now()
	j.mu.Unlock()

	var err error
	if b.size() > 0 || b.whole {
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

// sweepSome erases some of what is over, and says when to go on.
func (j *Journal) sweepSome() time.Duration {
	j.Cooling() // erases those that are over
	if j.wal.emptying != nil {
		return sweepNext // the file may be another soon
	}
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
	if len(over) > 0 && !j.empty(over) {
		j.swept = over[0] // they are looked at again
		return sweepNext
	}
	if through {
		return sweepEvery
	}
	return sweepNext
}
