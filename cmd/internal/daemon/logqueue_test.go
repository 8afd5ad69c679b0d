package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// reader is what a log is written to: nobody reads it until wake, if asleep, and there
// is only so much room, if room is not negative.
type reader struct {
	mu     sync.Mutex
	asleep chan struct{}
	room   int
	err    error // of what does not fit
	text   bytes.Buffer
}

func (r *reader) Write(p []byte) (int, error) {
	if r.asleep != nil {
		<-r.asleep
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room < 0 || len(p) <= r.room {
		r.room -= len(p)
		return r.text.Write(p)
	}
	n, _ := r.text.Write(p[:r.room])
	r.room = 0
	return n, r.err
}

func (r *reader) setRoom(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.room = n
}

// said are the lines that were written: the n of each, "lost N" of those about lost
// ones, and "cut" for what is no line.
func (r *reader) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for text := range strings.Lines(r.text.String()) {
		var line struct {
			Msg, Err string
			N, Lines int
		}
		switch err := json.Unmarshal([]byte(text), &line); {
		case err != nil:
			out = append(out, "cut")
		case line.Msg == "said":
			out = append(out, fmt.Sprint(line.N))
		default:
			out = append(out, strings.TrimSpace(fmt.Sprint(line.Msg, " ", line.Lines, " ", line.Err)))
		}
	}
	return out
}

func numbered(from, to int) (out []string) {
	for n := from; n < to; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

var jsonLog = config.Log{Level: "error", Format: "json"}

// While nobody reads, saying something takes no time. What there is no room for is
// lost; the log tells so where it happened.
func TestLogNobodyReads(t *testing.T) {
	for _, tt := range []struct {
		name  string
		with  string // each line
		lines int    // what is kept, at most
	}{
		{"many lines", "", maxLogLines},
		{"long lines", strings.Repeat("x", 10_000), maxLogBytes / 10_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reader{asleep: make(chan struct{}), room: -1}
				q := NewLogQueue(r)
				log, _ := NewLogger(q, jsonLog)
				const n = maxLogLines + 5000
				for i := range n {
					log.Error("said", "n", i, "with", tt.with)
				}
				synctest.Wait()
				lost := int(q.Lost())
				if kept := n - lost; kept < tt.lines*9/10 || kept > tt.lines+1 {
					t.Errorf("%d lines are kept, want about %d", kept, tt.lines)
				}
				close(r.asleep)
				synctest.Wait()
				for i := range 3 {
					log.Error("said", "n", n+i)
				}
				q.Close()
				want := append(numbered(0, n-lost), fmt.Sprintf("log lines lost %d", lost))
				if diff := cmp.Diff(append(want, numbered(n, n+3)...), r.said()); diff != "" {
					t.Errorf("the log (-want +got):\n%s", diff)
				}
				if q.Lost() != uint64(lost) {
					t.Errorf("%d lines lost, then %d", lost, q.Lost())
				}
			})
		})
	}
}

// A line longer than the queue is lost, and nothing else.
func TestLogHugeLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{room: -1}
		q := NewLogQueue(r)
		log, _ := NewLogger(q, jsonLog)
		log.Error("said", "n", 1, "with", strings.Repeat("x", maxLogBytes))
		synctest.Wait()
		log.Error("said", "n", 2)
		q.Close()
		if diff := cmp.Diff([]string{"log lines lost 1", "2"}, r.said()); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
	})
}

// The end waits for who reads slowly, for a second at most.
func TestLogEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{asleep: make(chan struct{}), room: -1}
		defer close(r.asleep)
		q := NewLogQueue(r)
		fmt.Fprintln(q, "one")
		began := time.Now()
		q.Close()
		if took := time.Since(began); took != logStop {
			t.Errorf("the end took %s", took)
		}
		fmt.Fprintln(q, "two")
		if q.Lost() != 1 {
			t.Errorf("%d lines lost, want that after the end", q.Lost())
		}
	})
	r := &reader{room: -1}
	q := NewLogQueue(r)
	for range 1000 {
		fmt.Fprintln(q, "one")
	}
	q.Close()
	if n := strings.Count(r.text.String(), "one\n"); n != 1000 {
		t.Errorf("%d of 1000 lines at the end", n)
	}
}

