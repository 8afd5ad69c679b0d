package freeswitch_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// cannedSwitch plays a FreeSWITCH with the frames of a recording, and thinks as
// little as possible, so that what is measured is ours. Its caller presses the
// accept key as soon as the offer plays.
type cannedSwitch struct {
	data     []byte            // the reply to connect
	key      []byte            // the DTMF event
	complete map[string][]byte // CHANNEL_EXECUTE_COMPLETE events by Application-UUID, break's by "break"
	bye      []byte
	held     bool                 // nobody presses anything: return once the offer plays
	pressed  func(written func()) // told about the key
}

func newCannedSwitch(tb testing.TB) *cannedSwitch {
	tb.Helper()
	raw, err := os.ReadFile("testdata/transcripts/accept.jsonl")
	if err != nil {
		tb.Fatal(err)
	}
	s := &cannedSwitch{complete: map[string][]byte{}, pressed: func(written func()) { written() }}
	for line := range strings.Lines(string(raw)) {
		var e struct{ Dir, Data string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			tb.Fatal(err)
		}
		_, id, _ := strings.Cut(strings.TrimSpace(e.Data), "Application-UUID: ")
		switch {
		case e.Dir != "<":
		case strings.HasPrefix(e.Data, "Event-Name: CHANNEL_DATA"):
			s.data = []byte(e.Data)
		case strings.Contains(e.Data, "Event-Name: DTMF"):
			s.key = []byte(e.Data)
		case strings.Contains(e.Data, "Application: break\n"):
			s.complete["break"] = []byte(e.Data)
		case id != "":
			s.complete[id] = []byte(e.Data)
		case strings.Contains(e.Data, "disconnect-notice"):
			s.bye = []byte("Content-Type: command/reply\nReply-Text: +OK bye\n\n" + e.Data)
		}
	}
	return s
}

var cannedOK = []byte("Content-Type: command/reply\nReply-Text: +OK\n\n")

func (s *cannedSwitch) play(c net.Conn) error {
	r := bufio.NewReaderSize(c, 512)
	var word, app, id string
	write := func(frames ...[]byte) error {
		for _, f := range frames {
			if _, err := c.Write(f); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		text := strings.TrimSuffix(string(line), "\n")
		name, value, _ := strings.Cut(text, ": ")
		switch {
		case word == "":
			word = text
			continue
		case name == "execute-app-name":
			app = value
		case name == "Event-UUID":
			id = value
		}
		if text != "" {
			continue
		}
		switch {
		case word == "connect":
			err = write(s.data)
		case word == "exit":
			return write(s.bye)
		case id == "offer-1" && s.held:
			return write(cannedOK)
		case id == "offer-1":
			s.pressed(func() { err = write(cannedOK, s.key) })
		case app == "break":
			err = write(cannedOK, s.complete["break"], s.complete["offer-1"])
		case id != "":
			err = write(cannedOK, s.complete[id])
		default:
			err = write(cannedOK)
		}
		if err != nil {
			return err
		}
		word, app, id = "", "", ""
	}
}

// stubAPI says yes to everything at once.
type stubAPI func(*http.Request)

func (f stubAPI) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"callId":"473513","success":"true"}`))}, nil
}

func benchServer(b *testing.B, api stubAPI) string {
	b.Helper()
	fc, _, _ := testConfig(b, func(dc *deflect.Config, c *freeswitch.Config) {
		dc.Transport, dc.Logger, c.Logger = api, nil, nil
		c.MaxCalls = 100000
		c.IdleTimeout = 10 * time.Minute
	})
	srv, err := freeswitch.New(fc)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- srv.Serve(ctx, ln) }()
	b.Cleanup(func() { stop(); srv.Cut(); <-done })
	return ln.Addr().String()
}

// BenchmarkSession is a whole offered and accepted call over loopback TCP, with
// the frames of a real FreeSWITCH (7 KB events). calls/s is for both cores.
func BenchmarkSession(b *testing.B) {
	sw := newCannedSwitch(b)
	addr := benchServer(b, func(*http.Request) {})
	b.ReportAllocs()
	b.SetParallelism(32)
	start := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			if err := sw.play(c); err != nil {
				b.Error(err)
			}
			c.Close()
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "calls/s")
}

// BenchmarkHeldCall reports the memory of calls that wait in the offer: heap,
// stacks and what the runtime keeps, per call.
func BenchmarkHeldCall(b *testing.B) {
	sw := newCannedSwitch(b)
	sw.held = true
	addr := benchServer(b, func(*http.Request) {})
	const calls = 5000
	for b.Loop() {
		before := inUse()
		conns := make([]net.Conn, calls)
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				for i := worker; i < calls; i += 16 {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						b.Error(err)
						return
					}
					conns[i] = c
					if err := sw.play(c); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(inUse()-before)/calls, "B/call")
		b.ReportMetric(float64(inUse())/(1<<20), "MB")
		for _, c := range conns {
			c.Close()
		}
	}
}

// inUse is the memory that the runtime has from the system and not given back.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse + m.MSpanInuse + m.MCacheInuse + m.GCSys + m.OtherSys)
}

// BenchmarkKeyToRequest reports how long it takes from the switch writing the
// DTMF event to the request being signed and handed to the network, at 200 calls
// a second.
func BenchmarkKeyToRequest(b *testing.B) {
	sw := newCannedSwitch(b)
	var mu sync.Mutex
	var took []time.Duration
	pressedAt := sync.Map{} // by the call's UUID
	var n atomic.Int64
	addr := benchServer(b, func(r *http.Request) {
		now := time.Now()
		body, _ := io.ReadAll(r.Body)
		var in struct{ ExternalCallID string }
		if json.Unmarshal(body, &in) != nil {
			return
		}
		if at, ok := pressedAt.Load(in.ExternalCallID); ok {
			mu.Lock()
			took = append(took, now.Sub(at.(time.Time)))
			mu.Unlock()
		}
	})
	const uuid = "3e0068c6-dcda-4c96-a87d-305d62b539f6"
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / 200)
	defer tick.Stop()
	for b.Loop() {
		<-tick.C
		wg.Go(func() {
			id := uuid[:24] + leftPad(n.Add(1))
			mine := *sw
			mine.data = bytes.ReplaceAll(sw.data, []byte(uuid), []byte(id))
			mine.pressed = func(written func()) {
				pressedAt.Store(id, time.Now())
				written()
			}
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			if err := mine.play(c); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	if len(took) == 0 {
		b.Fatal("no request was seen")
	}
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func leftPad(n int64) string { return fmt.Sprintf("%012d", n) }
