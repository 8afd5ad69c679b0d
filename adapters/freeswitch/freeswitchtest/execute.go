package freeswitchtest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An execution is one application that was or will be run.
type execution struct {
	app, arg, uuid string
	fromDialplan   bool
	scoped         map[string]string // variables for this application alone

	began  time.Time
	prompt int // which prompt it is, from 1

	ends   time.Time     // by itself
	waits  time.Time     // since when, for an application inside it
	left   time.Duration // when it is done waiting
	waited time.Duration // in all
}

// sounds tells whether the caller hears something while it runs.
func (e *execution) sounds() bool { return e.app == "playback" || e.app == "say" }

// file is what the caller hears: say has no file of its own.
func (e *execution) file() string {
	if e.app == "say" {
		return "say " + e.arg
	}
	return e.arg
}

// message takes a sendmsg. The switch says yes to nearly everything.
func (l *leg) message(c command) string {
	if c.rest != "" && c.rest != l.ch.uuid {
		return l.reply("-ERR invalid session id [%s]", c.rest)
	}
	if app, arg := c.application(); !l.ch.async && c.get("call-command") == "execute" && l.ch.up() {
		return l.executeInline(&execution{app: app, arg: l.expand(arg), uuid: c.get("event-uuid")})
	}
	reply := l.reply("+OK")
	if !l.ch.up() || l.result.Transferred && !l.away {
		return reply
	}
	switch c.get("call-command") {
	case "hangup":
		l.at(frameTime, func() { l.endedByPeer(c.get("hangup-cause"), nil) })
	case "execute":
		app, arg := c.application()
		l.execute(&execution{app: app, arg: l.expand(arg), uuid: c.get("event-uuid")})
	}
	return reply
}

// execute puts an application in the queue.
func (l *leg) execute(e *execution) {
	if e.uuid == "" {
		e.uuid = newUUID()
	}
	if l.away {
		l.executeElsewhere(e)
		return
	}
	if e.sounds() {
		l.moment(PromptAsked, e.uuid)
	}
	l.queue = append(l.queue, e)
	l.pickUp()
}

// scope takes the variables off the argument that hold only while it runs:
// %[name=value,name=value]argument.
func (e *execution) scope() {
	list, arg, _ := strings.Cut(e.arg, "]")
	list, ok := strings.CutPrefix(list, "%[")
	if !ok {
		return
	}
	e.arg, e.scoped = arg, map[string]string{}
	for a := range strings.SplitSeq(list, ",") {
		name, value, _ := strings.Cut(a, "=")
		e.scoped[name] = value
	}
}

// executeElsewhere is for a call that has left the socket application: what takes no
// time is done where it is.
func (l *leg) executeElsewhere(e *execution) {
	switch e.app {
	case "set", "multiset", "unset", "sched_cancel":
		l.at(frameTime, func() {
			if l.ch.up() {
				l.begin(e)
				l.finished(e, "")
			}
		})
	default:
		l.violation("an application for a call that is somewhere else", e.app)
	}
}

// executeInline is a socket without async: it runs what it is told, answers when
// that has ended, and tells its events after that.
func (l *leg) executeInline(e *execution) string {
	if e.uuid == "" {
		e.uuid = newUUID()
	}
	if e.sounds() {
		l.moment(PromptAsked, e.uuid)
	}
	l.inline = e
	l.perform(e)
	if len(l.stack) == 0 {
		l.inlineDone()
	}
	return "+OK"
}

func (l *leg) inlineDone() {
	events, held := l.unheard, l.held
	l.inline, l.unheard, l.held = nil, nil, nil
	l.reply("+OK")
	// The switch tells events when it has nothing to do.
	l.at(frameTime, func() {
		for _, e := range events {
			if l.socket.open {
				l.wire.send(e)
			}
		}
	})
	for i, text := range held {
		if l.inline != nil {
			l.held = append(l.held, held[i:]...)
			return
		}
		l.receive(text)
	}
}

func (l *leg) perform(e *execution) {
	if !slices.Contains(applications, e.app) {
		l.ch.loops(true)
		l.note("the switch does not know the application %s and hangs up", e.app)
		l.endedByPeer("DESTINATION_OUT_OF_ORDER", nil)
		return
	}
	e.scope()
	l.begin(e)
	switch e.app {
	case "flush_dtmf":
		if l.stale != "" {
			l.note("forgets the keys %s", l.stale)
		}
		l.stale = ""
		l.complete(e, "")
	case "playback", "say":
		l.playPrompt(e)
	case "sleep":
		ms, _ := strconv.ParseUint(e.arg, 10, 31)
		l.takeTime(e, time.Duration(ms)*time.Millisecond)
	case "answer":
		if !l.ch.answered.IsZero() {
			l.complete(e, "")
			return
		}
		l.takeTime(e, frameTime)
	case "break":
		l.breakIn(e)
	case "hangup":
		l.endedByPeer(e.arg, e)
	default:
		l.complete(e, "")
	}
}

