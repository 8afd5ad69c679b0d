package double

import (
	"bytes"
	"compress/gzip"
	"io"
)

// compress makes the answer one that comes compressed.
func (ans *Answer) compress() {
	ans.Header.Set("Content-Encoding", "gzip")
	if ans.Stream != nil {
		ans.Gzip = true
		return
	}
	ans.Body, _ = io.ReadAll(newGzipped(bytes.NewReader(ans.Body), true)) // memory does not fail
}

// gzipped compresses a body while it is read.
type gzipped struct {
	src   io.Reader
	whole bool // with its end
	z     *gzip.Writer
	buf   bytes.Buffer
	piece [4096]byte
	ended bool
}

func newGzipped(src io.Reader, whole bool) *gzipped {
	g := &gzipped{src: src, whole: whole}
	g.z = gzip.NewWriter(&g.buf)
	return g
}

func (g *gzipped) Read(p []byte) (int, error) {
	for g.buf.Len() == 0 {
		if g.ended {
			return 0, io.EOF
		}
		n, err := g.src.Read(g.piece[:])
		g.z.Write(g.piece[:n]) // into memory
		switch {
		case err == nil:
			continue
		case g.whole:
			g.z.Close()
		default:
			g.z.Flush()
		}
		g.ended = true
	}
	return g.buf.Read(p)
}
