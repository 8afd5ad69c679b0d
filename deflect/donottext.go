package deflect

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lookAgain      = 5 * time.Second // how often a list is looked at for changes
	leftAlone      = 2 * time.Second // for so long a file has not changed when entries are dropped
	maxListLine    = 256
	maxListEntries = 10_000_000
	hashPrefix     = "sha256:"
)

// DoNotTextFile is a [DoNotText] list that is kept in a file: one number a line, in
// E.164 or as dialled inside the region, or "sha256:" with the SHA-256 of the E.164
// number in hex, so that no plain numbers need to lie around. (Whoever has such a
// list can still find the numbers by trying all of them.) Blank lines and what
// follows # are comments. It is safe for concurrent use.
//
// Numbers are kept as hashes, some 50 bytes each.
type DoNotTextFile struct {
	name   string
	region string
	list   atomic.Pointer[hashes]
	whole  atomic.Bool

	mu      sync.Mutex  // serializes loading
	seen    fs.FileInfo // of the file as it was read; nil to read it again
	problem error       // what was wrong with it then
}

type hashes map[[16]byte]struct{} // the first half of each SHA-256 is enough to tell numbers apart

// sameFile reports whether a file is as it was.
func sameFile(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func hashOf(e164 string) [16]byte {
	sum := sha256.Sum256([]byte(e164))
	return [16]byte(sum[:16])
}

// OpenDoNotText reads a list; numbers without a plus sign are read in the region,
// an ISO 3166 code such as "US". A line that is no number is an error: a caller who
// opted out must not be texted because of a slip.
func OpenDoNotText(name, region string) (*DoNotTextFile, error) {
	l := &DoNotTextFile{name: name, region: region}
	l.list.Store(&hashes{})
	if _, err := l.Refresh(); err != nil {
		return nil, err
	}
	return l, nil
}

// Holds implements [DoNotText].
func (l *DoNotTextFile) Holds(e164 string) bool {
	_, held := (*l.list.Load())[hashOf(e164)]
	return held
}

// Name returns the name of the file.
func (l *DoNotTextFile) Name() string { return l.name }

// Len returns the number of entries.
func (l *DoNotTextFile) Len() int { return len(*l.list.Load()) }

// Whole reports whether the list is what the file holds: whether the last look at
// it found no problem.
func (l *DoNotTextFile) Whole() bool { return l.whole.Load() }

// Refresh reads the file again if it has changed, and reports whether it had. When
// the file cannot be read, or has a line that is no number, the error says so and
// nobody is lost: the entries known so far are kept, together with the new ones that
// could be read. Entries are dropped only when the file was left alone for two
// seconds, because it may be in the middle of being written.
func (l *DoNotTextFile) Refresh() (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, err = l.refresh()
	if err != nil {
		err = fmt.Errorf("do-not-text list: %w", err)
	}
	l.whole.Store(err == nil)
	return changed, err
}

func (l *DoNotTextFile) refresh() (changed bool, err error) {
	before, err := os.Stat(l.name)
	switch {
	case err != nil:
		l.seen = nil
		return false, err
	case !before.Mode().IsRegular(): // opening a pipe could wait for ever
		l.seen = nil
		return false, fmt.Errorf("%s is not a regular file", l.name)
	case sameFile(before, l.seen):
		return false, l.problem
	}
	f, err := os.Open(l.name)
	if err != nil {
		l.seen = nil
		return false, err
	}
	defer f.Close()
	next, err := readNumbers(f, l.region)
	if err != nil {
		err = fmt.Errorf("%s: %w", l.name, err)
	}
	after, statErr := os.Stat(l.name)
	age := time.Since(before.ModTime())
	quiet := statErr == nil && sameFile(before, after) && (age < 0 || age >= leftAlone)
	if err != nil || !quiet {
		for h := range *l.list.Load() {
			next[h] = struct{}{}
		}
	}
	l.list.Store(&next)
	l.seen, l.problem = before, err
	if !quiet {
		l.seen = nil
	}
	return true, err
}

// Watch looks at the file every five seconds until ctx ends, and logs what it finds.
func (l *DoNotTextFile) Watch(ctx context.Context, log *slog.Logger) {
	ticks := time.NewTicker(lookAgain)
	defer ticks.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		switch changed, err := l.Refresh(); {
		case err != nil:
			if said != err.Error() { // not every five seconds
				log.LogAttrs(ctx, slog.LevelError, "do-not-text list not whole, going on with what is known", slog.Any("err", err))
			}
			said = err.Error()
		case changed:
			said = ""
			log.LogAttrs(ctx, slog.LevelInfo, "do-not-text list read", slog.String("file", l.name), slog.Int("entries", l.Len()))
		}
	}
}

// readNumbers reads every line. The error tells of the first bad line and of how
// many there are; the rest is in the result.
func readNumbers(r io.Reader, region string) (hashes, error) {
	list := hashes{}
	lines := bufio.NewScanner(bufio.NewReaderSize(r, 64<<10))
	lines.Buffer(make([]byte, 0, maxListLine), maxListLine)
	bad, firstBad := 0, 0
	n := 0
	for lines.Scan() {
		n++
		line, _, _ := bytes.Cut(lines.Bytes(), []byte("#"))
		line = bytes.TrimSpace(line)
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(line) == 0 {
			continue
		}
		h, ok := readEntry(string(line), region)
		if !ok {
			if bad++; firstBad == 0 {
				firstBad = n
			}
			continue
		}
		list[h] = struct{}{}
		if len(list) > maxListEntries {
			return list, fmt.Errorf("holds more than %d entries", maxListEntries)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return list, fmt.Errorf("line %d is longer than %d bytes; nothing after it was read", n+1, maxListLine)
	case err != nil:
		return list, err
	case bad > 0:
		return list, fmt.Errorf("line %d is neither a telephone number nor %s and 64 hex digits (%d such lines)", firstBad, hashPrefix, bad)
	}
	return list, nil
}

func readEntry(s, region string) (h [16]byte, ok bool) {
	if len(s) == len(hashPrefix)+2*sha256.Size && s[:len(hashPrefix)] == hashPrefix {
		var sum [sha256.Size]byte
		_, err := hex.Decode(sum[:], []byte(s[len(hashPrefix):]))
		return [16]byte(sum[:16]), err == nil
	}
	if nanpForm.MatchString(s) {
		return hashOf(s), true // E.164 as it stands, and 30 times faster than parsing
	}
	e164, ok := PhoneNumber(s).E164(region)
	return hashOf(e164), ok
}

// nanpForm is a whole number of the North American plan, in E.164.
var nanpForm = regexp.MustCompile(`^\+1[2-9][0-9]{2}[2-9][0-9]{6}$`)
