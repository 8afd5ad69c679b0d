package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// replace puts a device in the place of a file that is open, and returns what undoes it.
func replace(t *testing.T, name, device string) (undo func()) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != name {
			continue
		}
		fd, err := strconv.Atoi(filepath.Base(link))
		if err != nil {
			t.Fatal(err)
		}
		saved, err := syscall.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		other, err := syscall.Open(device, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
		if err == nil {
			err = syscall.Dup3(other, fd, syscall.O_CLOEXEC)
		}
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := errors.Join(syscall.Dup3(saved, fd, syscall.O_CLOEXEC), syscall.Close(saved), syscall.Close(other)); err != nil {
				t.Error(err)
			}
		}
	}
	t.Fatalf("%s is not open", name)
	return nil
}

// A disk on which nothing can be written, and one that loses what was written, as the
// kernel tells it: nothing is lost that was told to be kept, and after a sync that failed
// the file is written anew as a whole.
func TestRealDisk(t *testing.T) {
	for _, tt := range []struct {
		device string
		err    error
		anew   bool
	}{
		{"/dev/full", syscall.ENOSPC, false},
		{"/dev/null", syscall.EINVAL, true}, // takes all, and cannot be synced
	} {
		t.Run(tt.device, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				name := filepath.Join(dir, journal.DBFile)
				j := open(t, dir)
				filledInto(t, j)
				for _, state := range []deflect.State{deflect.Doubted, ""} { // so that there are free pages
					for i := range 200 {
						j.Note(entry(fmt.Sprint("free-", i), state))
					}
					time.Sleep(time.Second)
					if err := j.Checkpoint(); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := j.Change(t.Context(), "", entry("waits", deflect.Waiting)); err != nil {
					t.Fatal(err)
				}
				was, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				undo, undoLog := replace(t, name, tt.device), replace(t, filepath.Join(dir, journal.WALFile), tt.device)
				if changed, err := j.Change(t.Context(), "", entry("call", deflect.Sending)); changed || !errors.Is(err, tt.err) {
					t.Errorf("a change: %t, %v", changed, err)
				}
				for i := range 50 {
					j.Note(entry(fmt.Sprint("noted-", i), deflect.Ended))
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if !tt.anew { // the other is written anew, and well, at the next try
					if changed, err := j.Change(t.Context(), deflect.Waiting, entry("waits", deflect.Sending)); changed || !errors.Is(err, tt.err) {
						t.Errorf("10 s later: %t, %v", changed, err)
					}
				}
				undo()
				undoLog()
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if err := j.Err(); err != nil || j.Fresh() != 0 {
					t.Errorf("when the disk is well: %v, %d not written", err, j.Fresh())
				}
				is, err := os.Stat(name)
				if err != nil || os.SameFile(is, was) == tt.anew {
					t.Errorf("the file is the same: %t, %v", os.SameFile(is, was), err)
				}
				if changed, err := j.Change(t.Context(), "", entry("after", deflect.Sending)); !changed || err != nil {
					t.Errorf("a change: %t, %v", changed, err)
				}
				if err := j.Close(); err != nil {
					t.Error(err)
				}
				j = open(t, dir)
				for id, want := range map[string]deflect.State{"call": "", "waits": deflect.Waiting, "noted-0": deflect.Ended, "noted-49": deflect.Ended, "after": deflect.Sending} {
					if s := stateOf(t, j, id); s != want {
						t.Errorf("%s is %q, want %q", id, s, want)
					}
				}
				if n := lost(t, j); n > 0 {
					t.Errorf("%d records are lost", n)
				}
			})
		})
	}
}

// Nor does one of which nothing is left, wherever bbolt stands then: nobody waits for it.
func TestEmptiedWhileOpen(t *testing.T) {
	for name, first := range map[string]func(*journal.Journal, context.Context) error{
		"read": func(j *journal.Journal, ctx context.Context) error {
			_, err := j.Find(ctx, "other")
			return err
		},
		"write": func(j *journal.Journal, ctx context.Context) error {
			j.Note(deflect.Entry{ExternalCallID: "call"})
			// the log has it, and the file not yet
			_, err := j.Change(ctx, "", entry("call", deflect.Sending))
			if err != nil {
				return err
			}
			return j.Checkpoint()
		},
		"list": func(j *journal.Journal, ctx context.Context) error {
			_, err := j.List(ctx)
			return err
		},
		"forget": func(j *journal.Journal, ctx context.Context) error {
			_, err := j.Forget(ctx, alice)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, dir)
			j, err := journal.Open(dir, journal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			j.CloseWithin(100 * time.Millisecond)
			if err := os.Truncate(filepath.Join(dir, journal.DBFile), 0); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var damaged *journal.DamagedError
			if err := first(j, ctx); !errors.As(err, &damaged) {
				t.Errorf("at first: %v", err)
			}
			if err := j.Err(); !errors.As(err, &damaged) {
				t.Errorf("Err: %v", err)
			}
			j.Note(entry("noted", deflect.Ended))
			if _, err := j.Find(ctx, "call-1"); !errors.As(err, &damaged) {
				t.Errorf("Find: %v", err)
			}
			if _, err := j.Open(ctx); !errors.As(err, &damaged) {
				t.Errorf("Open: %v", err)
			}
			for _, id := range []string{"another", "noted"} {
				if changed, err := j.Change(ctx, "", entry(id, deflect.Sending)); changed || !errors.As(err, &damaged) {
					t.Errorf("Change of %s: %t, %v", id, changed, err)
				}
			}
			if _, err := j.EndCooldowns(ctx, alice); !errors.As(err, &damaged) {
				t.Errorf("EndCooldowns: %v", err)
			}
			if _, err := j.Forget(ctx, alice); !errors.As(err, &damaged) {
				t.Errorf("Forget: %v", err)
			}
			if !heldNow(t, j, cooldownOf(1)) {
				t.Error("who was texted lately is forgotten")
			}
			if err := j.Close(); !errors.As(err, &damaged) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// A file that is cut off while it is open ends no process: what is missing is told.
func TestCutWhileOpen(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, journal.DBFile), int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	var damaged *journal.DamagedError
	if _, err := j.Find(t.Context(), "call-1"); !errors.As(err, &damaged) {
		t.Errorf("Find: %v", err)
	}
	if _, err := j.Open(t.Context()); !errors.As(err, &damaged) {
		t.Errorf("Open: %v", err)
	}
	j.Note(entry("call", deflect.Ended))
	if _, err := j.EndCooldowns(t.Context(), alice); !errors.As(err, &damaged) || !errors.As(j.Err(), &damaged) {
		t.Errorf("a change: %v, and Err is %v", err, j.Err())
	}
	if _, err := j.Forget(t.Context(), alice); !errors.As(err, &damaged) {
		t.Errorf("Forget: %v", err)
	}
	if err := j.Close(); !errors.As(err, &damaged) {
		t.Errorf("Close: %v", err)
	}
	if _, err := journal.Open(dir, journal.Options{}); !errors.As(err, &damaged) {
		t.Errorf("the next start: %v", err)
	}
}
