package livedeflect_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// identity lets only requests through that ask for answers as they are.
type identity struct {
	http.RoundTripper
	t     *testing.T
	asked atomic.Int32
}

func (i *identity) RoundTrip(req *http.Request) (*http.Response, error) {
	i.asked.Add(1)
	if got := req.Header.Values("Accept-Encoding"); len(got) != 1 || got[0] != "identity" {
		i.t.Errorf("%s: Accept-Encoding %q", req.URL.Path, got)
	}
	return i.RoundTripper.RoundTrip(req)
}

// TestCompressedAnswers meets an API, or what stands before it, that compresses although
// nobody asked, through our transport and through others.
func TestCompressedAnswers(t *testing.T) {
	for name, transport := range map[string]func(*livedeflecttest.Server) http.RoundTripper{
		"in memory": func(api *livedeflecttest.Server) http.RoundTripper { return api },
		"ours":      func(*livedeflecttest.Server) http.RoundTripper { return liveperson.NewTransport() },
		"an embedder": func(*livedeflecttest.Server) http.RoundTripper {
			return http.DefaultTransport.(*http.Transport).Clone()
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := livedeflecttest.New(keys)
			if name != "in memory" {
				api = livedeflecttest.RunT(t, keys)
			}
			rt := transport(api)
			if tr, ok := rt.(*http.Transport); ok {
				defer tr.CloseIdleConnections()
			}
			asks := &identity{RoundTripper: rt, t: t}
			c := newClient(t, nil, func(c *rig.Config) {
				c.Domain, c.BaseURL, c.Transport = "", api.URL(), asks
				c.Breaker.Failures = 100
			})
			for _, tt := range []struct {
				fault   string
				outcome deflect.Outcome
				reason  deflect.Reason
			}{
				{"gzip", deflect.Sent, deflect.ReasonOK},
				{"success-false,gzip", deflect.Failed, deflect.ReasonRejected},
				{"status=401,gzip", deflect.Failed, deflect.ReasonUnauthorized},
				{"status=500,gzip", deflect.Uncertain, deflect.ReasonServerError},
				{"delivered-twice,gzip", deflect.Uncertain, deflect.ReasonInvalidNonce},
				{"garbage,gzip", deflect.Uncertain, deflect.ReasonBadResponse},
				{"truncate,gzip", deflect.Uncertain, deflect.ReasonBadResponse},
				{"delivered-twice,truncate,gzip", deflect.Uncertain, deflect.ReasonInvalidNonce},
			} {
				f, err := livedeflecttest.ParseFault(tt.fault)
				if err != nil {
					t.Fatal(err)
				}
				api.Inject(f)
				if res, err := c.Deflect(t.Context(), call()); res.Outcome != tt.outcome || res.Reason != tt.reason {
					t.Errorf("%s: %+v, %v", tt.fault, res, err)
				}
			}
			read := func(f livedeflecttest.Fault) (events []livedeflect.Event, errs []error) {
				api.InjectReport(f)
				for e, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Second)}) {
					if err != nil {
						errs = append(errs, err)
						continue
					}
					events = append(events, e)
				}
				return events, errs
			}
			want, _ := read(livedeflecttest.Fault{})
			got, errs := read(livedeflecttest.Fault{Gzip: true})
			if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 || len(errs) > 0 {
				t.Errorf("%d events, errors %v (-plain +compressed):\n%s", len(got), errs, diff)
			}
			_, errs = read(livedeflecttest.Fault{Status: 403, Gzip: true})
			if len(errs) != 1 || !errors.Is(errs[0], deflect.ErrUnauthorized) || !strings.Contains(errs[0].Error(), "Forbidden") {
				t.Errorf("a refused report: %v", errs)
			}
			if asks.asked.Load() == 0 {
				t.Error("nothing was asked")
			}
		})
	}
}

