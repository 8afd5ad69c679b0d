package livedeflecttest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const bigStart, bigEnd = 1528932953000, 1528936553000 // an hour

// bigServer answers with a report of so many events.
func bigServer(t *testing.T, events int) *Server {
	t.Helper()
	cfg := testConfig()
	cfg.Report.Big = events
	return RunT(t, cfg)
}

func askBig(t testing.TB, s *Server) *http.Request {
	t.Helper()
	return ask(t, s, strconv.Itoa(bigStart), strconv.Itoa(bigEnd))
}

func TestBigReport(t *testing.T) {
	t.Parallel()
	for _, events := range []int{1, 5, 6, 7, 12, 2_001} {
		s := bigServer(t, events)
		inMemory := send(inMemory(s), askBig(t, New(s.cfg)))
		socket := send(overSocket(t), askBig(t, s))
		if inMemory.body != socket.body || inMemory.header.Get("Content-Length") != "" || socket.header.Get("Content-Length") != "" {
			t.Errorf("%d events: the ways differ: %v and %v", events, inMemory.header, socket.header)
		}
		calls := readReport(t, socket)
		got, external, conversations := 0, map[any]bool{}, map[any]bool{}
		last := int64(bigStart)
		for i, c := range calls {
			if want := strconv.Itoa(473513 + i); c.key != want {
				t.Fatalf("got callId %s, want %s", c.key, want)
			}
			begin, err := strconv.ParseInt(c.events[0]["beginTimeStamp"].(string), 10, 64)
			if err != nil || begin < last || begin > bigEnd {
				t.Errorf("call %d begins at %v, %v, the one before at %d", i, begin, err, last)
			}
			last = begin
			for _, e := range c.events {
				if e["callId"] != c.key || len(e) != 16 {
					t.Fatalf("call %s: got %v", c.key, e)
				}
				external[e["externalCallId"]], conversations[e["conversationId"]] = true, true
			}
			got += len(c.events)
		}
		if want := (events + 5) / 6; got != events || len(calls) != want || len(external) != want || len(conversations) != want {
			t.Errorf("got %d events of %d calls, %d external ids, %d conversations, want %d events of %d calls",
				got, len(calls), len(external), len(conversations), events, want)
		}
	}
}

// The shape is the same as that of a report of calls that were sent.
func TestBigReportHasTheUsualFields(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	s.SetReport(Report{Big: 6, Oddity: Oddity{Numbers: true, SuccessLast: true, UnknownFields: true}})
	got := send(inMemory(s), askBig(t, s))
	if k := kinds(t, got); !strings.HasSuffix(k, ": "+untilReply) {
		t.Errorf("got %s", k)
	}
	if !strings.HasPrefix(got.body, `{"data":{"473513":[{"callId":"473513","siteId":"38856538",`) || !strings.HasSuffix(got.body, `,"success":"true"}`) ||
		!strings.Contains(got.body, `"beginTimeStamp":1528934753000,`) || !strings.Contains(got.body, `"routing"`) {
		t.Errorf("got %s", got.body)
	}
	if average := len(got.body) / 6; average < 500 || average > 700 {
		t.Errorf("got %d bytes an event", average)
	}
}

func TestStreamReadsInPiecesOfAnySize(t *testing.T) {
	t.Parallel()
	w := window{siteID: "1", start: bigStart, end: bigEnd}
	want, err := io.ReadAll(newStream(newPage(Oddity{}, false), w, 1, 400))
	if err != nil || !json.Valid(want) {
		t.Fatalf("got %d bytes, %v", len(want), err)
	}
	if err := iotest.TestReader(newStream(newPage(Oddity{}, false), w, 1, 400), want); err != nil {
		t.Error(err)
	}
}

