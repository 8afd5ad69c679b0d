package freeswitch

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// Server serves the calls that FreeSWITCH's socket application hands over, and
// watches those that wait in its queues. It is safe for concurrent use.
type Server struct {
	setup   atomic.Pointer[setup]
	metrics *metrics
	log     *slog.Logger
	watcher *watcher
	dial    func(address, password string) (switchConn, error)

	strangers, unopened, words seldom // warnings about whoever connects, and about the dialplan

	// cut ends when calls in progress have to end now.
	cut    context.Context
	cutNow context.CancelFunc

	mu    sync.Mutex
	calls int
	full  chan struct{} // ends when there is room again; nil while there is some
	doors map[*door]bool
}

// setup is what a Server works by, until [Server.Reload] replaces it. It does not
// change; a call keeps the one that it began with.
type setup struct {
	Config
	profiles *profiles
}

// New returns a Server. The error lists every problem of the configuration, see
// [Config.Validate].
func New(cfg Config) (*Server, error) {
	first, err := cfg.ready()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(first.Registerer, first.Inbound)
	if err != nil {
		return nil, err
	}
	s := &Server{metrics: m, log: first.Logger, dial: dialLibrary, doors: map[*door]bool{}}
	s.watcher = newWatcher(s, first.Inbound, first.Claims)
	s.setup.Store(first)
	m.limit.Set(float64(first.MaxCalls))
	s.cut, s.cutNow = context.WithCancel(context.Background())
	return s, nil
}

// Reload goes on with another configuration for the calls that come; calls in
// progress keep theirs. Client, Inbound, Claims, Trace, Logger and Registerer stay as they were
// given to [New]. The error lists every problem, see [Config.Validate]; the server then
// goes on as before.
func (s *Server) Reload(cfg Config) error {
	old := s.setup.Load()
	cfg.Client, cfg.Inbound, cfg.Claims, cfg.Logger, cfg.Registerer = old.Client, old.Inbound, old.Claims, old.Logger, old.Registerer
	cfg.Trace = old.Trace
	next, err := cfg.ready()
	if err != nil {
		return err
	}
	s.setup.Store(next)
	s.metrics.limit.Set(float64(next.MaxCalls))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoomLocked()
	s.shutIfFullLocked()
	return nil
}

// Serve accepts calls until ctx ends. Then it closes ln, lets the calls in
// progress go on for at most Config.DrainTimeout, ends the rest so that their
// callers go on in the dialplan, and returns nil when the last call is over. It
// returns an error only when ln breaks.
//
// While as many calls as Config.MaxCalls allows are in progress, or no file descriptor
// is left, a listener of [Listen] is closed, and its address, which nobody else may
// listen on meanwhile, is listened on again when there is room: FreeSWITCH goes on
// with the next host of the dialplan only when nobody listens. Connections that
// wait to be accepted at that moment are reset. A listener with the methods Pause() error
// and Resume() error, for a socket that somebody else holds too, is told to instead, also
// to pause when ctx ends; its owner closes it. Other listeners stay open, because
// only their owner knows how to listen again: connections over the limit are accepted
// and closed at once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.serveDoor(ctx, newDoor(ln))
}

func (s *Server) serveDoor(ctx context.Context, d *door) error {
	s.mu.Lock()
	s.doors[d] = true
	if s.full != nil {
		d.shut()
	}
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, d.end)
	defer stop()
	var sessions sync.WaitGroup
	err := s.accept(ctx, d, &sessions)
	d.end()
	s.mu.Lock()
	delete(s.doors, d)
	s.mu.Unlock()

	drain := time.AfterFunc(s.setup.Load().DrainTimeout, s.Cut)
	defer drain.Stop()
	sessions.Wait()
	return err
}

// Cut ends the calls in progress now: their callers go on in the dialplan. The
// server cannot be used again.
func (s *Server) Cut() { s.cutNow() }

// Calls returns the number of calls in progress.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// allowed looks an address up in the allow-list. What has no IP address came
// through a listener of another kind, which guards itself.
func (s *Server) allowed(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return true
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	if !ok {
		return false
	}
	ip = ip.Unmap()
	for _, p := range s.setup.Load().Allow {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// stranger says who is not on the allow-list: it may be a switch that was forgotten,
// whose callers are offered nothing.
func (s *Server) stranger(peer net.Addr) {
	address := peer.String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	s.strangers.warn(s.log, address, "connection refused: its address is not allowed; if it is a FreeSWITCH of yours, add it to freeswitch.outbound.allow", "peer", address)
}

func (s *Server) reject(nc net.Conn, reason string) {
	s.metrics.rejected[reason].Inc()
	s.log.Debug("connection rejected", "reason", reason, "peer", nc.RemoteAddr().String())
	nc.Close()
}

// serve runs one call over a connection. Whatever happens, the connection gets
// closed, and a FreeSWITCH with socket_resume=true goes on with its dialplan.
func (s *Server) serve(nc net.Conn) {
	setup := s.setup.Load()
	conn := esl.NewConn(nc, esl.Config{
		// Events are 6 to 9 KB. A dialplan may keep much in variables, and each byte of
		// JSON can take three.
		Limits:            esl.Limits{HeaderLines: 4096, HeaderBytes: 512 << 10, BodyBytes: 512 << 10},
		FirstFrameTimeout: setup.FirstFrameTimeout,
		IdleTimeout:       setup.IdleTimeout,
	})
	defer func() {
		s.metrics.ended(conn.Err())
		conn.Close()
	}()
	newSession(s.cut, s, setup, newSocketLine(conn, s.cut, setup.Variables)).guarded()
}
