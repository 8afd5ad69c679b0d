package journal

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	dbFile    = "journal.db"
	newDBFile = dbFile + newFile // one that takes its place
	walFile   = "journal.wal"
	keyFile   = "key"
	ownerFile = "owner"
	newFile   = ".new" // is added to the name of a file that is not there yet as a whole
	keySize   = 32

	// How long one waits for the lock. Who writes waits for those who only look, which is
	// soon over: a daemon must not be refused its start by a listing.
	lookWithin  = 500 * time.Millisecond
	writeWithin = 2 * time.Second

	manyReads = 16

	closeWithin = 5 * time.Second // what a close waits for the disk
)

// The buckets of the file.
const (
	metaBucket     = "meta" // the version, and what tells whether a key is this journal's
	openBucket     = "open"
	endedBucket    = "ended"
	cooldownBucket = "cooldowns"
)

var versionKey, checkKey = []byte("version"), []byte("check")

// migrations make of each version of the file the next one: the first is that of version 1,
// which had no log. One that changes records will have to change those in the log too.
var migrations = []func(*bbolt.Tx) error{firstRound}

func version() uint64 { return uint64(len(migrations)) + 1 }

// VersionError says that a journal was written by a newer program. It is left as it is.
type VersionError struct {
	Dir          string
	Found, Known int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("journal: %s is of version %d, and this program knows those up to %d: start the newer program that wrote it", e.Dir, e.Found, e.Known)
}

// Open opens the journal in a folder of its own, and makes it when there is none. Only its
// user may read the folder: one that others may read is closed to them if it is empty or a
// journal's, and refused otherwise. Where it cannot be opened the error is a *[LockedError],
// *[DamagedError], *[VersionError] or one of the system. Close it.
func Open(dir string, o Options) (*Journal, error) {
	j := newJournal(dir, o)
	if err := ownFolder(dir); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.check(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := j.open(); err != nil {
		if j.db != nil {
			_ = j.within(j.shut)
		}
		return nil, err
	}
	j.soon.Reset(writeAfter)
	j.sweep.Reset(sweepNext)
	go j.write()
	return j, nil
}

// OpenReadOnly opens a journal to be asked, and changes nothing. Where there is none, the
// error matches [fs.ErrNotExist]; while somebody writes it, it is a *[LockedError].
func OpenReadOnly(dir string, o Options) (*Journal, error) {
	j := newJournal(dir, o)
	j.readOnly = true
	close(j.ended)
	err := j.check()
	if err == nil {
		err = j.read()
	}
	if err != nil {
		if j.db != nil {
			_ = j.within(j.shut)
		}
		return nil, err
	}
	return j, nil
}

func newJournal(dir string, o Options) *Journal {
	j := &Journal{
		dir: dir, log: o.Logger, start: time.Now(), readers: make(chan struct{}, manyReads),
		faulted: make(chan struct{}), closeWithin: closeWithin,
		fresh: map[textKey]*text{}, freshCooldowns: map[cooldownKey]*freshCooldown{},
		logged:    newLayer(),
		writer:    writer{now: make(chan struct{}, 1), orders: make(chan func()), quit: make(chan struct{}), ended: make(chan struct{})},
		cooldowns: cooldowns{byKey: map[cooldownKey]*cooldown{}, max: cmp.Or(o.MaxCooldowns, defaultMaxCooldowns)},
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	j.store = j.storeBatch
	j.soon, j.sweep, j.timed = time.NewTimer(time.Hour), time.NewTimer(time.Hour), true
	j.wal.checkpoint = time.NewTimer(time.Hour)
	return j
}

// Close writes what is not written yet, and ends. It waits no longer than 5 s for the disk.
// The error says what is lost.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	close(j.quit)
	err := j.within(func() (err error) {
		<-j.ended
		j.dbs.Lock()
		defer j.dbs.Unlock()
		if j.db != nil {
			if !j.readOnly {
				_ = os.Remove(j.path(ownerFile))
			}
			err = j.shut()
			j.db = nil
		}
		return err
	})
	return errors.Join(j.Err(), err)
}

// shut lets go of the files, of the one with the lock last.
func (j *Journal) shut() (err error) {
	if j.wal.file != nil {
		err = j.wal.file.Close()
	}
	return errors.Join(err, j.db.Close())
}

// within waits for what a disk that hangs, or a lock that is never given back, can hold up.
func (j *Journal) within(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(j.closeWithin):
		return fmt.Errorf("journal: %s was not closed within %s: what was not written yet may be lost, and the process has it until it ends", j.dir, j.closeWithin)
	}
}

