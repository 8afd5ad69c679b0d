package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

const (
	// walSize is that of the log, which is never another: a disk that is full has it
	// already, its syncs have no metadata to write, and one that is cut off is seen.
	walSize = 4 << 20
	half    = walSize / 2

	// checkpointAfter is how long what is in the log may be missing in the file.
	checkpointAfter = 5 * time.Second
)

// wal is the log ahead of the file: what is changed is on the disk with one sync of it,
// where a transaction of the file takes two and some pages, and many changes later reach
// the file in one. Its rounds go into its two halves by turns: while one round is written,
// the one before reaches the file. A round is a row of frames, one for each commit:
//
//	round (8 bytes), size of the records (4), CRC-32C of both and of the records (4), records
//
// The file names the first round that it does not have; that one and the next count. A
// frame is written when the one before it is synced, so only the last one of all can be half
// there after a crash.
type wal struct {
	file       *os.File
	round      uint64
	end        int64 // where in its half the next frame goes
	due        bool  // the log cannot be trusted: the next commit goes to the file
	checkpoint *time.Timer
	emptying   chan error  // of the round before, while it reaches the file; else nil
	hurry      atomic.Bool // somebody waits for that
	frame      []byte      // to be used again
}

const frameHead = 8 + 4 + 4

var (
	roundKey   = []byte("round")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// The kinds of records: what they are about, a key of fixed size, the size of a value, and
// the value, of none when it is erased.
const (
	openRecord     = 'o'
	endedRecord    = 'e'
	cooldownRecord = 'c'
)

func appendRecord(b []byte, kind byte, key, value []byte) []byte {
	b = append(append(b, kind), key...)
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

// framed makes a frame of a batch.
func (w *wal) framed(b batch) []byte {
	f := append(w.frame[:0], make([]byte, frameHead)...)
	for k, t := range b.texts {
		kind := byte(openRecord)
		if t.ended() {
			kind = endedRecord
		}
		f = appendRecord(f, kind, k[:], t.value)
	}
	for k, c := range b.cooldowns {
		f = appendRecord(f, cooldownRecord, k[:], c.value)
	}
	binary.BigEndian.PutUint64(f, w.round)
	binary.BigEndian.PutUint32(f[8:], uint32(len(f)-frameHead))
	binary.BigEndian.PutUint32(f[12:], frameSum(f))
	if w.frame = f; cap(f) > 1<<16 {
		w.frame = nil
	}
	return f
}

func frameSum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:12], castagnoli), castagnoli, frame[frameHead:])
}

func (w *wal) fits(frame []byte) bool { return w.end+int64(len(frame)) <= half }

func (w *wal) start() int64 { return int64(w.round%2) * half }

// append writes a frame and syncs it. After an error nobody knows what is there: the file
// has to take over.
func (w *wal) append(frame []byte) error {
	_, err := w.file.WriteAt(frame, w.start()+w.end)
	if err == nil {
		err = dataSync(w.file)
	}
	w.due = err != nil
	w.end += int64(len(frame))
	return err
}

// begin begins a round.
func (w *wal) begin(round uint64) {
	w.round, w.end, w.due = round, 0, false
	w.checkpoint.Stop()
}

// erase leaves nothing of the rounds before.
func (w *wal) erase() error {
	_, err := w.file.WriteAt(make([]byte, walSize), 0)
	if err = errors.Join(err, w.file.Sync()); err != nil {
		w.due = true
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// frameAt returns the frame of this round that a log begins with, or nil.
func (w *wal) frameAt(log []byte) []byte {
	if len(log) < frameHead || binary.BigEndian.Uint64(log) != w.round {
		return nil
	}
	size := uint64(binary.BigEndian.Uint32(log[8:])) + frameHead
	if size > uint64(len(log)) || frameSum(log[:size]) != binary.BigEndian.Uint32(log[12:]) {
		return nil
	}
	return log[:size]
}

// empty has the round that is written reach the file beside the next one, and erases keys
// that are over. It reports false when it cannot yet.
func (j *Journal) empty(over [][]byte) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.logged.size()+len(over) == 0:
		return true
	case j.wal.emptying != nil, j.wal.due, j.err != nil:
		return false
	}
	j.leaving, j.logged = j.logged, newLayer()
	b := batch{layer: j.leaving, over: over}
	j.wal.begin(j.wal.round + 1)
	round, done := j.wal.round, make(chan error, 1)
	j.wal.emptying = done
	j.wal.hurry.Store(false)
	go func() { done <- j.storeInParts(b, round) }()
	return true
}

