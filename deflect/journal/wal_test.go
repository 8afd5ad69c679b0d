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
		end(nil)
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if n := j.Records("open"); n != 1 {
			t.Errorf("the file has %d texts", n)
		}
	})
}

// A round that did not reach the file is not lost: it goes there with all that came after,
// also when the next one has no more room.
func TestRoundFails(t *testing.T) {
	for name, size := range map[string]int{"next has room": 1, "next is full": journal.WALSize/2 - 1000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				j := open(t, dir)
				time.Sleep(time.Second)
				change := func(id string, size int) {
					e := entry(id, deflect.Sending)
					e.Data = make([]byte, size)
					if changed, err := j.Change(t.Context(), "", e); !changed || err != nil {
						t.Errorf("%s: %t, %v", id, changed, err)
					}
				}
				change("first", 1)
				end := j.LongRound()
				change("second", 1000)
				done := make(chan struct{})
				go func() {
					defer close(done)
					change("third", size)
				}()
				synctest.Wait()
				end(errors.New("a fault"))
				<-done
				synctest.Wait()
				if n := j.Records("open"); n != 3 {
					t.Errorf("the file has %d texts", n)
				}
				for _, id := range []string{"fourth", "fifth"} { // what was in both halves is over
					change(id, 1)
					j.Round()
				}
				if err := j.Close(); err != nil {
					t.Error(err)
				}
				j = open(t, dir)
				for _, id := range []string{"first", "second", "third"} {
					if s := stateOf(t, j, id); s != deflect.Sending {
						t.Errorf("%s is %q", id, s)
					}
				}
			})
		})
	}
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

// What is newer counts: what is not written yet, what is in the log, what is about to reach the
// file from there, and what is in the file.
func TestNewerCounts(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	state := deflect.State("")
	change := func(to deflect.State) {
		t.Helper()
		if changed, err := j.Change(t.Context(), state, entry("call", to)); !changed || err != nil {
			t.Fatal(changed, err)
		}
		state = to
	}
	check := func(where string, cooldowns int) {
		t.Helper()
		if s := stateOf(t, j, "call"); s != state {
			t.Errorf("%s: Find: it is %q, want %q", where, s, state)
		}
		open, err := j.Open(t.Context())
		about, aboutErr := j.About(t.Context(), alice)
		if err := errors.Join(err, aboutErr); err != nil {
			t.Fatal(err)
		}
		for what, texts := range map[string][]deflect.Entry{"Open": open, "About": about.Texts} {
			if state == deflect.Ended && len(texts) != 0 || state != deflect.Ended && (len(texts) != 1 || texts[0].State != state) {
				t.Errorf("%s: %s: %v, want one that is %q", where, what, texts, state)
			}
		}
		if len(about.Cooldowns) != cooldowns {
			t.Errorf("%s: %d cooldowns, want %d", where, len(about.Cooldowns), cooldowns)
		}
	}
	take(t, j, "sales "+alice, "token", time.Hour)
	change(deflect.Sending)
	if err := j.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	check("file", 1)
	if n, err := j.EndCooldowns(t.Context(), alice); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	change(deflect.Waiting)
	end := j.LongRound()
	check("about to reach the file", 0)
	take(t, j, "sales "+alice, "token", time.Hour)
	change(deflect.Doubted)
	check("log", 1)
	j.Note(entry("call", deflect.Ended))
	state = deflect.Ended
	check("not written yet", 1)
	end(errors.New("a fault"))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	check("the next start", 1)
}

// What was in the log at one crash is there after the next, which comes before it reached
// the file, or soon after.
func TestKilledTwice(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		j := open(t, dir)
		for k := range i {
			if s := stateOf(t, j, fmt.Sprint("call-", k)); s != deflect.Sending {
				t.Errorf("after %d crashes, the text of life %d is %q", i, k, s)
			}
		}
		if changed, err := j.Change(t.Context(), "", entry(fmt.Sprint("call-", i), deflect.Sending)); !changed || err != nil {
			t.Fatal(changed, err)
		}
		killed := t.TempDir()
		if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		dir = killed
	}
}
