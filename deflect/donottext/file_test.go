package donottext_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// listFile writes a list that was left alone for an hour.
func listFile(t testing.TB, content string) (name string, write func(content string)) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "do-not-text")
	age := time.Hour
	write = func(content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		age -= time.Second // so that each version has a time of its own
		at := time.Now().Add(-age)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	return name, write
}

func hashed(e164 string) string {
	sum := sha256.Sum256([]byte(e164))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func holds(l *donottext.File, e164 string) bool {
	held, err := l.Holds(context.Background(), e164)
	return held || err != nil
}

func wantHeld(t *testing.T, l *donottext.File, held bool, numbers ...string) {
	t.Helper()
	for _, n := range numbers {
		if holds(l, n) != held {
			t.Errorf("Holds(%s) = %t", n, !held)
		}
	}
}

func TestFile(t *testing.T) {
	name, _ := listFile(t, "\xef\xbb\xbf+14043438646\r\n"+
		"# a comment"+strings.Repeat(" that is long", 20_000)+"\n"+
		"\n"+
		"(404) 343-8647  # as dialled\n"+
		"+44 7911 123456\n"+
		hashed("+4915112345678")+"\n"+
		strings.ToUpper(hashed("+4915112345679"))[:0]+"sha256:"+strings.ToUpper(hashed("+4915112345679")[7:])+"\n"+
		"+14043438648") // no line break at the end
	l, err := donottext.Open(name, "US")
	if err != nil {
		t.Fatal(err)
	}
	if l.Len() != 6 || !l.Whole() {
		t.Errorf("%d entries, whole %t", l.Len(), l.Whole())
	}
	wantHeld(t, l, true, "+14043438646", "+14043438647", "+447911123456", "+4915112345678", "+4915112345679", "+14043438648")
	wantHeld(t, l, false, "", "+14043438649", "14043438646", "+1404343864")
}

// Whichever spelling of a renumbered phone is listed, its caller opted out.
func TestRenumberedIsOnePhone(t *testing.T) {
	for _, n := range []struct{ name, today, before string }{
		{"Brazil", "+5511961234567", "+551161234567"},
		{"Brazil, still valid", "+5511971234567", "+551171234567"},
		{"Benin", "+2290197123456", "+22997123456"},
		{"Argentina", "+541123456789", "+5491123456789"},
		{"Mexico", "+525512345678", "+5215512345678"},
	} {
		for listed, calls := range map[string]string{n.today: n.before, n.before: n.today, hashed(n.today): n.before, hashed(n.before): n.today} {
			name, _ := listFile(t, listed+"\n")
			l, err := donottext.Open(name, "US")
			if err != nil {
				t.Fatalf("%s: %s: %v", n.name, listed, err)
			}
			if !holds(l, calls) || !holds(l, listed) && listed[0] == '+' || holds(l, "+14043438646") {
				t.Errorf("%s: %s is listed, and %s is texted, or everybody is listed", n.name, listed, calls)
			}
		}
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"no number", "+14043438646\nJane\n", "line 2 is neither"},
		{"several", "x\n+14043438646\ny\nz\n", "line 1 is neither a telephone number nor sha256: and 64 hex digits (3 such lines)"},
		{"short hash", "sha256:abcd\n", "line 1"},
		{"no hex", "sha256:" + strings.Repeat("z", 64) + "\n", "line 1"},
		{"two on a line", "+14043438646,+14043438647\n", "line 1"},
		{"long line", "+14043438646\n" + strings.Repeat("9", 100_000) + "\n+14043438647\n", "line 2 is neither a telephone number nor sha256: and 64 hex digits (1 such lines)"},
		{"binary", "\x00\x01\x02", "line 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, _ := listFile(t, tt.content)
			l, err := donottext.Open(name, "US")
			if l != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), name) {
				t.Errorf("Open = %v, %v, want %q", l, err, tt.want)
			}
			if err == nil {
				return
			}
			if said := strings.ReplaceAll(err.Error(), name, ""); strings.Contains(said, "Jane") || strings.Contains(said, "404") {
				t.Errorf("the error repeats the line: %v", err)
			}
		})
	}
	if _, err := donottext.Open(filepath.Join(t.TempDir(), "none"), "US"); err == nil {
		t.Error("a file that does not exist was accepted")
	}
	if _, err := donottext.Open(t.TempDir(), "US"); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
}

