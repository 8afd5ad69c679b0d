package main

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const room = ^uint64(0)

// limit lets no file of deflectd grow beyond some bytes, nor be written there.
func (l *lives) limit(bytes uint64) {
	l.t.Helper()
	const fileSize = 1 // RLIMIT_FSIZE
	limit := syscall.Rlimit{Cur: bytes, Max: room}
	_, _, no := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(l.cmd.Process.Pid), fileSize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if no != 0 {
		l.t.Skipf("the size of files cannot be limited here: %v", no)
	}
}

// While the journal cannot be written, calls go on without texts, and deflectd says so; it
// is well again as soon as there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	api := newWatchedAPI(livedeflecttest.Config{})
	l := newLives(t, api, api.serve(t), 3*time.Second)
	l.start()
	if vars := l.call(1, caller(1), hourly); vars["deflect_outcome"] != "sent" {
		t.Fatalf("told %v", vars)
	}
	began := time.Now()
	l.call(2, caller(1), always)
	usual := time.Since(began)

	l.limit(0) // not even where the log begins: how far it has come is a matter of time
	const n = 50
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			began := time.Now()
			vars := l.call(10+i, caller(10+i), hourly)
			if vars["deflect_outcome"] != "failed" || vars["deflect_reason"] != "journal" {
				t.Errorf("told %v", vars)
			}
			// A quarter of a second, and what a busy machine needs.
			if took := time.Since(began); took > usual+250*time.Millisecond+5*time.Second {
				t.Errorf("a call took %s, and %s when there is room", took, usual)
			}
		})
	}
	all.Wait()
	if sent := len(api.double.Sent()); sent != 2 {
		t.Errorf("%d texts were sent, want those of before", sent)
	}
	if status, body := l.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "journal: no text goes out") {
		t.Errorf("/readyz: %d %q", status, body)
	}
	if _, body := l.get("/metrics"); !strings.Contains(body, `deflect_journal_failures_total{result="refused"} 50`) {
		t.Error("/metrics does not count 50 texts that were refused")
	}

	l.limit(room)
	l.until("it is ready again", func() bool { status, _ := l.get("/readyz"); return status == http.StatusOK })
	for i := range n { // those who were not texted have no cooldown
		all.Go(func() {
			if vars := l.call(100+i, caller(10+i), hourly); vars["deflect_outcome"] != "sent" {
				t.Errorf("told %v, when there is room again", vars)
			}
		})
	}
	all.Wait()
	l.kill()
	l.start()
	if vars := l.call(200, caller(10), hourly); vars["deflect_reason"] != "cooldown" {
		t.Errorf("told %v, after a kill", vars)
	}
	l.untilSettled()
	l.stop()
	l.settled()
}

// A full disk is no reason not to start: what the journal knows counts, and texts go out
// when there is room.
func TestStartsWithFullDisk(t *testing.T) {
	t.Parallel()
	api := newWatchedAPI(livedeflecttest.Config{})
	l := newLives(t, api, api.serve(t), 3*time.Second)
	l.start()
	if vars := l.call(1, caller(1), hourly); vars["deflect_outcome"] != "sent" {
		t.Fatalf("told %v", vars)
	}
	l.kill()
	l.wrap = []string{"/bin/sh", "-c", `ulimit -S -f 0 && exec "$0" "$@"`}
	l.start()
	if vars := l.call(2, caller(1), hourly); vars["deflect_reason"] != "cooldown" {
		t.Errorf("told %v, in the cooldown", vars)
	}
	if vars := l.call(3, caller(3), hourly); vars["deflect_outcome"] != "failed" || vars["deflect_reason"] != "journal" {
		t.Errorf("told %v, while the disk is full", vars)
	}
	l.limit(room)
	l.until("a text is sent", func() bool { return l.call(4, caller(4), hourly)["deflect_outcome"] == "sent" })
	l.untilSettled()
	l.stop()
	l.settled()
}

// A deflectd that is killed while the disk is full.
func TestKilledWithFullDisk(t *testing.T) {
	killAgainAndAgain(t, failingLiveDeflect, 500, 4, func(l *lives, random *rand.Rand) {
		info, err := os.Stat(filepath.Join(l.dir, "journal.db"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(500 * time.Millisecond))
		size := uint64(info.Size())
		l.limit([]uint64{4096, 8192, size / 2, size, size + uint64(random.IntN(1<<15))}[random.IntN(5)])
		time.Sleep(300*time.Millisecond + rand.N(500*time.Millisecond))
		if random.IntN(3) > 0 {
			l.limit(room)
		}
	})
}
