package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

var (
	_ deflect.Journal   = (*Journal)(nil)
	_ deflect.Cooldowns = (*Journal)(nil)
)

// Options are how a [Journal] is opened. The zero value is fine.
type Options struct {
	MaxCooldowns int          // how many callers in a cooldown are remembered, some 200 bytes of memory each; 100000
	Logger       *slog.Logger // nil logs nothing
}

// Journal is a [deflect.Journal] and a [deflect.Cooldowns] in a file. It is safe for
// concurrent use.
type Journal struct {
	dir         string
	log         *slog.Logger
	keys        keys
	readOnly    bool
	start       time.Time     // cooldowns are reckoned from here, by a clock that is never set
	readers     chan struct{} // bounds how many threads a disk that hangs can hold
	closeWithin time.Duration
	faulted     chan struct{} // closed once it is broken
	writer

	dbs sync.RWMutex // held to read the file, and taken alone to put another in its place
	db  *bbolt.DB

	mu     sync.Mutex
	closed bool
	err    error // why nothing is written at the moment
	broken error // why the file is not touched any more
	// fresh is what may not be on the disk yet. It counts in place of what is in the log,
	// which lies over what is about to reach the file from there, and that over the file.
	fresh           map[textKey]*text
	freshCooldowns  map[cooldownKey]*freshCooldown
	logged, leaving layer
	waiters         []waiter  // the oldest first
	began           time.Time // of the commit in progress; zero while there is none
	commits         int
	lost            int // notes that found no room while nothing could be written

	cooldowns
}

// text is one entry, as it is and as the file has it.
type text struct {
	deflect.Entry
	value  []byte // nil for none
	before *text  // what is gone back to when a change cannot be written
}

func (t *text) ended() bool { return t.State == deflect.Ended }

// state is that of a text now: what has ended is forgotten in its time.
func (t *text) state() deflect.State {
	if t.ended() && !time.Now().Before(t.Until) {
		return ""
	}
	return t.State
}

// ErrClosed is the error of a journal that was closed.
var ErrClosed = errors.New("journal: it was closed")

// ErrReadOnly is the error of what would change a journal that was opened by [OpenReadOnly].
var ErrReadOnly = errors.New("journal: it was opened read only")

// Find implements [deflect.Journal].
func (j *Journal) Find(ctx context.Context, externalCallID string) (deflect.Entry, error) {
	t, _, err := j.known(ctx, j.keys.text(externalCallID))
	if err != nil || t.state() == "" {
		return deflect.Entry{}, err
	}
	e := t.Entry
	e.ExternalCallID, e.Data = externalCallID, bytes.Clone(e.Data)
	return e, nil
}

// known returns what is known of a text, and how many commits there were before.
func (j *Journal) known(ctx context.Context, key textKey) (*text, int, error) {
	j.mu.Lock()
	t, commits, err := j.fresh[key], j.commits, j.closedLocked()
	for _, below := range []layer{j.logged, j.leaving} {
		if t == nil {
			t = below.texts[key]
		}
	}
	j.mu.Unlock()
	if err != nil || t != nil {
		return t, commits, err
	}
	t, err = j.stored(ctx, key)
	return t, commits, err
}

func (j *Journal) closedLocked() error {
	if j.closed {
		return ErrClosed
	}
	return nil
}

// Change implements [deflect.Journal]. It fails at once while nothing can be written, or the
// disk has not answered for a second.
func (j *Journal) Change(ctx context.Context, from deflect.State, e deflect.Entry) (bool, error) {
	key := j.keys.text(e.ExternalCallID)
	next := j.keys.sealText(key, e)
	done := make(chan error, 1)
	for {
		t, commits, err := j.known(ctx, key)
		if err != nil {
			return false, err
		}
		j.mu.Lock()
		err = j.writableLocked()
		again, ok := j.fresh[key]
		if ok {
			t = again
		}
		switch {
		case err != nil:
		case !ok && j.commits != commits:
			j.mu.Unlock()
			continue // somebody changed it, and that is on the disk already
		case t.state() == from:
			next.before = t
			j.fresh[key] = next
			j.waitLocked(waiter{key, next, done, time.Now()})
		default:
			done = nil
		}
		j.mu.Unlock()
		if err != nil || done == nil {
			return false, err
		}
		err = j.wait(ctx, done)
		return err == nil, err
	}
}

