package freeswitch

import (
	"errors"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// parting is what becomes of our control of a call.
type parting int

const (
	attached parting = iota
	asking           // somebody moved the call: may our control end?
	holding          // it may not, or nobody knows: it is kept until the call is over
	parted           // it was given up
)

// moved is for a call that somebody has taken out of the socket application, while we
// still have the socket. When that ends, be it because we die, the switch puts a call with
// socket_resume=true into CS_RESET, wherever it is, and its caller hears nothing any more:
// the variable is unset at once. The end of the socket also ends any park, which may be that
// of another event-socket program: whether the call is parked where it is now is asked first.
func (l *socketLine) moved(e esl.Event) event {
	if l.hung || l.parting != attached {
		return event{}
	}
	switch {
	case l.limited || l.uuid == "":
		// A message to the call is all that is left; it is read when the call gets to it.
		l.hold()
		cmds := []esl.Command{esl.Execute("", "unset", resumeVariable)}
		if l.watchdog != "" {
			cmds = append(cmds, esl.Execute("", "sched_cancel", l.watchdog))
		}
		l.post(cmds...)
	case placeOf(e).profile == l.place.profile:
		// The dialplan has gone on, because another program has ended its socket on the
		// same call. Or that was its end alone, and ours lets the dialplan go on now.
		l.letGo(l.returned()...)
	default:
		l.ask(l.returned()...)
	}
	return l.leave(transferred)
}

// takenAway is for a call that the watchdog of the dialplan has taken from us before we
// looked at it: it has unset socket_resume itself.
func (l *socketLine) takenAway() {
	l.gone = true
	if l.limited || l.uuid == "" {
		l.hold()
		return
	}
	l.ask()
}

// ask asks whether the call is parked where it is now, after some last words.
func (l *socketLine) ask(last ...esl.Command) {
	l.parting = asking
	if l.borrowed { // the library does not survive a reply of one byte
		l.post(last...)
		l.told("")
		return
	}
	l.post(append(last, esl.GetVar(l.uuid, applicationVariable))...)
}

// returned are commands that leave nothing of ours on a channel, wherever it is: the
// watchdog would take it from whoever has it by now.
func (l *socketLine) returned() []esl.Command {
	cmds := []esl.Command{esl.SetVar(l.uuid, resumeVariable, "")}
	if l.secret {
		cmds = append(cmds, esl.SetVar(l.uuid, secretVariable, "true"))
	}
	if l.watchdog != "" {
		cmds = append(cmds, esl.CancelTask(l.watchdog))
	}
	return cmds
}

// told takes in which application the call is in now, "" when the switch does not say.
func (l *socketLine) told(app string) {
	if l.parting != asking {
		return
	}
	switch app {
	case "", "park", "socket", "valet_park":
		l.hold()
	default:
		l.letGo()
	}
}

// hold keeps the socket, and wants to hear of nothing but the end of the call.
func (l *socketLine) hold() {
	l.parting = holding
	l.conn.Patient()
	l.post(esl.NoEvents())
}

const (
	placeTimeout = 5 * time.Second     // how long the switch may take to say where a call is
	longestCall  = 30 * 24 * time.Hour // longer than a call lasts
	partTimeout  = 2 * time.Second     // how long the switch may take to close after exit
)

// letGo ends our control, after some last words.
func (l *socketLine) letGo(last ...esl.Command) {
	l.parting = parted
	l.post(append(last, esl.Exit())...)
}

// post writes at once, wherever the call is. A failure shows as the end of the connection.
func (l *socketLine) post(cmds ...esl.Command) { _ = l.conn.Post(cmds...) }

// giveBack lets the dialplan go on with its next action, in one write with what was to be
// said before. A call that was moved is let go by end.
func (l *socketLine) giveBack(before []esl.Command, set []assignment) {
	if l.parting != attached {
		return
	}
	l.parting = parted
	last := l.farewell(set)
	err := l.conn.Post(append(before, last...)...)
	if errors.Is(err, esl.ErrUnsafe) {
		err = l.conn.Post(last...) // what was to be said before must not take the outcome with it
	}
	if err != nil {
		l.down = true // and the dialplan goes on by socket_resume
	}
}

// end implements line: it waits for the switch to close.
func (l *socketLine) end() string {
	until := time.Now().Add(placeTimeout)
	for l.parting == asking && l.attending() {
		if l.next(until).what == timeCame {
			l.hold()
		}
	}
	until = time.Now().Add(longestCall)
	for l.parting == holding && l.attending() && l.next(until).what != timeCame {
	}
	if l.parting != parted {
		l.letGo()
	}
	until = time.Now().Add(partTimeout)
	for !l.down && l.next(until).what != timeCame {
	}
	return l.cause
}

// attending reports whether a call that was moved may still need its socket.
func (l *socketLine) attending() bool { return !l.hung && !l.down && l.cut.Err() == nil }

// farewell is how a call is given back. The switch must find socket_resume unset when
// the dialplan goes on, or another event-socket program that the call comes to later, and that
// transfers it, loses it.
func (l *socketLine) farewell(set []assignment) []esl.Command {
	if l.hung {
		return []esl.Command{esl.Exit()} // ends the linger
	}
	var cmds []esl.Command
	if len(set) > 0 {
		if l.secret {
			set = append(set, assignment{secretVariable, "true"})
		}
		cmds = append(cmds, esl.Execute(lastSetID, "multiset", multiset(set)))
	}
	unset := esl.Execute("", "unset", resumeVariable)
	switch {
	case l.static:
		return append(cmds, unset, esl.Exit())
	case !l.gone && l.ran && l.playing == "" && !l.loud && !l.limited && l.uuid != "":
		// Nothing plays that resume would have to cut. Without it, the end of the socket
		// does no harm to a call that is moved in this moment.
		return append(cmds, esl.SetVar(l.uuid, resumeVariable, ""), esl.Exit())
	case l.watched:
		// The watchdog may have moved the call while we hung. By the variable, which it
		// unsets, the switch knows whether it has.
		return append(cmds, esl.Exit())
	}
	// Also after a refused command: the call may well live. No break, even during a prompt:
	// the switch runs multiset inside of it, and resume ends it. With breaks in its queue the
	// switch may set the variables after the dialplan has looked at them.
	return append(cmds, esl.Resume(), unset, esl.Exit())
}
