package esl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// transcript is a recording of a real switch.
type transcript struct {
	name     string
	received []byte   // all that the switch sent
	sent     []string // what it was sent, command by command
}

func transcripts(t testing.TB) []transcript {
	t.Helper()
	files, err := filepath.Glob("../testdata/transcripts/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	var all []transcript
	for _, file := range files {
		all = append(all, readTranscript(t, file))
	}
	return all
}

func readTranscript(t testing.TB, file string) transcript {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tr := transcript{name: strings.TrimSuffix(filepath.Base(file), ".jsonl")}
	for dec := json.NewDecoder(bytes.NewReader(b)); ; {
		var line struct{ Dir, Data string }
		if err := dec.Decode(&line); err == io.EOF {
			return tr
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if strings.ContainsFunc(line.Data, func(r rune) bool { return r > 0x7e }) {
			t.Fatalf("%s: bytes beyond ASCII need a better reader of this file", file)
		}
		switch line.Dir {
		case ">":
			for cmd := range strings.SplitSeq(strings.TrimSuffix(line.Data, "\n\n"), "\n\n") {
				tr.sent = append(tr.sent, cmd+"\n\n")
			}
		case "<":
			tr.received = append(tr.received, line.Data...)
		}
	}
}

func recorded(t testing.TB, name string) transcript {
	t.Helper()
	return readTranscript(t, "../testdata/transcripts/"+name+".jsonl")
}

// decodeAll returns copies of all frames, and the error that ended it.
func decodeAll(r io.Reader, l Limits) ([]Frame, error) {
	d := NewDecoder(r, l)
	var frames []Frame
	for {
		f, err := d.Decode()
		if err != nil {
			return frames, err
		}
		frames = append(frames, f.Clone())
	}
}

func encodeAll(frames []Frame) []byte {
	var b []byte
	for _, f := range frames {
		b = f.Append(b)
	}
	return b
}

func TestTranscriptsSurviveDecodeAndEncode(t *testing.T) {
	for _, tr := range transcripts(t) {
		t.Run(tr.name, func(t *testing.T) {
			frames, err := decodeAll(bytes.NewReader(tr.received), Limits{})
			if err != io.EOF {
				t.Fatalf("error %v, want EOF", err)
			}
			if diff := cmp.Diff(string(tr.received), string(encodeAll(frames))); diff != "" {
				t.Errorf("bytes (-received +encoded):\n%s", diff)
			}
			for i, f := range frames {
				if f.ContentType() != typeEventPlain {
					continue
				}
				if _, err := newEvent(f.Body(), DefaultHeaderLines); err != nil {
					t.Errorf("frame %d: %v", i, err)
				}
			}
		})
	}
}

// cutReader returns the bytes before cut in one read and the rest in another.
type cutReader struct{ parts [][]byte }

func (r *cutReader) Read(p []byte) (int, error) {
	for len(r.parts) > 0 {
		n := copy(p, r.parts[0])
		if r.parts[0] = r.parts[0][n:]; len(r.parts[0]) == 0 {
			r.parts = r.parts[1:]
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

func TestTranscriptsSplitAtEveryByte(t *testing.T) {
	for _, tr := range transcripts(t) {
		t.Run(tr.name, func(t *testing.T) {
			want, _ := decodeAll(bytes.NewReader(tr.received), Limits{})
			same := func(what string, r io.Reader) {
				t.Helper()
				got, err := decodeAll(r, Limits{})
				if err != io.EOF || !sameFrames(got, want) {
					t.Fatalf("%s: other frames, or error %v", what, err)
				}
			}
			same("a byte a read", iotest.OneByteReader(bytes.NewReader(tr.received)))
			same("error with the data", iotest.DataErrReader(bytes.NewReader(tr.received)))
			// Cuts in every step-th byte, beginning at each of the first
			// step bytes: each byte of the stream is a cut once.
			const step = 509
			for first := range step {
				parts := [][]byte{tr.received[:min(first, len(tr.received))]}
				for part := range slices.Chunk(tr.received[len(parts[0]):], step) {
					parts = append(parts, part)
				}
				same(fmt.Sprintf("cuts from byte %d", first), &cutReader{parts})
			}
		})
	}
}

func sameFrames(a, b []Frame) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].raw, b[i].raw) || a[i].head != b[i].head || a[i].contentType != b[i].contentType {
			return false
		}
	}
	return true
}
