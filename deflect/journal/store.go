package journal

import (
	"bytes"
	"encoding/binary"
	"maps"
	"runtime"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// batch is what is written in one commit.
type batch struct {
	layer
	whole bool     // to the file, with all that is in the log
	over  [][]byte // keys of what has ended, to be erased from the file if it is over
}

// layer is of what changed: it counts in place of what lies below, the file in the end.
type layer struct {
	texts     map[textKey]*text
	cooldowns map[cooldownKey]*freshCooldown
}

func newLayer() layer { return layer{map[textKey]*text{}, map[cooldownKey]*freshCooldown{}} }

func (l layer) size() int { return len(l.texts) + len(l.cooldowns) }

// upon returns both, of which l counts.
func (l layer) upon(below layer) layer {
	both := layer{make(map[textKey]*text, l.size()+below.size()), make(map[cooldownKey]*freshCooldown, l.size()+below.size())}
	for _, each := range []layer{below, l} {
		maps.Copy(both.texts, each.texts)
		maps.Copy(both.cooldowns, each.cooldowns)
	}
	return both
}

// storeBatch writes a batch to the log, or to the file with all that is in the log.
func (j *Journal) storeBatch(b batch) error {
	j.mu.Lock()
	broken := j.broken
	j.mu.Unlock()
	if broken != nil {
		return broken
	}
	if !b.whole && !j.wal.due {
		if logged, err := j.storeInLog(b); logged {
			return err
		}
	}
	j.await()
	b.layer = b.layer.upon(j.logged).upon(j.leaving) // which only this goroutine changes
	round := j.wal.round + 1
	if err := j.storeInFile(b, round); err != nil {
		j.wal.due = true
		return err
	}
	j.wal.begin(round)
	j.mu.Lock()
	j.leaving, j.logged = layer{}, newLayer()
	j.mu.Unlock()
	return nil
}

// storeInLog writes a batch to the log. It reports false when the file has to take it.
func (j *Journal) storeInLog(b batch) (logged bool, err error) {
	frame := j.wal.framed(b)
	if !j.wal.fits(frame) {
		j.await()
		j.empty(nil)
		if frame = j.wal.framed(b); j.wal.due || !j.wal.fits(frame) {
			return false, nil
		}
	}
	if err := j.wal.append(frame); err != nil {
		return true, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.logged.size() == 0 {
		j.wal.checkpoint.Reset(checkpointAfter)
	}
	maps.Copy(j.logged.texts, b.texts)
	maps.Copy(j.logged.cooldowns, b.cooldowns)
	return true, nil
}

// storeInParts writes a round of the log to the file, in transactions so small that callers
// hardly wait for them where there is one core; what is left when the log waits for it goes in
// one. Neighbours go together: what costs is how many pages are written.
func (j *Journal) storeInParts(b batch, round uint64) error {
	part := batch{layer: newLayer()}
	next := func() error {
		if part.size() < partSize || j.wal.hurry.Load() {
			return nil
		}
		err := j.storeInFile(part, 0)
		part.layer = newLayer()
		time.Sleep(partPause)
		return err
	}
	texts := slices.SortedFunc(maps.Keys(b.texts), func(a, b textKey) int { return bytes.Compare(a[:], b[:]) })
	for _, ended := range []bool{false, true} {
		for _, k := range texts {
			if b.texts[k].ended() != ended {
				continue
			}
			part.texts[k] = b.texts[k]
			if err := next(); err != nil {
				return err
			}
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(b.cooldowns), func(a, b cooldownKey) int { return bytes.Compare(a[:], b[:]) }) {
		part.cooldowns[k] = b.cooldowns[k]
		if err := next(); err != nil {
			return err
		}
	}
	part.over = b.over
	return j.storeInFile(part, round)
}

// storeInFile writes a batch in a transaction, with which a round of the log begins that is
// not 0.
func (j *Journal) storeInFile(b batch, round uint64) error {
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
		if round > 0 {
			if err := setRound(tx, round); err != nil {
				return err
			}
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
	done := 0
	aside := func() { // callers come first, also where there is one core
		if done++; done%putsATurn == 0 {
			runtime.Gosched()
		}
	}
	for k, t := range b.texts {
		aside()
		in, out := open, ended
		if t.ended() {
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
		aside()
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

func setRound(tx *bbolt.Tx, round uint64) error {
	return tx.Bucket([]byte(metaBucket)).Put(roundKey, binary.BigEndian.AppendUint64(nil, round))
}

func set(b *bbolt.Bucket, k, v []byte) error {
	if v == nil {
		return b.Delete(k)
	}
	return b.Put(k, v)
}
