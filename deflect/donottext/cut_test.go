package donottext_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

// listOf returns a list of n numbers, among them some whose plan has shorter numbers,
// which are numbers still when they are cut.
func listOf(n int, end bool) (content string, numbers []string) {
	var b strings.Builder
	for i := range n {
		number := fmt.Sprintf("+1404343%04d", 1000+i*37)
		switch i % 4 {
		case 1:
			number = fmt.Sprintf("+49160%07d", 1234567+i*7919)
		case 3:
			number = fmt.Sprintf("+43664%07d", 1234567+i*7919)
		}
		numbers = append(numbers, number)
		fmt.Fprintln(&b, number)
	}
	if end {
		fmt.Fprintf(&b, "# end %d\n", n)
	}
	return b.String(), numbers
}

// A list is cut short at any place (a full disk, an export that died), and stays so.
// Who opted out is not texted, with the one exception that cannot be told from an
// intended change: without an end, between two lines.
func TestCut(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list")
	at := time.Now().Add(-time.Hour)
	write := func(content string) {
		t.Helper()
		at = at.Add(time.Millisecond)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *donottext.File {
		t.Helper()
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 13, 25} {
			for _, end := range []bool{false, true} {
				whole, numbers := listOf(n, end)
				for cut := range len(whole) {
					if cut%donottext.LessWork > 0 && whole[cut] != '\n' {
						continue
					}
					write(whole)
					l := open()
					write(whole[:cut])
					lists := []*donottext.File{l}
					// A reload opens it anew, where it can be opened at all.
					if again, err := donottext.Open(name, "US"); err == nil {
						again.Keep(l)
						lists = append(lists, again)
					}
					lines := strings.Count(whole[:cut], "\n")
					between := !end && strings.HasSuffix(whole[:cut], "\n") && (2*lines >= n || n < 20)
					for _, l := range lists {
						var err error
						for range 3 {
							_, err = l.Refresh()
							time.Sleep(5 * time.Second)
						}
						held := 0
						for _, number := range numbers {
							if holds(l, number) {
								held++
							}
						}
						switch {
						case between && (held != lines || err != nil):
							t.Errorf("%d of %d lines, whole ones: %d held, %v", lines, n, held, err)
						case !between && held != n:
							t.Errorf("%d lines cut after %d bytes, with end %t: %d held", n, cut, end, held)
						case !between && err == nil && cut < len(whole)-1:
							t.Errorf("%d lines cut after %d bytes, with end %t: nobody is told", n, cut, end)
						}
					}
				}
			}
		}
	})
}

// Disks are full, and buffers flushed, at multiples of a block: there, a line break at
// the end is chance.
func TestCutAtBlock(t *testing.T) {
	line := "+14043438646\n"
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "+1404343%04d\n", 1000+i)
	}
	whole := b.String()
	cut := whole[:313*len(line)]
	name, write := listFile(t, whole)
	synctest.Test(t, func(t *testing.T) {
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			content string
			want    int
		}{
			{"#" + strings.Repeat("x", 4096-len(cut)-2) + "\n" + cut, 400},
			{cut, 313},
		} {
			write(tt.content)
			for range 2 {
				_, err = l.Refresh()
				time.Sleep(5 * time.Second)
			}
			if (err != nil) != (tt.want == 400) || l.Len() != tt.want {
				t.Errorf("%d bytes: %d entries, %v", len(tt.content), l.Len(), err)
			}
		}
	})
}

// An end that was there is missed, also after the list was opened anew.
func TestLosesItsEnd(t *testing.T) {
	const a, b = "+14043438646", "+14043438647"
	name, write := listFile(t, a+"\n"+b+"\n# end 2\n")
	synctest.Test(t, func(t *testing.T) {
		before, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		write(a + "\n")
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		l.Keep(before)
		refreshed := func(l *donottext.File, want string) {
			t.Helper()
			for range 2 {
				_, err = l.Refresh()
				time.Sleep(5 * time.Second)
			}
			if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("Refresh() = %v, want %q", err, want)
			}
		}
		for _, l := range []*donottext.File{before, l} {
			refreshed(l, `ended with "# end N" before`)
			wantHeld(t, l, true, a, b)
		}
		write(a + "\n# end 2\n")
		refreshed(l, "it has 2 entries, and has 1")
		wantHeld(t, l, true, a, b)
		write(a + "\n# end 1\n")
		refreshed(l, "")
		wantHeld(t, l, true, a)
		wantHeld(t, l, false, b)
	})
}

// Files that people edit may end as they like, as long as nobody is missing.
func TestWithoutLastLineBreak(t *testing.T) {
	const a, b, c = "+14043438646", "+14043438647", "+14043438648"
	name, write := listFile(t, a+"\n"+b)
	synctest.Test(t, func(t *testing.T) {
		l, err := donottext.Open(name, "US")
		if err != nil {
			t.Fatal(err)
		}
		if w := l.Warnings(); len(w) != 1 || !strings.Contains(w[0], "line break") {
			t.Errorf("warnings %q", w)
		}
		wantHeld(t, l, true, a, b)
		for _, tt := range []struct{ content, err string }{
			{a + "\n" + b + "\n" + c, ""},
			{c + "\n" + b + "\n" + a, ""},
			{a + "\n" + b, "does not end in a line break"},
			{c + "\n" + b + "\n" + a + "\n", ""},
		} {
			write(tt.content)
			for range 2 {
				_, err = l.Refresh()
				time.Sleep(5 * time.Second)
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.content, err, tt.err)
			}
			if tt.err != "" || l.Len() == 3 {
				wantHeld(t, l, true, a, b, c)
			}
		}
		write(a + "\n")
		for range 2 {
			_, err = l.Refresh()
			time.Sleep(5 * time.Second)
		}
		if err != nil || l.Len() != 1 {
			t.Errorf("shrunk on purpose: %d entries, %v", l.Len(), err)
		}
	})
}
