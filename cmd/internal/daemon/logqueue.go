package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What a queue holds at most, and how long its end waits for it.
const (
	maxLogLines = 10_000
	maxLogBytes = 4 << 20
	logStop     = time.Second
)

// LogQueue stands between what a process says and who reads that, so that a reader
// who sleeps, has died or has no room left holds up nobody: Write never waits. What
// does not fit into the queue, and what could not be written, is lost and counted, and
// a line of its own says how much once lines are written again. A line that was
// written in part is not continued by the next one. It is safe for concurrent use.
type LogQueue struct {
	w     io.Writer
	lost  atomic.Uint64
	ended chan struct{}

	mu      sync.Mutex
	news    sync.Cond // of what follows
	lines   []queued
	bytes   int    // in lines
	full    bool   // until half of it is written: else it would be full again at once
	dropped uint64 // since it is full
	closed  bool
	format  func(io.Writer) slog.Handler
}

// queued is a line, or the place where some were dropped.
type queued struct {
	text    []byte
	dropped uint64
	reached chan struct{} // closed when all before it is written; such a one is no line
}

// NewLogQueue returns a queue that one goroutine writes to w until Close, one Write a
// line.
func NewLogQueue(w io.Writer) *LogQueue {
	q := &LogQueue{w: w, ended: make(chan struct{}), format: handlers("text", nil)}
	q.news.L = &q.mu
	go q.run()
	return q
}

// Write takes in a line, or several that belong together. It never fails.
func (q *LogQueue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full || q.closed || len(q.lines) >= maxLogLines || q.bytes+len(p) > maxLogBytes {
		q.full = true
		q.dropped++
		q.lost.Add(1)
	} else {
		q.lines = append(q.lines, queued{text: bytes.Clone(p)})
		q.bytes += len(p)
	}
	q.news.Signal()
	return len(p), nil
}

// Lost returns how many lines were lost so far.
func (q *LogQueue) Lost() uint64 { return q.lost.Load() }

// lostLines is the metric of a queue, and 0 without one.
func lostLines(q *LogQueue) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "deflectd_log_dropped_total",
		Help: "Log lines lost because whoever reads the log was too slow, or because they could not be written.",
	}, func() float64 {
		if q == nil {
			return 0
		}
		return float64(q.Lost())
	})
}

// Close ends the queue. It waits until everything is written, but no longer than a
// second, and returns nil. Lines that come later are lost.
func (q *LogQueue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.news.Signal()
	q.mu.Unlock()
	select {
	case <-q.ended:
	case <-time.After(logStop):
	}
	return nil
}

// flush waits until what was taken in so far is written, for a second at most, and not
// at all while lines are lost.
func (q *LogQueue) flush() {
	q.mu.Lock()
	if q.full || q.closed {
		q.mu.Unlock()
		return
	}
	reached := make(chan struct{})
	q.lines = append(q.lines, queued{reached: reached})
	q.news.Signal()
	q.mu.Unlock()
	select {
	case <-reached:
	case <-time.After(logStop):
	}
}

// setFormat says what a line about lost ones looks like.
func (q *LogQueue) setFormat(format func(io.Writer) slog.Handler) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.format = format
}

func (q *LogQueue) run() {
	defer close(q.ended)
	var out output
	for l, ok := q.next(); ok; l, ok = q.next() {
		if l.reached != nil {
			close(l.reached)
			continue
		}
		out.write(q, l)
	}
	if out.unsaid > 0 {
		out.write(q, queued{})
	}
}

// next waits for a line. There is none after Close.
func (q *LogQueue) next() (l queued, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.full && len(q.lines) <= maxLogLines/2 && q.bytes <= maxLogBytes/2 {
			q.lines = append(q.lines, queued{dropped: q.dropped})
			q.full, q.dropped = false, 0
		}
		if len(q.lines) > 0 {
			l, q.lines[0] = q.lines[0], queued{}
			q.lines = q.lines[1:]
			q.bytes -= len(l.text)
			return l, true
		}
		if q.closed {
			return queued{}, false
		}
		q.news.Wait()
	}
}

// output is what was written so far.
type output struct {
	buf    bytes.Buffer
	cut    bool   // in the middle of a line
	unsaid uint64 // lines lost that the log does not tell of
	err    error  // why the last one was
}

func (o *output) write(q *LogQueue, l queued) {
	o.unsaid += l.dropped
	o.buf.Reset()
	if o.cut {
		o.buf.WriteByte('\n')
	}
	if o.unsaid > 0 {
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines lost", 0)
		r.AddAttrs(slog.Uint64("lines", o.unsaid))
		if o.err != nil {
			r.AddAttrs(slog.Any("err", o.err))
		}
		q.mu.Lock()
		format := q.format
		q.mu.Unlock()
		_ = format(&o.buf).Handle(context.Background(), r) // a buffer takes everything
	}
	about := o.buf.Len()
	o.buf.Write(l.text)
	n, err := q.w.Write(o.buf.Bytes())
	if n > 0 {
		o.cut = o.buf.Bytes()[n-1] != '\n'
	}
	if n >= about {
		o.unsaid, o.err = 0, nil
	}
	if n < o.buf.Len()-1 && len(l.text) > 0 { // the end of the line comes with the next one
		o.unsaid++
		o.err = err
		q.lost.Add(1)
	}
}