// The file changes; whatever happens to it, nobody who opted out is forgotten.
func TestRefresh(t *testing.T) {
	const a, b, c = "+14043438646", "+14043438647", "+14043438648"
	name, write := listFile(t, a+"\n"+b+"\n")
	synctest.Test(t, func(t *testing.T) {
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		refresh := func(wantChanged bool, wantErr string) {
			t.Helper()
			changed, err := l.Refresh()
			if changed != wantChanged || (err != nil) != (wantErr != "") || err != nil && !strings.Contains(err.Error(), wantErr) {
				t.Errorf("Refresh() = %t, %v, want %t, %q", changed, err, wantChanged, wantErr)
			}
			if l.Whole() != (wantErr == "") {
				t.Errorf("Whole() = %t", l.Whole())
			}
		}
		settle := func(wantChanged bool, wantErr string) {
			t.Helper()
			time.Sleep(5 * time.Second)
			refresh(wantChanged, wantErr)
		}
		refresh(false, "")

		// New entries at once, lost ones when the file was left alone.
		write(a + "\n" + c + "\n")
		refresh(true, "")
		wantHeld(t, l, true, a, b, c)
		refresh(false, "")
		time.Sleep(3 * time.Second)
		refresh(false, "")
		wantHeld(t, l, true, b)
		settle(true, "")
		wantHeld(t, l, true, a, c)
		wantHeld(t, l, false, b)

		// Written on in the meantime: it was not left alone.
		write(c + "\n")
		refresh(false, "")
		time.Sleep(5 * time.Second)
		write(c + "\n" + a + "\n")
		refresh(false, "")
		wantHeld(t, l, true, a, c)
		settle(false, "")
		wantHeld(t, l, true, a, c)

		// A bad line keeps everything, for as long as it is there.
		write(b + "\nnobody\n")
		refresh(true, "line 2")
		settle(false, "line 2")
		settle(false, "line 2")
		wantHeld(t, l, true, a, b, c)
		write(b + "\n")
		refresh(false, "")
		settle(true, "")
		wantHeld(t, l, false, a, c)
		wantHeld(t, l, true, b)

		// Gone, and back.
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		settle(false, "no such file")
		wantHeld(t, l, true, b)
		write(a + "\n")
		refresh(true, "")
		settle(true, "")
		wantHeld(t, l, true, a)
		wantHeld(t, l, false, b)

		// Empty, for however long: an export that has not begun to write.
		write("")
		refresh(false, "had 1 entries and has 0")
		settle(false, "had 1 entries and has 0")
		wantHeld(t, l, true, a)
		// A time to come does not make it believable either.
		future := time.Now().Add(100 * 365 * 24 * time.Hour)
		if err := os.Chtimes(name, future, future); err != nil {
			t.Fatal(err)
		}
		refresh(false, "had 1 entries and has 0")
		settle(false, "had 1 entries and has 0")
		wantHeld(t, l, true, a)
		// Whoever means it opens the list anew.
		if l, err = donottext.Open(name, "US"); err != nil || l.Len() != 0 {
			t.Errorf("opened anew: %v", err)
		}
	})
}

// A long list that loses more than half of its entries is being written.
func TestShrinks(t *testing.T) {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "+1404343%04d\n", 1000+i)
		}
		return b.String()
	}
	name, write := listFile(t, list(100))
	synctest.Test(t, func(t *testing.T) {
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ has, want int }{{49, 100}, {50, 50}, {25, 25}, {12, 25}, {200, 200}} {
			write(list(tt.has))
			l.Refresh() //nolint:errcheck // looked at below
			time.Sleep(5 * time.Second)
			if _, err := l.Refresh(); l.Len() != tt.want || (err != nil) != (tt.has != tt.want) {
				t.Errorf("%d entries in the file, %d in the list, %v", tt.has, l.Len(), err)
			}
		}
	})
}

