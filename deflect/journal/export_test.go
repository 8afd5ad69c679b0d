package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// What the tests of the package's users look at, or bring about.

const (
	DBFile, KeyFile, OwnerFile, NewDBFile = dbFile, keyFile, ownerFile, newDBFile
	WALFile, WALSize                      = walFile, walSize
	LongestCooldown                       = longestCooldown
	WorthCompacting                       = worthCompacting
	MaxFresh                              = maxFresh
)

var known = migrations

// SetMigrations has the program know made-up versions after those there are.
func SetMigrations(m ...func(*bbolt.Tx) error) {
	migrations = append(known[:len(known):len(known)], m...)
}

// MakeVersion1 makes a file of version 1.
func MakeVersion1(tx *bbolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	return errors.Join(meta.Delete(roundKey), meta.Put(versionKey, binary.BigEndian.AppendUint64(nil, 1)))
}

// FirstVersion is the number of those before the made-up ones.
func FirstVersion() int { return len(known) + 1 }

// OnStore has something done before each commit; its error is that of the commit.
func (j *Journal) OnStore(before func() error) {
	done := make(chan struct{})
	j.orders <- func() {
		defer close(done)
		j.store = func(b batch) error {
			if err := before(); err != nil {
				return err
			}
			return j.storeBatch(b)
		}
	}
	<-done
}

// Hang has the disk hang between two commits, until it is released.
func (j *Journal) Hang() (release func()) {
	hang := make(chan struct{})
	j.orders <- func() { <-hang }
	return func() { close(hang) }
}

// Fresh counts what the file does not have yet.
func (j *Journal) Fresh() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.fresh) + len(j.freshCooldowns)
}

// Waiters counts who waits for the next commit.
func (j *Journal) Waiters() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.waiters)
}

// CloseWithin bounds what a close waits for the disk.
func (j *Journal) CloseWithin(d time.Duration) { j.closeWithin = d }

// Records counts what the file still has of what ended.
func (j *Journal) Records(bucket string) (n int) {
	_ = j.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n
}

// Size is that of the pages that the file uses.
func (j *Journal) Size() (size int64) {
	_ = j.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
	return size
}

// Compact is what a start does when it is worth it.
func (j *Journal) Compact() error {
	_, err := between(context.Background(), j, func() (struct{}, error) { return struct{}{}, j.compact() })
	return err
}

// Checkpoint has all that is in the log reach the file.
func (j *Journal) Checkpoint() error {
	_, err := between(context.Background(), j, func() (struct{}, error) { return struct{}{}, j.commit(batch{whole: true}) })
	return err
}

// Round has the round of the log that is written reach the file, as after a while.
func (j *Journal) Round() {
	for _, wait := range []bool{false, true} {
		done := make(chan struct{})
		j.orders <- func() {
			defer close(done)
			if j.await(); !wait {
				j.empty(nil)
			}
		}
		<-done
	}
}

// LongRound has the round of the log that is written be about to reach the file until it is
// ended, which it has not reached when there is an error.
func (j *Journal) LongRound() (end func(error)) {
	reached, done := make(chan error), make(chan struct{})
	j.orders <- func() {
		defer close(done)
		j.mu.Lock()
		defer j.mu.Unlock()
		j.leaving, j.logged = j.logged, newLayer()
		j.wal.begin(j.wal.round + 1)
		j.wal.emptying = reached
	}
	<-done
	return func(err error) { reached <- err }
}

// FailSyncFolder has no name reach the disk, until that is undone.
func FailSyncFolder(err error) (undo func()) {
	was := syncFolder
	syncFolder = func(string) error { return err }
	return func() { syncFolder = was }
}

// Frames finds the first row of frames in a log: where it begins, and their sizes.
func Frames(log []byte) (begin int, sizes []int) {
	for begin = range log {
		if begin%half == 0 && binary.BigEndian.Uint64(log[begin:]) != 0 {
			break
		}
	}
	w := wal{round: binary.BigEndian.Uint64(log[begin:])}
	for rest := log[begin:]; ; {
		f := w.frameAt(rest)
		if f == nil {
			return begin, sizes
		}
		sizes, rest = append(sizes, len(f)), rest[len(f):]
	}
}

// Replay reads a log whose first row of frames begins there, and returns the states of texts.
func Replay(key, log []byte, begin int) (map[string]deflect.State, error) {
	j := newJournal("", Options{})
	j.keys, j.wal.round = newKeys(key), binary.BigEndian.Uint64(log[begin:])
	err := j.replayLog(log)
	states := map[string]deflect.State{}
	for k, t := range j.logged.texts {
		states[string(k[:])] = t.State
	}
	return states, err
}

// Resum makes the sums of frames right again.
func Resum(log []byte, begin int, sizes []int) {
	for _, size := range sizes {
		f := log[begin : begin+size]
		binary.BigEndian.PutUint32(f[12:], frameSum(f))
		begin += size
	}
}

// SweepDue is how long all that is over may stay in the file.
const SweepDue = sweepEvery + time.Minute

// HashOf is what the file has of a number.
func (j *Journal) HashOf(e164 string) []byte {
	h := j.keys.number(e164)
	return h[:]
}

// CheckSeals holds seals to what they are for.
func CheckSeals() error {
	k := newKeys(make([]byte, keySize))
	a, b := k.text("a"), k.text("b")
	e := deflect.Entry{ExternalCallID: "a", State: deflect.Waiting, Until: time.Unix(1, 0)}
	one, two := k.sealText(a, e).value, k.sealText(a, e).value
	if bytes.Contains(two, one[len(one)-16:]) {
		return errors.New("the same text is sealed to the same bytes")
	}
	if _, err := k.openText(openBucket, a, one); err != nil {
		return err
	}
	if _, err := k.openText(openBucket, b, one); err == nil {
		return errors.New("a record is read in the place of another call's")
	}
	if _, err := k.openText(endedBucket, a, one); err == nil {
		return errors.New("a record is read in another bucket")
	}
	e.State, e.Customer, e.Data = deflect.Ended, "+14043438646", []byte("a text")
	if t, err := k.openText(endedBucket, a, k.sealText(a, e).value); err != nil || t.ExternalCallID+t.Customer+string(t.Data) != "" {
		return fmt.Errorf("of a text that has ended too much is kept, or %w", err)
	}
	for i := range one {
		one[i] ^= 1
		if _, err := k.openText(openBucket, a, one); err == nil {
			return fmt.Errorf("a record is read whose byte %d was changed", i)
		}
		one[i] ^= 1
		if _, err := k.openText(openBucket, a, one[:i]); err == nil {
			return fmt.Errorf("a record is read that was cut to %d bytes", i)
		}
	}
	return nil
}

// Synced reports whether each commit is.
func (j *Journal) Synced() bool { return !j.db.NoSync }

// Unsynced spares the disk, where what is tested is not what a crash leaves.
func (j *Journal) Unsynced() { j.db.NoSync = true }

// OpenUnchecked opens a journal as Open does, where it begins to wait for its turn.
func OpenUnchecked(dir string) (*Journal, error) {
	j := newJournal(dir, Options{})
	if err := j.open(); err != nil {
		return nil, err
	}
	go j.write()
	return j, nil
}
