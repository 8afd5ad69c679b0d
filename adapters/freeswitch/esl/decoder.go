package esl

import (
	"bytes"
	"fmt"
	"io"
)

// Defaults of Limits.
const (
	DefaultHeaderLines = 1024
	DefaultHeaderBytes = 64 << 10
	DefaultBodyBytes   = 256 << 10
)

// mostLimit is the highest limit that counts; it keeps sums from overflowing.
const mostLimit = 1 << 30

// Limits bounds what one frame may hold. A value of zero or less means the
// default, one above 1 GiB means that. They are enforced before memory of that
// size is taken.
type Limits struct {
	HeaderLines int // lines of a frame's header, and of the headers in an event's body; 1024
	HeaderBytes int // bytes of a frame's header with its empty line; 64 KiB
	BodyBytes   int // bytes of a body; 256 KiB
}

func (l Limits) withDefaults() Limits {
	limit := func(v, standard int) int {
		if v <= 0 {
			return standard
		}
		return min(v, mostLimit)
	}
	return Limits{
		HeaderLines: limit(l.HeaderLines, DefaultHeaderLines),
		HeaderBytes: limit(l.HeaderBytes, DefaultHeaderBytes),
		BodyBytes:   limit(l.BodyBytes, DefaultBodyBytes),
	}
}

// Decoder reads frames from a stream. Between frames it holds one small
// buffer; a larger one comes from a pool while a frame needs it, and grows
// only as bytes arrive, never because a header announces them. A Decoder is
// not safe for concurrent use.
type Decoder struct {
	src io.Reader
	lim Limits
	err error // what the next Decode returns, for good
	eof error // what src returned with its last bytes; due once they are used up

	small    [smallBuffer]byte // the buffer that stays
	buf      []byte            // small, or a larger one
	off, end int               // buf[off:end] is read and not yet given out
	given    int               // length of the frame given out last, at off
	eager    bool              // more is about to come: it is read into a medium buffer at once

	head head // what has come of the frame that is not whole yet
	seen int  // bytes of it that were searched for a line end
}

// NewDecoder returns a Decoder that reads from r.
func NewDecoder(r io.Reader, l Limits) *Decoder {
	d := &Decoder{}
	d.init(r, l)
	return d
}

func (d *Decoder) init(r io.Reader, l Limits) {
	d.src, d.lim = r, l.withDefaults()
	d.buf = d.small[:]
}

// Decode returns the next frame, which is good until the next call. At the
// end of the stream it returns io.EOF between two frames and
// io.ErrUnexpectedEOF inside one; a fault of the peer is a *ProtocolError; any
// other error is the reader's own. After an error it returns the same again.
func (d *Decoder) Decode() (Frame, error) {
	if d.err != nil {
		return Frame{}, d.err
	}
	for {
		f, need, err := d.next()
		if err == nil && need == 0 {
			return f, nil
		}
		if err == nil {
			err = d.fill(need)
		}
		if err != nil {
			d.err = err
			d.drop()
			return Frame{}, err
		}
	}
}

// partial reports whether some bytes of the next frame are here already.
func (d *Decoder) partial() bool { return d.end > d.off+d.given }

// head is what the header lines of a frame said so far.
type head struct {
	size        int  // bytes up to here
	whole       bool // the empty line is here
	lines       int
	hasLength   bool
	length      int
	hasType     bool
	contentType string
}

