package esl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// reader reads the frames of a Conn within its limits of time.
type reader struct {
	c     *Conn
	dec   Decoder
	until time.Time // when whoever waits has waited long enough; zero for never

	kind Kind      // what it means when due is missed
	due  time.Time // of the peer; zero until somebody waits for it
	set  time.Time // the deadline that the connection has; zero if nobody knows
	away time.Time // since when nobody waits, which is not the peer's time; zero if unset
}

func (r *reader) start(c *Conn) {
	r.c, r.kind = c, KindFirstFrame
	r.due = time.Now().Add(c.cfg.FirstFrameTimeout)
	r.dec.init(r, c.cfg.Limits)
}

// frameLocked returns the next frame, ErrTimeout, ErrWoken, or why there are no more.
func (r *reader) frameLocked(until time.Time) (Frame, error) {
	r.until = until
	// What a switch owes us comes soon, with events. A peer that has not said anything yet
	// may be a stranger, who gets no more than the small buffer.
	r.dec.eager = r.c.first < len(r.c.waiting) && r.kind != KindFirstFrame
	if !r.away.IsZero() {
		r.due, r.away = r.due.Add(time.Since(r.away)), time.Time{}
	}
	for {
		f, need, err := r.dec.next()
		if err == nil && need == 0 {
			r.kind, r.due = KindIdle, time.Time{}
			return f, nil
		}
		if err == nil {
			err = r.dec.fill(need)
		}
		if err == ErrTimeout || err == ErrWoken {
			r.away = time.Now()
		}
		if err != nil {
			return Frame{}, r.explain(err)
		}
	}
}

// Read reads what is there, or waits for it. One limit of time holds for a whole frame,
// from its first bytes on.
func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.dec.partial() && r.kind != KindSlowFrame:
		r.kind, r.due = KindSlowFrame, time.Now().Add(r.c.cfg.FrameTimeout)
	case r.due.IsZero():
		r.due = time.Now().Add(r.c.cfg.IdleTimeout)
	}
	for {
		deadline := r.due
		if !r.until.IsZero() && r.until.Before(deadline) {
			deadline = r.until
		}
		if !r.set.Equal(deadline) {
			// It fails when the connection has ended, and Read tells better how:
			// on a net.Pipe that the peer closed it still says io.EOF.
			_ = r.c.nc.SetReadDeadline(deadline)
			r.set = deadline
		}
		// After the deadline was set: a Wake that comes now takes it away again.
		if r.c.woken.Swap(false) {
			return 0, ErrWoken
		}
		n, err := r.c.nc.Read(p)
		late := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case !late:
			return n, err
		case n > 0: // no connection of this machine does that, but a wrapped one may
			return n, nil
		}
		switch now := time.Now(); {
		case r.c.woken.Load():
			// Above.
		case !now.Before(r.due):
			return 0, &ProtocolError{Kind: r.kind, Err: err}
		case !r.until.IsZero() && !now.Before(r.until):
			return 0, ErrTimeout
		}
		r.set = time.Time{}
	}
}

// explain turns a read error into what Next and Err report.
func (r *reader) explain(err error) error {
	var broken *ProtocolError
	if err == io.EOF || err == ErrTimeout || err == ErrWoken || errors.As(err, &broken) {
		return err
	}
	return fmt.Errorf("esl: read: %w", err)
}
