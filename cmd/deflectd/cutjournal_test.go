//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// The journal of a deflectd that was killed, cut off at each page: it has all that it had,
// or is refused. What deflectd starts with texts nobody again.
func TestCutJournal(t *testing.T) {
	t.Parallel()
	const texts = 60
	api := newWatchedAPI(livedeflecttest.Config{})
	l := newLives(t, api, api.serve(t), 3*time.Second)
	l.start()
	var all sync.WaitGroup
	for i := range texts {
		all.Go(func() {
			if vars := l.call(i, caller(i), hourly); vars["deflect_outcome"] != "sent" {
				t.Errorf("told %v", vars)
			}
		})
	}
	all.Wait()
	l.kill()
	// What was written last is in the log, and reaches the file at the next start.
	log := filepath.Join(l.dir, "journal.wal")
	ahead, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for size := (len(ahead) - 1) / page * page; size >= 0; size -= page { // each shorter than the one before
		if err := os.Truncate(log, int64(size)); err != nil {
			t.Fatal(err)
		}
		if j, err := journal.Open(l.dir, journal.Options{}); err == nil {
			t.Errorf("opened, with a log cut to %d bytes", size)
			j.Close()
		} else if _, damaged := errors.AsType[*journal.DamagedError](err); !damaged {
			t.Errorf("a log cut to %d bytes: %v", size, err)
		}
	}
	if err := os.WriteFile(log, ahead, 0o600); err != nil {
		t.Fatal(err)
	}
	l.start()
	l.untilSettled()
	l.kill()

	name := filepath.Join(l.dir, "journal.db")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if ahead, err = os.ReadFile(log); err != nil {
		t.Fatal(err)
	}
	cutTo := func(size int) {
		if err := errors.Join(os.WriteFile(name, whole[:size], 0o600), os.WriteFile(log, ahead, 0o600)); err != nil {
			t.Fatal(err)
		}
	}

	refused, opened := []int{}, []int{}
	for size := 0; size <= len(whole); size += os.Getpagesize() {
		cutTo(size)
		j, err := journal.Open(l.dir, journal.Options{})
		if _, damaged := errors.AsType[*journal.DamagedError](err); damaged {
			refused = append(refused, size)
			continue
		}
		if err != nil {
			t.Errorf("cut to %d bytes: %v", size, err)
			continue
		}
		opened = append(opened, size)
		for i := range texts {
			// What was noted last is not on the disk yet: the text is in doubt then.
			if e, err := j.Find(t.Context(), callID(i)); err != nil || e.State != deflect.Ended && e.State != deflect.Sending {
				t.Errorf("cut to %d bytes: the text of call %d is %q, %v", size, i, e.State, err)
			}
		}
		if n := j.Cooling(); n != texts {
			t.Errorf("cut to %d bytes: %d callers are in a cooldown, want %d", size, n, texts)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("of %d bytes: refused %v, opened %v", len(whole), refused, opened)
	if len(refused) < 4 || len(opened) < 1 {
		t.Fatal("it was no such test")
	}

	for _, size := range []int{0, os.Getpagesize(), refused[len(refused)/2], refused[len(refused)-1]} {
		cutTo(size)
		var stderr bytes.Buffer
		cmd := l.command()
		cmd.Stderr = &stderr
		if code := exitCode(t, cmd.Run()); code != exitRuntime || !strings.Contains(stderr.String(), "not started") ||
			!strings.Contains(stderr.String(), "open the journal (state.dir)") || !strings.Contains(stderr.String(), "is damaged") {
			t.Errorf("cut to %d bytes: exit code %d\n%s", size, code, stderr.String())
		}
		if is, err := os.ReadFile(name); err != nil || len(is) != size {
			t.Errorf("cut to %d bytes: it has %d now, %v", size, len(is), err)
		}
	}
	for n, size := range []int{opened[0], len(whole)} {
		cutTo(size)
		l.start()
		for i := range texts {
			all.Go(func() {
				l.call(i, caller(i), always)
				if vars := l.call((n+1)*1000+i, caller(i), hourly); vars["deflect_reason"] != "cooldown" {
					t.Errorf("cut to %d bytes: another call is told %v", size, vars)
				}
			})
		}
		all.Wait()
		l.kill()
		l.never()
	}
	if sent := len(api.double.Sent()); sent != texts {
		t.Errorf("%d texts, want %d", sent, texts)
	}
}
