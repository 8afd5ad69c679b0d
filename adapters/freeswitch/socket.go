package freeswitch

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// lingerSeconds is how long the switch keeps the socket after a hang-up, so that the last
// events arrive.
const lingerSeconds = 5

// conn is an event socket of one call; *esl.Conn is one.
type conn interface {
	// Post writes commands in one write. A refused one comes back as an
	// esl.CommandError event, the channel data of connect as an event too.
	Post(...esl.Command) error
	// Next waits for an event, for the time until unless that is zero, or for Wake; the
	// errors of the latter are esl.ErrTimeout and esl.ErrWoken. Any other error is the end.
	Next(until time.Time) (esl.Event, error)
	Wake()
	// Patient lets Next wait for as long as it takes from now on.
	Patient()
	Err() error
}

// Event-UUIDs of what is no prompt.
const (
	answerID  = "ans-1"
	flushID   = "flush-1" // of what forgets the keys of menus before
	setID     = "set-0"
	lastSetID = "set-1"
)

// noTerminators lets no key end a prompt by itself: the switch would take "*".
const noTerminators = "%[playback_terminators=none]"

// socketLine is the line of a call whose dialplan has handed it over: the call has an
// event socket of its own, and its end lets the dialplan go on (see end).
type socketLine struct {
	conn     conn
	borrowed bool            // conn is a bridge
	cut      context.Context // its end has to be followed by wake
	began    time.Time
	counting []string // variables of a browser's call that count

	data esl.Event // of the channel, from callKnown to call
	open bool      // they came

	// How the dialplan has opened the socket, and where the call was then.
	static  bool   // without "async"
	limited bool   // without "full"
	uuid    string // "" when it cannot be in a command
	place   place
	socket  string // the argument of the socket application
	secret  bool   // the dialplan has said that keys are secret

	watched  bool   // ... and goes on by socket_resume alone, which it unsets
	watchdog string // the number of the dialplan's task that takes a call from us; "" without

	deaf    bool   // keys are those of a menu before
	playing string // id of the prompt that was begun last, until it ends
	loud    bool   // another one was begun inside of a prompt, which may go on
	ran     bool   // the switch has done something that it was told: the call is parked
	gone    bool   // the call is not ours to speak to any more
	hung    bool
	cause   string // of the hang-up
	down    bool   // nothing more comes
	parting parting
}

func newSocketLine(c conn, cut context.Context, counting []string) *socketLine {
	return &socketLine{conn: c, cut: cut, began: time.Now(), counting: counting}
}

var hello = []esl.Command{
	esl.Connect(), esl.Linger(lingerSeconds), esl.MyEvents(),
	esl.Filter("Event-Name", "DTMF"),
	esl.Filter("Event-Name", "CHANNEL_EXECUTE_COMPLETE"),
	esl.Filter("Event-Name", "CHANNEL_HANGUP"),
	// Ends that nobody waits for: each would come with all data of the channel.
	esl.Filter("Application", "-answer"), esl.Filter("Application", "-break"), esl.Filter("Application", "-multiset"),
}

// tell implements line: one write.
func (l *socketLine) tell(words ...word) {
	cmds := make([]esl.Command, 0, len(words)+4)
	for _, w := range words {
		if w.do == doGiveBack {
			l.giveBack(cmds, w.set)
			return
		}
		cmds = l.commands(cmds, w)
	}
	_ = l.conn.Post(cmds...) // a failure shows as the end of the connection
}

// commands appends what a word is here.
func (l *socketLine) commands(cmds []esl.Command, w word) []esl.Command {
	switch w.do {
	case doOpen:
		return append(cmds, hello...)
	case doAnswer:
		return append(cmds, esl.Execute(answerID, "answer", ""))
	case doListen:
		// What is in the channel's queue was pressed for a menu before, and so was what
		// comes as events until that is empty.
		l.deaf = true
		if l.secret {
			cmds = append(cmds, esl.Execute("", "unset", secretVariable))
		}
		return append(cmds, esl.Execute(flushID, "flush_dtmf", ""))
	case doPlay:
		l.plays(w.id)
		return append(cmds, esl.Execute(w.id, "playback", noTerminators+w.prompt))
	case doSay:
		l.plays(w.id)
		return append(cmds, esl.Execute(w.id, "say", noTerminators+spoken(w)))
	case doStop:
		return append(cmds, esl.Execute("", "break", ""))
	case doSet:
		return append(cmds, esl.Execute(setID, "multiset", multiset(w.set)))
	}
	return cmds
}

// spoken is the argument of the switch's say application.
func spoken(w word) string { return w.language + " number iterated " + w.digits }

func (l *socketLine) plays(id string) {
	l.loud = l.loud || l.playing != ""
	l.playing = id
}

// multiset is the argument of the application of that name.
func multiset(set []assignment) string { return "^^~" + joined(set, '~') }

