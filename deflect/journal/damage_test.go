package journal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

const someTexts, someCooldowns = 120, 120

func textOf(i int) deflect.Entry {
	e := deflect.Entry{
		ExternalCallID: fmt.Sprint("call-", i), State: []deflect.State{deflect.Waiting, deflect.Doubted, deflect.Ended}[i%3],
		Customer: fmt.Sprintf("+1404343%04d", i), Policy: "sales", Outcome: deflect.Sent, Reason: deflect.ReasonOK,
		Since: time.Now(), Until: time.Now().Add(time.Hour),
	}
	if e.State != deflect.Ended {
		e.Data = fmt.Appendf(nil, `{"name":"Zoe","text":"your order %d"}`, i)
	}
	return e
}

func cooldownOf(i int) string { return fmt.Sprintf("sales +1404343%04d", i) }

// filled makes a journal with something of everything in it, and returns its file.
func filled(t testing.TB, dir string) []byte {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	filledInto(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, journal.DBFile))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func filledInto(t testing.TB, j *journal.Journal) {
	t.Helper()
	for i := range someTexts {
		j.Note(textOf(i))
	}
	for i := range someCooldowns {
		if took, err := j.Take(t.Context(), cooldownOf(i), "token", time.Hour); !took || err != nil {
			t.Fatal(took, err)
		}
	}
}

// lost counts what a journal that was opened has not, and says nothing about.
func lost(t *testing.T, j *journal.Journal) (n int) {
	t.Helper()
	if got := j.Cooling(); got != someCooldowns {
		n += someCooldowns - got
	}
	for i := range someTexts {
		e, err := j.Find(t.Context(), fmt.Sprint("call-", i))
		if err == nil && (e.State != textOf(i).State || string(e.Data) != string(textOf(i).Data)) {
			n++
		}
	}
	return n
}

