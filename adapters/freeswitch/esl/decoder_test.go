package esl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDecodeReadsWhatTheSwitchSends(t *testing.T) {
	tests := map[string]struct {
		in          string
		contentType string
		header      [2]string
		body        string
	}{
		"reply": {
			in:          "Content-Type: command/reply\nReply-Text: +OK bye\n\n",
			contentType: "command/reply", header: [2]string{"reply-text", "+OK bye"},
		},
		"reply with a body": {
			in:          "Content-Type: command/reply\nReply-Text: +OK\nContent-Length: 3\n\nabc",
			contentType: "command/reply", header: [2]string{"Reply-Text", "+OK"}, body: "abc",
		},
		"CRLF": {
			in:          "Content-Type: api/response\r\nContent-Length: 2\r\n\r\nab",
			contentType: "api/response", header: [2]string{"CONTENT-LENGTH", "2"}, body: "ab",
		},
		"a value is not decoded": {
			in:          "Content-Type: command/reply\nReply-Text: %2BOK%0A\n\n",
			contentType: "command/reply", header: [2]string{"Reply-Text", "%2BOK%0A"},
		},
		"the first of two headers": {
			in:          "X: 1\nContent-Type: log/data\nx: 2\n\n",
			contentType: "log/data", header: [2]string{"X", "1"},
		},
		"the first of two content types": {
			in:          "Content-Type: log/data\nContent-Type: text/junk\n\n",
			contentType: "log/data", header: [2]string{"Content-Type", "log/data"},
		},
		"the same length twice": {
			in:          "Content-Type: log/data\nContent-Length: 1\ncontent-length: 01\n\nx",
			contentType: "log/data", header: [2]string{"Content-Length", "1"}, body: "x",
		},
		"no blank after the colon, many blanks": {
			in:          "Content-Type:log/data\nX:  \t a b \n\n",
			contentType: "log/data", header: [2]string{"X", "a b "},
		},
		"an empty value": {
			in:          "Content-Type: log/data\nX:\n\n",
			contentType: "log/data", header: [2]string{"X", ""},
		},
		"NUL in a body": {
			in:          "Content-Type: log/data\nContent-Length: 1\n\n\x00",
			contentType: "log/data", header: [2]string{"Content-Length", "1"}, body: "\x00",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			frames, err := decodeAll(strings.NewReader(tt.in+tt.in), Limits{})
			if err != io.EOF || len(frames) != 2 {
				t.Fatalf("%d frames, error %v; want 2, EOF", len(frames), err)
			}
			f := frames[1]
			if got := f.ContentType(); got != tt.contentType {
				t.Errorf("content type %q, want %q", got, tt.contentType)
			}
			if got, ok := f.Header(tt.header[0]); got != tt.header[1] || !ok {
				t.Errorf("header %s: %q %v, want %q", tt.header[0], got, ok, tt.header[1])
			}
			if _, ok := f.Header("Absent"); ok {
				t.Error("a header that is absent was found")
			}
			if got := string(f.Body()); got != tt.body {
				t.Errorf("body %q, want %q", got, tt.body)
			}
			if got := string(f.Append([]byte(">"))); got != ">"+tt.in {
				t.Errorf("encoded %q, want %q", got, tt.in)
			}
		})
	}
}

