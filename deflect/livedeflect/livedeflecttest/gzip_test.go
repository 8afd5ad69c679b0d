package livedeflecttest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"
)

// TestGzip gets the same answers compressed as without, also those that break off, over
// both ways.
func TestGzip(t *testing.T) {
	t.Parallel()
	for _, fault := range []Fault{
		{}, {Status: 500}, {SuccessFalse: true}, {Garbage: true}, {Body: "x"}, {InvalidNonce: true}, {Truncate: true},
	} {
		var plain [2]string
		for i, zip := range []bool{false, true} {
			fault.Gzip = zip
			memory, socket := New(testConfig()), RunT(t, testConfig())
			memory.Inject(fault)
			socket.Inject(fault)
			for _, got := range []result{
				send(inMemory(memory), request(t, t.Context(), memory, testBody(t, nil))),
				askPlain(t, socket),
			} {
				text := got.body
				if zip {
					if got.header.Get("Content-Encoding") != "gzip" {
						t.Fatalf("%s: headers %v", fault, got.header)
					}
					text = inflate(t, fault, got.body)
				}
				if fault.Truncate != errors.Is(got.bodyErr, io.ErrUnexpectedEOF) {
					t.Errorf("%s: the body ends with %v", fault, got.bodyErr)
				}
				if !fault.Truncate && plain[i] != "" && text != plain[i] {
					t.Errorf("%s: the ways differ: %q and %q", fault, plain[i], text)
				}
				plain[i] = text
			}
		}
		if !fault.Truncate && plain[0] != plain[1] {
			t.Errorf("%s: %q, and compressed %q", fault, plain[0], plain[1])
		}
	}
}

func TestGzipOfBigReport(t *testing.T) {
	t.Parallel()
	s := bigServer(t, 600)
	want := send(inMemory(s), askBig(t, s)).body
	for _, cut := range []bool{false, true} {
		for _, socket := range []bool{false, true} {
			s.InjectReport(Fault{Gzip: true, Truncate: cut})
			client := inMemory(s)
			if socket {
				client = overSocket(t)
			}
			req := askBig(t, s)
			req.Header.Set("Accept-Encoding", "identity")
			got := send(client, req)
			text := inflate(t, Fault{Truncate: cut}, got.body)
			if cut != errors.Is(got.bodyErr, io.ErrUnexpectedEOF) || got.header.Get("Content-Encoding") != "gzip" || len(got.body) > len(text)/4 {
				t.Errorf("cut %t: %d bytes that end with %v, headers %v", cut, len(got.body), got.bodyErr, got.header)
			}
			if whole := text == want; whole == cut || len(text) < len(want)/3 {
				t.Errorf("cut %t: %d bytes of %d", cut, len(text), len(want))
			}
		}
	}
}

// askPlain asks for an answer as it is, with a client that then inflates nothing.
func askPlain(t *testing.T, s *Server) result {
	t.Helper()
	req := request(t, t.Context(), s, testBody(t, nil))
	req.Header.Set("Accept-Encoding", "identity")
	return send(overSocket(t), req)
}

func inflate(t *testing.T, f Fault, body string) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	text, err := io.ReadAll(z)
	if (err != nil) != f.Truncate {
		t.Errorf("%s: inflating ends with %v", f, err)
	}
	return string(text)
}