// TestCompressedReportBreaksOff loses the connection in the middle: what came is there,
// and the window is asked for again.
func TestCompressedReportBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := keys
		cfg.Report.Big = 6000
		api := livedeflecttest.New(cfg)
		c := newClient(t, api, nil)
		for _, f := range []livedeflecttest.Fault{{Gzip: true, Truncate: true}, {Gzip: true, Truncate: true, HangAfterProcessing: true}} {
			api.InjectReport(f, livedeflecttest.Fault{Gzip: true})
			n, began := 0, time.Now()
			for _, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: noon, To: noon.Add(time.Hour)}) {
				if err != nil {
					t.Error(f, err)
				}
				n++
			}
			if took := time.Since(began); n != 6000 || took < 5*time.Second || took > time.Minute {
				t.Errorf("%s: %d events after %s", f, n, took)
			}
		}
	})
}

func zipped(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		z := gzip.NewWriter(&b)
		io.WriteString(z, p)
		z.Close()
	}
	return b.String()
}

const sentAnswer = `{"callId":"473513","success":"true"}`

// TestContentEncodings reads what can be read, and takes nothing else for an answer.
func TestContentEncodings(t *testing.T) {
	for _, tt := range []struct {
		encodings []string
		body      string
		outcome   deflect.Outcome
		says      string
	}{
		{[]string{""}, sentAnswer, deflect.Sent, ""},
		{[]string{"identity"}, sentAnswer, deflect.Sent, ""},
		{[]string{"None"}, sentAnswer, deflect.Sent, ""},
		{[]string{"GZip"}, zipped(sentAnswer), deflect.Sent, ""},
		{[]string{"x-gzip"}, zipped(sentAnswer), deflect.Sent, ""},
		{[]string{" gzip , identity"}, zipped(sentAnswer), deflect.Sent, ""},
		{[]string{"identity", "gzip"}, zipped(sentAnswer), deflect.Sent, ""},
		{[]string{"gzip"}, zipped(`{"callId":"473513",`, `"success":"true"}`), deflect.Sent, ""},
		{[]string{"gzip", "gzip"}, zipped(zipped(sentAnswer)), deflect.Uncertain, "Content-Encoding"},
		{[]string{"br"}, sentAnswer, deflect.Uncertain, "Content-Encoding"},
		{[]string{"gzip, +14043438646"}, zipped(sentAnswer), deflect.Uncertain, "Content-Encoding"},
		{[]string{"deflate"}, sentAnswer, deflect.Uncertain, "Content-Encoding"},
		{[]string{"gzip"}, sentAnswer, deflect.Sent, ""}, // a proxy inflated it, and left the header
		{[]string{"gzip"}, "", deflect.Uncertain, ""},
		{[]string{"br"}, "", deflect.Uncertain, ""},
		{[]string{"gzip"}, zipped(sentAnswer)[:12], deflect.Uncertain, "EOF"},
		{[]string{"gzip"}, zipped(sentAnswer)[:len(zipped(sentAnswer))-1], deflect.Uncertain, "EOF"},
		{[]string{"gzip"}, zipped(sentAnswer)[:len(zipped(sentAnswer))-8] + "12345678", deflect.Uncertain, "gzip"},
		{nil, zipped(sentAnswer), deflect.Uncertain, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			status := 200
			c := newClient(t, nil, func(c *rig.Config) {
				c.Transport = encoded{&status, tt.encodings, func() io.Reader { return strings.NewReader(tt.body) }}
				c.Settle.Disabled = true // its lookups are beside what is asked for here
			})
			res, err := c.Deflect(t.Context(), call())
			if res.Outcome != tt.outcome || tt.outcome != deflect.Sent && res.Reason != deflect.ReasonBadResponse {
				t.Errorf("%q with %.40q: %+v, %v", tt.encodings, tt.body, res, err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "4043438646")) {
				t.Errorf("%q with %.40q: %v, want %q in it", tt.encodings, tt.body, err, tt.says)
			}
			ids, errs := collect(t.Context(), c, time.Hour)
			if len(ids) > 0 || len(errs) != 1 || tt.outcome != deflect.Sent && !errors.Is(errs[0], deflect.ErrBadResponse) && !errors.Is(errs[0], deflect.ErrUnavailable) {
				t.Errorf("report, %q with %.40q: %q, %v", tt.encodings, tt.body, ids, errs)
			}
			// A refusal that cannot be read may say that the nonce was used before.
			status = 401
			if res, err := c.Deflect(t.Context(), call()); tt.outcome != deflect.Sent && tt.body != "" && tt.body != sentAnswer && res.Outcome != deflect.Uncertain {
				t.Errorf("refused, %q with %.40q: %+v, %v", tt.encodings, tt.body, res, err)
			}
		})
	}
}