// next returns the next frame of the bytes that are here. If they are not enough, need
// says how large the frame may be or is; fill reads some more.
func (d *Decoder) next() (f Frame, need int, err error) {
	d.giveBack()
	h := &d.head
	for !h.whole {
		i := bytes.IndexByte(d.buf[d.off+d.seen:d.end], '\n')
		if i < 0 {
			d.seen = d.end - d.off
			if d.seen >= d.lim.HeaderBytes {
				return Frame{}, 0, fault(KindHeaderSize, fmt.Sprintf("more than %d bytes", d.lim.HeaderBytes))
			}
			return Frame{}, d.lim.HeaderBytes, nil
		}
		start, lf := h.size, d.seen+i
		if lf >= d.lim.HeaderBytes {
			return Frame{}, 0, fault(KindHeaderSize, fmt.Sprintf("more than %d bytes", d.lim.HeaderBytes))
		}
		h.size, d.seen = lf+1, lf+1
		line := d.buf[d.off+start : d.off+lf]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) > 0 {
			if err := h.add(line, d.lim); err != nil {
				return Frame{}, 0, err
			}
			continue
		}
		h.whole = true
		if err := h.check(d.buf[d.off:d.off+h.size], d.lim); err != nil {
			return Frame{}, 0, err
		}
	}
	total := h.size + h.length
	if d.end-d.off < total {
		return Frame{}, total, nil
	}
	raw := d.buf[d.off : d.off+total : d.off+total]
	f = Frame{raw: raw, head: h.size, contentType: h.contentType}
	d.given, d.head, d.seen = total, head{}, 0
	return f, 0, nil
}

// add takes one header line.
func (h *head) add(line []byte, lim Limits) error {
	if h.lines++; h.lines > lim.HeaderLines {
		return fault(KindHeaderLines, fmt.Sprintf("more than %d lines", lim.HeaderLines))
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return fault(KindMalformed, fmt.Sprintf("header line %d has no name", h.lines))
	}
	switch name := line[:colon]; {
	case colon == len("content-length") && equalFold(name, "content-length"):
		n, ok := parseLength(bytes.TrimRight(headerValue(line[colon+1:]), " \t"), lim.BodyBytes)
		if !ok {
			return fault(KindContentLength, "not a number")
		}
		if h.hasLength && n != h.length {
			return fault(KindContentLength, "given twice, with two values")
		}
		h.hasLength, h.length = true, n
	case colon == len("content-type") && equalFold(name, "content-type") && !h.hasType:
		v := bytes.TrimRight(headerValue(line[colon+1:]), " \t")
		h.hasType, h.contentType = true, knownType(v)
		if h.contentType == "" {
			return fault(KindContentType, "unknown "+clean(v))
		}
	}
	return nil
}

// check looks at the header as a whole, once it is complete.
func (h *head) check(block []byte, lim Limits) error {
	switch {
	case h.lines == 0:
		return fault(KindMalformed, "a frame without a header")
	case bytes.IndexByte(block, 0) >= 0:
		return fault(KindMalformed, "NUL in a header")
	case !h.hasType:
		return fault(KindContentType, "none given")
	case h.length > lim.BodyBytes:
		return fault(KindBodySize, fmt.Sprintf("more than %d bytes", lim.BodyBytes))
	}
	return nil
}

// parseLength reads a decimal number without sign. Whatever is larger than
// most comes back as most+1, so no number overflows.
func parseLength(b []byte, most int) (int, bool) {
	if len(b) == 0 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n <= most/10 {
			n = n*10 + int(c-'0')
		} else {
			n = most + 1
		}
		n = min(n, most+1)
	}
	return n, true
}

// fill reads some more bytes of the current frame, which needs up to size. It reads
// at most once if there are bytes to get.
func (d *Decoder) fill(size int) error {
	const emptyReads = 100
	if d.eof != nil {
		return d.ended(d.eof)
	}
	if d.eager {
		d.hurry()
	}
	if !d.makeRoom(size) {
		kind := KindHeaderSize
		if d.head.whole {
			kind = KindBodySize
		}
		return fault(kind, fmt.Sprintf("more than %d bytes, of which there are too many at this moment", largeBuffer))
	}
	for range emptyReads {
		n, err := d.src.Read(d.buf[d.end:])
		d.end += n
		if n > 0 {
			d.eof = err
			return nil
		}
		if err != nil {
			return d.ended(err)
		}
	}
	return io.ErrNoProgress
}

// ended is what the end of the stream means here.
func (d *Decoder) ended(err error) error {
	if err == io.EOF && d.end > d.off {
		return io.ErrUnexpectedEOF
	}
	return err
}

// drop forgets what is here, after which no frame comes any more.
func (d *Decoder) drop() {
	d.off, d.end, d.given, d.eager = 0, 0, 0, false
	d.giveBack()
}
