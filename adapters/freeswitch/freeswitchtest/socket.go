package freeswitchtest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A socket is the switch's side of the event socket of one call.
type socket struct {
	open      bool
	connected time.Time // when the first command came
	exited    bool
	myEvents  bool
	events    []string // of other subscriptions
	filters   filters
	linger    *time.Duration // negative means without end
}

const goodbye = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"

// receive takes one command and answers it.
func (l *leg) receive(text string) {
	if !l.socket.open || l.over {
		l.late(text)
		return
	}
	l.result.Commands = append(l.result.Commands, text)
	if l.socket.connected.IsZero() {
		l.socket.connected = time.Now()
		l.takeStale()
	}
	if l.inline != nil {
		l.held = append(l.held, text)
		return
	}
	problems := Check(text)
	l.result.Expansions = append(l.result.Expansions, expansions(text)...)
	for _, p := range problems {
		l.violation(p, text)
	}
	c := parseCommand(text)
	reply := l.answer(c)
	if strings.HasPrefix(reply, "-ERR") && len(problems) == 0 && !l.refusesForWantOfFull(c) {
		l.violation("refused with "+reply, text)
	}
}

// refusesForWantOfFull tells whether a socket with the word "full" would take the
// command. Asking does no harm.
func (l *leg) refusesForWantOfFull(c command) bool {
	switch c.verb {
	case "linger", "nolinger", "api", "bgapi", "event", "nixevent", "log", "nolog":
		return !l.ch.full
	}
	return false
}

// late is for commands that nobody reads any more.
func (l *leg) late(text string) {
	if l.socket.exited {
		l.result.Commands = append(l.result.Commands, text)
		l.violation("a command after exit", text)
	}
}

// answer does a command and gives the text of the reply.
func (l *leg) answer(c command) string {
	if l.refusesForWantOfFull(c) {
		return l.reply("-ERR command not found")
	}
	switch c.verb {
	case "connect":
		b := newBuffer()
		defer b.free()
		b.b = l.ch.appendData(b.b)
		l.wire.send(b.b)
		return ""
	case "api":
		answer := l.api(c.rest)
		l.wire.send(fmt.Appendf(nil, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(answer), answer))
		return answer
	case "bgapi":
		l.api(c.rest)
		job := newUUID()
		return l.reply("+OK Job-UUID: %s\nJob-UUID: %s", job, job)
	case "exit":
		reply := l.reply("+OK bye")
		l.exit()
		return reply
	case "sendmsg":
		return l.message(c)
	case "resume":
		l.result.Resumed = true
		l.note("asked to let the dialplan go on")
		if l.ch.up() {
			l.ch.vars.set("socket_resume", "true")
		}
		return l.reply("+OK")
	case "getvar":
		if value, ok := l.ch.vars.get(c.rest, l.ch.fill); ok {
			return l.reply("%s", value)
		}
	case "log":
		return l.reply("+OK log level %s [%s]", c.rest, c.rest)
	case "nolog":
		return l.reply("+OK no longer logging")
	case "divert_events":
		return l.reply("+OK")
	default:
		if reply, ok := l.subscribe(c); ok {
			return reply
		}
	}
	return l.reply("-ERR command not found")
}

// subscribe answers the commands that say which events are wanted.
func (l *leg) subscribe(c command) (string, bool) {
	s := &l.socket
	words := strings.Fields(c.rest)
	switch c.verb {
	case "linger":
		d := time.Duration(-1)
		if n, err := strconv.ParseUint(c.rest, 10, 31); err == nil {
			d = time.Duration(n) * time.Second
			s.linger = &d
			return l.reply("+OK will linger %d seconds", n), true
		}
		s.linger = &d
		return l.reply("+OK will linger"), true
	case "nolinger":
		s.linger = nil
		return l.reply("+OK will not linger"), true
	case "myevents":
		if s.myEvents {
			return l.reply("-ERR aready enabled."), true // spelled like this
		}
		s.myEvents = true
		return l.reply("+OK Events Enabled"), true
	case "noevents":
		s.myEvents, s.events = false, nil
		return l.reply("+OK no longer listening for events"), true
	case "event":
		format := "plain"
		if len(words) > 0 && slices.Contains([]string{"plain", "json", "xml"}, words[0]) {
			format, words = words[0], words[1:]
		}
		s.events = append(s.events, words...)
		return l.reply("+OK event listener enabled %s", format), true
	case "filter":
		if c.rest == "" {
			break
		}
		return l.reply("%s", s.filters.command(c.rest)), true
	}
	return "", false
}

