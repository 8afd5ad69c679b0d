package freeswitch

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

// conn is what a session needs of an event socket; *esl.Conn is one.
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

// gone says why a call is no longer ours to speak to.
type gone string

const (
	here        gone = ""
	hungUp      gone = "hangup"
	transferred gone = "transferred"
	served      gone = "agent"  // somebody has taken the call out of the queue
	broken      gone = "switch" // the connection ended, or the switch refused a command
)

// What playback answers.
const (
	played    = "FILE PLAYED"
	notFound  = "FILE NOT FOUND"
	playError = "PLAYBACK ERROR"
)

// Event-UUIDs that are looked for.
const (
	waitID  = "wait-1"  // of the wait prompt
	flushID = "flush-1" // of what forgets the keys of menus before
)

// noTerminators lets no key end a prompt by itself: the switch would take "*".
const noTerminators = "%[playback_terminators=none]"

// line is the call as the event socket shows it: what was pressed, what is
// playing, whether the caller is still there. One goroutine uses it.
type line struct {
	conn   conn
	cut    context.Context // its end has to be followed by conn.Wake
	due    time.Time       // when the call is cut in any case
	ended  bool            // the connection is: nothing more comes
	over   bool            // cut: nothing more is said or asked
	unsaid []esl.Command   // to be written before anything is waited for

	// How the dialplan has opened the socket, and where the call was then.
	static  bool   // without "async"
	limited bool   // without "full"
	uuid    string // "" when it cannot be in a command
	place   place
	socket  string // the argument of the socket application
	secret  bool   // the dialplan has said that keys are secret

	watched  bool   // ... and goes on by socket_resume alone, which it unsets
	watchdog string // the number of the dialplan's task that takes a call from us; "" without

	keys     []byte // pressed and not looked at yet
	deaf     bool   // keys are those of a menu before
	playing  string // Event-UUID of the playback that has not completed
	prompt   string // what the last prompt played
	stopped  bool   // it was told to stop
	response string // what the last prompt came to
	ran      bool   // the switch has done something that it was told: the call is parked
	gone     gone
	hung     bool
	cause    string // of the hang-up
	parting  parting
	loud     bool // a prompt may play that did not stop
}

func newLine(c conn, cut context.Context) *line {
	return &line{conn: c, cut: cut, due: time.Now().Add(maxCall)}
}

// signal is what next came back for.
type signal int

const (
	sawEvent signal = iota // an event changed the line, or the connection ended
	sawTimer
	sawWake // somebody has news: it may be the cut
)

// next waits for one thing to happen: an event, the time until unless that is zero, or
// a wake. When the connection has ended it returns at once.
func (l *line) next(until time.Time) signal {
	l.flush()
	deadline := until
	if !l.over && (deadline.IsZero() || l.due.Before(deadline)) {
		deadline = l.due
	}
	e, err := l.conn.Next(deadline)
	switch err {
	case nil:
		l.see(e)
		return sawEvent
	case esl.ErrTimeout:
		if deadline.Equal(until) {
			return sawTimer
		}
		l.over = true
		return sawWake
	case esl.ErrWoken:
		l.over = l.over || l.cut.Err() != nil
		return sawWake
	}
	l.ended = true
	l.leave(broken)
	return sawEvent
}

// see takes in one event.
func (l *line) see(e esl.Event) {
	switch e.Name() {
	case "DTMF":
		// A bound: nobody presses this often between two looks.
		if d := e.Get("DTMF-Digit"); len(d) == 1 && isDigit(d[0]) && len(l.keys) < maxDigits && !l.deaf && l.gone == here {
			l.keys = append(l.keys, d[0])
		}
	case "CHANNEL_EXECUTE_COMPLETE":
		l.ran = true
		switch id := e.Get("Application-UUID"); {
		case id == flushID:
			l.deaf = false
		case id != "" && id == l.playing:
			l.playing, l.response, l.deaf = "", e.Get("Application-Response"), false
		case e.Get("Application") == "socket" && (l.socket == "" || e.Get("Application-Data") == l.socket):
			// The end of the application that we control the call by, and not that of
			// another program. On a hang-up that event came first.
			l.moved(e)
		}
	case esl.APIReply:
		if e.Get("Application") == "uuid_getvar" {
			l.told(e.Get("Reply-Text"))
		}
	case "CHANNEL_HANGUP":
		if c := e.Get("Hangup-Cause"); causeForm.MatchString(c) && l.cause == "" {
			l.cause = strings.Clone(c)
		}
		l.hung = true
		l.leave(hungUp)
	case "CHANNEL_BRIDGE":
		l.leave(served)
	case esl.DisconnectNotice:
		if e.Get("Content-Disposition") == "linger" {
			l.hung = true
			l.leave(hungUp)
		} else {
			l.leave(broken) // the switch took the control away
		}
	case esl.CommandError:
		switch e.Get("Command") {
		case "linger": // for want of "full": a hang-up is the end of the connection then
		case "api":
			if e.Get("Application") == "uuid_getvar" {
				l.told("")
			}
		default:
			l.leave(broken)
		}
	}
}

