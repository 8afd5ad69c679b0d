package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

func heldNow(t *testing.T, j *journal.Journal, key string) bool {
	t.Helper()
	held, err := j.Held(t.Context(), key)
	if err != nil {
		t.Error(err)
	}
	return held
}

func take(t *testing.T, j *journal.Journal, key, token string, lasts time.Duration) {
	t.Helper()
	if took, err := j.Take(t.Context(), key, token, lasts); !took || err != nil {
		t.Fatalf("Take: %t, %v", took, err)
	}
}

// A process that was killed in a try of a text that waits left the caller's cooldown behind:
// the next one tries again, and is not held up by it. Nobody else gets it.
func TestCooldownOfAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir)
	take(t, j, "sales "+alice, "mine", time.Hour)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	if took, err := j.Take(t.Context(), "sales "+alice, "another", time.Hour); took || err != nil {
		t.Errorf("another's: %t, %v", took, err)
	}
	take(t, j, "sales "+alice, "mine", time.Hour)
	if err := j.Release(t.Context(), "sales "+alice, "mine"); err != nil || heldNow(t, j, "sales "+alice) {
		t.Errorf("it is not given back: %v", err)
	}
	take(t, j, "sales "+alice, "another", time.Hour)
}

// A cooldown lasts as long as it was to, whatever starts there are in between.
func TestCooldownsSurvive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		take(t, j, "sales "+alice, "mine", time.Hour)
		take(t, j, "sales "+bob, "mine", 30*24*time.Hour)
		take(t, j, "support "+alice, "mine", time.Hour)
		if err := j.Release(t.Context(), "support "+alice, "mine"); err != nil {
			t.Error(err)
		}
		restart := func() {
			t.Helper()
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20*time.Minute - time.Nanosecond)
			j = open(t, dir)
		}
		for range 3 {
			if !heldNow(t, j, "sales "+alice) || heldNow(t, j, "support "+alice) {
				t.Error("it is not as it was")
			}
			restart()
			if err := j.Release(t.Context(), "sales "+alice, "another"); err != nil {
				t.Error(err)
			}
		}
		if !heldNow(t, j, "sales "+alice) {
			t.Error("it is over too early")
		}
		time.Sleep(3 * time.Nanosecond)
		if heldNow(t, j, "sales "+alice) || j.Cooling() != 1 {
			t.Errorf("it is held after its time, %d are cooling", j.Cooling())
		}
		restart()
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := j.Records("cooldowns"); n != 1 {
			t.Errorf("the file has %d, want 1", n)
		}
	})
}

// A clock that was wrong makes no cooldown that never ends.
func TestClockOfAnotherCentury(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir)
		take(t, j, "sales "+alice, "mine", 50*365*24*time.Hour)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir)
		time.Sleep(journal.LongestCooldown - time.Minute)
		if !heldNow(t, j, "sales "+alice) {
			t.Error("it is over too early")
		}
		time.Sleep(2 * time.Minute)
		if heldNow(t, j, "sales "+alice) {
			t.Error("it is held for longer than any rule asks for")
		}
	})
}

// When there are too many those make room that end first, in the file too.
func TestTooManyCooldowns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j, err := journal.Open(dir, journal.Options{MaxCooldowns: 10})
		if err != nil {
			t.Fatal(err)
		}
		evicted := 0
		j.OnEvicted(func() { evicted++; j.Cooling() }) // which may ask it
		for i := range 15 {
			take(t, j, cooldownOf(i), "mine", time.Hour+time.Duration(i)*time.Minute)
		}
		check := func(when string, most int) {
			t.Helper()
			for i := range 15 {
				if held := heldNow(t, j, cooldownOf(i)); held != (i >= 15-most) {
					t.Errorf("%s: the cooldown %d is held: %t", when, i, held)
				}
			}
			if j.Cooling() != most || evicted != 15-most {
				t.Errorf("%s: %d are cooling, %d were evicted", when, j.Cooling(), evicted)
			}
		}
		check("full", 10)
		j.SetMaxCooldowns(7)
		check("less room", 7)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if j, err = journal.Open(dir, journal.Options{MaxCooldowns: 5}); err != nil {
			t.Fatal(err)
		}
		evicted = 10
		check("at the next start", 5)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = open(t, dir)
		check("and the next", 5)
	})
}