// emptied takes in that a round has reached the file, or has not.
func (j *Journal) emptied(err error) {
	j.wal.emptying = nil
	if err != nil {
		j.wal.due = true
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.leaving = layer{}
}

// await waits for a round that is about to reach the file.
func (j *Journal) await() {
	if j.wal.emptying != nil {
		j.wal.hurry.Store(true)
		j.emptied(<-j.wal.emptying)
	}
}

// replay reads what is in the log and not in the file.
func (j *Journal) replay() error {
	err := j.guarded(func() error {
		return j.db.View(func(tx *bbolt.Tx) error {
			round := tx.Bucket([]byte(metaBucket)).Get(roundKey)
			if len(round) != 8 {
				return j.damaged(errors.New("it has no round of its log"))
			}
			j.wal.round = binary.BigEndian.Uint64(round)
			return nil
		})
	})
	if err != nil {
		return err
	}
	mode := os.O_RDWR
	if j.readOnly {
		mode = os.O_RDONLY
	}
	if j.wal.file, err = os.OpenFile(j.path(walFile), mode, 0o600); errors.Is(err, os.ErrNotExist) {
		return j.damaged(fmt.Errorf("its file %q is missing, with what was written last", walFile))
	} else if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if !j.readOnly {
		if err := j.lend(walFile); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	info, err := j.wal.file.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("journal: %w", err)
	case info.Size() != walSize:
		return j.damaged(fmt.Errorf("its file %q is cut off: of %d bytes there are %d", walFile, walSize, info.Size()))
	}
	log := make([]byte, walSize)
	if _, err := io.ReadFull(j.wal.file, log); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return j.replayLog(log)
}

// replayLog reads the two rounds of a log that count.
func (j *Journal) replayLog(log []byte) error {
	torn, early := false, j.damaged(fmt.Errorf("its file %q is damaged before what was written last", walFile))
	for range 2 {
		rest := log[j.wal.start():][:half]
		for f := j.wal.frameAt(rest); f != nil; f = j.wal.frameAt(rest) {
			if err := j.replayFrame(f[frameHead:]); err != nil {
				return j.damaged(fmt.Errorf("its file %q: %w", walFile, err))
			}
			if torn {
				return early
			}
			rest = rest[len(f):]
		}
		// A frame that cannot be read is the last one, or more is damaged than a crash does.
		for mark := binary.BigEndian.AppendUint64(nil, j.wal.round); ; rest = rest[1:] {
			i := bytes.Index(rest, mark)
			if i < 0 {
				break
			}
			torn = true
			if rest = rest[i:]; j.wal.frameAt(rest) != nil {
				return early
			}
		}
		j.wal.begin(j.wal.round + 1)
	}
	if j.wal.due = torn || j.logged.size() > 0; !j.wal.due {
		j.wal.begin(j.wal.round - 2)
	}
	return nil
}

func (j *Journal) replayFrame(records []byte) error {
	for len(records) > 0 {
		kind := records[0]
		size := len(textKey{})
		if kind == cooldownRecord {
			size = len(cooldownKey{})
		}
		if len(records) <= size {
			return errRecord
		}
		key := records[1 : 1+size]
		field, rest, err := cutField(records[1+size:])
		if err != nil {
			return err
		}
		records = rest
		var value []byte
		if field != "" {
			value = []byte(field)
		}
		switch kind {
		case cooldownRecord:
			if value != nil {
				if _, err := j.keys.open(cooldownBucket, key, value, headSize); err != nil {
					return err
				}
			}
			j.logged.cooldowns[cooldownKey(key)] = &freshCooldown{value}
		case openRecord, endedRecord:
			t := &text{}
			if value != nil {
				bucket := openBucket
				if kind == endedRecord {
					bucket = endedBucket
				}
				if t, err = j.keys.openText(bucket, textKey(key), value); err != nil {
					return err
				}
			}
			j.logged.texts[textKey(key)] = t
		default:
			return errRecord
		}
	}
	return nil
}
