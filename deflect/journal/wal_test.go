package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// Who comes when both halves of the log are full waits for the older one to reach the file,
// and not for the pauses that are made for callers.
func TestBothHalvesFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		e := entry("", deflect.Doubted)
		e.Data = make([]byte, 600)
		texts := 3 * journal.WALSize / 2 / len(e.Data)
		var longest time.Duration
		for i := range texts {
			e.ExternalCallID = fmt.Sprint("call-", i)
			j.Note(e)
			if i%100 == 99 {
				start := time.Now()
				if changed, err := j.Change(t.Context(), "", entry(fmt.Sprint("other-", i), deflect.Sending)); !changed || err != nil {
					t.Fatal(changed, err)
				}
				longest = max(longest, time.Since(start))
			}
		}
		if longest > 30*time.Millisecond {
			t.Errorf("a change waited %s for pauses", longest)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if all, err := open(t, dir).Open(t.Context()); len(all) != texts+texts/100 || err != nil {
			t.Errorf("%d texts, want %d, %v", len(all), texts+texts/100, err)
		}
	})
}

// What was logged while a round took its time to reach the file follows soon after it.
func TestAfterALongRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := open(t, t.TempDir())
		time.Sleep(time.Second)
		end := j.LongRound()
		if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
			t.Fatal(changed, err)
		}
		time.Sleep(8 * time.Second)
		end()
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if n := j.Records("open"); n != 1 {
			t.Errorf("the file has %d texts", n)
		}
	})
}

// A file that took the place of another, of which nobody knows whether it has the name on
// the disk too, is written anew before more depends on it: after a loss of power the other
// would be there, and not go with the log.
func TestNameNotOnDisk(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	j := open(t, dir)
	fault := errors.New("a fault")
	undo := journal.FailSyncFolder(fault)
	_, err := j.Forget(t.Context(), alice)
	undo()
	if !errors.Is(err, fault) {
		t.Errorf("Forget: %v", err)
	}
	name := filepath.Join(dir, journal.DBFile)
	was, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
		t.Error(changed, err)
	}
	if is, err := os.Stat(name); err != nil || os.SameFile(was, is) {
		t.Errorf("the file is the same, %v", err)
	}
	if n := lost(t, j); n > 0 {
		t.Errorf("%d records are lost", n)
	}
}

// A log that cannot be made leaves nothing behind: a disk that is full needs the room.
func TestLogNotMade(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, journal.WALFile, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if j, err := journal.Open(dir, journal.Options{}); err == nil {
		t.Error("it was opened")
		j.Close()
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.new")); err != nil || len(left) > 0 {
		t.Errorf("%v is there, %v", left, err)
	}
}
