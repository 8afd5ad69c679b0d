package freeswitchtest

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Switch is a FreeSWITCH that programs dial on the port of its event socket.
// Calls wait in it, and programs steer them from outside. Its zero value
// listens to the password ClueCon. The fields are set before it is used.
type Switch struct {
	// Password is what auth must bring. Empty means ClueCon.
	Password string
	// Refuse means that the switch's access list lets nobody in.
	Refuse bool
	// Prompts, Missing and Exists are those of every call, as in Call. A call that
	// names a file itself, or has an Exists, goes before.
	Prompts map[string]time.Duration
	Missing []string
	Exists  func(file string) bool
	// Contexts are those of the XML dialplan, by their names: what is in their
	// elements. Nil means that each has every extension. Modules are loaded
	// besides the usual ones.
	Contexts map[string]string
	Modules  []string
	// Globals are its global variables; sound_prefix and sounds_dir are set besides.
	// Settings are parameters of event_socket.conf beside those that it has by itself:
	// what the file says, which need not be what the switch goes by.
	Globals  map[string]string
	Settings map[string]string

	life     sync.Mutex // of Start and Stop
	serving  sync.WaitGroup
	listener net.Listener

	mu         sync.Mutex
	addr       string
	stopped    bool
	core       string
	sequence   int
	listeners  []*listener
	calls      map[string]*Waiting
	order      []*Waiting // as they came
	unread     int        // how much a program may leave unread, 0 for maxUnread
	agenda     agenda
	timer      *time.Timer
	commands   []string
	violations []string
	expansions []string
}

// Start listens on a free port of 127.0.0.1, after a Stop on the same one.
func (s *Switch) Start() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.listener != nil {
		return fmt.Errorf("freeswitchtest: start switch: it has been started")
	}
	addr := s.Addr()
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("freeswitchtest: start switch: %w", err)
	}
	s.listener = l
	s.mu.Lock()
	s.addr, s.stopped = l.Addr().String(), false
	s.mu.Unlock()
	s.serving.Go(func() { s.accept(l) })
	return nil
}

func (s *Switch) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.serving.Go(func() { s.ServeConn(conn) })
	}
}

// Addr is where the switch listens, or did last. Empty before the first Start.
func (s *Switch) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Stop ends the switch: nobody listens any more, all connections break and all
// calls are gone. It waits until what Start began has ended.
func (s *Switch) Stop() {
	s.life.Lock()
	defer s.life.Unlock()
	s.mu.Lock()
	s.stopped = true
	s.forgetLocked()
	s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
		s.listener = nil
	}
	s.serving.Wait()
}

// Restart is a FreeSWITCH that went down and came up again: all connections
// break, all calls are gone without a word, and the switch has a new id.
func (s *Switch) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetLocked()
}

// forgetLocked leaves nothing of what went on.
func (s *Switch) forgetLocked() {
	s.dropLocked()
	for _, w := range s.order {
		w.lostLocked()
	}
	s.calls, s.order, s.agenda = nil, nil, nil
	s.core, s.sequence = "", 0
}

// Drop breaks all connections without a word. The calls go on.
func (s *Switch) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked()
}

func (s *Switch) dropLocked() {
	for _, l := range s.listeners {
		l.breakOffLocked()
	}
	s.listeners = nil
}

// Listeners counts the connections that have brought the password.
func (s *Switch) Listeners() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.listeners {
		if l.authed {
			n++
		}
	}
	return n
}

// Calls counts the calls that exist.
func (s *Switch) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order)
}

// Commands are all commands of all connections in the order in which they
// came, without the empty line that ends them and without the password.
func (s *Switch) Commands() []string { return s.copyOf(&s.commands) }

// Violations are commands that FreeSWITCH does not accept, that are dangerous
// or that nobody can have meant. Empty is the only good value. That a call is
// gone is no violation: it can happen to everybody.
func (s *Switch) Violations() []string { return s.copyOf(&s.violations) }

// Expansions are the ${...} that came in commands, which the switch evaluates
// sooner or later. ${system(...)} runs a program.
func (s *Switch) Expansions() []string { return s.copyOf(&s.expansions) }

func (s *Switch) copyOf(list *[]string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(*list)
}
