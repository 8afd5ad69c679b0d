package esl

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

var writeBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 1024)
	return &b
}}

// Post writes the commands in one write and does not wait for the replies. A refusal
// arrives as an event named CommandError, the channel data of Connect as one named
// ChannelData. Either all of the commands are safe to write, or nothing is written.
func (c *Conn) Post(cmds ...Command) error {
	buf := writeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= mediumBuffer {
			*buf = (*buf)[:0]
			writeBuffers.Put(buf)
		}
	}()
	for _, cmd := range cmds {
		var err error
		if *buf, err = AppendCommand(*buf, cmd); err != nil {
			return err
		}
	}
	if err := c.Err(); err != nil {
		return err
	}
	if c.writeErr != nil || len(cmds) == 0 {
		return c.writeErr
	}
	if c.first > len(c.waiting)/2 {
		c.waiting, c.first = slices.Delete(c.waiting, 0, c.first), 0
	}
	for _, cmd := range cmds {
		c.waiting = append(c.waiting, asked{cmd.word, cmp.Or(cmd.app, cmd.api()), cmd.uuid})
	}
	return c.write(*buf)
}

// keptAsked is for how many commands a connection keeps room while it waits: the first ones
// are many at once, and the caller then listens for a long time.
const keptAsked = 8

// repliedTo returns the command that the next reply belongs to.
func (c *Conn) repliedTo() (asked, bool) {
	if c.first == len(c.waiting) {
		return asked{}, false
	}
	a := c.waiting[c.first]
	c.waiting[c.first] = asked{}
	if c.first++; c.first == len(c.waiting) {
		c.waiting, c.first = c.waiting[:0], 0
		if cap(c.waiting) > keptAsked {
			c.waiting = nil
		}
	}
	return a, true
}

// write writes p. A write that the peer does not take ends with WriteTimeout.
func (c *Conn) write(p []byte) error {
	// An error of SetWriteDeadline shows in Write as well.
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	_, err := c.nc.Write(p)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		// Half a command cannot be taken back.
		c.end(&ProtocolError{Kind: KindWrite, Err: err})
	}
	// Next goes on: the peer's last events may still be on their way, and it will
	// meet the same end.
	c.writeErr = fmt.Errorf("esl: write: %w", err)
	if err := c.Err(); err != nil {
		return err
	}
	return c.writeErr
}
