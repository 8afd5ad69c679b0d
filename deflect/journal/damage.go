package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// DamagedError says that the journal in a folder cannot be read. It is never begun anew
// on its own: whoever was texted would be texted again.
type DamagedError struct {
	Dir string
	Err error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("journal: %s is damaged: %v: put back a copy of the folder, or move journal.db away to begin anew, "+
		"which forgets cooldowns and what was sent, so that callers may be texted again, and the texts that wait", e.Dir, e.Err)
}

// Unwrap returns what is wrong.
func (e *DamagedError) Unwrap() error { return e.Err }

// guarded makes an error of what bbolt does with a file that is damaged: it panics, or
// reads what is not there.
func guarded(dir string, do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &DamagedError{dir, errors.New(clean.Panic(p))}
		}
	}()
	if err = do(); errors.Is(err, errRecord) {
		err = &DamagedError{dir, err}
	}
	return err
}

// guarded has bbolt do something with the file of the journal. A fault may leave bbolt's
// locks held, where whoever comes next waits for ever: after one nobody comes.
func (j *Journal) guarded(do func() error) error {
	j.mu.Lock()
	err := j.broken
	j.mu.Unlock()
	if err != nil {
		return err
	}
	err = guarded(j.dir, do)
	var damaged *DamagedError
	if errors.As(err, &damaged) && !errors.Is(err, errRecord) {
		j.mu.Lock()
		first := j.broken == nil
		if first {
			j.broken = damaged
			close(j.faulted)
		}
		j.mu.Unlock()
		if first {
			j.log.Error("journal is damaged, and not used until the next start", slog.Any("err", err))
		}
	}
	return err
}

// cleanly reports whether nothing of a transaction that failed can be on the disk, or
// believed to be: it failed before it was synced.
func cleanly(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op == "write"
}

// bbolt reads pages as they are, some of them in a goroutine of its own, where a page
// that is damaged ends the process. So all pages are looked at before.
//
// A page has a head: its number (8 bytes), kind (2), count of elements (2), and how many
// pages more it has (4). Elements of a branch are an offset from where they stand, the size of
// the key, and the number of a page (4, 4, 8); those of a leaf a kind, an offset, and the
// sizes of key and value (4 each). The value of a bucket is the number of a page and a
// sequence (8 each); when that number is 0, a page follows.
const (
	pageHead   = 16
	element    = 16
	branchPage = 0x01
	leafPage   = 0x02
	isBucket   = 0x01
	bucketHead = 16
	deepest    = 32
)

// walk looks at the pages of a file.
type walk struct {
	file io.ReaderAt
	size uint64 // of a page
	high uint64 // the first number that no page has
	seen []bool
}

// checkPages reports what is wrong with a file that nobody writes.
func checkPages(db *bbolt.DB, file io.ReaderAt, fileSize int64) error {
	var root uint64
	w := walk{file: file, size: uint64(db.Info().PageSize)}
	err := db.View(func(tx *bbolt.Tx) error {
		if tx.Size() > fileSize || tx.Size() < 0 {
			return fmt.Errorf("it is cut off: of %d bytes there are %d", tx.Size(), fileSize)
		}
		w.high = uint64(tx.Size()) / w.size
		root = uint64(tx.Cursor().Bucket().RootPage())
		return nil
	})
	if err != nil {
		return err
	}
	w.seen = make([]bool, w.high)
	return w.tree(root, nil, nil, 0)
}

// tree looks at a page and all below, whose keys are from low on, and before high.
func (w *walk) tree(id uint64, low, high []byte, depth int) error {
	page, err := w.page(id)
	if err != nil {
		return err
	}
	if depth > deepest {
		return fmt.Errorf("page %d is too deep", id)
	}
	return w.elements(id, page, low, high, depth)
}

// page reads a page.
func (w *walk) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.high {
		return nil, fmt.Errorf("page %d is missing", id)
	}
	page := make([]byte, w.size)
	if _, err := w.file.ReadAt(page, int64(id*w.size)); err != nil {
		return nil, fmt.Errorf("page %d: %w", id, err)
	}
	more := uint64(binary.NativeEndian.Uint32(page[12:]))
	if binary.NativeEndian.Uint64(page) != id || more >= w.high-id {
		return nil, fmt.Errorf("page %d is another's", id)
	}
	for i := id; i <= id+more; i++ {
		if w.seen[i] {
			return nil, fmt.Errorf("page %d is there twice", i)
		}
		w.seen[i] = true
	}
	if more > 0 {
		rest := make([]byte, more*w.size)
		if _, err := w.file.ReadAt(rest, int64((id+1)*w.size)); err != nil {
			return nil, fmt.Errorf("page %d: %w", id, err)
		}
		page = append(page, rest...)
	}
	return page, nil
}

// elements looks at what is in a page, which may be one within another's.
func (w *walk) elements(id uint64, page, low, high []byte, depth int) error {
	bad := fmt.Errorf("page %d is damaged", id)
	kind, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	if len(page) < pageHead+count*element || kind != branchPage && kind != leafPage || kind == branchPage && count == 0 {
		return bad
	}
	keys, values, pages := make([][]byte, count), make([][]byte, count), make([]uint64, count)
	for i := range count {
		at := pageHead + i*element
		field := func(n int) uint64 { return uint64(binary.NativeEndian.Uint32(page[at+4*n:])) }
		var offset, key, value uint64
		if kind == branchPage {
			offset, key, pages[i] = field(0), field(1), binary.NativeEndian.Uint64(page[at+8:])
		} else {
			offset, key, value = field(1), field(2), field(3)
		}
		from := uint64(at) + offset
		if from < uint64(pageHead+count*element) || from+key+value > uint64(len(page)) {
			return bad
		}
		keys[i], values[i] = page[from:from+key], page[from+key:from+key+value]
		if string(keys[i]) < string(low) || high != nil && string(keys[i]) >= string(high) || i > 0 && string(keys[i]) <= string(keys[i-1]) {
			return bad
		}
		// bbolt looks at one bit of the kind, so no other may be there.
		if kind == leafPage && (field(0) > isBucket || field(0) == isBucket && value < bucketHead) {
			return bad
		}
	}
	for i := range count {
		var err error
		switch {
		case kind == branchPage:
			next := high
			if i+1 < count {
				next = keys[i+1]
			}
			err = w.tree(pages[i], keys[i], next, depth+1)
		case binary.NativeEndian.Uint32(page[pageHead+i*element:]) == isBucket:
			root := binary.NativeEndian.Uint64(values[i])
			switch within := values[i][bucketHead:]; {
			case root != 0:
				err = w.tree(root, nil, nil, depth+1)
			case len(within) < pageHead || binary.NativeEndian.Uint16(within[8:]) != leafPage:
				err = bad
			default:
				err = w.elements(id, within, nil, nil, depth+1)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
