package freeswitchtest

import "sync"

// A buffer holds what is to be sent. Buffers are used again: an event is 7 KB, and
// with thousands of calls the garbage would cost more than the calls.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, 2*eventSize)} }}

// maxKept keeps what one slow reader has left unread from being kept for good.
const maxKept = 64 << 10

func newBuffer() *buffer { return buffers.Get().(*buffer) }

// free gives the buffer away. Nobody may use it, or bytes of it, afterwards.
func (b *buffer) free() {
	if cap(b.b) <= maxKept {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}
