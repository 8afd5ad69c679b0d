package esl

import (
	"sync"
	"sync/atomic"
)

// Sizes of buffers. Each connection keeps a small one, which holds replies and the
// beginning of anything else. An event has 2 to 10 KB, so nearly every frame fits the
// medium one, which is also there while the switch owes a reply. A peer that never ends a frame holds a larger one for FrameTimeout, and
// may be a stranger: beyond the large size there are mostHuge of them at once, for all
// connections together.
const (
	smallBuffer  = 512
	mediumBuffer = 16 << 10
	largeBuffer  = 64 << 10
	mostHuge     = 256
)

var (
	mediumPool = sync.Pool{New: func() any { return new([mediumBuffer]byte) }}
	largePool  = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
	huge       atomic.Int32 // how many there are
)

// hurry takes a medium buffer in place of the small one, for fewer reads.
func (d *Decoder) hurry() {
	if len(d.buf) == len(d.small) {
		d.buf = takeBuffer(mediumBuffer, mediumBuffer, false)
		d.off, d.end = 0, copy(d.buf, d.small[d.off:d.end])
	}
}

// makeRoom makes space behind the unread bytes for a frame of up to size
// bytes. It grows the buffer only when it is full of that frame's bytes, and reports
// false when it may not.
func (d *Decoder) makeRoom(size int) bool {
	if d.off == d.end {
		d.off, d.end = 0, 0
	}
	if d.end < len(d.buf) && d.off+size <= len(d.buf) {
		return true
	}
	n := d.end - d.off
	if n < len(d.buf) {
		if d.off > 0 {
			copy(d.buf, d.buf[d.off:d.end])
			d.off, d.end = 0, n
		}
		return true
	}
	old := d.buf
	larger := takeBuffer(4*len(old), size, len(old) > largeBuffer)
	if larger == nil {
		return false
	}
	copy(larger, old[d.off:d.end])
	d.buf, d.off, d.end = larger, 0, n
	if len(old) <= largeBuffer {
		dropBuffer(old)
	}
	return true
}

// giveBack is done with the frame given out last. Once the rest fits the small
// buffer the larger one goes back to its pool, but for a medium one that is about to be
// needed again.
func (d *Decoder) giveBack() {
	d.off += d.given
	d.given = 0
	if n := d.end - d.off; len(d.buf) > len(d.small) && n <= len(d.small) && (!d.eager || len(d.buf) > mediumBuffer) {
		old := d.buf
		copy(d.small[:], old[d.off:d.end])
		d.buf, d.off, d.end = d.small[:], 0, n
		dropBuffer(old)
	}
}

// takeBuffer returns a buffer of about want bytes. Beyond the pools' sizes it
// is never larger than most, the size of the whole frame, and nil when there are too
// many; counted says that it takes the place of one that is.
func takeBuffer(want, most int, counted bool) []byte {
	switch {
	case want <= mediumBuffer:
		return mediumPool.Get().(*[mediumBuffer]byte)[:]
	case want <= largeBuffer:
		return largePool.Get().(*[largeBuffer]byte)[:]
	}
	if !counted && huge.Add(1) > mostHuge {
		huge.Add(-1)
		return nil
	}
	return make([]byte, min(want, max(most, largeBuffer+1)))
}

// dropBuffer gives a buffer of takeBuffer back; those too large for the pools are left
// to the garbage collector.
func dropBuffer(b []byte) {
	switch len(b) {
	case mediumBuffer:
		mediumPool.Put((*[mediumBuffer]byte)(b))
	case largeBuffer:
		largePool.Put((*[largeBuffer]byte)(b))
	case smallBuffer: // part of its Decoder
	default:
		huge.Add(-1)
	}
}
