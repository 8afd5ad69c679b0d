package wire

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"testing"
)

// FuzzPlain reads bodies under any Content-Encoding: it ends, leaves alone what is not
// compressed, and inflates what is as the library does.
func FuzzPlain(f *testing.F) {
	var b bytes.Buffer
	for _, text := range []string{`{"callId":"473513",`, "", `"success":"true"}`} {
		z := gzip.NewWriter(&b)
		io.WriteString(z, text)
		z.Close()
	}
	for _, coding := range []string{"", "identity", "gzip", "X-GZip , none", "gzip,gzip", "br"} {
		f.Add(coding, b.Bytes())
		f.Add(coding, b.Bytes()[:b.Len()-3])
		f.Add(coding, []byte(`{"success":"true"}`))
		f.Add(coding, []byte{})
	}
	f.Fuzz(func(t *testing.T, coding string, body []byte) {
		const most = 1 << 20
		read := func(r io.Reader) (string, error) {
			text, err := io.ReadAll(io.LimitReader(r, most))
			return string(text), err
		}
		r := Plain(http.Header{"Content-Encoding": {coding}}, bytes.NewReader(body))
		got, err := read(r)
		switch r.(type) {
		case unreadable:
			if got != "" || errors.Is(err, ErrEncoding) != (len(body) > 0) {
				t.Errorf("%q: %q, %v", coding, got, err)
			}
		case *inflated:
			want, wantErr := "", error(nil)
			if !bytes.HasPrefix(body, []byte("\x1f\x8b")) {
				if len(body) == 0 || bytes.ContainsAny(body[:1], "{[<\" \t\r\n") {
					want = string(body[:min(len(body), most)])
				} else {
					wantErr = ErrEncoding
				}
			} else if z, zErr := gzip.NewReader(bytes.NewReader(body)); zErr == nil {
				want, wantErr = read(z)
			} else {
				wantErr = zErr
			}
			if err == errIdle {
				return
			}
			if got != want || (err == nil) != (wantErr == nil) {
				t.Errorf("%q: %d bytes, %v, want %d, %v", coding, len(got), err, len(want), wantErr)
			}
		default:
			if got != string(body[:min(len(body), most)]) || err != nil {
				t.Errorf("%q: %q, %v", coding, got, err)
			}
		}
	})
}