// While the disk is full those that are given back are bounded, as are those that are
// taken; and of a number that is forgotten then nothing stays in the file.
func TestCooldownsGivenBackOnFullDisk(t *testing.T) {
	onDisk(t, func(t *testing.T, _ string, j *journal.Journal, d *disk) {
		const most = 100
		j.SetMaxCooldowns(most)
		takeBack := func(key string) {
			t.Helper()
			take(t, j, key, "mine", time.Hour)
			if err := j.Release(t.Context(), key, "mine"); err != nil {
				t.Error(err)
			}
		}
		other := func(i int) string { return fmt.Sprintf("sales +1405%07d", i) }
		take(t, j, "sales "+alice, "mine", 2*time.Hour) // it is not the one that makes room
		time.Sleep(time.Second)
		synctest.Wait()
		d.set(errors.New("no space left on device"))
		for i := range journal.MaxFresh {
			takeBack(other(i))
		}
		for i := range 1000 {
			takeBack(other(journal.MaxFresh + i))
			take(t, j, other(1_000_000+i), "mine", time.Hour)
		}
		if err := j.Release(t.Context(), "sales "+alice, "mine"); err != nil {
			t.Error(err)
		}
		if n := j.Fresh(); n > journal.MaxFresh+most {
			t.Errorf("%d are kept, want at most %d", n, journal.MaxFresh+most)
		}
		d.set(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := j.Checkpoint(); err != nil {
			t.Error(err)
		}
		if n := j.Records("cooldowns"); j.Fresh() != 0 || n != most {
			t.Errorf("when there is room again %d are not written, and the file has %d, want %d", j.Fresh(), n, most)
		}
		if _, err := j.Forget(t.Context(), alice); err != nil || j.Records("cooldowns") != most-1 {
			t.Errorf("Forget: %v, the file has %d, want %d", err, j.Records("cooldowns"), most-1)
		}
	})
}

// cooling fills a folder with cooldowns.
func cooling(tb testing.TB, dir string, n int) {
	tb.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		if took, err := j.Take(tb.Context(), fmt.Sprintf("sales +1404%07d", i), "", time.Hour); !took || err != nil {
			tb.Fatal(took, err)
		}
	}
	if err := errors.Join(j.Checkpoint(), j.Close()); err != nil {
		tb.Fatal(err)
	}
}

// memory returns how much the heap grows with what is made.
func memory(make func()) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	make()
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int(after.HeapAlloc) - int(before.HeapAlloc)
}

// A cooldown costs at most 300 bytes of memory, read from the file or taken.
func TestMemoryOfCooldowns(t *testing.T) {
	const n, most = 20_000, 300
	dir := t.TempDir()
	cooling(t, dir, n)
	var j *journal.Journal
	if each := memory(func() { j = open(t, dir) }) / n; each > most {
		t.Errorf("%d bytes a cooldown that was read, want at most %d", each, most)
	}
	each := memory(func() {
		for i := range n {
			take(t, j, fmt.Sprintf("support +1404%07d", i), "NLWVHHUCNQ6OJGLAH2D3ZDJNSH", time.Hour)
		}
		if err := j.Checkpoint(); err != nil { // what is in the log is so for seconds
			t.Fatal(err)
		}
	}) / n
	if each > most {
		t.Errorf("%d bytes a cooldown that was taken, want at most %d", each, most)
	}
	if n := j.Cooling(); n != 2*20_000 {
		t.Errorf("%d are cooling", n)
	}
}

func BenchmarkOpen100kCooldowns(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	cooling(b, dir, n)
	info, err := os.Stat(filepath.Join(dir, journal.DBFile))
	if err != nil {
		b.Fatal(err)
	}
	var j *journal.Journal
	start := func() {
		if j, err = journal.Open(dir, journal.Options{}); err != nil || j.Cooling() != n {
			b.Fatal(err)
		}
	}
	bytes := memory(start)
	j.Close()
	for b.Loop() {
		start()
		b.StopTimer()
		j.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes)/n, "bytes/cooldown")
	b.ReportMetric(float64(info.Size())/n, "filebytes/cooldown")
}