func TestDecodeNamesTheBrokenRule(t *testing.T) {
	const reply = "Content-Type: command/reply\n"
	lim := Limits{HeaderLines: 4, HeaderBytes: 128, BodyBytes: 99}
	tests := map[string]struct {
		in   string
		want Kind
	}{
		"unknown content type":      {"Content-Type: text/html\n\n", KindContentType},
		"empty content type":        {"Content-Type:\n\n", KindContentType},
		"content type in capitals":  {"Content-Type: Command/Reply\n\n", KindContentType},
		"no content type":           {"Reply-Text: +OK\n\n", KindContentType},
		"negative length":           {reply + "Content-Length: -5\n\n", KindContentLength},
		"signed length":             {reply + "Content-Length: +5\n\n", KindContentLength},
		"length in words":           {reply + "Content-Length: five\n\n", KindContentLength},
		"hexadecimal length":        {reply + "Content-Length: 0x5\n\n", KindContentLength},
		"empty length":              {reply + "Content-Length: \n\n", KindContentLength},
		"two lengths":               {reply + "Content-Length: 1\nContent-Length: 2\n\n", KindContentLength},
		"two lengths, one too high": {reply + "Content-Length: 1\nContent-Length: 100\n\n", KindContentLength},
		"length one too high":       {reply + "Content-Length: 100\n\n", KindBodySize},
		"length of 2^64":            {reply + "Content-Length: 18446744073709551616\n\n", KindBodySize},
		"length of 2^63":            {reply + "Content-Length: 9223372036854775808\n\n", KindBodySize},
		"too many lines":            {reply + strings.Repeat("A: b\n", 4) + "\n", KindHeaderLines},
		"header one byte too long":  {reply + "A: " + strings.Repeat("x", 97-len("A: ")+2) + "\n\n", KindHeaderSize},
		"no line end at all":        {strings.Repeat("x", 1000), KindHeaderSize},
		"no colon":                  {reply + "nonsense\n\n", KindMalformed},
		"no name":                   {reply + ": x\n\n", KindMalformed},
		"empty header":              {"\n" + reply + "\n", KindMalformed},
		"NUL in a value":            {reply + "A: \x00\n\n", KindMalformed},
		"NUL in a name":             {reply + "A\x00: b\n\n", KindMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			good := reply + "Reply-Text: +OK\n\n"
			for _, r := range []io.Reader{
				strings.NewReader(good + tt.in),
				iotest.OneByteReader(strings.NewReader(good + tt.in)),
			} {
				frames, err := decodeAll(r, lim)
				if got := kindOf(err); got != tt.want {
					t.Errorf("kind %q (%v), want %q", got, err, tt.want)
				}
				if len(frames) != 1 {
					t.Errorf("%d frames before the fault, want 1", len(frames))
				}
			}
		})
	}
}

// kindOf returns the kind of a fault, or the text of any other error.
func kindOf(err error) Kind {
	if pe, ok := errors.AsType[*ProtocolError](err); ok {
		return pe.Kind
	}
	return Kind(fmt.Sprint(err))
}

func TestDecodeLimitsAreInclusive(t *testing.T) {
	in := "Content-Type: log/data\nContent-Length: 9\n\n123456789"
	head := strings.Index(in, "\n\n") + 2
	for _, tt := range []struct {
		lim  Limits
		want Kind
	}{
		{Limits{2, head, 9}, "EOF"},
		{Limits{1, head, 9}, KindHeaderLines},
		{Limits{2, head - 1, 9}, KindHeaderSize},
		{Limits{2, head, 8}, KindBodySize},
	} {
		if _, err := decodeAll(strings.NewReader(in), tt.lim); kindOf(err) != tt.want {
			t.Errorf("%+v: %v, want %s", tt.lim, err, tt.want)
		}
	}
}

func TestDecodeTellsACutFrame(t *testing.T) {
	whole := "Content-Type: log/data\nContent-Length: 2\n\nab"
	for n := range len(whole) + 1 {
		_, err := decodeAll(strings.NewReader(whole[:n]), Limits{})
		want := io.ErrUnexpectedEOF
		if n == 0 || n == len(whole) {
			want = io.EOF
		}
		if err != want {
			t.Errorf("after %d bytes: %v, want %v", n, err, want)
		}
	}
}

func TestDecodeErrorsLast(t *testing.T) {
	broken := errors.New("broken")
	tests := map[string]struct {
		r    io.Reader
		want error
	}{
		"reader's own":       {iotest.ErrReader(broken), broken},
		"inside a frame":     {io.MultiReader(strings.NewReader("Con"), iotest.ErrReader(broken)), broken},
		"end":                {strings.NewReader(""), io.EOF},
		"reads without data": {emptyReader{}, io.ErrNoProgress},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := NewDecoder(tt.r, Limits{})
			for range 2 {
				if _, err := d.Decode(); err != tt.want {
					t.Fatalf("error %v, want %v", err, tt.want)
				}
			}
		})
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

func TestFrameOutlivesDecodeAsClone(t *testing.T) {
	big := strings.Repeat("x", 3*smallBuffer)
	one := fmt.Sprintf("Content-Type: log/data\nContent-Length: %d\n\n%s", len(big), big)
	two := strings.ReplaceAll(one, "xxx", "yyy")
	d := NewDecoder(strings.NewReader(one+two), Limits{})
	first, err := d.Decode()
	if err != nil {
		t.Fatal(err)
	}
	kept := first.Clone()
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	if got := string(kept.Append(nil)); got != one {
		t.Errorf("the clone changed: %.60q", got)
	}
}

// endless gives out a start and then one byte for ever, and looks at how much
// memory the decoder holds at each read.
type endless struct {
	start []byte
	fill  byte
	step  int // most bytes a read

	d       *Decoder
	read    int // bytes given out
	held    int // most bytes of buffer
	tooMuch int // buffer at a read that had no reason to be that large
}

