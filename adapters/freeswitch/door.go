package freeswitch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// door is where calls come in. It is shut while there is no room for them: FreeSWITCH
// goes on with the next host of its dialplan only when nobody listens, not when it is
// let in and then turned away. Those whom the kernel has let in by then are reset, and
// go on in their dialplan.
type door struct {
	address string   // to listen on again; "" for a listener that is not of Listen
	held    pausable // the listener, where it can pause; one that is neither stays open

	asked chan struct{} // received from by who waits at a shut door

	mu     sync.Mutex
	ln     net.Listener
	open   bool
	over   bool
	knocks map[netip.AddrPort]chan struct{} // by where they come from, see Server.Alive
}

// pausable is a listener that somebody else holds too, so that closing it lets callers in
// who then wait in the kernel's queue.
type pausable interface {
	Pause() error  // refuses connections, and resets those that wait; Accept fails
	Resume() error // takes them again
}

// listener is one that is closed and listened on again as it was.
type listener struct{ net.Listener }

// Listen listens on a TCP address, as [net.Listen] does, for [Server.Serve], which
// closes it while no calls are taken and then listens on the same address again.
func Listen(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return &listener{ln}, nil
}

func newDoor(ln net.Listener) *door {
	d := &door{ln: ln, open: true, asked: make(chan struct{}), knocks: map[netip.AddrPort]chan struct{}{}}
	if l, ok := ln.(*listener); ok {
		d.address = l.Addr().String()
	}
	d.held, _ = ln.(pausable)
	return d
}

func (d *door) accept() (net.Conn, error) {
	d.mu.Lock()
	ln := d.ln
	d.mu.Unlock()
	return ln.Accept()
}

// shut closes a door that can be opened again.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.open:
	case d.held != nil:
		d.open = d.held.Pause() != nil
	case d.address != "":
		d.open = false
		d.ln.Close()
	}
}

// canShut reports whether the door can be shut and opened again.
func (d *door) canShut() bool { return d.address != "" || d.held != nil }

// isShut reports whether the door is shut, and not for good.
func (d *door) isShut() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.open && !d.over
}

// reopen opens a door that is shut.
func (d *door) reopen() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open || d.over {
		return nil
	}
	if d.held != nil {
		err := d.held.Resume()
		d.open = err == nil
		return err
	}
	ln, err := Listen(d.address)
	if err == nil {
		d.ln, d.open = ln, true
	}
	return err
}

// end closes the door for good. One that can pause does: its owner closes it.
func (d *door) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	shut := !d.open
	d.over, d.open = true, false
	if d.held == nil || !shut && d.held.Pause() != nil {
		d.ln.Close()
	}
}

// kept waits at a door that is shut, and says so to who asks. It reports false when ctx
// ends first.
func kept[T any](ctx context.Context, d *door, until <-chan T) bool {
	for {
		select {
		case <-until:
			return true
		case <-d.asked:
		case <-ctx.Done():
			return false
		}
	}
}

// Refusing reports whether calls are refused just now: because as many as
// Config.MaxCalls allows are in progress, or because [Server.Serve] cannot listen for
// want of file descriptors or of its address.
func (s *Server) Refusing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := range s.doors {
		if d.isShut() {
			return true
		}
	}
	return s.full != nil
}

// enter lets a call in, and shuts the doors behind the last one that there is room for.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls >= s.setup.Load().MaxCalls {
		return false
	}
	s.calls++
	s.metrics.active.Inc()
	s.shutIfFullLocked()
	return true
}

// shutIfFullLocked shuts the doors when there is no room.
func (s *Server) shutIfFullLocked() {
	if s.full != nil || s.calls < s.setup.Load().MaxCalls {
		return
	}
	s.full = make(chan struct{})
	s.metrics.full.Inc()
	for d := range s.doors {
		d.shut()
	}
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls--
	s.metrics.active.Dec()
	s.makeRoomLocked()
}

// makeRoomLocked lets the doors open once there is room for several calls: else they would
// open for one call at a time.
func (s *Server) makeRoomLocked() {
	most := s.setup.Load().MaxCalls
	if s.full != nil && s.calls <= most-max(1, most/20) {
		close(s.full)
		s.full = nil
	}
}

// whenRoom returns a channel that is closed when there is room, nil when there is some.
func (s *Server) whenRoom() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

const (
	openAgain = 100 * time.Millisecond // after how long a door is opened for which a descriptor or the address was missing
	openMost  = time.Second            // at most, after doubling
)

// doorkeeper opens the door of one Serve again.
type doorkeeper struct {
	*door
	s     *Server
	pause time.Duration // of the last attempt
	said  seldom
}

// wait opens the door again once there is room, and not before a pause after an error.
// It reports false when ctx ends first.
func (d *doorkeeper) wait(ctx context.Context, err error) bool {
	for {
		if err != nil {
			d.said.warn(d.s.log, "", "calls are refused: cannot listen, trying again", "err", err)
			d.pause = min(max(2*d.pause, openAgain), openMost)
			if !kept(ctx, d.door, time.After(d.pause)) {
				return false
			}
		}
		for room := d.s.whenRoom(); room != nil; room = d.s.whenRoom() {
			d.said.warn(d.s.log, "", "calls are refused until some end: as many as allowed are in progress", "calls", d.s.Calls())
			if !kept(ctx, d.door, room) {
				return false
			}
		}
		if err = d.reopen(); err != nil {
			continue
		}
		if d.s.whenRoom() == nil {
			return ctx.Err() == nil
		}
		d.shut() // calls of other kinds came first
	}
}

// accept lets calls in until ctx ends.
func (s *Server) accept(ctx context.Context, d *door, sessions *sync.WaitGroup) error {
	keeper := doorkeeper{door: d, s: s}
	backoff := time.Duration(0)
	for {
		nc, err := d.accept()
		if err == nil && d.answer(nc, s) {
			continue
		}
		switch {
		case ctx.Err() != nil:
			if err == nil {
				s.reject(nc, rejectedShutdown)
			}
			return nil
		case err != nil && d.isShut():
			if !keeper.wait(ctx, nil) {
				return nil
			}
			continue
		case errors.Is(err, net.ErrClosed):
			if ctx.Err() != nil { // since it was looked at
				return nil
			}
			return err
		case err != nil && d.canShut() && (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)):
			// Nobody shall wait in the kernel's queue for a descriptor: the
			// next host of the dialplan may have some.
			d.shut()
			if !keeper.wait(ctx, err) {
				return nil
			}
			continue
		case err != nil:
			backoff = min(max(2*backoff, 5*time.Millisecond), time.Second)
			s.log.Warn("accept failed, trying again", "err", err, "pause", backoff)
			select {
			case <-time.After(backoff):
			case <-ctx.Done():
			}
			continue
		}
		backoff, keeper.pause = 0, 0
		if peer := nc.RemoteAddr(); !s.allowed(peer) {
			s.reject(nc, rejectedNotAllowed)
			s.stranger(peer)
			continue
		}
		if !s.enter() {
			s.reject(nc, rejectedMaxCalls)
			continue
		}
		sessions.Go(func() {
			defer s.leave()
			s.serve(nc)
		})
	}
}
