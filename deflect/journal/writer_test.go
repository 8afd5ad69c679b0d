package journal_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

func entry(id string, state deflect.State) deflect.Entry {
	e := deflect.Entry{ExternalCallID: id, State: state, Customer: "+14043438646", Policy: "sales", Since: time.Now(), Until: time.Now().Add(time.Hour)}
	if state != deflect.Ended {
		e.Data = []byte("a text")
	}
	return e
}

func stateOf(t *testing.T, j *journal.Journal, id string) deflect.State {
	t.Helper()
	e, err := j.Find(t.Context(), id)
	if err != nil {
		t.Error(err)
	}
	return e.State
}

// disk is one that can hang and fail.
type disk struct {
	mu      sync.Mutex
	err     error
	commits int
	hang    chan struct{}
}

func (d *disk) store() error {
	d.mu.Lock()
	d.commits++
	err, hang := d.err, d.hang
	d.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return err
}

func (d *disk) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *disk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.commits
}

// onDisk runs a test in a bubble, with a journal on a disk like that.
func onDisk(t *testing.T, test func(t *testing.T, dir string, j *journal.Journal, d *disk)) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j, d := open(t, dir), &disk{}
		j.OnStore(d.store)
		time.Sleep(time.Second)
		synctest.Wait()
		d.commits = 0
		test(t, dir, j, d)
	})
}

// Who changes while the disk is busy shares the next sync.
func TestManyShareASync(t *testing.T) {
	onDisk(t, func(t *testing.T, _ string, j *journal.Journal, d *disk) {
		d.hang = make(chan struct{})
		var all sync.WaitGroup
		change := func(i int) {
			all.Go(func() {
				if changed, err := j.Change(t.Context(), "", entry(fmt.Sprint("call-", i), deflect.Sending)); !changed || err != nil {
					t.Errorf("%t, %v", changed, err)
				}
			})
		}
		change(0)
		synctest.Wait()
		for i := range 500 {
			change(i + 1)
		}
		synctest.Wait()
		if n := d.count(); n != 1 {
			t.Errorf("%d commits at once", n)
		}
		close(d.hang)
		all.Wait()
		if n := d.count(); n != 2 {
			t.Errorf("501 changes took %d commits, want 2", n)
		}
	})
}

// What nobody waits for is written soon, and with the next change.
func TestNotesRideAlong(t *testing.T) {
	onDisk(t, func(t *testing.T, _ string, j *journal.Journal, d *disk) {
		for i := range 100 {
			j.Note(entry(fmt.Sprint("call-", i), deflect.Doubted))
			if _, err := j.Take(t.Context(), fmt.Sprintf("sales +1404343%04d", i), "token", time.Hour); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if n := d.count(); n != 0 {
			t.Errorf("%d commits at once", n)
		}
		if _, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); err != nil || d.count() != 1 || j.Fresh() != 0 {
			t.Errorf("after a change: %v, %d commits, %d not written", err, d.count(), j.Fresh())
		}
		j.Note(entry("call", deflect.Ended))
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if d.count() != 2 || j.Fresh() != 0 {
			t.Errorf("a while after a note: %d commits, %d not written", d.count(), j.Fresh())
		}
	})
}

// A disk that hangs holds nobody up for longer than they wait.
func TestDiskHangs(t *testing.T) {
	onDisk(t, func(t *testing.T, dir string, j *journal.Journal, d *disk) {
		d.hang = make(chan struct{})
		cause := errors.New("waited long enough")
		for i := range 3 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 250*time.Millisecond, cause)
			start, id := time.Now(), fmt.Sprint("call-", i)
			changed, err := j.Change(ctx, "", entry(id, deflect.Sending))
			if changed || !errors.Is(err, cause) || time.Since(start) != 250*time.Millisecond {
				t.Errorf("after %s: %t, %v", time.Since(start), changed, err)
			}
			j.Note(deflect.Entry{ExternalCallID: id}) // as the engine does
			if s := stateOf(t, j, id); s != "" {
				t.Errorf("erased, it is %q", s)
			}
			if took, err := j.Take(t.Context(), fmt.Sprint("sales +1404343864", i), "token", time.Hour); !took || err != nil {
				t.Errorf("Take: %t, %v", took, err)
			}
			cancel()
		}
		close(d.hang)
		if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
			t.Errorf("afterwards: %t, %v", changed, err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		j = open(t, dir)
		if s := stateOf(t, j, "call-0"); s != "" || stateOf(t, j, "call") != deflect.Sending || j.Cooling() != 3 {
			t.Errorf("at the next start: %q, %d cooldowns", s, j.Cooling())
		}
	})
}