func (l *leg) reply(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	l.wire.send([]byte("Content-Type: command/reply\nReply-Text: "), []byte(text), []byte("\n\n"))
	return text
}

// emit sends an event if it is wanted.
func (l *leg) emit(e event) {
	l.ch.sequence++
	s := &l.socket
	if !s.open || !s.myEvents && !slices.Contains(s.events, e.name) && !slices.Contains(s.events, "ALL") {
		return
	}
	if !l.passes(e) {
		return
	}
	b := newBuffer()
	defer b.free()
	b.b = append(l.ch.append(b.b, e), '\n')
	if l.inline != nil {
		l.unheard = append(l.unheard, slices.Concat(eventHead("plain", len(b.b)), b.b))
		return
	}
	l.wire.send(eventHead("plain", len(b.b)), b.b)
}

// passes tells whether any filter lets the event through.
func (l *leg) passes(e event) bool {
	var text string
	return l.socket.filters.pass(func(name string) (string, bool) {
		if strings.EqualFold(name, "Event-Name") {
			return e.name, true
		}
		if text == "" {
			text = string(l.ch.append(nil, e))
		}
		return headerIn(text, name)
	})
}

func (l *leg) exit() {
	l.note("the call was given back")
	l.socket.exited = true
	l.sayGoodbye()
	l.released(Exited)
}

// socketBroke is for a peer that has closed the connection, or died.
func (l *leg) socketBroke(why error) {
	if !l.socket.open || l.over {
		return
	}
	l.note("the connection broke")
	if errors.Is(why, errSlowReader) || errors.Is(why, errCommandTooLong) {
		l.result.Violations = append(l.result.Violations, why.Error())
	}
	l.socket.open = false
	l.wire.hangUp()
	l.released(Broke)
}

// parkTime is how long the switch takes from the first command to parking the
// call. Until then it does not see that nobody controls it.
const parkTime = 2 * time.Millisecond

// released decides what becomes of a call that nobody controls any more. The
// dialplan goes on, with socket_resume at once, without it when everything
// that was sent is done.
func (l *leg) released(why Release) {
	l.result.Release = why
	l.moment(ControlEnded, "")
	resume, _ := l.ch.vars.get("socket_resume", l.ch.fill)
	reset := l.result.Resumed || resume == "true"
	parked := !l.socket.connected.IsZero() && time.Since(l.socket.connected) >= parkTime
	// The switch looks at the queue twice: where the call is parked, and once
	// more before the dialplan goes on. A break ends a look.
	l.leaving, l.looks = true, 2
	if l.breaking {
		l.looks--
	}
	switch {
	case !l.ch.up():
		l.over = true
	case l.away:
		l.letGo(why, reset)
	case l.result.Transferred: // and on its way
		l.over = true
	case !l.ch.async && reset:
		l.lose("%s without async: the call stays in CS_RESET", why)
		l.over = true
	case !l.ch.async:
		l.at(frameTime, l.goOn)
	case reset:
		l.cut = true
		l.unwind(frameTime, "PLAYBACK ERROR", l.look)
	case !parked:
		l.lose("%s before the call was parked: it is stuck", why)
		l.over = true
	case len(l.stack) == 0:
		l.at(frameTime, l.look)
	}
}

// letGo is the end of control over a call that is somewhere else.
func (l *leg) letGo(why Release, reset bool) {
	switch {
	case reset:
		l.lose("%s, and the call was elsewhere: it is put into CS_RESET", why)
	case l.parked:
		l.lose("%s, and the call was parked elsewhere: that ends", why)
	default:
		l.note("the call stays where it is")
	}
	l.over = true
}

// sayGoodbye closes the socket from the switch's side.
func (l *leg) sayGoodbye() {
	l.wire.send(fmt.Appendf(nil, "Content-Type: text/disconnect-notice\nControlled-Session-UUID: %s\n"+
		"Content-Disposition: disconnect\nContent-Length: %d\n\n%s", l.ch.uuid, len(goodbye), goodbye))
	l.socket.open = false
	l.wire.hangUp()
}