// Not parallel: nothing else may use memory.
func TestBigReportNeedsLittleMemory(t *testing.T) {
	s := New(testConfig())
	s.SetReport(Report{Big: 50_000})
	resp, err := s.RoundTrip(askBig(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const piece = 10 << 20
	io.CopyN(io.Discard, resp.Body, 1<<20)
	before := live()
	if n, err := io.CopyN(io.Discard, resp.Body, piece); n != piece || err != nil {
		t.Fatal(n, err)
	}
	if after := live(); after > before+1<<20 {
		t.Errorf("%d bytes in use, then %d", before, after)
	}
	if n := mustCount(t, resp.Body); n < piece {
		t.Errorf("got only %d bytes more", n)
	}
}

func mustCount(t testing.TB, r io.Reader) int64 {
	t.Helper()
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Closing the server waits for its requests: it would wait here for ever.
func TestBigReportOfAClientThatGoesAway(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"memory", "socket"} {
		s := bigServer(t, 1<<30)
		ctx, cancel := context.WithCancelCause(t.Context())
		client := overSocket(t)
		req := askBig(t, s)
		if way == "memory" {
			client, req = inMemory(s), askBig(t, New(s.cfg))
		}
		resp, err := client.Do(req.WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReaderSize(resp.Body, 1<<20).Peek(1 << 20); err != nil {
			t.Error(way, err)
		}
		hungUp := errors.New("hung up")
		cancel(hungUp)
		if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, hungUp) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", way, err)
		}
		resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: a closed body can be read", way)
		}
	}
}

// A client that gives up closes the body while another goroutine reads it, as it may
// with a real one; a read that waits ends then.
func TestBodyClosedWhileItIsRead(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]Fault{
		"big":     {},
		"stalled": {HangAfterProcessing: true, Truncate: true},
	} {
		for _, way := range []string{"memory", "socket"} {
			s := bigServer(t, 1<<20)
			s.InjectReport(fault)
			client, req := overSocket(t), askBig(t, s)
			if way == "memory" {
				client, req = inMemory(s), askBig(t, s)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			read := make(chan error, 1)
			began := make(chan struct{})
			go func() {
				_, err := resp.Body.Read(make([]byte, 512))
				close(began)
				for err == nil {
					_, err = resp.Body.Read(make([]byte, 512))
				}
				read <- err
			}()
			<-began
			resp.Body.Close()
			if err := <-read; err == io.EOF {
				t.Errorf("%s, %s: the body ended whole", name, way)
			}
			if _, err := resp.Body.Read(make([]byte, 1)); err == nil || err == io.EOF {
				t.Errorf("%s, %s: a closed body can be read: %v", name, way, err)
			}
		}
	}
}

// The events before the break are whole, and about half of all.
func TestBigReportCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ events, whole int }{{600, 300}, {6, 0}, {1, 0}} {
		s := bigServer(t, tt.events)
		s.SetReportFault(&Fault{Truncate: true})
		inMemory := send(inMemory(s), askBig(t, New(s.cfg)))
		socket := send(overSocket(t), askBig(t, s))
		for _, got := range []result{inMemory, socket} {
			if got.status != 200 || !errors.Is(got.bodyErr, io.ErrUnexpectedEOF) || got.body == "" || json.Valid([]byte(got.body)) {
				t.Errorf("%d events: got %d bytes, %v", tt.events, len(got.body), got.bodyErr)
			}
			if n := strings.Count(got.body, `"externalConsumerId"`); n < tt.whole || n > tt.whole+3 {
				t.Errorf("%d events: got %d whole ones, want %d and at most half a call", tt.events, n, tt.whole)
			}
		}
		if diff := cmp.Diff(inMemory.body, socket.body); diff != "" {
			t.Errorf("-in memory +over a socket:\n%s", diff)
		}
	}
}

func TestBigReportStalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(testConfig())
		s.SetReport(Report{Big: 600})
		s.InjectReport(Fault{HangAfterProcessing: true, Truncate: true})
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		got := send(inMemory(s), askBig(t, s).WithContext(ctx))
		if !errors.Is(got.bodyErr, context.DeadlineExceeded) || !strings.HasPrefix(got.body, `{"success":"true","data":{"473513":[`) {
			t.Errorf("got %d bytes, %v", len(got.body), got.bodyErr)
		}
	})
}

func TestBigReportOverHTTP2(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	s.SetReport(Report{Big: 1200})
	ts := httptest.NewUnstartedServer(s)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	s.InjectReport(Fault{}, Fault{Truncate: true})
	for _, whole := range []bool{true, false} {
		req := askBig(t, s)
		req.Host = req.URL.Host // what was signed
		req.URL.Host = strings.TrimPrefix(ts.URL, "https://")
		got := send(ts.Client(), req)
		if got.status != 200 || (got.bodyErr == nil) != whole || json.Valid([]byte(got.body)) != whole {
			t.Errorf("got %d with %d bytes, %v, want it whole: %t", got.status, len(got.body), got.bodyErr, whole)
		}
	}
}
