package esl

import "sync"

// Sizes of buffers. Each connection keeps a small one, which holds replies and the
// beginning of anything else. An event has 2 to 10 KB, so nearly every frame fits the
// medium one. A peer that never ends a frame holds a larger one for FrameTimeout.
const (
	smallBuffer  = 512
	mediumBuffer = 16 << 10
	largeBuffer  = 64 << 10
)

var (
	mediumPool = sync.Pool{New: func() any { return new([mediumBuffer]byte) }}
	largePool  = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// makeRoom makes space behind the unread bytes for a frame of up to size
// bytes. It grows the buffer only when it is full of that frame's bytes.
func (d *Decoder) makeRoom(size int) {
	if d.off == d.end {
		d.off, d.end = 0, 0
	}
	if d.end < len(d.buf) && d.off+size <= len(d.buf) {
		return
	}
	n := d.end - d.off
	if n < len(d.buf) {
		if d.off > 0 {
			copy(d.buf, d.buf[d.off:d.end])
			d.off, d.end = 0, n
		}
		return
	}
	old := d.buf
	d.buf = takeBuffer(4*len(old), size)
	copy(d.buf, old[d.off:d.end])
	d.off, d.end = 0, n
	dropBuffer(old)
}

// giveBack is done with the frame given out last. Once the rest fits the small
// buffer the larger one goes back to its pool.
func (d *Decoder) giveBack() {
	d.off += d.given
	d.given = 0
	if n := d.end - d.off; len(d.buf) > len(d.small) && n <= len(d.small) {
		old := d.buf
		copy(d.small[:], old[d.off:d.end])
		d.buf, d.off, d.end = d.small[:], 0, n
		dropBuffer(old)
	}
}

// takeBuffer returns a buffer of about want bytes. Beyond the pools' sizes it
// is never larger than most, the size of the whole frame.
func takeBuffer(want, most int) []byte {
	switch {
	case want <= mediumBuffer:
		return mediumPool.Get().(*[mediumBuffer]byte)[:]
	case want <= largeBuffer:
		return largePool.Get().(*[largeBuffer]byte)[:]
	}
	return make([]byte, min(want, max(most, largeBuffer+1)))
}

// dropBuffer gives a buffer of takeBuffer back; the small one and those too
// large for the pools are left to the garbage collector.
func dropBuffer(b []byte) {
	switch len(b) {
	case mediumBuffer:
		mediumPool.Put((*[mediumBuffer]byte)(b))
	case largeBuffer:
		largePool.Put((*[largeBuffer]byte)(b))
	}
}
