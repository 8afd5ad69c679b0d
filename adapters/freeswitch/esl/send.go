package esl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// batch is the commands of one Do or Post, from the write to the last reply.
type batch struct {
	cmds     []Command
	replies  []Reply
	answered chan struct{} // closed when replies is full; nil for Post
	got      int
	next     *batch
}

func newBatch(cmds []Command, wait bool) *batch {
	b := &batch{cmds: slices.Clone(cmds)}
	if wait {
		b.replies = make([]Reply, len(cmds))
		b.answered = make(chan struct{})
	}
	return b
}

// batches is a queue of what is unanswered, in the order of the wire. Nobody
// leaves it but by a reply: one who gives up keeps the place.
type batches struct{ first, last *batch }

func (q *batches) push(b *batch) {
	if q.first == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
}

// pop returns the batch and the number of the command that is answered next.
func (q *batches) pop() (*batch, int) {
	b := q.first
	if b == nil {
		return nil, 0
	}
	i := b.got
	if b.got++; b.got == len(b.cmds) {
		if q.first = b.next; q.first == nil {
			q.last = nil // or it would keep the last replies in memory
		}
	}
	return b, i
}

// drop removes b, of which nothing was written.
func (q *batches) drop(b *batch) {
	var before *batch
	for at := q.first; at != nil; before, at = at, at.next {
		if at != b {
			continue
		}
		if before == nil {
			q.first = at.next
		} else {
			before.next = at.next
		}
		if q.last == b {
			q.last = before
		}
		return
	}
}

var writeBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 1024)
	return &b
}}

// send writes a batch. Either all of it is safe to write, or nothing is.
func (c *Conn) send(ctx context.Context, b *batch) error {
	buf := writeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= mediumBuffer {
			*buf = (*buf)[:0]
			writeBuffers.Put(buf)
		}
	}()
	for _, cmd := range b.cmds {
		var err error
		if *buf, err = AppendCommand(*buf, cmd); err != nil {
			return err
		}
	}
	if len(b.cmds) == 0 {
		return c.Err()
	}
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return c.Err()
	}
	defer func() { <-c.writing }()
	if c.writeErr != nil {
		return c.writeErr
	}
	c.mu.Lock()
	err := c.err
	if err == nil {
		c.waiting.push(b) // first: the reply may be here before Write returns
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.write(ctx, b, *buf)
}

// write writes p, of batch b, while holding writing. A write that the peer does
// not take ends with WriteTimeout, or with ctx.
func (c *Conn) write(ctx context.Context, b *batch, p []byte) error {
	// An error of SetWriteDeadline shows in Write as well.
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	release := c.interrupt(ctx)
	n, err := c.nc.Write(p)
	release()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		c.mu.Lock()
		c.waiting.drop(b)
		c.mu.Unlock()
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		// Half a command cannot be taken back.
		c.end(&ProtocolError{Kind: KindWrite, Err: err})
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// The reader goes on: the peer's last events may still be on their way,
	// and it will meet the same end.
	c.writeErr = fmt.Errorf("esl: write: %w", err)
	if err := c.Err(); err != nil {
		return err
	}
	return c.writeErr
}

// interrupt makes the end of ctx end a write, until release is called.
func (c *Conn) interrupt(ctx context.Context) (release func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		_ = c.nc.SetWriteDeadline(time.Unix(1, 0))
	})
	return func() {
		if !stop() {
			<-over // or it would end the next write
		}
	}
}