func (r *endless) Read(p []byte) (int, error) {
	r.held = max(r.held, len(r.d.buf))
	if n := len(r.d.buf); n > mediumBuffer && n > 4*max(r.read, 1) {
		r.tooMuch = n
	}
	p = p[:min(len(p), max(r.step, 1))]
	n := copy(p, r.start)
	r.start = r.start[n:]
	for i := n; i < len(p); i++ {
		p[i] = r.fill
	}
	r.read += len(p)
	return len(p), nil
}

func TestDecodeBoundsMemory(t *testing.T) {
	tests := map[string]struct {
		start string
		fill  byte
		want  Kind
		most  int // bytes of buffer
	}{
		"endless header line": {"", 'x', KindHeaderSize, largeBuffer},
		"endless value":       {"Content-Type: ", 'x', KindHeaderSize, largeBuffer},
		"length of 1 TB":      {"Content-Type: log/data\nContent-Length: 1000000000000\n\n", 'x', KindBodySize, smallBuffer},
		"many short lines":    {"Content-Type: log/data\n" + strings.Repeat("a:\n", 2000), 'x', KindHeaderLines, mediumBuffer},
		"a body at the limit": {"Content-Type: log/data\nContent-Length: 262144\n\n", 'x', KindHeaderSize, 5 * largeBuffer},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			src := &endless{start: []byte(tt.start), fill: tt.fill, step: 1000}
			src.d = NewDecoder(src, Limits{})
			var err error
			for err == nil {
				_, err = src.d.Decode()
			}
			if kindOf(err) != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if src.held > tt.most || src.tooMuch > 0 {
				t.Errorf("held %d bytes of buffer, want at most %d; %d at once", src.held, tt.most, src.tooMuch)
			}
			if len(src.d.buf) != smallBuffer {
				t.Errorf("keeps %d bytes after the end, want %d", len(src.d.buf), smallBuffer)
			}
		})
	}
}

func TestDecodeHundredMegabytesWithoutLineEnd(t *testing.T) {
	src := io.LimitReader(&endless{fill: 'x', step: 1 << 20, d: &Decoder{}}, 100<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := NewDecoder(src, Limits{}).Decode()
	runtime.ReadMemStats(&after)
	if kindOf(err) != KindHeaderSize {
		t.Errorf("error %v, want %s", err, KindHeaderSize)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("took %d bytes, want less than a megabyte", got)
	}
}

func TestDecoderIsSmallWhileItWaits(t *testing.T) {
	d := NewDecoder(bytes.NewReader(recorded(t, "dtmf_burst").received), Limits{})
	for {
		if _, err := d.Decode(); err != nil {
			break
		}
		// What Decode does first when it is called again.
		d.giveBack()
		if len(d.buf) != smallBuffer && d.end-d.off <= smallBuffer {
			t.Fatalf("holds %d bytes for %d", len(d.buf), d.end-d.off)
		}
	}
}

// Whoever may connect can announce as much as the limits allow. All of them together
// get no more memory than a few honest ones need.
func TestStrangersShareHugeBuffers(t *testing.T) {
	limits := Limits{HeaderBytes: 512 << 10, BodyBytes: 512 << 10}
	flood := strings.Repeat("x", 300<<10)
	var all []*Decoder
	held, refused := 0, 0
	for range 3 * mostHuge {
		d := NewDecoder(io.MultiReader(strings.NewReader(flood), stuck{}), limits)
		var err error
		for need := 0; err == nil; {
			if _, need, err = d.next(); err == nil {
				err = d.fill(need)
			}
		}
		if kindOf(err) == KindHeaderSize {
			refused++
			d.drop()
		}
		held += len(d.buf)
		all = append(all, d)
	}
	if refused != 2*mostHuge || held > mostHuge*(512<<10)+2*mostHuge*largeBuffer {
		t.Errorf("%d of %d were refused, the others hold %d bytes", refused, 3*mostHuge, held)
	}
	for _, d := range all {
		d.drop()
	}
	d := NewDecoder(strings.NewReader("Content-Type: log/data\nA: "+flood+"\n\n"), limits)
	if f, err := d.Decode(); err != nil || len(f.raw) < len(flood) {
		t.Errorf("when they are gone: %d bytes, %v", len(f.raw), err)
	}
	if d.next(); huge.Load() != 0 {
		t.Errorf("%d are counted when nobody has one", huge.Load())
	}
}

// stuck is a peer that says no more.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, ErrTimeout }
