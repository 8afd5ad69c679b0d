package journal_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

func sizeOf(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, journal.DBFile))
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A file that is mostly free is made smaller at the next start, and nothing is lost.
func TestMadeSmaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		filledInto(t, j)
		big := make([]byte, 4000)
		for erase := range 2 {
			for i := range 1500 {
				e := deflect.Entry{ExternalCallID: fmt.Sprint("old-", i)}
				if erase == 0 {
					e.State, e.Data = deflect.Waiting, big
				}
				j.Note(e)
			}
			time.Sleep(time.Second)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		before := sizeOf(t, dir)
		// Where nothing more can be written, it is opened as it is.
		for _, name := range []string{journal.NewDBFile, journal.OwnerFile} {
			if err := os.MkdirAll(filepath.Join(dir, name, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		j = open(t, dir)
		if n, is := lost(t, j), sizeOf(t, dir); n > 0 || is != before {
			t.Errorf("%d records are lost, and the file is of %d bytes, want %d", n, is, before)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{journal.NewDBFile, journal.OwnerFile} {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		j = open(t, dir)
		after := sizeOf(t, dir)
		if before < journal.WorthCompacting || after > before/4 {
			t.Errorf("it was of %d bytes, and is of %d", before, after)
		}
		check := func() {
			t.Helper()
			if n := lost(t, j); n > 0 {
				t.Errorf("%d records are lost", n)
			}
		}
		check()
		if !j.Synced() {
			t.Error("what is written to the new file is not synced")
		}
		if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
			t.Error(changed, err)
		}
		if _, err := journal.Open(dir, journal.Options{}); !errors.As(err, new(*journal.LockedError)) {
			t.Errorf("somebody else opens the file that took its place: %v", err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir)
		check()
		if s := stateOf(t, j, "call"); s != deflect.Sending {
			t.Errorf("what was written afterwards is %q", s)
		}
	})
}

// What is left of a process that was killed while it made the file smaller is nothing.
func TestKilledWhileCompacting(t *testing.T) {
	dir := t.TempDir()
	whole := filled(t, dir)
	for _, size := range []int{0, 1, os.Getpagesize(), len(whole) / 2, len(whole)} {
		if err := os.WriteFile(filepath.Join(dir, journal.NewDBFile), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := lost(t, j); n > 0 {
			t.Errorf("%d records are lost", n)
		}
		if _, err := os.Stat(filepath.Join(dir, journal.NewDBFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is there still: %v", err)
		}
		if err := os.WriteFile(filepath.Join(dir, journal.NewDBFile), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Compact(), j.Close()); err != nil {
			t.Error(err)
		}
	}
}

// A file that cannot be made smaller stays as it is, and is written on.
func TestCannotCompact(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	filledInto(t, j)
	if err := os.Mkdir(filepath.Join(dir, journal.NewDBFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, journal.NewDBFile, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.Compact(); err == nil {
		t.Error("it could")
	}
	if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
		t.Error(changed, err)
	}
	if n := lost(t, j); n > 0 {
		t.Errorf("%d records are lost", n)
	}
}

// A year (with the race detector, 45 days) of 192 texts a day, each with a cooldown of half a day and remembered for one: the
// file is as large at its end as after some days.
func TestYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		j.Unsynced()
		var early int64
		n := 0
		for day := range 365 / lessWork {
			for range 24 {
				for range 8 {
					n++
					number := fmt.Sprintf("+1404%07d", n)
					take(t, j, "sales "+number, "token", 12*time.Hour)
					e := entry(fmt.Sprint("call-", n), deflect.Sending)
					e.Customer = number
					j.Note(e)
					e.State, e.Until = deflect.Ended, time.Now().Add(24*time.Hour)
					j.Note(e)
				}
				time.Sleep(time.Hour)
			}
			switch day {
			case 6:
				early = j.Size()
			case 30: // a start in between
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				j = open(t, dir)
				j.Unsynced()
			}
		}
		late := j.Size()
		t.Logf("%d texts: %d bytes after a week, %d at the end; the file has %d", n, early, late, sizeOf(t, dir))
		if late > 2*early || sizeOf(t, dir) > 4*early {
			t.Errorf("%d bytes after a week, %d at the end", early, late)
		}
		if ended, cooling := j.Records("ended"), j.Records("cooldowns"); ended > 24*8*11/10 || cooling > 12*8*11/10 {
			t.Errorf("the file has %d that ended, %d cooldowns", ended, cooling)
		}
	})
}

// Who waits for its turn while another file takes the place gets that one, not the one that
// has no name any more.
func TestTurnAfterCompacting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		filled(t, dir)
		j := open(t, dir)
		var next *journal.Journal
		var err error
		done := make(chan struct{})
		go func() {
			defer close(done)
			next, err = journal.OpenUnchecked(dir)
		}()
		time.Sleep(10 * time.Millisecond)
		if err := j.Compact(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); !changed || err != nil {
			t.Fatal(changed, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if <-done; err != nil {
			t.Fatal(err)
		}
		if s := stateOf(t, next, "call"); s != deflect.Sending {
			t.Errorf("it is %q", s)
		}
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	})
}
