package freeswitchtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"time"
)

// The switch does nothing between two frames of audio.
const frameTime = 20 * time.Millisecond

// connectWait is how long the switch waits for the first command.
const connectWait = 25 * time.Second

// A leg is one call while it is played. Only the goroutine of Run touches it.
type leg struct {
	spec   Call
	result Result
	start  time.Time
	wire   *wire
	agenda agenda
	ch     *channel
	socket socket

	queue    []*execution
	stack    []*execution // what takes time, the innermost last
	picking  bool         // the queue will be looked at
	breaking bool         // what is running will end in the next frames
	unwinds  int          // how often it was told to
	prompts  int

	leaving bool // nobody controls the call any more
	cut     bool // and the dialplan does not wait for prompts
	looks   int  // the switch still takes at the queue until it goes on

	stale string // keys of a menu before

	inline  *execution // which a socket without async waits for
	held    []string   // commands that wait for it
	unheard [][]byte   // events that do

	away   bool // the call has left the socket application
	parked bool // and is held where it is now only as long as nothing ends its control

	over bool // the call has left the peer's hands
}

func run(ctx context.Context, spec Call, conn net.Conn) (Result, error) {
	now := time.Now()
	l := &leg{spec: spec, start: now, wire: newWire(conn), ch: newChannel(spec, addressOf(conn), now)}
	l.result.Vars, l.result.Connected = map[string]string{}, now
	l.socket.open = true
	l.prepare()
	err := l.play(ctx)
	if err != nil {
		_ = conn.Close()
	}
	l.wire.finish(ctx.Done())
	l.finishAll("PLAYBACK ERROR") // heard until now
	l.collectLate()
	return l.result, err
}

// addressOf gives the address as the dialplan would have it.
func addressOf(conn net.Conn) string {
	if a := conn.RemoteAddr(); a != nil {
		if _, _, err := net.SplitHostPort(a.String()); err == nil {
			return a.String()
		}
	}
	return "127.0.0.1:8084"
}

// prepare brings the channel to where the dialplan has it at the socket.
func (l *leg) prepare() {
	v := &l.ch.vars
	if l.spec.Answered {
		l.markAnswered()
		l.ch.vars.set("endpoint_disposition", "ANSWER")
		l.ch.vars.appear(groupAck)
	}
	for _, name := range sortedKeys(l.spec.Vars) {
		v.set(name, l.spec.Vars[name])
	}
	if l.spec.SocketResume {
		v.set("socket_resume", "true")
	}
	address, _, _ := strings.Cut(l.ch.socket, " ")
	host, _, _ := net.SplitHostPort(address)
	v.set("current_application_data", l.ch.socket)
	v.set("current_application", "socket")
	v.set("socket_host", host)

	if l.spec.Answered {
		l.stale = l.spec.Queued
	}
	l.note("the call reaches the socket")
	l.at(connectWait, func() {
		if !l.socket.connected.IsZero() || !l.socket.open {
			return
		}
		l.note("no command for %v: the switch gives up", connectWait)
		l.sayGoodbye()
		l.released(GaveUp)
	})
	l.reached(atConnect, 0)
	if l.spec.Answered {
		l.reached(atAnswer, 0)
	}
}

// play runs the call until it is over.
func (l *leg) play(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	leave := l.spec.Leave
	for {
		commands, broken := l.wire.take()
		for _, c := range commands {
			l.receive(c)
		}
		if broken != nil {
			l.socketBroke(broken)
		}
		for !l.over {
			do, ok := l.agenda.due(time.Now())
			if !ok {
				break
			}
			do()
		}
		if l.over {
			return nil
		}
		if next, ok := l.agenda.next(); ok {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-leave:
			leave = nil
			if l.ch.up() {
				l.callerHangsUp()
			}
		case <-timer.C:
		case <-l.wire.wake:
		}
	}
}

// collectLate keeps what the peer still wrote when all was said.
func (l *leg) collectLate() {
	commands, _ := l.wire.take()
	for _, c := range commands {
		l.late(c)
	}
}

func (l *leg) at(d time.Duration, do func()) { l.agenda.add(time.Now().Add(d), do) }

func (l *leg) since() time.Duration { return time.Since(l.start) }

func (l *leg) note(format string, args ...any) {
	l.result.Timeline = append(l.result.Timeline, Entry{l.since(), printable(fmt.Sprintf(format, args...))})
}

func (l *leg) violation(problem, command string) {
	l.result.Violations = append(l.result.Violations, violation(problem, command))
}

// violation shows enough of a command to find it again.
func violation(problem, command string) string {
	const enough = 120
	if len(command) > enough {
		command = command[:enough] + "..."
	}
	return fmt.Sprintf("%s: %q", problem, command)
}

// goOn lets the dialplan take its next action.
func (l *leg) goOn() {
	for _, e := range l.queue {
		l.note("%s comes too late", strings.TrimSpace(e.app+" "+e.arg))
	}
	resume, _ := l.ch.vars.get("socket_resume", l.ch.fill)
	l.over = true
	if l.cut && l.ch.async && !l.result.Resumed && resume != "true" {
		l.lose("socket_resume was unset too late: the call stays in CS_RESET")
		return
	}
	l.result.ResumeLeft = resume == "true"
	l.result.Continued, l.result.ContinuedAfter = true, l.since()
	l.note("the dialplan goes on")
}

// lose ends a call that the peer has cost the caller.
func (l *leg) lose(format string, args ...any) {
	l.note(format, args...)
	l.result.Lost = true
}

// newUUID gives a random id in the form of FreeSWITCH.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
