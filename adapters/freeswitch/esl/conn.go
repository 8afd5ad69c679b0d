package esl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Config is how a Conn treats its peer. A value of zero or less means the
// default.
type Config struct {
	Limits     Limits
	EventQueue int // events waiting to be received from Events; 64

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
	if c.EventQueue <= 0 {
		c.EventQueue = 64
	}
	c.Limits = c.Limits.withDefaults()
	return c
}

// Conn is our end of one outbound socket: commands go out, replies come back
// in the order of the commands, events come through a channel. All methods
// are safe for concurrent use.
type Conn struct {
	nc     net.Conn
	cfg    Config
	events chan Event

	writing  chan struct{} // held by whoever writes
	writeErr error         // of a broken write; held with writing

	mu      sync.Mutex
	waiting batches // what the switch has not answered yet
	err     error   // why the connection ended

	done    chan struct{} // closed when err is set
	stopped chan struct{} // closed when the reader is gone
}

// NewConn takes nc over and starts to read from it. Close must be called in
// any case, also after the connection ended by itself.
func NewConn(nc net.Conn, cfg Config) *Conn {
	cfg = cfg.withDefaults()
	c := &Conn{
		nc:      nc,
		cfg:     cfg,
		events:  make(chan Event, cfg.EventQueue),
		writing: make(chan struct{}, 1),
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go c.read()
	return c
}

// Do writes the commands in one write and waits for all their replies. A
// command that the switch refused is a Reply that is not OK, not an error.
// When ctx ends first Do returns its cause; the replies that are still to come
// are thrown away when they arrive. If ctx ends while the peer has taken only
// a part of the write, the connection ends too.
func (c *Conn) Do(ctx context.Context, cmds ...Command) ([]Reply, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	b := newBatch(cmds, true)
	if err := c.send(ctx, b); err != nil {
		return nil, err
	}
	if len(cmds) == 0 {
		return nil, nil
	}
	select {
	case <-b.answered:
		return b.replies, nil
	case <-ctx.Done():
	case <-c.done:
	}
	select {
	case <-b.answered: // at the same moment; replies are worth more
		return b.replies, nil
	default:
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, c.Err()
}

// Post writes the commands in one write and does not wait for the replies. A
// refusal arrives as an event named CommandError, the channel data of Connect
// as one named ChannelData.
func (c *Conn) Post(cmds ...Command) error {
	return c.send(context.Background(), newBatch(cmds, false))
}

// Events returns the channel of events. It is closed when the connection has
// ended, after the events that came before the end. Whoever receives too
// slowly, so that the queue overflows, loses the connection and no event
// before that.
func (c *Conn) Events() <-chan Event { return c.events }

// Done returns a channel that is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection ended, and nil while it lives: io.EOF after the
// peer closed it between two frames, net.ErrClosed after Close, a
// *ProtocolError, or what the network said.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection if it lives and waits for its reader. It always
// returns nil. What is still on its way, in either direction, may be lost: to
// part in peace send Exit and wait for Done first.
func (c *Conn) Close() error {
	c.end(net.ErrClosed)
	<-c.stopped
	return nil
}

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// end ends the connection; only the first reason counts.
func (c *Conn) end(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		close(c.done)
	}
	c.mu.Unlock()
	if first {
		// What Close says does not matter: the connection is given up.
		_ = c.nc.Close()
	}
}

// read is the reader goroutine. It never waits for anything but the peer.
func (c *Conn) read() {
	defer close(c.stopped)
	defer close(c.events)
	src := &timedReader{c: c, kind: KindFirstFrame}
	src.dec = NewDecoder(src, c.cfg.Limits)
	for {
		f, err := src.dec.Decode()
		if err == nil {
			src.nextFrame()
			err = c.take(f)
		}
		if err != nil {
			c.end(src.explain(err))
			return
		}
	}
}

// take deals with one frame.
func (c *Conn) take(f Frame) error {
	switch f.ContentType() {
	case typeCommandReply:
		return c.takeReply(f)
	case typeEventPlain:
		return c.deliver(newEvent(f.Body(), c.cfg.Limits.HeaderLines))
	case typeDisconnectNotice:
		return c.deliver(disconnectNotice(f))
	case typeAPIResponse:
		return fault(KindUnexpectedReply, "nobody asked the api")
	}
	return fault(KindUnexpected, f.ContentType())
}

func (c *Conn) takeReply(f Frame) error {
	c.mu.Lock()
	b, i := c.waiting.pop()
	c.mu.Unlock()
	if b == nil {
		return fault(KindUnexpectedReply, "no command is unanswered")
	}
	cmd := b.cmds[i]
	r, err := newReply(cmd, f)
	if err != nil {
		return err
	}
	if b.answered == nil {
		switch {
		case !r.OK():
			return c.deliver(commandError(cmd, r.text))
		case r.event.d != nil:
			return c.deliver(r.event, nil)
		}
		return nil
	}
	// Nobody looks at replies before answered is closed.
	b.replies[i] = r
	if i == len(b.cmds)-1 {
		close(b.answered)
	}
	return nil
}

// deliver queues what one of the makers of events returned.
func (c *Conn) deliver(e Event, err error) error {
	if err != nil {
		return err
	}
	select {
	case c.events <- e:
		return nil
	default:
		return fault(KindEventQueue, fmt.Sprintf("more than %d events waiting", cap(c.events)))
	}
}

// timedReader sets the deadline for each read from what is being waited for.
type timedReader struct {
	c    *Conn
	dec  *Decoder
	kind Kind // what a missed deadline means now
}

// Read sets one deadline for a whole frame, when its first bytes are here.
func (r *timedReader) Read(p []byte) (int, error) {
	wait := time.Duration(0)
	switch {
	case r.dec.partial():
		if r.kind != KindSlowFrame {
			r.kind, wait = KindSlowFrame, r.c.cfg.FrameTimeout
		}
	case r.kind == KindFirstFrame:
		wait = r.c.cfg.FirstFrameTimeout
	default:
		wait = r.c.cfg.IdleTimeout
	}
	if wait > 0 {
		// It fails when the connection has ended, and Read tells better how:
		// on a net.Pipe that the peer closed it still says io.EOF.
		_ = r.c.nc.SetReadDeadline(time.Now().Add(wait))
	}
	return r.c.nc.Read(p)
}

// nextFrame says that a frame is complete.
func (r *timedReader) nextFrame() { r.kind = KindIdle }

// explain turns a read error into what Err reports.
func (r *timedReader) explain(err error) error {
	var broken *ProtocolError
	switch {
	case err == io.EOF || errors.As(err, &broken):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &ProtocolError{Kind: r.kind, Err: err}
	}
	return fmt.Errorf("esl: read: %w", err)
}
