package freeswitch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// askAgain is how long a look at a door may be overtaken by its opening or shutting.
const askAgain = 20 * time.Millisecond

// Alive returns nil when calls that come are taken up: at each address that [Server.Serve]
// listens on, it connects and waits, until ctx ends, for the connection to be accepted and
// to come back. It looks like a call to nobody: it is in no metric, no log line and no
// limit. While calls are refused, see [Server.Refusing], it asks whoever waits for room
// instead. Looked is whether it has had an answer: a server that serves nothing, or lets its last calls end, is alive. So is one
// whose machine has no descriptor or port left to look with, or no way to the address, as
// to a floating one that another machine has by now.
func (s *Server) Alive(ctx context.Context) (looked bool, err error) {
	s.mu.Lock()
	doors := make([]*door, 0, len(s.doors))
	for d := range s.doors {
		doors = append(doors, d)
	}
	s.mu.Unlock()
	for _, d := range doors {
		answered, err := d.alive(ctx)
		if err != nil {
			return looked, fmt.Errorf("freeswitch: calls that come are not taken up: %w", err)
		}
		looked = looked || answered
	}
	return looked, nil
}

func (d *door) alive(ctx context.Context) (looked bool, err error) {
	var last error
	for {
		d.mu.Lock()
		ln, open, over := d.ln, d.open, d.over
		d.mu.Unlock()
		if over {
			return false, nil
		}
		if open {
			looked, last = d.knock(ctx, ln.Addr())
			if last == nil || slices.ContainsFunc(blind, func(e syscall.Errno) bool { return errors.Is(last, e) }) {
				return looked, nil
			}
		}
		select {
		case d.asked <- struct{}{}:
			return true, nil
		case <-time.After(askAgain): // it may have been opened or shut
		case <-ctx.Done():
			return false, cmp.Or(last, ctx.Err())
		}
	}
}

// blind is what the machine answers to who looks where nobody can: no restart mends that.
var blind = []syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.EINVAL,
	syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EACCES, syscall.EPERM,
}

// knock connects to the door and waits for the connection to come back.
func (d *door) knock(ctx context.Context, at net.Addr) (looked bool, err error) {
	tcp, ok := at.(*net.TCPAddr)
	if !ok {
		return false, nil // a listener of another kind is its owner's to look after
	}
	from := reserve(tcp)
	if from == nil {
		return false, nil
	}
	key, answered := knockOf(from), make(chan struct{})
	d.mu.Lock()
	d.knocks[key] = answered
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.knocks, key)
	}()
	to := net.TCPAddr{IP: from.IP, Port: tcp.Port, Zone: from.Zone}
	nc, err := (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", to.String())
	if err != nil {
		return false, err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	nc.Read(make([]byte, 1)) //nolint:errcheck // ends, however it does
	select {
	case <-answered:
		return true, nil
	default:
		return false, cmp.Or(ctx.Err(), errors.New("the connection broke before it was accepted"))
	}
}

// reserve returns an address to connect from, which has to be known before the connection
// can be accepted; nil where there is none.
func reserve(to *net.TCPAddr) *net.TCPAddr {
	from := []net.IP{to.IP}
	if to.IP.IsUnspecified() {
		from = []net.IP{net.IPv6loopback, net.IPv4(127, 0, 0, 1)}
		if to.IP.To4() != nil {
			from = from[1:]
		}
	}
	for _, ip := range from {
		if ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip, Zone: to.Zone}); err == nil {
			defer ln.Close()
			return ln.Addr().(*net.TCPAddr)
		}
	}
	return nil
}

// answer gives a connection of Alive back, and reports whether it is one.
func (d *door) answer(nc net.Conn, s *Server) bool {
	from, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	key := knockOf(from)
	d.mu.Lock()
	answered, ok := d.knocks[key]
	delete(d.knocks, key)
	d.mu.Unlock()
	if !ok {
		return false
	}
	s.Calls() // what every call needs, too
	close(answered)
	nc.Close()
	return true
}

func knockOf(from *net.TCPAddr) netip.AddrPort {
	a := from.AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
