package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// What every subject plays.
const (
	offerPrompt = "ivrdeflect/en/offer.wav"
	sentPrompt  = "ivrdeflect/en/sent.wav"
)

// legTimeout is how long a call may take, or a held one until it is held.
const legTimeout = 30 * time.Second

// leg is the switch's side of one call. It does what it is told as a FreeSWITCH does,
// with recorded frames, at once: applications end as soon as they begin, but for
// the offer, which plays until it is told to stop. What FreeSWITCH would not do is an
// error.
type leg struct {
	id    identity
	rec   *recording
	conn  net.Conn
	in    *bufio.Reader
	marks *marks

	silent   []string // applications whose ends are not told
	done     set      // what the subject has said and done so far
	playing  string   // Event-UUID of the offer while it plays
	notFirst bool     // a command came after the key
}

// set is a set of steps of a call.
type set int

const (
	connected set = 1 << iota
	events
	filterDTMF
	filterComplete
	filterHangup
	answered
	offered
	pressed
	stopped // the offer was told to stop
	told    // the caller heard that the text was sent
	outcome // the dialplan knows that it was
	resumed
	exited

	listening = connected | events | filterDTMF | filterComplete | filterHangup
	whole     = exited<<1 - 1
)

var errNotWhole = errors.New("not all of this was done: answer, offer, break, prompt, deflect_outcome=sent, resume, exit")

// ring hands a call over to a subject.
func ring(rec *recording, address string, n int, m *marks) (*leg, error) {
	m.rung = now()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(legTimeout)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &leg{id: identify(n), rec: rec, conn: conn, in: bufio.NewReaderSize(conn, 512), marks: m}, nil
}

// until plays the call up to a step.
func (l *leg) until(step set) error {
	for l.done&step == 0 {
		c, err := l.read()
		if err != nil {
			return fmt.Errorf("waiting for a command: %w", err)
		}
		if err := l.obey(c); err != nil {
			return fmt.Errorf("%s %s: %w", c.word, c.app, err)
		}
	}
	return nil
}

// finish lets the caller think, presses the key and plays the call to its end.
func (l *leg) finish(think time.Duration) error {
	if err := l.until(offered); err != nil {
		return err
	}
	time.Sleep(think)
	if err := l.press(); err != nil {
		return err
	}
	if err := l.until(exited); err != nil {
		return err
	}
	if l.done != whole {
		return errNotWhole
	}
	return nil
}

func (l *leg) press() error {
	l.done |= pressed
	l.marks.pressed.Store(now())
	return l.say(l.rec.key)
}

var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// say sends a frame in a write of its own.
func (l *leg) say(f *frame) error {
	b := scratch.Get().(*[]byte)
	defer scratch.Put(b)
	*b = f.appendTo((*b)[:0], l.id)
	_, err := l.conn.Write(*b)
	return err
}

func (l *leg) write(frames ...[]byte) error {
	for _, f := range frames {
		if _, err := l.conn.Write(f); err != nil {
			return err
		}
	}
	return nil
}

func (l *leg) close() error { return l.conn.Close() }