func (j *Journal) path(name string) string { return filepath.Join(j.dir, name) }

// ownFolder makes the folder, and closes it to others.
func ownFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return err
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		switch strings.TrimSuffix(f.Name(), newFile) {
		case dbFile, walFile, keyFile, ownerFile, hostsFile:
		default:
			return fmt.Errorf("%s may be read by others, and is not the journal's alone: name a folder of its own, or close it with chmod 700", dir)
		}
	}
	return os.Chmod(dir, 0o700)
}

// bolt opens a file, and returns it beside.
func (j *Journal) bolt(name string, o bbolt.Options) (db *bbolt.DB, file *os.File, err error) {
	o.Timeout = writeWithin
	if j.readOnly {
		o.Timeout = lookWithin
	}
	o.FreelistType, o.NoFreelistSync, o.NoStatistics = bbolt.FreelistMapType, true, false
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	err = guarded(j.dir, func() error {
		db, err = bbolt.Open(j.path(name), 0o600, &o)
		return err
	})
	var system syscall.Errno
	switch {
	case err == nil:
		return db, file, nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, j.lockedError()
	case errors.As(err, &system):
		return nil, nil, fmt.Errorf("journal: %w", err)
	}
	return nil, nil, j.damaged(err)
}

func (j *Journal) damaged(err error) error {
	var already *DamagedError
	if errors.As(err, &already) {
		return err
	}
	return &DamagedError{j.dir, err}
}