// A full disk: what is lost counts, a line that was cut is ended, and the log tells
// of both once there is room.
func TestLogFullDisk(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		synctest.Test(t, func(t *testing.T) {
			r := &reader{room: 100, err: syscall.ENOSPC}
			q := NewLogQueue(r)
			log, _ := NewLogger(q, config.Log{Level: "error", Format: format})
			say := func(n int) { log.Error("said", "n", n); synctest.Wait() }
			say(1)
			say(2) // cut
			say(3)
			r.setRoom(1)
			say(4)
			r.setRoom(-1)
			say(5)
			say(6)
			r.setRoom(0)
			say(7)
			r.setRoom(-1)
			q.Close() // says what is left to say
			if q.Lost() != 4 {
				t.Errorf("%d lines lost, want 4", q.Lost())
			}
			if format == "text" {
				if text := r.text.String(); !strings.Contains(text, "\ntime=") || !strings.Contains(text, `level=WARN msg="log lines lost" lines=3`) {
					t.Errorf("the log:\n%s", text)
				}
				return
			}
			want := []string{"1", "cut", "log lines lost 3 no space left on device", "5", "6", "log lines lost 1 no space left on device"}
			if diff := cmp.Diff(want, r.said()); diff != "" {
				t.Errorf("the log (-want +got):\n%s\n%s", diff, r.text.String())
			}
		})
	}
}

// Wherever a disk gets full, every line is whole, lost and counted, or alone on its
// line and counted.
func TestLogFullDiskAnywhere(t *testing.T) {
	for room := range 400 {
		r := &reader{room: room, err: syscall.ENOSPC}
		q := NewLogQueue(r)
		log, _ := NewLogger(q, jsonLog)
		for n := range 5 {
			log.Error("said", "n", n)
		}
		waitFor(t, func() bool { q.mu.Lock(); defer q.mu.Unlock(); return len(q.lines) == 0 })
		r.setRoom(-1)
		log.Error("said", "n", 5)
		q.Close()
		whole, told := 0, 0
		for _, s := range r.said() {
			var n int
			if _, err := fmt.Sscanf(s, "log lines lost %d", &n); err == nil {
				told += n
			} else if s != "cut" {
				whole++
			}
		}
		if lost := int(q.Lost()); whole+lost != 6 || told != lost {
			t.Errorf("room for %d bytes: %d lines whole, %d lost, %d of them told\n%s", room, whole, lost, told, r.text.String())
		}
	}
}

func TestLibraryLogQuotesNobody(t *testing.T) {
	var b bytes.Buffer
	q := NewLogQueue(&b)
	defer q.Close()
	stdlog.New(LibraryLog(slog.New(slog.NewTextHandler(q, nil)), q), "", 0).Printf("Unsolicited response starting with %q; err=x", "4043438646")
	if got := b.String(); strings.Contains(got, "404") || !strings.Contains(got, `what="Unsolicited response starting with"`) {
		t.Error(got)
	}
}

// What a library says before it ends the process is written by then, unless whoever
// reads the log is asleep.
func TestLibraryLogLastWords(t *testing.T) {
	for _, asleep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := &reader{room: -1, asleep: make(chan struct{})}
			q := NewLogQueue(r)
			defer q.Close()
			log, _ := NewLogger(q, config.Log{Level: "info", Format: "text"})
			wake := sync.OnceFunc(func() { close(r.asleep) })
			defer wake()
			if !asleep {
				time.AfterFunc(logStop/2, wake)
			}
			log.Info("before")
			began := time.Now()
			stdlog.New(LibraryLog(log, q), "", 0).Print("last words")
			took := time.Since(began)
			r.mu.Lock()
			text := r.text.String()
			r.mu.Unlock()
			if asleep && took != logStop || !asleep && (took != logStop/2 || !strings.Contains(text, `what="last words"`)) {
				t.Errorf("asleep %v: took %s:\n%s", asleep, took, text)
			}
		})
	}
}

// Whatever becomes of the log, all callers come back with their outcome.
func TestLogInNobodysWay(t *testing.T) {
	const n = 200
	for name, r := range map[string]*reader{
		"nobody reads":   {asleep: make(chan struct{}), room: -1},
		"the disk fills": {room: 30_000, err: syscall.ENOSPC},
		"reader died":    {room: 30_000, err: syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewLogQueue(r)
			b := start(t, func(o *Options) {
				o.Logger, o.Level = NewLogger(q, o.Config.Log)
				o.Queue = q
			})
			results, _ := b.calls(n, pressOne)
			if diff := cmp.Diff(map[string]int{reason(deflect.Sent, deflect.ReasonOK): n}, outcomes(t, results, n)); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			if r.asleep == nil {
				waitFor(t, func() bool { return q.Lost() > 0 })
				if _, text := b.get("/metrics"); strings.Contains(text, "deflectd_log_dropped_total 0\n") {
					t.Error("/metrics does not show that lines are lost")
				}
			}
			if status, body := b.get("/readyz"); status != 200 {
				t.Errorf("/readyz = %d %q", status, body)
			}
			b.stop()
			if err := b.finish(); err != nil {
				t.Error(err)
			}
			if r.asleep != nil {
				close(r.asleep)
			}
			q.Close()
		})
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 10_000 {
		if done() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal(errors.New("waited for too long"))
}
