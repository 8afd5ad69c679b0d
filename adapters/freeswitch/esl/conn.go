package esl

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config is how a Conn treats its peer. A value of zero or less means the
// default.
type Config struct {
	Limits Limits

	FirstFrameTimeout time.Duration // from NewConn to the first byte; 5 s
	FrameTimeout      time.Duration // from a frame's first byte to its last; 5 s
	IdleTimeout       time.Duration // from one frame to the next one's first byte; 2 min
	WriteTimeout      time.Duration // for one write; 5 s
}

func (c Config) withDefaults() Config {
	limit := func(v *time.Duration, standard time.Duration) {
		if *v <= 0 {
			*v = standard
		}
	}
	limit(&c.FirstFrameTimeout, 5*time.Second)
	limit(&c.FrameTimeout, 5*time.Second)
	limit(&c.IdleTimeout, 2*time.Minute)
	limit(&c.WriteTimeout, 5*time.Second)
	c.Limits = c.Limits.withDefaults()
	return c
}

// Errors of Next that leave the connection as it is.
var (
	// ErrTimeout says that the time that was given is over.
	ErrTimeout = errors.New("esl: no event in time")
	// ErrWoken says that somebody called Wake.
	ErrWoken = errors.New("esl: woken")
)

// Conn is our end of one outbound socket: commands go out, events come in, replies are
// matched with the commands in their order. It has no goroutine of its own: one at a
// time may call Post and Next; Wake, Err and Close are safe for concurrent use.
type Conn struct {
	nc  net.Conn
	cfg Config

	next sync.Mutex // held while somebody is in Next

	// Of whoever calls Post and Next:
	in       reader
	pace     pace
	event    eventData     // the one given out last
	room     *[]headerLine // its lines, while it is out
	waiting  []asked       // from first on, what the switch has not answered yet
	first    int
	writeErr error // of a broken write
	over     bool  // nothing more comes

	woken atomic.Bool
	mu    sync.Mutex
	err   error // why the connection ended
}

// NewConn takes nc over. Close must be called in any case, also after the connection
// ended by itself. Every wait, and Wake, is by the read and write deadlines of nc.
func NewConn(nc net.Conn, cfg Config) *Conn {
	c := &Conn{nc: nc, cfg: cfg.withDefaults()}
	c.in.start(c)
	return c
}

// Next waits for the next event: until a time, unless that is zero, or until somebody
// calls Wake. It returns ErrTimeout and ErrWoken then, and the connection goes on as if
// it had not been called. Any other error is the end of the connection, see Err; the
// events that came before it have been returned. The limits of Config hold while
// somebody waits here.
//
// The event is good until the next call.
func (c *Conn) Next(until time.Time) (Event, error) {
	c.next.Lock()
	defer c.next.Unlock()
	c.release()
	if c.over {
		return Event{}, c.Err()
	}
	for {
		f, err := c.in.frameLocked(until)
		if err != nil {
			return Event{}, c.failedLocked(err)
		}
		event, err := c.take(f)
		if event && err == nil {
			err = c.pace.event()
		}
		switch {
		case err != nil:
			return Event{}, c.failedLocked(err)
		case event:
			return Event{&c.event}, nil
		}
	}
}

// Patient lets the peer be silent for as long as it likes from now on. Whoever called
// Next calls it; IdleTimeout is for peers who owe us something.
func (c *Conn) Patient() {
	c.cfg.IdleTimeout = patience
	if c.in.kind == KindIdle {
		c.in.due = time.Time{}
	}
}

// patience is longer than any call.
const patience = 10 * 365 * 24 * time.Hour

// Wake ends the wait of Next, or else the next one before it begins.
func (c *Conn) Wake() {
	c.woken.Store(true)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// Err says why the connection ended, and nil while it lives: io.EOF after the
// peer closed it between two frames, net.ErrClosed after Close, a
// *ProtocolError, or what the network said.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection if it lives. It always returns nil. What is still on its
// way, in either direction, may be lost: to part in peace send Exit and wait for the
// peer's end first.
func (c *Conn) Close() error {
	c.end(net.ErrClosed)
	if c.next.TryLock() { // else Next does it, when it sees the end
		c.in.dec.drop()
		c.next.Unlock()
	}
	return nil
}

// end ends the connection; only the first reason counts.
func (c *Conn) end(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	c.mu.Unlock()
	if first {
		// What Close says does not matter: the connection is given up.
		_ = c.nc.Close()
	}
}

// failedLocked returns what Next reports, after it ended the connection if it has to.
func (c *Conn) failedLocked(err error) error {
	if err == ErrTimeout || err == ErrWoken {
		return err
	}
	c.over = true
	c.end(err)
	c.release()
	c.in.dec.drop()
	return c.Err()
}

// take deals with one frame. It reports whether that came to an event.
func (c *Conn) take(f Frame) (event bool, err error) {
	switch f.ContentType() {
	case typeCommandReply:
		return c.takeReply(f)
	case typeEventPlain:
		c.event, err = plainEvent(f.Body(), c.cfg.Limits.HeaderLines, c.lineRoom())
		return true, err
	case typeDisconnectNotice:
		c.event, err = disconnectNotice(f, c.lineRoom())
		return true, err
	case typeAPIResponse:
		return c.takeBody(f)
	}
	return false, fault(KindUnexpected, f.ContentType())
}

func (c *Conn) takeReply(f Frame) (event bool, err error) {
	cmd, ok := c.repliedTo()
	if !ok {
		return false, fault(KindUnexpectedReply, "no command is unanswered")
	}
	text, ok, err := replyText(cmd, f)
	switch {
	case err != nil:
		return false, err
	case !ok:
		c.event, err = commandError(cmd, text)
		return true, err
	case cmd.connects():
		c.event, err = channelData(f, c.lineRoom())
		return true, err
	}
	return false, nil
}

// takeBody makes an event of what came back for a command of the api.
func (c *Conn) takeBody(f Frame) (event bool, err error) {
	cmd, ok := c.repliedTo()
	if !ok || !cmd.apis() {
		return false, fault(KindUnexpectedReply, "nobody asked the api")
	}
	text := strings.TrimSpace(string(f.Body()))
	if strings.HasPrefix(text, "-") { // -ERR or -USAGE
		c.event, err = commandError(cmd, text)
	} else {
		c.event, err = apiReply(cmd, text)
	}
	return true, err
}

// lineRoom returns room for the lines of an event, until release.
func (c *Conn) lineRoom() []headerLine {
	if c.room == nil {
		c.room = lineRooms.Get().(*[]headerLine)
	}
	return *c.room
}

// release ends the life of the event that was given out last.
func (c *Conn) release() {
	if c.room != nil {
		if lines := c.event.lines.lines; cap(lines) > cap(*c.room) {
			*c.room = lines[:0]
		}
		lineRooms.Put(c.room)
		c.room = nil
	}
	c.event = eventData{}
}