// A disk that hangs for longer is told, and refuses changes at once: neither they nor what
// is noted gathers without end. It is well again on its own.
func TestDiskHangsForLong(t *testing.T) {
	onDisk(t, func(t *testing.T, dir string, j *journal.Journal, d *disk) {
		d.hang = make(chan struct{})
		cause := errors.New("waited long enough")
		change := func(id string, most time.Duration) (took time.Duration, err error) {
			t.Helper()
			ctx, cancel := context.WithTimeoutCause(t.Context(), most, cause)
			defer cancel()
			start := time.Now()
			changed, err := j.Change(ctx, "", entry(id, deflect.Sending))
			if changed || err == nil {
				t.Errorf("%s: %t, %v", id, changed, err)
			}
			return time.Since(start), err
		}
		start := time.Now()
		for time.Since(start) < time.Second {
			if err := j.Err(); err != nil {
				t.Errorf("after %s: Err: %v", time.Since(start), err)
			}
			if took, err := change(fmt.Sprint("call-", time.Since(start)), 250*time.Millisecond); took != 250*time.Millisecond || !errors.Is(err, cause) {
				t.Errorf("after %s: it took %s: %v", time.Since(start), took, err)
			}
		}
		waiters := j.Waiters()
		if took, err := change("call", 250*time.Millisecond); took != 0 || errors.Is(err, cause) || j.Waiters() != waiters {
			t.Errorf("after a second it took %s, %d wait, want %d: %v", took, j.Waiters(), waiters, err)
		}
		if err := j.Err(); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("Err: %v", err)
		}
		close(d.hang)
		synctest.Wait()
		if err := j.Err(); err != nil {
			t.Errorf("when it answers: Err: %v", err)
		}
		if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
			t.Errorf("when it answers: %t, %v", changed, err)
		}
	})
}

// Who changes is bounded also before a disk that hangs is told, and what they changed; and
// it is told as well when what hangs is no commit.
func TestChangesAreBounded(t *testing.T) {
	onDisk(t, func(t *testing.T, _ string, j *journal.Journal, _ *disk) {
		release := j.Hang()
		change := func(id string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
			defer cancel()
			if changed, err := j.Change(ctx, "", entry(id, deflect.Sending)); changed || err == nil {
				t.Errorf("%s: %t, %v", id, changed, err)
			}
		}
		for range journal.MaxFresh + 10 {
			change("call")
			j.Note(deflect.Entry{ExternalCallID: "call"})
		}
		if n := j.Waiters(); n > journal.MaxFresh {
			t.Errorf("%d wait", n)
		}
		time.Sleep(time.Second)
		if j.Err() == nil {
			t.Error("Err says that all is well")
		}
		release()
		synctest.Wait()
		if err := j.Err(); err != nil || j.Waiters() != 0 {
			t.Errorf("afterwards %d wait: Err: %v", j.Waiters(), err)
		}

		release = j.Hang()
		for i := range journal.MaxFresh - 5 {
			j.Note(deflect.Entry{ExternalCallID: fmt.Sprint("noted-", i)})
		}
		for i := range 20 {
			change(fmt.Sprint("call-", i))
		}
		if n := j.Fresh(); n != journal.MaxFresh {
			t.Errorf("%d are kept", n)
		}
		release()
	})
}