// A file that is cut off anywhere is whole, because nothing was there, or refused.
func TestCut(t *testing.T) {
	dir := t.TempDir()
	whole := filled(t, dir)
	name := filepath.Join(dir, journal.DBFile)
	page := os.Getpagesize()
	var cuts []int
	for cut := 0; cut <= len(whole); cut += page {
		cuts = append(cuts, cut, cut+1, cut+page/2, cut+page-1)
	}
	refused, opened := 0, 0
	for _, cut := range cuts {
		if cut > len(whole) {
			continue
		}
		if err := os.WriteFile(name, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(dir, journal.Options{})
		var damaged *journal.DamagedError
		switch {
		case errors.As(err, &damaged):
			if refused++; cut > 2*page && !strings.Contains(err.Error(), fmt.Sprintf("there are %d", cut)) {
				t.Errorf("cut after %d bytes: %v", cut, err)
			}
			if is, err := os.ReadFile(name); err != nil || len(is) != cut {
				t.Errorf("cut after %d bytes: its file has %d now, %v", cut, len(is), err)
			}
		case err != nil:
			t.Errorf("cut after %d bytes: %v", cut, err)
		default:
			opened++
			if n := lost(t, j); n > 0 {
				t.Errorf("cut after %d bytes: %d records are lost, and nobody is told", cut, n)
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if refused < 10 || opened < 1 {
		t.Errorf("of %d bytes: %d cuts refused, %d opened", len(whole), refused, opened)
	}
}

// Whatever a page holds, nothing crashes, and of a page that is lost as a whole nothing is
// lost unsaid. (A byte here and there the file system has to notice.)
func TestDamagedPage(t *testing.T) {
	dir := t.TempDir()
	whole := filled(t, dir)
	name := filepath.Join(dir, journal.DBFile)
	page := os.Getpagesize()
	random := rand.New(rand.NewPCG(1, 2))
	ways := map[string]func([]byte){
		"zeros":    func(b []byte) { clear(b) },
		"garbage":  func(b []byte) { fill(b, random) },
		"one byte": func(b []byte) { b[random.IntN(len(b))] ^= byte(1 + random.IntN(255)) },
		"head":     func(b []byte) { b[random.IntN(16)] ^= byte(1 + random.IntN(255)) },
		"kind":     func(b []byte) { b[16] = 3 },
		"elements": func(b []byte) { b[16+random.IntN(400)] ^= byte(1 + random.IntN(255)) },
	}
	refused := 0
	for way, damage := range ways {
		for from := 2 * page; from < len(whole); from += page {
			content := append([]byte(nil), whole...)
			damage(content[from : from+page])
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			j, err := journal.OpenReadOnly(dir, journal.Options{})
			var damaged *journal.DamagedError
			if errors.As(err, &damaged) {
				refused++
				if _, err := journal.Open(dir, journal.Options{}); !errors.As(err, &damaged) {
					t.Errorf("%s in page %d: Open: %v", way, from/page, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s in page %d: %v", way, from/page, err)
				continue
			}
			if n := lost(t, j); n > 0 && (way == "zeros" || way == "garbage") {
				t.Errorf("%s in page %d: %d records are lost, and nobody is told", way, from/page, n)
			}
			if err := j.Close(); err != nil && !errors.As(err, &damaged) { // met by lost
				t.Error(err)
			}
		}
	}
	if refused < 20 {
		t.Errorf("%d refused", refused)
	}
}

func fill(b []byte, random *rand.Rand) {
	for i := range b {
		b[i] = byte(random.Uint32())
	}
}

// A journal is not what else was put in its place.
func TestNotAJournal(t *testing.T) {
	for what, spoil := range map[string]func(dir string) error{
		"text": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, journal.DBFile), []byte("hello"), 0o600)
		},
		"much text": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, journal.DBFile), make([]byte, 100_000), 0o600)
		},
		"emptied": func(dir string) error { return os.Truncate(filepath.Join(dir, journal.DBFile), 0) },
		"no key":  func(dir string) error { return os.Remove(filepath.Join(dir, journal.KeyFile)) },
		"cut key": func(dir string) error { return os.Truncate(filepath.Join(dir, journal.KeyFile), 31) },
		"another key": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, journal.KeyFile), make([]byte, 32), 0o600)
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			filled(t, dir)
			if err := spoil(dir); err != nil {
				t.Fatal(err)
			}
			for name, open := range map[string]func(string, journal.Options) (*journal.Journal, error){"Open": journal.Open, "OpenReadOnly": journal.OpenReadOnly} {
				_, err := open(dir, journal.Options{})
				var damaged *journal.DamagedError
				if !errors.As(err, &damaged) || damaged.Dir != dir {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// Who moves a damaged file away begins anew, with the key that is there.
func TestMovedAway(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	key, err := os.ReadFile(filepath.Join(dir, journal.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, journal.DBFile), filepath.Join(t.TempDir(), "away")); err != nil {
		t.Fatal(err)
	}
	j := open(t, dir)
	if all, err := j.List(context.Background()); err != nil || len(all.Texts)+len(all.Cooldowns) > 0 {
		t.Errorf("begun anew: %v, %v", all, err)
	}
	if is, err := os.ReadFile(filepath.Join(dir, journal.KeyFile)); err != nil || string(is) != string(key) {
		t.Errorf("its key is another, %v", err)
	}
}

// FuzzFile opens files of strangers: none crashes the process.
func FuzzFile(f *testing.F) {
	dir := f.TempDir()
	whole := filled(f, dir)
	key, err := os.ReadFile(filepath.Join(dir, journal.KeyFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, []byte{1})
	f.Add(2*os.Getpagesize(), []byte("\x07\x00"))
	f.Add(3*os.Getpagesize()+10, []byte("\xff\xff"))
	f.Add(5*os.Getpagesize()+8, []byte("\x01\x00"))
	f.Add(6*os.Getpagesize()+16, []byte{3})
	f.Fuzz(func(t *testing.T, at int, patch []byte) {
		content := append([]byte(nil), whole...)
		if at < 0 || at > len(content) {
			return
		}
		copy(content[at:], patch)
		dir := t.TempDir()
		for name, content := range map[string][]byte{journal.DBFile: content, journal.KeyFile: key} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			return
		}
		lost(t, j)
		var damaged *journal.DamagedError
		if err := j.Close(); err != nil && !errors.As(err, &damaged) {
			t.Error(err)
		}
	})
}

// logged makes a journal whose records are in the log alone, as a kill leaves it, in frames
// of some records each. It returns the log.
func logged(t testing.TB, dir string) []byte {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if took, err := j.Take(t.Context(), cooldownOf(0), "token", time.Hour); !took || err != nil {
		t.Fatal(took, err)
	}
	if err := j.Checkpoint(); err != nil { // so that the log is begun
		t.Fatal(err)
	}
	for i := range someTexts {
		j.Note(textOf(i))
		if took, err := j.Take(t.Context(), cooldownOf(i), "another", time.Hour); took != (i > 0) || err != nil {
			t.Fatal(took, err)
		}
		if i%10 == 9 {
			if _, err := j.EndCooldowns(t.Context(), alice); err != nil { // waits for the disk
				t.Fatal(err)
			}
		}
	}
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{journal.DBFile, journal.WALFile} {
		content, err := os.ReadFile(filepath.Join(killed, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, journal.WALFile))
	if err != nil || len(log) != journal.WALSize {
		t.Fatal(len(log), err)
	}
	return log
}

// Frames of the log that are damaged are noticed, but for the last one, which nobody may
// have been told of. A log that is cut off, or not there, is refused.
func TestDamagedLog(t *testing.T) {
	dir := t.TempDir()
	whole := logged(t, dir)
	name, db := filepath.Join(dir, journal.WALFile), filepath.Join(dir, journal.DBFile)
	file, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	restored := func(log []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(name, log, 0o600), os.WriteFile(db, file, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	begin, frames := journal.Frames(whole)
	if len(frames) < 10 {
		t.Fatalf("%d frames", len(frames))
	}
	restored(whole)
	j, err := journal.OpenReadOnly(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := lost(t, j); n > 0 {
		t.Errorf("whole: %d records are lost", n)
	}
	if all, err := j.List(t.Context()); err != nil || len(all.Texts) != someTexts*2/3 || len(all.Cooldowns) != someCooldowns {
		t.Errorf("whole: %d texts, %d cooldowns, %v", len(all.Texts), len(all.Cooldowns), err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}

	random := rand.New(rand.NewPCG(1, 2))
	at := begin
	for i, size := range frames {
		for range 20 / lessWork {
			content := append([]byte(nil), whole...)
			content[at+random.IntN(size)] ^= byte(1 + random.IntN(255))
			restored(content)
			j, err := journal.Open(dir, journal.Options{})
			var damaged *journal.DamagedError
			switch last := i == len(frames)-1; {
			case err == nil && last:
				if n := lost(t, j); n == 0 || n > 20 {
					t.Errorf("the last frame: %d records are lost", n)
				}
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			case last, !errors.As(err, &damaged):
				t.Errorf("frame %d: %v", i, err)
				if err == nil {
					j.Close()
				}
			}
		}
		at += size
	}
	for _, size := range []int{0, 1, os.Getpagesize(), begin, at, len(whole) - 1, len(whole) + 1} {
		restored(append(append([]byte(nil), whole...), 0)[:size])
		if _, err := journal.Open(dir, journal.Options{}); !errors.As(err, new(*journal.DamagedError)) {
			t.Errorf("of %d bytes: %v", size, err)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func(string, journal.Options) (*journal.Journal, error){"Open": journal.Open, "OpenReadOnly": journal.OpenReadOnly} {
		if _, err := open(dir, journal.Options{}); !errors.As(err, new(*journal.DamagedError)) {
			t.Errorf("without a log: %s: %v", what, err)
		}
	}
}

// FuzzLog reads logs of strangers: none crashes the process, and what is read is what was
// written.
func FuzzLog(f *testing.F) {
	dir := f.TempDir()
	whole := logged(f, dir)
	key, err := os.ReadFile(filepath.Join(dir, journal.KeyFile))
	if err != nil {
		f.Fatal(err)
	}
	begin, frames := journal.Frames(whole)
	was, err := journal.Replay(key, whole, begin)
	if err != nil || len(was) != someTexts {
		f.Fatal(len(was), err)
	}
	f.Add(0, []byte{1})
	f.Add(8, []byte("\xff\xff\xff\xff"))
	f.Add(frames[0]+8, []byte{0, 0, 0, 0})
	f.Add(frames[0]+20, []byte("x"))
	content := make([]byte, len(whole))
	f.Fuzz(func(t *testing.T, at int, patch []byte) {
		if at < 8 || begin+at > len(whole) { // the first 8 bytes are what it is found by
			return
		}
		copy(content, whole)
		copy(content[begin+at:], patch)
		journal.Resum(content, begin, frames) // so that records are read
		is, _ := journal.Replay(key, content, begin)
		for text, state := range is {
			if state != "" && was[text] != state {
				t.Errorf("a text is %q, and was %q", state, was[text])
			}
		}
	})
}