// encoded answers every request with a body under some Content-Encoding.
type encoded struct {
	status    *int
	encodings []string
	body      func() io.Reader
}

func (e encoded) RoundTrip(req *http.Request) (*http.Response, error) {
	io.Copy(io.Discard, req.Body)
	req.Body.Close()
	h := http.Header{}
	if e.encodings != nil {
		h["Content-Encoding"] = e.encodings
	}
	return &http.Response{StatusCode: *e.status, Header: h, Body: io.NopCloser(e.body()), Request: req}, nil
}

// endless repeats itself, as often as it is read.
type endless struct {
	text string
	off  int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.off:])
	e.off = (e.off + n) % len(e.text)
	return n, nil
}

// TestGzipBombs answers with what becomes very large, or never anything: each ends soon,
// as an answer that cannot be read, and costs no memory.
func TestGzipBombs(t *testing.T) {
	large := strings.Repeat("x", 8<<20)
	finite := func(parts ...string) func() io.Reader {
		body := zipped(parts...)
		return func() io.Reader { return strings.NewReader(body) }
	}
	for name, body := range map[string]func() io.Reader{
		"large":           finite(`{"success":"true","x":"`, large, `"}`),
		"blanks":          finite(strings.Repeat(" ", len(large))),
		"large in data":   finite(`{"data":{"1":[{"x":"`, large),
		"endless members": func() io.Reader { return &endless{text: zipped(" ")} },
		"empty members":   func() io.Reader { return &endless{text: zipped("")} },
		"empty blocks": func() io.Reader {
			return io.MultiReader(strings.NewReader(zipped("")[:10]), &endless{text: "\x00\x00\x00\xff\xff"})
		},
	} {
		status := 200
		c := newClient(t, nil, func(c *rig.Config) {
			c.Transport, c.Settle.Disabled = encoded{&status, []string{"gzip"}, body}, true
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		res, err := c.Deflect(t.Context(), call())
		if res.Outcome != deflect.Uncertain || res.Reason != deflect.ReasonBadResponse {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
		_, errs := collect(t.Context(), c, time.Hour)
		if len(errs) != 1 || !errors.Is(errs[0], deflect.ErrBadResponse) {
			t.Errorf("%s: report: %v", name, errs)
		}
		runtime.ReadMemStats(&after)
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 4<<20 {
			t.Errorf("%s: %d KB allocated", name, cost>>10)
		}
		c.Close()
	}
}

// A refusal without a body says all by its status, whatever its Content-Encoding; and one
// that was inflated on the way is read as it is.
func TestRefusalsUnderAnEncoding(t *testing.T) {
	for _, tt := range []struct {
		status         int
		encoding, body string
		outcome        deflect.Outcome
		reason         deflect.Reason
	}{
		{401, "br", "", deflect.Failed, deflect.ReasonUnauthorized},
		{400, "deflate", "", deflect.Failed, deflect.ReasonRejected},
		{403, "gzip", "<html>forbidden</html>", deflect.Failed, deflect.ReasonUnauthorized},
		{401, "gzip", `{"error":"Invalid Nonce"}`, deflect.Uncertain, deflect.ReasonInvalidNonce},
		{401, "gzip", "\x78\x9cK", deflect.Uncertain, deflect.ReasonBadResponse}, // zlib
		{401, "gzip", "\x1f", deflect.Uncertain, deflect.ReasonBadResponse},
		{403, "br", "\x01\x02", deflect.Uncertain, deflect.ReasonBadResponse}, // who knows what it says
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, nil, func(c *rig.Config) {
				c.Transport = encoded{&tt.status, []string{tt.encoding}, func() io.Reader { return strings.NewReader(tt.body) }}
				c.Settle.Disabled = true // its lookups are beside what is asked for here
			})
			if res, err := c.Deflect(t.Context(), call()); res.Outcome != tt.outcome || res.Reason != tt.reason {
				t.Errorf("%d, %s, %q: %+v, %v", tt.status, tt.encoding, tt.body, res, err)
			}
		})
	}
}