// takeTime runs an application that takes time. It has none when the dialplan
// is to go on.
func (l *leg) takeTime(e *execution, d time.Duration) {
	switch {
	case l.cut:
		l.finished(e, "PLAYBACK ERROR")
	case d == 0:
		l.finished(e, "FILE PLAYED")
	default:
		l.enter(e, d)
	}
}

// begin starts an application, and does what takes no time.
func (l *leg) begin(e *execution) {
	l.ch.begin(e, l.emit)
	switch e.app {
	case "set", "multiset":
		for _, a := range assignments(e.app, e.arg) {
			name, value, _ := strings.Cut(a, "=")
			l.setVar(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	case "unset":
		l.setVar(e.arg, "")
	}
}

func (l *leg) setVar(name, value string) {
	if !goodName(name) {
		return
	}
	if value == "" {
		l.ch.vars.unset(name)
		delete(l.result.Vars, name)
		l.note("unsets %s", name)
		return
	}
	l.ch.vars.set(name, value)
	l.result.Vars[name] = value
	l.note("sets %s=%s", name, value)
}

// pickedUp answers the call if it is not.
func (l *leg) pickedUp() {
	if !l.ch.answered.IsZero() {
		return
	}
	l.note("answered")
	l.markAnswered()
	l.ch.callState = "RINGING" // the event comes before the state
	l.emit(event{name: "CHANNEL_ANSWER", source: fromAnswer})
	l.ch.callState = "ACTIVE"
	l.ch.vars.set("endpoint_disposition", "ANSWER")
	l.reached(atAnswer, 0)
}

func (l *leg) markAnswered() {
	l.ch.answer()
	l.result.Answered = true
}

// playPrompt plays one prompt.
func (l *leg) playPrompt(e *execution) {
	l.prompts++
	e.prompt = l.prompts
	l.result.Played = append(l.result.Played, Played{File: e.file(), At: e.began.Sub(l.start)})
	l.reached(atPromptStart, e.prompt)
	switch outer := l.top(); {
	case l.cut:
		l.note("has no time to play %s", e.file())
	case !l.spec.has(e.file()):
		l.note("cannot find %s", e.file())
		if e.app == "say" {
			l.complete(e, "") // the switch does not tell
		} else {
			l.complete(e, "FILE NOT FOUND")
		}
		return
	case outer != nil && outer.sounds():
		l.note("plays %s while %s waits", e.file(), outer.file())
	default:
		l.note("plays %s", e.file())
	}
	l.takeTime(e, l.promptLength(e))
}

func (l *leg) promptLength(e *execution) time.Duration {
	if !l.spec.has(e.file()) {
		return 0
	}
	if l.spec.Length != nil {
		return max(l.spec.Length(e.file(), e.uuid), 0)
	}
	return l.spec.promptLength(e.file())
}

// complete tells that an application has ended.
func (l *leg) complete(e *execution, response string) {
	if e.prompt > 0 {
		l.promptEnded(e, response)
	}
	l.ch.complete(e, response, l.emit)
	if e.prompt > 0 {
		l.moment(PromptEnded, e.uuid)
	}
	if e.app == "answer" && !e.fromDialplan {
		l.ch.vars.appear(groupAck)
	}
}

func (l *leg) promptEnded(e *execution, response string) {
	full := l.promptLength(e)
	heard := min(time.Since(e.began)-e.waited, full)
	p := &l.result.Played[e.prompt-1]
	p.For, p.Response = heard, response
	defer l.reached(atPromptEnd, e.prompt)
	if heard == 0 {
		return
	}
	if heard < full {
		l.note("%s ends after %v", e.file(), heard.Round(time.Millisecond))
	}
	l.ch.heard(heard, full)
}

// expand replaces ${name} by the variable, as the switch does with every
// argument. Functions are not run: they become nothing.
func (l *leg) expand(arg string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(arg, "${")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		value, _ := l.ch.vars.get(name, l.ch.fill)
		b.WriteString(value)
		arg = after
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
