package freeswitch

import (
	"context"
	"net"
	"os"
	"syscall"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// For tests: switches that are reached without a network, so that time can stand still.
type (
	SwitchConn = switchConn
	Answer     = answer
	Notice     = notice
	Refused    = refusedError
)

// DialWith makes a server reach its switches by a function.
func (s *Server) DialWith(dial func(address, password string) (SwitchConn, error)) { s.dial = dial }

// ServeStarved is Serve when there is no descriptor for the first call.
func (s *Server) ServeStarved(ctx context.Context, ln net.Listener) error {
	d := newDoor(ln)
	d.ln = &starved{Listener: ln}
	return s.serveDoor(ctx, d)
}

type starved struct {
	net.Listener
	over bool
}

func (l *starved) Accept() (net.Conn, error) {
	if l.over {
		return l.Listener.Accept()
	}
	l.over = true
	c, err := l.Listener.Accept() // one that waits in the kernel's queue
	if err != nil {
		return nil, err
	}
	c.Close()
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
}

// NewAnswer is what a SwitchConn's Send returns.
func NewAnswer(text string) Answer { return answer{text: text} }

// Announced returns how many calls the server has in mind as announced, and how many
// it owes variables to.
func (s *Server) Announced() (calls, owed int) {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	for _, sw := range s.watcher.switches {
		for _, commands := range sw.owed {
			owed += len(commands)
		}
	}
	return len(s.watcher.calls), owed
}

// AnswerText is the text of an answer.
func AnswerText(a Answer) string { return a.text }

// Bridge is HandleEventSocket over a connection of the tests.
func (s *Server) Bridge(ctx context.Context, c SwitchConn) (deflect.Result, error) {
	return s.bridge(ctx, c)
}

// NewReply is what a SwitchConn's Send returns for a reply with headers.
func NewReply(headers Notice) Answer {
	return answer{text: headers.Get("Reply-Text"), headers: headers}
}

// ErrNoReply is what a SwitchConn's Send returns whose reply did not come.
var ErrNoReply = errNoReply

// CommandFor is what a session's command is for a call that waits.
func CommandFor(uuid string, c esl.Command) (string, bool) {
	cmd, ok := commandFor(uuid, c)
	return string(cmd), ok
}

// AllCommands are those that may be said with this id and this text in them.
func AllCommands(uuid, text string) []string {
	if !channelForm.MatchString(uuid) {
		return nil
	}
	all := []string{string(dump(uuid)), string(breakOff(uuid))}
	for _, f := range []func(string, string) (command, bool){broadcast, setVariables, transferTo} {
		if c, ok := f(uuid, text); ok {
			all = append(all, string(c))
		}
	}
	for _, app := range []string{"playback", "say", "multiset"} {
		if c, ok := commandFor(uuid, esl.Execute("x", app, text)); ok {
			all = append(all, string(c))
		}
	}
	return all
}

// ParseDump reads what a switch answers to uuid_dump.
func ParseDump(text string) (esl.Event, error) { return parseDump(text) }

// LibraryError is what becomes of an error of the library.
func LibraryError(err error) error { return libraryError(err) }

// Strangers is how many addresses that were refused are remembered.
func (s *Server) Strangers() int {
	s.strangers.mu.Lock()
	defer s.strangers.mu.Unlock()
	return len(s.strangers.next)
}