// While the disk is full a change fails at once, and is not there afterwards, whatever
// the disk got of it; what was noted is kept, and written when it can be.
func TestDiskFull(t *testing.T) {
	onDisk(t, func(t *testing.T, dir string, j *journal.Journal, d *disk) {
		for _, id := range []string{"waits", "out"} {
			if _, err := j.Change(t.Context(), "", entry(id, deflect.Waiting)); err != nil {
				t.Fatal(err)
			}
		}
		full := errors.New("no space left on device")
		d.set(full)
		if changed, err := j.Change(t.Context(), "", entry("first", deflect.Sending)); changed || !errors.Is(err, full) {
			t.Errorf("the first change: %t, %v", changed, err)
		}
		if err := j.Err(); !errors.Is(err, full) || !strings.Contains(err.Error(), dir) {
			t.Errorf("Err: %v", err)
		}
		if changed, err := j.Change(t.Context(), deflect.Waiting, entry("waits", deflect.Sending)); changed || !errors.Is(err, full) {
			t.Errorf("the next change: %t, %v", changed, err)
		}
		if n := d.count(); n != 3 {
			t.Errorf("%d commits: the next change was not refused at once", n)
		}
		j.Note(entry("out", deflect.Ended))
		if _, err := j.Take(t.Context(), "sales +14043438646", "token", time.Hour); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute + time.Millisecond)
		if n := d.count(); n < 55 || n > 65 {
			t.Errorf("%d commits in a minute", n)
		}
		for id, want := range map[string]deflect.State{"first": "", "waits": deflect.Waiting, "out": deflect.Ended} {
			if s := stateOf(t, j, id); s != want {
				t.Errorf("%s is %q, want %q", id, s, want)
			}
		}
		d.set(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := j.Err(); err != nil || j.Fresh() != 0 {
			t.Errorf("when there is room again: %v, %d not written", err, j.Fresh())
		}
		if changed, err := j.Change(t.Context(), deflect.Waiting, entry("waits", deflect.Sending)); !changed || err != nil {
			t.Errorf("a change then: %t, %v", changed, err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		j = open(t, dir)
		for id, want := range map[string]deflect.State{"first": "", "waits": deflect.Sending, "out": deflect.Ended} {
			if s := stateOf(t, j, id); s != want {
				t.Errorf("at the next start %s is %q, want %q", id, s, want)
			}
		}
		if j.Cooling() != 1 {
			t.Errorf("%d cooldowns", j.Cooling())
		}
	})
}

// Of several changes of one text that cannot be written all are undone.
func TestChangesUndone(t *testing.T) {
	onDisk(t, func(t *testing.T, dir string, j *journal.Journal, d *disk) {
		if _, err := j.Change(t.Context(), "", entry("call", deflect.Waiting)); err != nil {
			t.Fatal(err)
		}
		d.hang = make(chan struct{})
		d.set(errors.New("no space left on device"))
		var all sync.WaitGroup
		all.Go(func() { j.Change(t.Context(), "", entry("other", deflect.Sending)) })
		synctest.Wait()
		steps := []deflect.State{deflect.Waiting, deflect.Sending, deflect.Doubted, deflect.Ended}
		for i, from := range steps[:3] {
			all.Go(func() {
				if changed, err := j.Change(t.Context(), from, entry("call", steps[i+1])); changed || err == nil {
					t.Errorf("from %q: %t, %v", from, changed, err)
				}
			})
			synctest.Wait()
		}
		close(d.hang)
		all.Wait()
		if s := stateOf(t, j, "call"); s != deflect.Waiting {
			t.Errorf("it is %q, want %q", s, deflect.Waiting)
		}
		d.set(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if s := stateOf(t, open(t, dir), "call"); s != deflect.Waiting {
			t.Errorf("at the next start it is %q, want %q", s, deflect.Waiting)
		}
	})
}

// What is noted while nothing can be written is bounded.
func TestNotesAreBounded(t *testing.T) {
	onDisk(t, func(t *testing.T, _ string, j *journal.Journal, d *disk) {
		d.set(errors.New("no space left on device"))
		for i := range journal.MaxFresh + 1000 {
			j.Note(deflect.Entry{ExternalCallID: fmt.Sprint("call-", i)})
		}
		if n := j.Fresh(); n != journal.MaxFresh {
			t.Errorf("%d are kept", n)
		}
		d.set(nil)
	})
}

// A journal that is closed while the disk is full says what it lost.
func TestClosedWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		j, err := journal.Open(t.TempDir(), journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		j.OnStore(func() error { return full })
		j.Note(entry("call", deflect.Ended))
		if err := j.Close(); !errors.Is(err, full) {
			t.Errorf("Close: %v", err)
		}
		if err := j.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

// Nor does a disk that hangs keep a process from its end.
func TestClosedWhileHung(t *testing.T) {
	onDisk(t, func(t *testing.T, dir string, j *journal.Journal, d *disk) {
		d.hang = make(chan struct{})
		j.Note(entry("call", deflect.Ended))
		start := time.Now()
		if err := j.Close(); err == nil || !strings.Contains(err.Error(), dir) || time.Since(start) != 5*time.Second {
			t.Errorf("after %s: Close: %v", time.Since(start), err)
		}
		close(d.hang)
	})
}

// Everything at once, for the race detector; and no goroutine is left.
func TestAllAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{MaxCooldowns: 50})
	if err != nil {
		t.Fatal(err)
	}
	j.OnEvicted(func() {})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 40 {
				id, key := fmt.Sprint("call-", n%5), fmt.Sprintf("sales +1404343%04d", 100*i+n)
				changed, err := j.Change(t.Context(), "", entry(id, deflect.Sending))
				if err != nil {
					t.Error(err)
				}
				if changed {
					j.Note(entry(id, deflect.Waiting))
				}
				j.Take(t.Context(), key, id, time.Duration(n)*time.Millisecond)
				j.Held(t.Context(), key)
				j.Release(t.Context(), key, id)
				j.Find(t.Context(), id)
				j.Open(t.Context())
				j.List(t.Context())
				j.About(t.Context(), "+14043438646")
				j.Cooling()
				j.Err()
				switch n % 20 {
				case 7:
					j.Cancel(t.Context(), id)
				case 11:
					j.EndCooldowns(t.Context(), "+14043438646")
				case 13:
					if _, err := j.Forget(t.Context(), "+14043438646"); err != nil && !errors.Is(err, journal.ErrSending) {
						t.Error(err)
					}
				case 17:
					j.SetMaxCooldowns(40 + n)
				}
			}
		})
	}
	all.Wait()
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}
