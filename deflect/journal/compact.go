package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"

	"go.etcd.io/bbolt"
)

// worthCompacting is the size of a file from which on it is made smaller at the start, when
// more than half of it is free.
const worthCompacting = 4 << 20

func (j *Journal) compactIfWorth() error {
	var size int64
	if err := j.guarded(func() error {
		return j.db.View(func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
	}); err != nil {
		return err
	}
	free := int64(j.db.Stats().FreePageN) * int64(j.db.Info().PageSize)
	if size < worthCompacting || 2*free < size {
		return nil
	}
	was := j.db
	if err := j.compact(); err != nil {
		var damaged *DamagedError
		if j.db != was || errors.As(err, &damaged) {
			return err
		}
		// A disk without room for another file leaves the one that there is.
		j.log.Warn("journal was not made smaller, going on with it as it is", slog.Int64("size", size), slog.Int64("free", free), slog.Any("err", err))
		return nil
	}
	j.log.Info("journal was made smaller", slog.Int64("from", size), slog.Int64("free", free))
	return nil
}

// compact writes all that is kept to another file, and puts that in place of the file: what
// was erased before is in none. At any moment the file in place is whole. No transaction
// may be open to write.
func (j *Journal) compact() error {
	if err := os.Remove(j.path(newDBFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	next, _, err := j.bolt(newDBFile, bbolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	err = j.guarded(func() error { return bbolt.Compact(next, j.db, 1<<20) })
	if err == nil {
		err = j.lend(newDBFile)
	}
	if err == nil {
		err = next.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), j.within(next.Close), os.Remove(j.path(newDBFile)))
	}
	next.NoSync = false

	j.dbs.Lock()
	defer j.dbs.Unlock()
	if runtime.GOOS == "windows" {
		return j.replaceClosed(next)
	}
	// The new file is locked before it has the name, and the old one until it has lost it.
	if err := os.Rename(j.path(newDBFile), j.path(dbFile)); err != nil {
		return errors.Join(fmt.Errorf("journal: %w", err), next.Close())
	}
	err = j.db.Close()
	j.db = next
	err = errors.Join(err, syncFolder(j.dir))
	j.suspect = err != nil // a loss of power may bring the old one back
	return err
}

// replaceClosed does it where a file that is open keeps its name.
func (j *Journal) replaceClosed(next *bbolt.DB) error {
	err := errors.Join(next.Close(), j.db.Close())
	j.db = nil
	if err == nil {
		err = os.Rename(j.path(newDBFile), j.path(dbFile))
	}
	db, _, openErr := j.bolt(dbFile, bbolt.Options{})
	j.db = db
	return errors.Join(err, openErr)
}
