package freeswitchtest

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
)

// agent.txt holds what FreeSWITCH 1.10.12 tells when somebody of a queue
// answers, in the form of template.txt.
//
//go:embed agent.txt
var agentText string

var agentTemplate = parseSections(agentText)

const (
	callcenter = "callcenter"
	fifo       = "fifo"
)

// An agent is who talks with a caller, or has.
type agent struct {
	uuid, name, member string
	flavour            string
	created, bridged   time.Time
	other              []header // what the caller's events tell about the agent
}

// talks tells whether the caller is connected with an agent now.
func (ch *channel) talks() bool { return ch.agent != nil && !ch.agent.bridged.IsZero() }

// talk gives the fields of the template that depend on the agent. mod_fifo
// turns caller and callee around.
func (ch *channel) talk(field string) (string, bool) {
	a := ch.agent
	if a == nil {
		a = &agent{}
	}
	turned := a.flavour == fifo && !a.bridged.IsZero()
	callee := pick(a.flavour == callcenter, a.name, "")
	switch field {
	case "cidname":
		return pick(turned, a.name, ch.name), true
	case "cidnumber":
		return pick(turned, a.name, ch.ani), true
	case "calleename":
		return pick(turned, ch.name, callee), true
	case "calleenumber":
		return pick(turned, ch.ani, callee), true
	case "calluuid":
		return pick(turned, a.uuid, ch.uuid), true
	case "agent":
		return a.uuid, true
	case "agentname":
		return a.name, true
	case "member":
		return a.member, true
	}
	return "", false
}

// setAll sets the variables of a section of agent.txt. What is empty there is
// taken away.
func (ch *channel) setAll(section string) {
	for _, h := range agentTemplate[section] {
		line := string(h.append(nil, "", ch.fill))
		_, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if value == "" {
			ch.vars.unset(h.name)
			continue
		}
		ch.vars.set(h.name, decoded(value))
	}
}

// Agent lets somebody of the queue answer the call: flavour is "callcenter" or
// "fifo", the module whose queue it is. They tell it differently.
//
// An agent of mod_fifo who answers while a program plays something is not
// connected: the switch cuts the prompt instead of the music, or nothing when
// the prompt is about to begin, and both wait until a uuid_break cuts the music.
func (w *Waiting) Agent(flavour string) {
	w.do(func() {
		if flavour != callcenter && flavour != fifo {
			panic(fmt.Sprintf("freeswitchtest: agent: %q is neither callcenter nor fifo", flavour))
		}
		if w.ch.talks() || w.missed {
			return
		}
		w.noteLocked("an agent of %s answers", flavour)
		w.enqueueLocked(&agent{
			uuid: newUUID(), name: "agent7", member: newUUID(), flavour: flavour, created: time.Now(),
		})
		if flavour == fifo {
			w.emitLocked(event{name: eventCustom, subclass: "fifo::info", source: fromFifo, extra: []line{
				{"FIFO-Name", "f1@default"}, {"FIFO-Action", "caller_pop"},
			}})
			w.ch.setAll("fifo answer")
		}
		switch {
		case flavour == callcenter:
			w.answeredByCallcenterLocked()
		case w.hearsLocked():
			w.noteLocked("a prompt is in the way of the agent")
			w.missed = true
			if w.playing != nil {
				w.playedLocked("FILE PLAYED", "break")
			}
		default:
			w.answeredByFifoLocked()
		}
	})
}

// enqueueLocked has the call wait in the queue of the agent's module.
func (w *Waiting) enqueueLocked(a *agent) {
	ch := w.ch
	ch.agent = a
	arg := pick(a.flavour == fifo, "f1@default in", "q1@default")
	if w.app != nil {
		w.app.app, w.app.arg = a.flavour, arg
	}
	if now, _ := ch.vars.get("current_application", ch.fill); now == "park" {
		ch.appName, ch.appArg = a.flavour, arg
		ch.vars.set("current_application_data", arg)
		ch.vars.set("current_application", a.flavour)
	}
	ch.setAll(a.flavour + " queue")
}

// answeredByCallcenterLocked connects the caller with the agent: the bridge is the
// caller's.
func (w *Waiting) answeredByCallcenterLocked() {
	ch, a := w.ch, w.ch.agent
	a.other = agentTemplate["callcenter other"]
	ch.newProfile()
	ch.stateNumber = 8
	ch.transferSource = fmt.Sprintf("%d:%s:uuid_br:%s", time.Now().Unix(), newUUID(), a.uuid)
	ch.setAll("callcenter answer")
	w.silenceLocked("PLAYBACK ERROR")
	w.flushLocked()
	ch.vars.set("cc_cause", "answered")
	w.leaveQueueLocked()
	w.connectedLocked("CS_SOFT_EXECUTE", 3)
	ch.vars.unset("uuid_bridge")
	ch.appName, ch.appArg = "uuid_bridge", a.uuid
	w.emitLocked(event{name: eventExecute, source: fromSoftExecute, extra: []line{
		{"Application", "uuid_bridge"}, {"Application-Data", a.uuid},
	}})
	w.emitLocked(event{name: eventBridge, source: fromBridge, first: w.legsLocked()})
	ch.setAll("callcenter talk")
}

// answeredByFifoLocked connects the agent with the caller: the bridge is the
// agent's, and the caller's variables are not in it.
func (w *Waiting) answeredByFifoLocked() {
	ch, a, s := w.ch, w.ch.agent, w.sw
	w.missed = false
	w.flushLocked()
	ch.stateNumber = 8
	w.leaveQueueLocked()
	ch.newProfile()
	a.other = agentTemplate["fifo other"]
	w.connectedLocked("CS_EXCHANGE_MEDIA", 5)
	core, sequence := s.idLocked(), s.nextLocked()
	s.publishLocked(&message{name: eventBridge, build: func() []byte {
		dst := appendOrigin(appendLine(nil, "Event-Name", eventBridge), core, fromBridge, sequence)
		dst = appendLines(dst, []line{{"Bridge-A-Unique-ID", a.uuid}, {"Bridge-B-Unique-ID", ch.uuid}})
		return ch.appendHeaders(dst, "", agentTemplate["fifo agent"])
	}})
	ch.setAll("fifo talk")
}

func (w *Waiting) connectedLocked(state string, number int) {
	w.ch.state, w.ch.stateNumber = state, number
	w.ch.agent.bridged = time.Now()
	w.result.Bridged = true
	w.noteLocked("the agent talks with the caller")
}

// separatedLocked takes the agent away from the caller.
func (w *Waiting) separatedLocked() {
	if a := w.ch.agent; w.ch.talks() {
		if a.flavour == callcenter {
			w.ch.setAll("callcenter unbridge")
			w.emitLocked(event{name: "CHANNEL_UNBRIDGE", source: fromUnbridge, first: w.legsLocked()})
		}
		w.noteLocked("the agent is gone")
	}
}

// leaveQueueLocked tells that the application in which the call waited has ended.
func (w *Waiting) leaveQueueLocked() {
	if w.app == nil {
		return
	}
	if w.app.app == "park" {
		w.emitLocked(event{name: "CHANNEL_UNPARK", source: fromPark})
	}
	w.emitLocked(event{name: eventComplete, source: fromComplete, extra: w.ch.application(w.app, true)})
	w.app = nil
}

// legsLocked are the first headers of a bridge in which the caller comes first.
func (w *Waiting) legsLocked() []line {
	return []line{{"Bridge-A-Unique-ID", w.ch.uuid}, {"Bridge-B-Unique-ID", w.ch.agent.uuid}}
}
