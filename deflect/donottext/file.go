package donottext

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

const (
	lookAgain   = 5 * time.Second // how often a list is looked at for changes
	leftAlone   = 4 * time.Second // for so long a file has not changed when entries are dropped
	block       = 4096            // disks are filled, and files written, in multiples of so many bytes
	manyEntries = 20              // a list of so many that loses more than half is not believed
)

// File is a list of numbers that must not be texted that is kept in a file: one number a line, in
// E.164 or as dialled inside the region, or "sha256:" with the SHA-256 of the E.164
// number in hex, so that no plain numbers need to lie around. (Whoever has such a
// list can still find the numbers by trying all of them.) Blank lines and what
// follows # are comments. Both spellings of a phone whose number was changed (Brazil's
// ninth digit) are that phone. It is safe for concurrent use. Numbers are kept as
// hashes, some 50 bytes each.
//
// Every number must be valid by the number plan and readable in one way only, as one
// that can get texts if it has no plus sign. What else a file may hold (dates, a second
// column, numbers as another country dials them) passes for somebody else's number
// all too easily, and who opted out would be texted.
//
// A last line "# end 1234" says how many entries the file has, each line counted: it
// cannot be cut short unnoticed. Let exports write one.
//
// The file may change, see [File.Watch]. New entries count at once. Entries
// are dropped only when the file was the same in two looks some seconds apart, has no
// bad line, has the number of entries that its last line says (and still says it) or
// else ends in a line break and not where disks and buffers cut (a multiple of 4096
// bytes), and has not lost everything, or more than half of a longer list: it may be
// half written or cut short, and who opted out must not be forgotten.
// Open it anew, without Keep, to drop them all the same.
type File struct {
	name   string
	region string
	list   atomic.Pointer[hashes]
	whole  atomic.Bool

	warnings []string

	mu      sync.Mutex  // serializes loading
	ended   bool        // an "# end" was there
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

// Open reads a list; numbers without a plus sign are read in the region,
// an ISO 3166 code such as "US". A line that is no number, or may be another one, is an
// error that says what to write instead: a caller who opted out must not be texted
// because of a slip.
func Open(name, region string) (*File, error) {
	l := &File{name: name, region: region}
	l.mu.Lock()
	defer l.mu.Unlock()
	c, info, err := l.read()
	if err != nil {
		return nil, fmt.Errorf("do-not-text list: %w", err)
	}
	l.list.Store(&c.list)
	l.seen, l.ended = info, c.ended
	switch {
	case c.entries == 0:
		l.warnings = append(l.warnings, "is empty: nobody is on it")
	case c.open:
		l.warnings = append(l.warnings, "does not end in a line break: it may have been cut short, and who comes after is texted")
	}
	l.whole.Store(true)
	return l, nil
}

// Keep takes in the entries of a list of the same file that was opened before, so
// that opening a file in the middle of being written forgets nobody. Refresh drops
// them as it does others.
func (l *File) Keep(before *File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list.Load() == nil || before == nil || before.list.Load() == nil {
		return // one that was not opened holds everybody, and has no entries
	}
	all := maps.Clone(*l.list.Load())
	maps.Copy(all, *before.list.Load())
	l.list.Store(&all)
	l.seen, l.ended = nil, l.ended || before.ended
}

// Holds reports whether a number in E.164 form is on the list, in either spelling. It
// answers from memory, whatever became of ctx, and never fails: a list that was not opened
// holds everybody.
func (l *File) Holds(_ context.Context, e164 string) (bool, error) {
	if l == nil || l.list.Load() == nil {
		return true, nil
	}
	list := *l.list.Load()
	today, before := phone.Spellings(e164)
	_, held := list[hashOf(today)]
	if !held && before != "" {
		_, held = list[hashOf(before)]
	}
	return held, nil
}

// Name returns the name of the file.
func (l *File) Name() string { return l.name }

// Len returns the number of entries.
func (l *File) Len() int {
	if list := l.list.Load(); list != nil {
		return len(*list)
	}
	return 0
}

// Warnings are what was odd about the file when it was opened: that it is empty, or
// does not end in a line break.
func (l *File) Warnings() []string { return slices.Clone(l.warnings) }

// Whole reports whether the list has everything that the file holds, as far as the
// last look at it could tell.
func (l *File) Whole() bool { return l.whole.Load() }

// Refresh looks at the file once, and reports whether the list has changed. The
// error tells why the list keeps entries that the file may not have, or lacks some.
func (l *File) Refresh() (changed bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	changed, err = l.refreshLocked()
	if err != nil {
		err = fmt.Errorf("do-not-text list: %w", err)
	}
	l.whole.Store(err == nil)
	return changed, err
}

func (l *File) refreshLocked() (changed bool, err error) {
	now, err := l.stat()
	if err != nil {
		l.seen, l.fresh = nil, nil
		return false, err
	}
	same := sameFile(now, l.fresh)
	if sameFile(now, l.seen) || same && time.Since(l.freshAt) < leftAlone {
		return false, l.problem
	}
	c, after, err := l.read()
	next, known := c.list, *l.list.Load()
	same = same && sameFile(now, after)
	if err == nil {
		err = l.cutLocked(c, known)
	}
	l.ended = l.ended || c.ended
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

// cutLocked returns what tells that a file without a bad line is not all of its list.
func (l *File) cutLocked(c content, known hashes) error {
	const kept = "it may be incomplete, so none is dropped"
	had, has := len(known), len(c.list)
	switch {
	case l.ended && !c.ended:
		return fmt.Errorf("%s: ended with %q before and does not any more; %s: restart if it is meant", l.name, endMark+" N", kept)
	case had > 0 && has == 0 || had >= manyEntries && 2*has < had:
		return fmt.Errorf("%s: had %d entries and has %d; %s: restart if it is meant", l.name, had, has, kept)
	case c.ended || !c.open && c.size%block != 0 || !c.lacks(known):
		return nil
	case c.open:
		return fmt.Errorf("%s: lacks entries and does not end in a line break; %s", l.name, kept)
	}
	return fmt.Errorf("%s: lacks entries and is as long as a file that a full disk cuts short, to the byte; %s: add a line to it if it is meant", l.name, kept)
}

// stat looks at the file. Opening anything but a regular one could wait for ever.
func (l *File) stat() (fs.FileInfo, error) {
	info, err := os.Stat(l.name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: is not a regular file", l.name)
	}
	return info, err
}

// read returns the entries that can be read, also together with an error, and the
// file as it was before and after; nil if it changed meanwhile.
func (l *File) read() (content, fs.FileInfo, error) {
	before, err := l.stat()
	if err != nil {
		return content{list: hashes{}}, nil, err
	}
	f, err := os.Open(l.name)
	if err != nil {
		return content{list: hashes{}}, nil, err
	}
	defer f.Close()
	c, err := readList(f, l.region)
	if err != nil {
		err = fmt.Errorf("%s: %w", l.name, err)
	}
	after, statErr := l.stat()
	if !sameFile(before, after) {
		after = nil
	}
	return c, after, cmp.Or(err, statErr)
}

// Watch looks at the file every five seconds until ctx ends, and logs what it finds;
// a nil logger discards. Without Watch or Refresh the list stays as it was opened.
func (l *File) Watch(ctx context.Context, log *slog.Logger) {
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