// A list that is opened anew in the middle of being written keeps what was known.
// A broken list is rolled back by moving the old file to its place: it is the same
// file as before, down to its time, and the list is whole again.
func TestRolledBack(t *testing.T) {
	name, _ := listFile(t, "+14043438646\n")
	l, err := donottext.Open(name, "US")
	if err != nil {
		t.Fatal(err)
	}
	good := name + ".good"
	if err := errors.Join(os.Rename(name, good), os.WriteFile(name, []byte("a broken line\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Refresh(); err == nil || l.Whole() {
		t.Fatalf("a broken list: %v", err)
	}
	if err := os.Rename(good, name); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Refresh(); err != nil || !l.Whole() {
		t.Errorf("rolled back: %v", err)
	}
}

func TestKeep(t *testing.T) {
	const a, b = "+14043438646", "+14043438647"
	name, write := listFile(t, a+"\n")
	synctest.Test(t, func(t *testing.T) {
		before, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		write("")
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		l.Keep(before)
		wantHeld(t, l, true, a)
		for range 3 {
			time.Sleep(5 * time.Second)
			if _, err := l.Refresh(); err == nil {
				t.Error("an empty list is believed")
			}
			wantHeld(t, l, true, a)
		}
		write(b + "\n")
		for range 2 {
			if _, err := l.Refresh(); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
		}
		wantHeld(t, l, true, b)
		wantHeld(t, l, false, a)
	})
}

// The file is replaced again and again while it is opened: whatever was read, the
// next looks find the last one.
func TestReplacedWhileOpened(t *testing.T) {
	name, _ := listFile(t, "+14043438646\n")
	stop, replaced := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(replaced)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			next := fmt.Sprintf("%s.%d", name, i)
			if os.WriteFile(next, fmt.Appendf(nil, "+1404343%04d\n", i%10000), 0o600) != nil || os.Rename(next, name) != nil {
				return
			}
		}
	}()
	var lists []*donottext.File
	for range 200 {
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, l)
	}
	close(stop)
	<-replaced
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lists {
		if _, err := l.Refresh(); err != nil {
			t.Fatal(err)
		}
		wantHeld(t, l, true, strings.TrimSpace(string(content)))
	}
}

func TestNotOpened(t *testing.T) {
	var nobody *donottext.File
	for _, l := range []*donottext.File{nobody, {}} {
		if !holds(l, "+14043438646") {
			t.Error("a list that was not opened lets a text pass")
		}
	}
}

func TestWatch(t *testing.T) {
	name, write := listFile(t, "+14043438646\n")
	synctest.Test(t, func(t *testing.T) {
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		ctx, stop := context.WithCancel(t.Context())
		var watch sync.WaitGroup
		watch.Go(func() { l.Watch(ctx, slog.New(slog.NewTextHandler(&log, nil))) })
		write("+14043438646\n+14043438647\n")
		time.Sleep(5*time.Second + time.Millisecond)
		wantHeld(t, l, true, "+14043438647")
		write("nobody\n")
		time.Sleep(time.Minute)
		wantHeld(t, l, true, "+14043438646")
		write("+14043438648\n")
		time.Sleep(10 * time.Second)
		wantHeld(t, l, false, "+14043438646")
		stop()
		watch.Wait()
		if n := strings.Count(log.String(), "not whole"); n != 1 {
			t.Errorf("told %d times that the list is not whole:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), "list read"); n != 3 {
			t.Errorf("told %d times that it was read:\n%s", n, log.String())
		}
	})
}

// lockedBuffer is a buffer for logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Whatever is in the file: no panic, no entry that Len does not count, and a file
// that is accepted holds nothing but numbers, hashes and comments.
func FuzzOpen(f *testing.F) {
	f.Add("+14043438646\n# x\n" + hashed("+1"))
	f.Add("\xef\xbb\xbf\r\n\x00")
	f.Fuzz(func(t *testing.T, content string) {
		name, _ := listFile(t, content)
		l, err := donottext.Open(name, "US")
		if err != nil {
			return
		}
		entries := 0
		for line := range strings.Lines(content) {
			line, _, _ = strings.Cut(line, "#")
			if strings.TrimSpace(strings.TrimPrefix(line, "\xef\xbb\xbf")) != "" {
				entries++
			}
		}
		if l.Len() > entries {
			t.Errorf("%d entries of %d lines", l.Len(), entries)
		}
		for line := range strings.Lines(content) {
			line, _, _ = strings.Cut(strings.TrimPrefix(line, "\xef\xbb\xbf"), "#")
			if n, ok := numberplan.E164(phone.Number(line), "US"); ok && !holds(l, n) {
				t.Errorf("%q is in the file and is not held", line)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	var list strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&list, "+1404%07d\n", 2000000+i)
	}
	name, _ := listFile(b, list.String())
	b.Run("open 100,000", func(b *testing.B) {
		for b.Loop() {
			if _, err := donottext.Open(name, "US"); err != nil {
				b.Fatal(err)
			}
		}
	})
	l, err := donottext.Open(name, "US")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("look up", func(b *testing.B) {
		for b.Loop() {
			holds(l, "+14042000001")
		}
	})
}
