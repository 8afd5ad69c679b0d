package freeswitchtest

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A wire reads and writes at the same time, so that a peer on an unbuffered
// connection can do either first. A call that waits has one goroutine here,
// the reader; a writer runs only while there is something to write.
type wire struct {
	conn  net.Conn
	wake  chan struct{} // something has come in
	tasks sync.WaitGroup

	mu       sync.Mutex
	commands []string
	readErr  error
	out      *buffer // nil: nothing
	writing  bool
	closing  bool // as soon as out is written
	stalled  bool // the peer did not read for too long
	limit    int  // how much that is
}

// maxBacklog is how much a slow reader may leave unread before the switch
// gives up on it.
const maxBacklog = 4 << 20

func newWire(conn net.Conn) *wire {
	w := &wire{conn: conn, wake: make(chan struct{}, 1), limit: maxBacklog}
	w.tasks.Go(w.read)
	return w
}

func (w *wire) read() {
	var cut commandReader
	buf := make([]byte, 1024)
	for {
		n, err := w.conn.Read(buf)
		commands, tooLong := cut.feed(buf[:n])
		if err == nil {
			err = tooLong
		}
		w.mu.Lock()
		w.commands = append(w.commands, commands...)
		w.readErr = err
		w.mu.Unlock()
		if len(commands) > 0 || err != nil {
			w.signal()
		}
		if err != nil {
			return
		}
	}
}

func (w *wire) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

var errSlowReader = errors.New("the peer reads too slowly")

// take gives the commands that have come in, and why no more will come.
func (w *wire) take() ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	commands := w.commands
	w.commands = nil
	if w.stalled {
		return commands, errSlowReader
	}
	return commands, w.readErr
}

// send writes parts one after another. They can be used again at once.
func (w *wire) send(parts ...[]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing || w.stalled {
		return
	}
	n := 0
	if w.out != nil {
		n = len(w.out.b)
	}
	for _, p := range parts {
		n += len(p)
	}
	if n > w.limit {
		w.stalled = true
		w.signal()
		return
	}
	if w.out == nil {
		w.out = newBuffer()
	}
	for _, p := range parts {
		w.out.b = append(w.out.b, p...)
	}
	w.startWriterLocked()
}

// hangUp closes the connection when everything is written.
func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = true
	w.startWriterLocked()
}

func (w *wire) startWriterLocked() {
	if !w.writing {
		w.writing = true
		w.tasks.Go(w.write)
	}
}

func (w *wire) write() {
	for {
		w.mu.Lock()
		out := w.out
		w.out = nil
		if out == nil {
			w.writing = false
			closing := w.closing
			w.mu.Unlock()
			if closing {
				_ = w.conn.Close()
			}
			return
		}
		w.mu.Unlock()
		_, err := w.conn.Write(out.b)
		out.free()
		if err != nil {
			w.mu.Lock()
			w.out, w.closing = nil, true
			w.mu.Unlock()
		}
	}
}

// lastWords is how long a peer that does not read may hold up the end.
const lastWords = time.Second

// finish writes what is left, closes and waits for both directions. A channel
// that is closed cuts it short.
func (w *wire) finish(cut <-chan struct{}) {
	w.hangUp()
	done := make(chan struct{})
	go func() { w.tasks.Wait(); close(done) }()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-cut:
	}
	_ = w.conn.Close()
	<-done
}
