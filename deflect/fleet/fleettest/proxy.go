package fleettest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes connections on to a server, until it is told otherwise.
type Proxy struct {
	Addr string // where it listens, host:port

	to string

	mu      sync.Mutex
	conns   map[net.Conn]bool // of clients and of the server
	stalled time.Time         // nothing passes before that
	swallow int               // answers that are to be lost
	refuse  bool              // no new connection is passed on
}

// StartProxy starts a proxy of a server's address. It ends with the test.
func StartProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("fleettest: %v", err)
	}
	p := &Proxy{Addr: l.Addr().String(), to: to, conns: map[net.Conn]bool{}}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.Refuse(true)
		all.Wait()
	})
	return p
}

// Cut resets all connections; new ones are passed on.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// First all of them: who hears of one's end closes the other one.
	for conn := range p.conns {
		abandon(conn)
	}
	for conn := range p.conns {
		conn.Close()
	}
	p.stalled = time.Time{}
}

// Refuse resets all connections, and new ones as well, or passes on new ones again.
func (p *Proxy) Refuse(yes bool) {
	p.mu.Lock()
	p.refuse = yes
	p.mu.Unlock()
	if yes {
		p.Cut()
	}
}

// Stall lets nothing pass for a while, in either direction, and returns at once. What is
// said meanwhile passes later.
func (p *Proxy) Stall(lasts time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = time.Now().Add(lasts)
}

// Swallow loses the next answer of the server, and resets its connection: what was asked
// for is done, and who asked does not know.
func (p *Proxy) Swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow++
}

// pass passes a client's connection on until either side ends it.
func (p *Proxy) pass(client net.Conn) {
	if !p.add(client) {
		return
	}
	defer p.drop(client)
	server, err := net.DialTimeout("tcp", p.to, 5*time.Second)
	if err != nil {
		reset(client)
		return
	}
	if !p.add(server) {
		return
	}
	defer p.drop(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, false) })
	both.Go(func() { p.copy(client, server, true) })
	both.Wait()
}

// copy passes on what comes from one side, until that or the other one ends.
func (p *Proxy) copy(to, from net.Conn, answers bool) {
	defer func() {
		to.Close()
		from.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.may(from, answers) {
				reset(to)
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// may waits until something may pass, and reports whether it does.
func (p *Proxy) may(from net.Conn, answer bool) bool {
	for {
		p.mu.Lock()
		wait, there := time.Until(p.stalled), p.conns[from]
		if wait <= 0 || !there {
			defer p.mu.Unlock()
			if there && answer && p.swallow > 0 {
				p.swallow--
				return false
			}
			return there
		}
		p.mu.Unlock()
		time.Sleep(min(wait, 10*time.Millisecond))
	}
}

func (p *Proxy) add(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse {
		reset(conn)
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *Proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn.Close()
	delete(p.conns, conn)
}

// reset ends a connection as a machine does that forgot it.
func reset(conn net.Conn) {
	abandon(conn)
	conn.Close()
}

// abandon lets the end of a connection be a reset, when it comes.
func abandon(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
}
