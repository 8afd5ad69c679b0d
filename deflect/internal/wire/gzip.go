package wire

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxIdleBytes bounds what is read of a compressed answer while nothing comes out of it.
// An answer that is none can go on like that for ever.
const maxIdleBytes = 128 << 10

// leastBytes is how many come out of a compressed answer at a time, but for its end.
const leastBytes = 512

var (
	ErrEncoding = errors.New("the answer has a Content-Encoding that was not asked for, and only gzip can be read all the same: look at proxies on the way")
	errIdle     = errors.New("nothing comes out of the compressed answer")
)

// Plain returns what a body says. We ask for it as it is, but a proxy may compress all
// the same. It inflates while it is read; how much, is for the reader to bound.
func Plain(h http.Header, body io.Reader) io.Reader {
	zipped := 0
	for _, codings := range h["Content-Encoding"] {
		for coding := range strings.SplitSeq(codings, ",") {
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "", "identity", "none":
			case "gzip", "x-gzip":
				zipped++
			default:
				return unreadable{body}
			}
		}
	}
	switch zipped {
	case 0:
		return body
	case 1:
		return &inflated{body: body}
	}
	return unreadable{body} // compressed again and again is a bomb, not an answer
}

// unreadable is a body that nobody can read, unless there is none.
type unreadable struct{ body io.Reader }

func (u unreadable) Read([]byte) (int, error) {
	if _, err := io.ReadFull(u.body, make([]byte, 1)); err != nil {
		return 0, err
	}
	return 0, ErrEncoding
}

// inflated is what a body of gzip says.
type inflated struct {
	body io.Reader
	z    io.Reader
	err  error
	left int // of body, until something has to come out
}

func (i *inflated) Read(p []byte) (int, error) {
	i.left = maxIdleBytes
	if i.z == nil && i.err == nil {
		i.open()
	}
	if i.err != nil {
		return 0, i.err
	}
	// Byte by byte, as it may be compressed, would cost the decoder much time.
	n := 0
	for n < min(len(p), leastBytes) && i.err == nil {
		var more int
		more, i.err = i.z.Read(p[n:])
		n += more
	}
	if n > 0 {
		return n, nil
	}
	return 0, i.err
}

// open begins to read. A proxy may have inflated already, and left the header as it was.
func (i *inflated) open() {
	b := bufio.NewReader(idle{i})
	switch magic, _ := b.Peek(2); {
	case string(magic) == "\x1f\x8b":
		i.z, i.err = gzip.NewReader(b)
	case len(magic) == 0 || strings.IndexByte("{[<\" \t\r\n", magic[0]) >= 0:
		i.z = b
	default:
		i.err = ErrEncoding // compressed otherwise
	}
}

// idle is the body of an inflated one, through that limit.
type idle struct{ *inflated }

func (i idle) Read(p []byte) (int, error) {
	if i.left == 0 {
		return 0, errIdle
	}
	n, err := i.body.Read(p[:min(len(p), i.left)])
	i.left -= n
	return n, err
}