func (j *Journal) writableLocked() error {
	switch {
	case j.closed:
		return ErrClosed
	case j.readOnly:
		return ErrReadOnly
	}
	return j.errLocked()
}

const (
	// maxFresh bounds what is kept in memory while nothing can be written.
	maxFresh = 50_000
	// hungAfter is how long the disk may be busy. Calls wait for less than that.
	hungAfter = time.Second
)

// errLocked says why nothing is written at the moment.
func (j *Journal) errLocked() error {
	since := j.began
	if since.IsZero() && len(j.waiters) > 0 { // for something else than a commit
		since = j.waiters[0].since
	}
	switch busy := time.Since(since); {
	case j.broken != nil:
		return j.broken
	case j.err != nil:
		return j.err
	case !since.IsZero() && busy >= hungAfter:
		return fmt.Errorf("journal: the disk of %s has not answered for %s: no text is sent until it does", j.dir, busy.Truncate(time.Second))
	case len(j.waiters) >= maxFresh || len(j.fresh) >= maxFresh:
		return fmt.Errorf("journal: too much waits to be written to %s: no text is sent until it is", j.dir)
	}
	return nil
}

// Note implements [deflect.Journal]. While nothing can be written, some 50,000 are kept in
// memory; of the texts of others it is forgotten then that they ended.
func (j *Journal) Note(e deflect.Entry) {
	key := j.keys.text(e.ExternalCallID)
	t := j.keys.sealText(key, e)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch _, ok := j.fresh[key]; {
	case j.closed || j.readOnly:
	case !ok && len(j.fresh) >= maxFresh:
		j.lost++
	default:
		j.fresh[key] = t
		j.writeSoonLocked()
	}
}

// Open implements [deflect.Journal].
func (j *Journal) Open(ctx context.Context) ([]deflect.Entry, error) {
	var open []deflect.Entry
	texts := map[textKey]*text{}
	j.mu.Lock()
	err := j.closedLocked()
	// Before the file is read: what is in neither then is nowhere.
	maps.Copy(texts, j.leaving.texts)
	maps.Copy(texts, j.logged.texts)
	maps.Copy(texts, j.fresh)
	j.mu.Unlock()
	if err == nil {
		err = j.view(ctx, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(openBucket)).ForEach(func(k, v []byte) error {
				if texts[textKey(k)] != nil {
					return nil
				}
				t, err := j.keys.openText(openBucket, textKey(k), v)
				texts[textKey(k)] = t
				return err
			})
		})
	}
	if err != nil {
		return nil, err
	}
	for _, t := range texts {
		if t.State != "" && !t.ended() {
			e := t.Entry
			e.Data = bytes.Clone(e.Data)
			open = append(open, e)
		}
	}
	return open, nil
}

// stored reads a text from the file.
func (j *Journal) stored(ctx context.Context, key textKey) (*text, error) {
	t := &text{}
	err := j.view(ctx, func(tx *bbolt.Tx) (err error) {
		for _, bucket := range []string{openBucket, endedBucket} {
			if v := tx.Bucket([]byte(bucket)).Get(key[:]); v != nil {
				t, err = j.keys.openText(bucket, key, v)
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// view reads the file. Reading waits for a disk that is slow, which its caller does not.
func (j *Journal) view(ctx context.Context, read func(*bbolt.Tx) error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("journal: %w", context.Cause(ctx))
	}
	select {
	case j.readers <- struct{}{}:
	case <-j.faulted:
		return j.Err()
	case <-ctx.Done():
		return fmt.Errorf("journal: %w", context.Cause(ctx))
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-j.readers }()
		j.dbs.RLock()
		defer j.dbs.RUnlock()
		if j.db == nil {
			done <- ErrClosed
			return
		}
		done <- j.guarded(func() error { return j.db.View(read) })
	}()
	return j.wait(ctx, done)
}

func (j *Journal) wait(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	case <-j.faulted: // done may never come
	}
	select {
	case err := <-done:
		return err
	case <-j.faulted:
		return j.Err()
	default:
		return fmt.Errorf("journal: %w", context.Cause(ctx))
	}
}

// Err says why nothing is written at the moment, and no text sent: writing failed, or the
// disk has not answered for a second. It is nil while all is well. A *[DamagedError]
// stays.
func (j *Journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.errLocked()
}
