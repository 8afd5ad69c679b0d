package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// BenchmarkSync is what a disk takes for itself: 4 KB written and synced.
func BenchmarkSync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.WriteAt(page, 0); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChange is the way of a text through the journal: its cooldown, its record before
// its request, and its end.
func BenchmarkChange(b *testing.B) {
	for _, many := range []int{1, 50} {
		b.Run(fmt.Sprintf("%d at once", many*runtime.GOMAXPROCS(0)), func(b *testing.B) {
			j := open(b, b.TempDir())
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(many)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprint(n.Add(1))
					if took, err := j.Take(b.Context(), "sales +1404"+id, "token", time.Hour); !took || err != nil {
						b.Error(took, err)
					}
					if changed, err := j.Change(b.Context(), "", entry(id, deflect.Sending)); !changed || err != nil {
						b.Error(changed, err)
					}
					j.Note(entry(id, deflect.Ended))
				}
			})
		})
	}
}

// BenchmarkFind asks for a call of which nothing is known, among 100,000 that ended.
func BenchmarkFind(b *testing.B) {
	j := open(b, b.TempDir())
	many(b, j)
	b.ReportAllocs()
	for b.Loop() {
		if e, err := j.Find(b.Context(), "nobody"); e.State != "" || err != nil {
			b.Fatal(e.State, err)
		}
	}
}

// BenchmarkForget erases what is known of one among 100,000: for so long nothing is written.
func BenchmarkForget(b *testing.B) {
	j := open(b, b.TempDir())
	many(b, j)
	for b.Loop() {
		if _, err := j.Forget(b.Context(), alice); err != nil {
			b.Fatal(err)
		}
	}
}

func many(b *testing.B, j *journal.Journal) {
	b.Helper()
	for i := range 100_000 {
		e := entry(fmt.Sprint("call-", i), deflect.Ended)
		e.Customer = fmt.Sprintf("+1404%07d", i)
		j.Note(e)
		if i%1000 == 0 {
			if _, err := j.EndCooldowns(b.Context(), alice); err != nil { // waits for the disk
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkRound has 2,000 texts and their cooldowns reach the file from the log, beside
// which other texts are written. There are 100,000 that ended.
func BenchmarkRound(b *testing.B) {
	j := open(b, b.TempDir())
	many(b, j)
	n := 0
	for b.Loop() {
		b.StopTimer()
		for range 2000 {
			n++
			if took, err := j.Take(b.Context(), fmt.Sprintf("sales +1404%07d", n), "token", time.Hour); !took || err != nil {
				b.Fatal(took, err)
			}
			j.Note(entry(fmt.Sprint("call-", n), deflect.Ended))
		}
		if _, err := j.EndCooldowns(b.Context(), alice); err != nil { // waits for the log
			b.Fatal(err)
		}
		b.StartTimer()
		j.Round()
	}
}
