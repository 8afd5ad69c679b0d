package freeswitchtest

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// A listener is one connection of a program to the switch.
type listener struct {
	sw     *Switch
	conn   net.Conn
	wire   *wire
	broken chan struct{}

	authed  bool
	over    bool
	exited  bool
	cut     bool // without a word
	wanted  subscription
	busy    bool     // with a command: events wait for its answer
	waiting [][]byte // these
}

// maxUnread is how much the switch keeps for a program that does not read. It
// would give up on it after 100,000 events.
const maxUnread = 256 << 20

// authWait is how long the switch waits for the first command.
const authWait = 25 * time.Second

const (
	authRequest   = "Content-Type: auth/request\n\n"
	rudeRejection = "Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"
)

// ServeConn serves one connection, for example an end of net.Pipe, until it
// ends, and closes it. A switch that was stopped closes it at once.
func (s *Switch) ServeConn(conn net.Conn) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		_ = conn.Close()
		return
	}
	l := &listener{sw: s, conn: conn, wire: newWire(conn), broken: make(chan struct{})}
	if l.wire.limit = s.unread; s.unread == 0 {
		l.wire.limit = maxUnread
	}
	s.listeners = append(s.listeners, l)
	if s.Refuse {
		l.wire.send([]byte(rudeRejection))
		l.sayGoodbyeLocked()
	} else {
		l.wire.send([]byte(authRequest))
	}
	s.mu.Unlock()
	l.serve()
	l.wire.finish(l.broken)
	commands, _ := l.wire.take()
	l.receiveAll(commands)
}

func (l *listener) serve() {
	first := time.NewTimer(authWait)
	defer first.Stop()
	for {
		commands, err := l.wire.take()
		if len(commands) > 0 {
			first.Stop()
		}
		l.receiveAll(commands)
		if l.ended(err) {
			return
		}
		select {
		case <-l.wire.wake:
		case <-l.broken:
			return
		case <-first.C:
			l.sw.mu.Lock()
			l.sayGoodbyeLocked()
			l.sw.mu.Unlock()
			return
		}
	}
}

// ended tells whether the connection is over, and leaves the switch then.
func (l *listener) ended(err error) bool {
	l.sw.mu.Lock()
	defer l.sw.mu.Unlock()
	if errors.Is(err, errSlowReader) || errors.Is(err, errCommandTooLong) {
		l.sw.violations = append(l.sw.violations, err.Error())
	}
	if err == nil && !l.over {
		return false
	}
	l.leaveLocked()
	return true
}

// leaveLocked takes the connection from those that hear events.
func (l *listener) leaveLocked() {
	l.over = true
	l.sw.listeners = slices.DeleteFunc(l.sw.listeners, func(o *listener) bool { return o == l })
}

// breakOffLocked ends the connection without a word.
func (l *listener) breakOffLocked() {
	l.over, l.cut = true, true
	close(l.broken)
	_ = l.conn.Close()
}

// sayGoodbyeLocked ends the connection from the switch's side.
func (l *listener) sayGoodbyeLocked() {
	l.wire.send(fmt.Appendf(nil, "Content-Type: text/disconnect-notice\nContent-Length: %d\n\n%s", len(goodbye), goodbye))
	l.wire.hangUp()
	l.leaveLocked()
}

func (l *listener) receiveAll(commands []string) {
	for _, c := range commands {
		l.sw.mu.Lock()
		l.receiveLocked(c)
		l.sw.mu.Unlock()
	}
}

// receiveLocked takes one command and answers it.
func (l *listener) receiveLocked(text string) {
	if l.cut {
		return // nobody hears it
	}
	s, shown := l.sw, withoutPassword(text)
	s.commands = append(s.commands, shown)
	if l.over {
		if l.exited {
			s.violations = append(s.violations, violation("a command after exit", shown))
		}
		return
	}
	problems := CheckInbound(text)
	s.expansions = append(s.expansions, expansions(text)...)
	for _, p := range problems {
		s.violations = append(s.violations, violation(p, shown))
	}
	l.busy = true
	answer := l.answerLocked(parseCommand(text))
	l.busy = false
	if refused(answer) && len(problems) == 0 && !unset(text, answer) {
		s.violations = append(s.violations, violation("refused with "+strings.TrimSpace(answer), shown))
	}
	for _, frame := range l.waiting {
		l.wire.send(frame)
	}
	l.waiting = nil
	if l.over {
		l.sayGoodbyeLocked()
	}
}

// refused tells whether an answer is the fault of the program.
func refused(answer string) bool {
	return (strings.HasPrefix(answer, "-ERR") || strings.HasPrefix(answer, "-USAGE")) &&
		!strings.HasPrefix(answer, noSuchChannel) && answer != invalidUUID
}

// unset tells whether an answer is that of a global variable that is not set.
func unset(text, answer string) bool {
	return strings.HasPrefix(text, "api global_getvar ") && answer == "-ERR no reply\n"
}

// deliverLocked sends an event, behind the answer to a command that is being done.
func (l *listener) deliverLocked(frame []byte) {
	if l.busy {
		l.waiting = append(l.waiting, frame)
		return
	}
	l.wire.send(frame)
}

func (l *listener) reply(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	l.wire.send([]byte("Content-Type: command/reply\nReply-Text: " + text + "\n\n"))
	return text
}
