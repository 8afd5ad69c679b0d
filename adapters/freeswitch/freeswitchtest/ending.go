package freeswitchtest

import (
	"fmt"
	"strings"
	"time"
)

const normalClearing = "NORMAL_CLEARING"

// callerHangsUp ends the call from the caller's telephone. Before the answer
// that is a cancel, after it a bye, and the switch tells them in a different
// order.
func (l *leg) callerHangsUp() {
	l.note("caller hangs up")
	l.result.HungUp = true
	if l.ch.answered.IsZero() {
		l.down("ORIGINATOR_CANCEL")
		l.controlEnds()
		l.at(frameTime, func() { l.windDown("PLAYBACK ERROR") })
		return
	}
	l.ch.bye(func() { l.down(normalClearing) })
	l.windDown("PLAYBACK ERROR")
	l.controlEnds()
}

// killed ends the call from inside the switch.
func (l *leg) killed() {
	l.result.HungUp = true
	l.down(normalClearing)
	l.controlEnds()
	l.at(frameTime, func() { l.windDown("FILE PLAYED") })
}

// endedByPeer ends the call because of what the peer sent, by the application
// that is given.
func (l *leg) endedByPeer(cause string, e *execution) {
	if !l.ch.up() {
		return
	}
	if cause == "" {
		cause = normalClearing
	}
	l.lose("the peer has ended the call: %s", cause)
	l.down(cause)
	if e != nil {
		l.complete(e, "")
	} else {
		l.ch.loops(false)
	}
	l.windDown("FILE PLAYED")
	l.controlEnds()
}

// down marks the end of the call.
func (l *leg) down(cause string) {
	l.result.HangupCause = cause
	l.queue = nil
	l.ch.hangUp(cause, l.emit)
}

// windDown ends what is running and takes the channel apart.
func (l *leg) windDown(response string) {
	l.finishAll(response)
	if !l.result.Transferred {
		l.socketEnds()
	}
	l.ch.report(l.emit)
}

// socketEnds ends the socket application itself.
func (l *leg) socketEnds() {
	l.emit(event{name: "CHANNEL_UNPARK", source: fromPark})
	e := &execution{app: "socket", arg: l.ch.socket, uuid: l.ch.socketUUID}
	l.emit(event{name: eventComplete, source: fromComplete, extra: l.ch.application(e, true)})
}

// controlEnds tells the peer that the call is over. With linger the socket
// stays for a while.
func (l *leg) controlEnds() {
	if l.socket.linger == nil || !l.socket.open {
		l.sayGoodbye()
		l.over = true
		return
	}
	linger, seconds := *l.socket.linger, -1
	if linger >= 0 {
		seconds = int(linger / time.Second)
	}
	l.wire.send(fmt.Appendf(nil, "Content-Type: text/disconnect-notice\nControlled-Session-UUID: %s\n"+
		"Content-Disposition: linger\nChannel-Name: %s\nLinger-Time: %d\nContent-Length: 0\n\n",
		l.ch.uuid, l.ch.sipName(), seconds))
	if linger >= 0 {
		l.at(linger, func() {
			if l.socket.open {
				l.note("the socket has lingered for %v", linger)
				l.sayGoodbye()
			}
			l.over = true
		})
	}
}

// transferStay is how long a transferred call waits before it is hung up.
const transferStay = 840 * time.Millisecond

// transferTo sends the call to another extension, which answers, waits and
// hangs up.
func (l *leg) transferTo(extension string, park bool) {
	l.at(frameTime, func() {
		if !l.ch.up() || l.result.Transferred {
			return
		}
		l.note("the call is sent to %s", extension)
		l.result.Transferred = true
		l.queue = nil
		l.ch.transfer(extension, "XML", "public")
		l.unwind(0, "PLAYBACK ERROR", func() { l.arrive(park) })
	})
}

// otherSocket ends the socket of another program on the same call, and with it the
// socket application.
func (l *leg) otherSocket(resume bool) {
	if !l.ch.up() || l.away || l.leaving {
		return // the dialplan goes on already, or soon
	}
	l.note("another program ends its socket: the dialplan goes on")
	l.queue = nil
	l.unwind(frameTime, pick(resume, "PLAYBACK ERROR", "FILE PLAYED"), func() {
		l.away, l.result.Continued, l.result.ContinuedAfter = true, true, l.since()
		l.socketEnds()
	})
}

// arrive is for a transferred call that nothing holds any more.
func (l *leg) arrive(park bool) {
	if !l.ch.up() {
		return
	}
	l.away, l.parked = true, park
	l.socketEnds()
	l.ch.stateNumber = 4
	l.ch.vars.set("call_uuid", l.ch.uuid)
	l.elsewhere("answer", "")
	stay := &execution{app: "sleep", arg: "15000", uuid: newUUID(), fromDialplan: true}
	if park {
		stay.app, stay.arg = "park", ""
	}
	l.begin(stay)
	l.enter(stay, transferStay)
	l.at(transferStay, l.transferEnds)
}

func (l *leg) transferEnds() {
	if !l.ch.up() {
		return
	}
	e := &execution{app: "hangup", uuid: newUUID(), fromDialplan: true}
	l.begin(e)
	l.down(normalClearing)
	l.complete(e, "")
	l.windDown("")
	l.controlEnds()
}

// elsewhere runs an application of the extension of a transferred call.
func (l *leg) elsewhere(app, arg string) {
	e := &execution{app: app, arg: arg, uuid: newUUID(), fromDialplan: true}
	l.begin(e)
	l.finished(e, "")
}

const noSuchChannel = "-ERR No such channel!\n"

// api answers a command of the switch's api.
func (l *leg) api(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return "-ERR no command\n"
	}
	name, args := words[0], append(words[1:], "", "", "")
	known := l.ch.up() && args[0] == l.ch.uuid
	switch name {
	case "sched_del": // of which the double has none
		return "+OK Deleted: 1\n"
	case "uuid_exists":
		return pick(known, "true", "false")
	case "uuid_dump", "uuid_getvar", "uuid_kill", "uuid_setvar", "uuid_setvar_multi", "uuid_transfer":
		if !known {
			return noSuchChannel
		}
	default:
		return fmt.Sprintf("-ERR %s Command not found!\n", name)
	}
	switch name {
	case "uuid_dump":
		return l.ch.dump()
	case "uuid_getvar":
		value, ok := l.ch.vars.get(args[1], l.ch.fill)
		return pick(ok, value, "_undef_")
	case "uuid_kill":
		l.at(frameTime, func() { l.endedByPeer(args[1], nil) })
	case "uuid_setvar":
		l.setVar(args[1], strings.Join(words[min(3, len(words)):], " "))
	case "uuid_setvar_multi":
		for _, a := range assignments(name, strings.Join(words[2:], " ")) {
			name, value, _ := strings.Cut(a, "=")
			l.setVar(name, value)
		}
	case "uuid_transfer":
		l.transferTo(args[1], false)
	}
	return "+OK\n"
}
