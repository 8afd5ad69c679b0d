package journal

import (
	"context"
	"time"

	"go.etcd.io/bbolt"
)

// What the tests of the package's users look at, or bring about.

const (
	DBFile, KeyFile, OwnerFile, NewDBFile = dbFile, keyFile, ownerFile, newDBFile
	LongestCooldown                       = longestCooldown
	WorthCompacting                       = worthCompacting
	MaxFresh                              = maxFresh
)

// SetMigrations has the program know made-up versions.
func SetMigrations(m ...func(*bbolt.Tx) error) { migrations = m }

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

// Fresh counts what the file does not have yet.
func (j *Journal) Fresh() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.fresh) + len(j.freshCooldowns)
}

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

// SweepDue is how long all that is over may stay in the file.
const SweepDue = sweepEvery + time.Minute