// next implements line.
func (l *socketLine) next(until time.Time) event {
	e, err := l.conn.Next(until)
	if err == nil {
		return l.see(e)
	}
	ended := endOfWait(err)
	l.down = l.down || ended.what == lineDown
	return ended
}

// endOfWait is the event for an error of conn.Next.
func endOfWait(err error) event {
	switch err {
	case esl.ErrTimeout:
		return event{what: timeCame}
	case esl.ErrWoken:
		return event{what: lineWoken}
	}
	return event{what: lineDown}
}

// see takes in one event of the switch.
func (l *socketLine) see(e esl.Event) event {
	switch e.Name() {
	case esl.ChannelData:
		l.know(e)
		return event{what: callKnown}
	case "DTMF":
		if d := e.Get("DTMF-Digit"); len(d) == 1 && isDigit(d[0]) && !l.deaf {
			return event{what: keyPressed, key: d[0]}
		}
	case "CHANNEL_EXECUTE_COMPLETE":
		return l.completed(e)
	case esl.APIReply:
		if e.Get("Application") == "uuid_getvar" {
			l.told(e.Get("Reply-Text"))
		}
	case "CHANNEL_HANGUP":
		if c := e.Get("Hangup-Cause"); causeForm.MatchString(c) && l.cause == "" {
			l.cause = strings.Clone(c)
		}
		l.hung = true
		return l.leave(hungUp)
	case esl.DisconnectNotice:
		if e.Get("Content-Disposition") == "linger" {
			l.hung = true
			return l.leave(hungUp)
		}
		return l.leave(broken) // the switch took the control away
	case esl.CommandError:
		return l.refused(e)
	}
	return event{}
}

// completed takes in the end of an application.
func (l *socketLine) completed(e esl.Event) event {
	l.ran = true
	switch id := e.Get("Application-UUID"); {
	case id == flushID:
		l.deaf = false
	case id != "" && id == l.playing:
		l.playing, l.deaf = "", false
		return event{what: promptEnded, id: id, result: resultOf(e.Get("Application-Response"))}
	case e.Get("Application") == "socket" && (l.socket == "" || e.Get("Application-Data") == l.socket):
		// The end of the application that we control the call by, and not that of
		// another program. On a hang-up that event came first.
		return l.moved(e)
	}
	return event{}
}

// refused takes in the refusal of a command.
func (l *socketLine) refused(e esl.Event) event {
	switch command := e.Get("Command"); {
	case command == "linger": // for want of "full": a hang-up is the end of the connection then
	case command == "myevents" && l.borrowed: // the program has asked for them already
	case command == "api":
		if e.Get("Application") == "uuid_getvar" {
			l.told("")
		}
	default:
		return l.leave(broken)
	}
	return event{}
}

// leave says that the call is not ours any more.
func (l *socketLine) leave(why gone) event {
	l.gone = true
	return event{what: callLeft, gone: why}
}

// know takes in how the socket was opened, and what has to be known of the channel at
// its end.
func (l *socketLine) know(data esl.Event) {
	l.data, l.open = data, true
	l.static = data.Get("Socket-Mode") == "static"
	l.limited = data.Get("Control") == "single-channel"
	l.place = placeOf(data)
	g := guard(data, nil)
	if variableOf(g, applicationVariable) == "socket" { // and nothing was executed since
		l.socket = variableOf(g, applicationDataVariable)
	}
	if id := variableOf(g, watchdogVariable); taskForm.MatchString(id) && !g.browser {
		l.watchdog = id
	}
	if g.forged {
		l.socket, l.watchdog = "", ""
	}
	l.secret = isTrue(variableOf(data, secretVariable))
	if id := data.Get("Unique-ID"); esl.GetVar(id, resumeVariable).Err() == nil {
		l.uuid = id
	}
}

// call implements line.
func (l *socketLine) call() (channel, bool) {
	if !l.open {
		return channel{}, false
	}
	ch := readChannel(l.data, l.began, l.counting)
	l.data = esl.Event{}
	l.watched = ch.watched
	switch {
	case l.static:
		ch.unheard = errStatic
		ch.advice = `the dialplan says socket without async: such calls get no offer; write "socket HOST:PORT async full"`
	case l.limited:
		ch.advice = `the dialplan says socket without full: the last events of calls that hang up are lost, and calls that somebody transfers are held; write "socket HOST:PORT async full"`
	}
	if ch.released {
		l.takenAway()
	}
	return ch, true
}

// errStatic tells what the dialplan lacks.
var errStatic = errors.New(`the dialplan's socket lacks the word async: no key could be heard before a prompt has ended`)

// wake implements line.
func (l *socketLine) wake() { l.conn.Wake() }

// why implements line.
func (l *socketLine) why() error { return l.conn.Err() }

// trace implements line.
func (l *socketLine) trace(t *callTrace) { l.conn = tracedConn{l.conn, t} }

// isTrue reports whether the switch takes a value for true.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "enable", "enabled", "active", "allow", "t", "y":
		return true
	}
	n, err := strconv.Atoi(s)
	return err == nil && n != 0
}