// check looks at a file before anybody reads it in earnest. A journal that is read only
// keeps it open.
func (j *Journal) check() error {
	info, err := os.Stat(j.path(dbFile))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if info.Size() == 0 {
		if _, err := os.Stat(j.path(keyFile)); err == nil || j.readOnly {
			return j.damaged(fmt.Errorf("%s is empty", dbFile))
		}
		return nil // nobody came so far as to make a key
	}
	db, file, err := j.bolt(dbFile, bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	if info, err = file.Stat(); err == nil {
		err = checkPages(db, file, info.Size())
	}
	if err == nil && j.readOnly {
		j.db = db
		return nil
	}
	db.Close()
	if err != nil {
		return j.damaged(err)
	}
	return nil
}

// open opens the file to be written by nobody else, makes what is missing, and reads it.
func (j *Journal) open() error {
	for tries := 0; ; tries++ {
		db, file, err := j.bolt(dbFile, bbolt.Options{})
		if err != nil {
			return err
		}
		j.db = db
		// Whoever had it may have put another in its place meanwhile.
		mine, err := file.Stat()
		if err != nil {
			return err
		}
		is, err := os.Stat(j.path(dbFile))
		if err == nil && os.SameFile(mine, is) {
			break
		}
		if db.Close(); tries > 3 {
			return j.lockedError()
		}
	}
	_ = os.Remove(j.path(newDBFile)) // of a process that was killed meanwhile
	if err := j.lend(dbFile); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := j.own(); err != nil {
		// A full disk is no reason not to start: what is known protects who was texted.
		j.log.Warn("journal cannot tell others which process has it", slog.Any("err", err))
	}
	fresh := false
	if err := j.guarded(func() error {
		return j.db.View(func(tx *bbolt.Tx) error {
			fresh = tx.Bucket([]byte(metaBucket)) == nil
			return nil
		})
	}); err != nil {
		return err
	}
	if fresh {
		if err := j.begin(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if err := j.read(); err != nil {
		return err
	}
	return j.compactIfWorth()
}

// begin makes a key, unless there is one, and what a journal has in its file.
func (j *Journal) begin() error {
	secret, err := os.ReadFile(j.path(keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, keySize)
		rand.Read(secret)
		err = writeSynced(j.dir, keyFile, secret)
	}
	if err == nil {
		err = j.lend(keyFile)
	}
	if err == nil {
		err = j.beginLog()
	}
	if err != nil {
		return err
	}
	j.keys = newKeys(secret)
	return j.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{openBucket, endedBucket, cooldownBucket} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
		if err != nil {
			return err
		}
		return errors.Join(
			meta.Put(checkKey, hash(j.keys.check, "")),
			firstRound(tx),
			meta.Put(versionKey, binary.BigEndian.AppendUint64(nil, version())),
		)
	})
}

// read reads the key, and what is kept in memory.
func (j *Journal) read() error {
	secret, err := os.ReadFile(j.path(keyFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return j.damaged(fmt.Errorf("its file %q is missing, without which nothing can be read", keyFile))
	case err != nil:
		return fmt.Errorf("journal: %w", err)
	case len(secret) != keySize:
		return j.damaged(fmt.Errorf("its file %q is of %d bytes, want %d", keyFile, len(secret), keySize))
	}
	j.keys = newKeys(secret)
	if err := j.migrate(); err != nil {
		return err
	}
	if err := j.replay(); err != nil {
		return err
	}
	err = j.guarded(func() error { return j.db.View(j.load) })
	if err == nil {
		_, err = j.Open(context.Background()) // what cannot be read is told now
	}
	if err == nil && !j.readOnly {
		j.SetMaxCooldowns(j.max)
	}
	return err
}

// migrate makes what this program knows of an older version, all or nothing.
func (j *Journal) migrate() error {
	var found uint64
	logged := false
	work := func(tx *bbolt.Tx) error {
		meta := tx.Bucket([]byte(metaBucket))
		if meta == nil || len(meta.Get(versionKey)) != 8 {
			return j.damaged(errors.New("it has no version"))
		}
		if !bytes.Equal(meta.Get(checkKey), hash(j.keys.check, "")) {
			return j.damaged(fmt.Errorf("its file %q is another journal's", keyFile))
		}
		found, logged = binary.BigEndian.Uint64(meta.Get(versionKey)), meta.Get(roundKey) != nil
		switch {
		case found > version():
			return &VersionError{j.dir, int(found), int(version())}
		case found < 1:
			return j.damaged(errors.New("it has no version"))
		case found == version() || !tx.Writable():
			return nil
		}
		for _, migrate := range migrations[found-1:] {
			if err := migrate(tx); err != nil {
				return fmt.Errorf("journal: %s cannot be made version %d: %w", j.dir, version(), err)
			}
		}
		return meta.Put(versionKey, binary.BigEndian.AppendUint64(nil, version()))
	}
	if err := j.guarded(func() error { return j.db.View(work) }); err != nil || found == version() {
		return err
	}
	if j.readOnly {
		return fmt.Errorf("journal: %s is of version %d, and this program reads version %d: start the program that writes it, which makes that of it", j.dir, found, version())
	}
	if !logged {
		if err := j.beginLog(); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	return j.db.Update(work)
}

// beginLog makes a log of which no round can be found.
func (j *Journal) beginLog() error {
	err := writeSynced(j.dir, walFile, make([]byte, walSize))
	if err == nil {
		err = j.lend(walFile)
	}
	return err
}

// firstRound has a number that no other journal has: its log may lie there still.
func firstRound(tx *bbolt.Tx) error {
	random := make([]byte, 8)
	rand.Read(random)
	random[0] &= 0x7f // it is counted up
	return setRound(tx, binary.BigEndian.Uint64(random))
}

// lend gives a file to the user of the folder, whom root has not to lock out, and to
// nobody else.
func (j *Journal) lend(name string) error {
	if err := os.Chmod(j.path(name), 0o600); err != nil {
		return err
	}
	return chownAs(j.path(name), j.dir)
}

// writeSynced writes a file that is there whole, or not at all.
func writeSynced(dir, name string, content []byte) error {
	temp := filepath.Join(dir, name+newFile)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp)) // a disk that is full needs the room
	}
	return syncFolder(dir)
}

// syncFolder makes sure that a name is on the disk. Windows does so on its own.
var syncFolder = func(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
