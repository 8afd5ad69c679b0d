package deflect

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lookAgain      = 5 * time.Second // how often a list is looked at for changes
	leftAlone      = 4 * time.Second // for so long a file has not changed when entries are dropped
	manyEntries    = 20              // a list of so many that loses more than half is not believed
	maxListEntries = 10_000_000
	hashPrefix     = "sha256:"
)

// DoNotTextFile is a [DoNotText] list that is kept in a file: one number a line, in
// E.164 or as dialled inside the region, or "sha256:" with the SHA-256 of the E.164
// number in hex, so that no plain numbers need to lie around. (Whoever has such a
// list can still find the numbers by trying all of them.) Blank lines and what
// follows # are comments. It is safe for concurrent use. Numbers are kept as hashes,
// some 50 bytes each.
//
// The file may change, see [DoNotTextFile.Watch]. New entries count at once. Entries
// are dropped only when the file was the same in two looks some seconds apart, has no
// bad line, and has not lost everything, or more than half of a longer list: it may be
// in the middle of being written, and who opted out must not be forgotten.
// Open it anew, without Keep, to drop them all the same.
type DoNotTextFile struct {
	name   string
	region string
	list   atomic.Pointer[hashes]
	whole  atomic.Bool

	mu      sync.Mutex  // serializes loading
	seen    fs.FileInfo // of the file as the list has it; nil to read it again
	problem error       // what was wrong with it then
	fresh   fs.FileInfo // of the file as it was read last
	freshAt time.Time
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
	l.mu.Lock()
	defer l.mu.Unlock()
	list, info, err := l.read()
	if err != nil {
		return nil, fmt.Errorf("do-not-text list: %w", err)
	}
	l.list.Store(&list)
	l.seen = info
	l.whole.Store(true)
	return l, nil
}

// Keep takes in the entries of a list of the same file that was opened before, so
// that opening a file in the middle of being written forgets nobody. Refresh drops
// them as it does others.
func (l *DoNotTextFile) Keep(before *DoNotTextFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := maps.Clone(*l.list.Load())
	maps.Copy(all, *before.list.Load())
	l.list.Store(&all)
	l.seen = nil
}

// Holds implements [DoNotText]. A list that was not opened holds everybody.
func (l *DoNotTextFile) Holds(e164 string) bool {
	if l == nil || l.list.Load() == nil {
		return true
	}
	_, held := (*l.list.Load())[hashOf(e164)]
	return held
}

// Name returns the name of the file.
func (l *DoNotTextFile) Name() string { return l.name }

// Len returns the number of entries.
func (l *DoNotTextFile) Len() int { return len(*l.list.Load()) }

// Whole reports whether the list has everything that the file holds, as far as the
// last look at it could tell.
func (l *DoNotTextFile) Whole() bool { return l.whole.Load() }

// Refresh looks at the file once, and reports whether the list has changed. The
// error tells why the list keeps entries that the file may not have, or lacks some.
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
	now, err := l.stat()
	if err != nil {
		l.seen, l.fresh = nil, nil
		return false, err
	}
	same := sameFile(now, l.fresh)
	if sameFile(now, l.seen) || same && time.Since(l.freshAt) < leftAlone {
		return false, l.problem
	}
	next, after, err := l.read()
	known := *l.list.Load()
	same = same && sameFile(now, after)
	if had, has := len(known), len(next); err == nil && (had > 0 && has == 0 || had >= manyEntries && 2*has < had) {
		err = fmt.Errorf("%s: had %d entries and has %d; it may be incomplete, so none is dropped: restart if it is meant", l.name, had, has)
	}
	l.seen = nil
	if same {
		l.seen = after
	}
	if err != nil || !same {
		maps.Copy(next, known)
	}
	l.list.Store(&next)
	l.problem, l.fresh, l.freshAt = err, after, time.Now()
	return len(next) != len(known), err
}

