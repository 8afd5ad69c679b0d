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
	eof error // what src returned; due once the bytes are used up

	small    []byte // the buffer that stays
	buf      []byte // small, or a larger one
	off, end int    // buf[off:end] is read and not yet given out
	given    int    // length of the frame given out last, at off
}

// NewDecoder returns a Decoder that reads from r.
func NewDecoder(r io.Reader, l Limits) *Decoder {
	small := make([]byte, smallBuffer)
	return &Decoder{src: r, lim: l.withDefaults(), small: small, buf: small}
}

// Decode returns the next frame, which is good until the next call. At the
// end of the stream it returns io.EOF between two frames and
// io.ErrUnexpectedEOF inside one; a fault of the peer is a *ProtocolError; any
// other error is the reader's own. After an error it returns the same again.
func (d *Decoder) Decode() (Frame, error) {
	d.giveBack()
	if d.err != nil {
		return Frame{}, d.err
	}
	f, err := d.next()
	if err != nil {
		d.err = err
		d.off, d.end = 0, 0
		d.giveBack()
		return Frame{}, err
	}
	d.given = len(f.raw)
	return f, nil
}

// partial reports whether some bytes of the next frame are here already.
func (d *Decoder) partial() bool { return d.end > d.off+d.given }

// head is what the header lines of a frame said so far.
type head struct {
	size        int // bytes up to here
	lines       int
	hasLength   bool
	length      int
	hasType     bool
	contentType string
}

func (d *Decoder) next() (Frame, error) {
	var h head
	seen := 0 // bytes searched for a line end
	for {
		i := bytes.IndexByte(d.buf[d.off+seen:d.end], '\n')
		if i < 0 {
			seen = d.end - d.off
			if seen >= d.lim.HeaderBytes {
				return Frame{}, fault(KindHeaderSize, fmt.Sprintf("more than %d bytes", d.lim.HeaderBytes))
			}
			if err := d.fill(d.lim.HeaderBytes); err != nil {
				return Frame{}, err
			}
			continue
		}
		start, lf := h.size, seen+i
		if lf >= d.lim.HeaderBytes {
			return Frame{}, fault(KindHeaderSize, fmt.Sprintf("more than %d bytes", d.lim.HeaderBytes))
		}
		h.size, seen = lf+1, lf+1
		line := d.buf[d.off+start : d.off+lf]
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) == 0 {
			break
		}
		if err := h.add(line, d.lim); err != nil {
			return Frame{}, err
		}
	}
	if err := h.check(d.buf[d.off:d.off+h.size], d.lim); err != nil {
		return Frame{}, err
	}
	total := h.size + h.length
	for d.end-d.off < total {
		if err := d.fill(total); err != nil {
			return Frame{}, err
		}
	}
	raw := d.buf[d.off : d.off+total : d.off+total]
	return Frame{raw: raw, head: h.size, contentType: h.contentType}, nil
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

// fill reads some more bytes of the current frame, which needs up to size.
func (d *Decoder) fill(size int) error {
	const emptyReads = 100
	if d.eof == nil {
		d.makeRoom(size)
		for range emptyReads {
			n, err := d.src.Read(d.buf[d.end:])
			d.end += n
			d.eof = err
			if n > 0 {
				return nil
			}
			if err != nil {
				break
			}
		}
		if d.eof == nil {
			d.eof = io.ErrNoProgress
		}
	}
	if d.eof == io.EOF && d.end > d.off {
		return io.ErrUnexpectedEOF
	}
	return d.eof
}
