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
	Reply      = reply
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

// TextReply is what a SwitchConn's Send returns for an api command.
func TextReply(text string) Reply { return reply{text: text} }

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

// ReplyText is the text of a reply.
func ReplyText(r Reply) string { return r.text }

// Bridge is HandleEventSocket over a connection of the tests.
func (s *Server) Bridge(ctx context.Context, c SwitchConn) (deflect.Result, error) {
	return s.bridge(ctx, c)
}

// HeaderReply is what a SwitchConn's Send returns for another command.
func HeaderReply(headers Notice) Reply {
	return reply{text: headers.Get("Reply-Text"), headers: headers}
}

// ErrNoReply is what a SwitchConn's Send returns whose reply did not come.
var ErrNoReply = errNoReply

// Word is what a session says to its line.
type Word = word

func Open() Word              { return word{do: doOpen} }
func AnswerCall() Word        { return word{do: doAnswer} }
func ListenTo() Word          { return word{do: doListen} }
func Play(prompt string) Word { return word{do: doPlay, id: "p", prompt: prompt} }
func Say(language, digits string) Word {
	return word{do: doSay, id: "s", language: language, digits: digits}
}
func Stop() Word                    { return word{do: doStop} }
func Set(pairs ...string) Word      { return word{do: doSet, set: assigned(pairs)} }
func GiveBack(pairs ...string) Word { return word{do: doGiveBack, set: assigned(pairs)} }

func assigned(pairs []string) (set []assignment) {
	for i := 0; i < len(pairs); i += 2 {
		set = append(set, assignment{pairs[i], pairs[i+1]})
	}
	return set
}

// CommandFor is what a word is for a call that waits.
func CommandFor(uuid string, w Word) (string, bool) {
	cmd, ok := commandFor(uuid, w)
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
	for _, w := range []word{Play(text), Say(text, "1"), Say("en", text), Set("a", text), Set(text, "a"), GiveBack("a", text)} {
		if c, ok := commandFor(uuid, w); ok {
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

// Stick holds what every call needs, until the test lets go of it.
func (s *Server) Stick() (release func()) {
	s.mu.Lock()
	return s.mu.Unlock
}