// stat looks at the file. Opening anything but a regular one could wait for ever.
func (l *DoNotTextFile) stat() (fs.FileInfo, error) {
	info, err := os.Stat(l.name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: is not a regular file", l.name)
	}
	return info, err
}

// read returns the entries that can be read, also together with an error, and the
// file as it was before and after; nil if it changed meanwhile.
func (l *DoNotTextFile) read() (hashes, fs.FileInfo, error) {
	before, err := l.stat()
	if err != nil {
		return hashes{}, nil, err
	}
	f, err := os.Open(l.name)
	if err != nil {
		return hashes{}, nil, err
	}
	defer f.Close()
	list, err := readNumbers(f, l.region)
	if err != nil {
		err = fmt.Errorf("%s: %w", l.name, err)
	}
	after, statErr := l.stat()
	if !sameFile(before, after) {
		after = nil
	}
	return list, after, cmp.Or(err, statErr)
}

// Watch looks at the file every five seconds until ctx ends, and logs what it finds;
// a nil logger discards. Without Watch or Refresh the list stays as it was opened.
func (l *DoNotTextFile) Watch(ctx context.Context, log *slog.Logger) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ticks := time.NewTicker(lookAgain)
	defer ticks.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		changed, err := l.Refresh()
		now := ""
		if err != nil {
			now = err.Error()
		}
		switch {
		case now != "" && now != said: // not every five seconds
			log.LogAttrs(ctx, slog.LevelError, "do-not-text list not whole, going on with what is known", slog.Any("err", err), slog.Int("entries", l.Len()))
		case now == "" && (changed || said != ""):
			log.LogAttrs(ctx, slog.LevelInfo, "do-not-text list read", slog.String("file", l.name), slog.Int("entries", l.Len()))
		}
		said = now
	}
}

// readNumbers reads every line. The error tells of the first bad line and of how
// many there are; the rest is in the result.
func readNumbers(r io.Reader, region string) (hashes, error) {
	list := hashes{}
	lines := bufio.NewReaderSize(r, 64<<10)
	bad, firstBad := 0, 0
	for n := 1; ; n++ {
		line, readErr := lines.ReadSlice('\n')
		long := readErr == bufio.ErrBufferFull
		entry, _, _ := bytes.Cut(line, []byte("#"))
		entry = bytes.TrimSpace(entry)
		if n == 1 {
			entry = bytes.TrimPrefix(entry, []byte("\xef\xbb\xbf"))
		}
		if len(entry) > 0 {
			if h, ok := readEntry(string(entry[:min(len(entry), maxEntry+1)]), region); ok {
				list[h] = struct{}{}
			} else if bad++; firstBad == 0 {
				firstBad = n
			}
		}
		for long { // the rest of a line that is no entry, or a long comment
			_, readErr = lines.ReadSlice('\n')
			long = readErr == bufio.ErrBufferFull
		}
		switch {
		case len(list) > maxListEntries:
			return list, fmt.Errorf("holds more than %d entries", maxListEntries)
		case readErr == io.EOF && bad > 0:
			return list, fmt.Errorf("line %d is neither a telephone number nor %s and 64 hex digits (%d such lines)", firstBad, hashPrefix, bad)
		case readErr == io.EOF:
			return list, nil
		case readErr != nil:
			return list, readErr
		}
	}
}

// maxEntry is longer than any entry: a longer one is read as far as it cannot be one.
const maxEntry = 128

func readEntry(s, region string) (h [16]byte, ok bool) {
	if len(s) == len(hashPrefix)+2*sha256.Size && s[:len(hashPrefix)] == hashPrefix {
		var sum [sha256.Size]byte
		_, err := hex.Decode(sum[:], []byte(s[len(hashPrefix):]))
		return [16]byte(sum[:16]), err == nil
	}
	if _, ok := northAmerican(s, ""); ok {
		return hashOf(s), true // E.164 as it stands, and much faster than parsing
	}
	n, ok := PhoneNumber(s).parse(region)
	return hashOf(n.e164), ok
}