// leave keeps the first reason.
func (l *line) leave(why gone) {
	if l.gone == here {
		l.gone = why
	}
	l.playing = ""
}

// key returns the oldest key that was not looked at, 0 without one.
func (l *line) key() byte {
	if len(l.keys) == 0 {
		return 0
	}
	k := l.keys[0]
	l.keys = l.keys[1:]
	return k
}

// post says something to a call that is still there, with the next flush.
func (l *line) post(cmds ...esl.Command) {
	if l.gone == here {
		l.unsaid = append(l.unsaid, cmds...)
	}
}

// flush writes what was posted, in one write. A failed one shows as the end of the
// connection.
func (l *line) flush() {
	if len(l.unsaid) > 0 && l.gone == here {
		_ = l.conn.Post(l.unsaid...)
	}
	l.unsaid = nil
}

var hello = []esl.Command{
	esl.Connect(), esl.Linger(lingerSeconds), esl.MyEvents(),
	esl.Filter("Event-Name", "DTMF"),
	esl.Filter("Event-Name", "CHANNEL_EXECUTE_COMPLETE"),
	esl.Filter("Event-Name", "CHANNEL_HANGUP"),
	// Ends that nobody waits for: each would come with all data of the channel.
	esl.Filter("Application", "-answer"), esl.Filter("Application", "-break"), esl.Filter("Application", "-multiset"),
}

// open says hello and returns the channel data; false without them, be it that
// they did not come in time, that the switch refused, or that it went away.
func (l *line) open(within time.Duration) (esl.Event, bool) {
	_ = l.conn.Post(hello...)
	const lastWait = time.Second
	until := time.Now().Add(within)
	for l.gone == here {
		e, err := l.conn.Next(until)
		switch {
		case err == nil && e.Name() == esl.ChannelData:
			l.know(e)
			return e, true
		case err == nil:
			l.see(e)
		case err == esl.ErrWoken && l.cut.Err() == nil:
		case err == esl.ErrWoken && !l.over:
			// A call that is on its way gets its outcome, if it comes at once.
			l.over, until = true, time.Now().Add(lastWait)
		case err == esl.ErrWoken:
		case err == esl.ErrTimeout:
			return esl.Event{}, false
		default:
			l.ended = true
			return esl.Event{}, false
		}
	}
	return esl.Event{}, false
}

// know takes in how the socket was opened, and what has to be known of the channel at
// its end.
func (l *line) know(data headers) {
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

// isTrue reports whether the switch takes a value for true.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "enable", "enabled", "active", "allow", "t", "y":
		return true
	}
	n, err := strconv.Atoi(s)
	return err == nil && n != 0
}

// answer answers the call unless it is.
func (l *line) answer(already bool) {
	if !already {
		l.post(esl.Execute("ans-1", "answer", ""))
	}
}

// listen has keys reported, those alone that are pressed from now on: what is in the
// channel's queue was pressed for a menu before. Keys that come as events until that is done
// are left over from it as well.
func (l *line) listen() {
	if l.secret {
		l.post(esl.Execute("", "unset", secretVariable))
	}
	l.deaf = true
	l.post(esl.Execute(flushID, "flush_dtmf", ""))
}

// play starts a prompt of the configuration; "" plays nothing.
func (l *line) play(id, prompt string) {
	l.prompt, l.response = prompt, ""
	if prompt == "" || l.gone != here || l.over {
		return
	}
	l.playing, l.stopped = id, false
	l.post(esl.Execute(id, "playback", noTerminators+prompt))
}

// sayDigits lets the switch read digits out, one by one. What they are was checked.
func (l *line) sayDigits(id, language, digits string) {
	if l.gone != here || l.over || !languageForm.MatchString(language) || !numberForm.MatchString(digits) {
		return
	}
	l.playing, l.prompt, l.response, l.stopped = id, "", "", false
	l.post(esl.Execute(id, "say", noTerminators+language+" number iterated "+digits))
}

// set sets variables, by the argument of multiset.
func (l *line) set(id string, variables *string) { l.post(multiset(id, *variables)) }

func multiset(id, variables string) esl.Command { return esl.Execute(id, "multiset", variables) }

// stop ends the prompt that is playing; its completion comes later.
func (l *line) stop() {
	if l.playing != "" && !l.stopped {
		l.stopped = true
		l.post(esl.Execute("", "break", ""))
	}
}

// stopAgain is for a prompt that plays on: a break that came before the switch
// began to play has had no effect.
func (l *line) stopAgain() {
	l.stopped = false
	l.stop()
}

// hush ends the prompt that is playing and waits until it has.
func (l *line) hush() {
	if l.playing == "" || l.over {
		return
	}
	l.stop()
	for range 4 {
		again := time.Now().Add(breakAgain)
		for l.playing != "" && !l.over && l.next(again) != sawTimer {
		}
		if l.playing == "" || l.over {
			return
		}
		l.stopAgain()
	}
	l.playing, l.loud = "", true
}
