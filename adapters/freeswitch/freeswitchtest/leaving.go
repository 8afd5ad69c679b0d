package freeswitchtest

import (
	"fmt"
	"slices"
	"time"
)

// HangUp lets the caller hang up. The channel is gone then.
func (w *Waiting) HangUp() {
	w.do(func() {
		w.note("caller hangs up")
		w.ch.bye(func() {
			if w.ch.talks() {
				w.ch.setAll(w.ch.agent.flavour + " hangup")
			}
			w.ch.hangUp(normalClearing, w.emit)
		})
		w.takeApart("PLAYBACK ERROR")
	})
}

// kill ends the call as a program wants it.
func (w *Waiting) kill(cause string) {
	if cause == "" {
		cause = normalClearing
	}
	w.note("a program ends the call: %s", cause)
	w.ch.hangUp(cause, w.emit)
	w.takeApart("FILE PLAYED")
}

// takeApart ends everything about a call that was hung up.
func (w *Waiting) takeApart(response string) {
	w.result.HungUp = true
	w.silence(response)
	w.flush()
	w.separated()
	w.leaveQueue()
	w.ch.report(w.emit)
	w.gone = true
	delete(w.sw.calls, w.ch.uuid)
	w.sw.order = slices.DeleteFunc(w.sw.order, func(o *Waiting) bool { return o == w })
}

// Transfer lets somebody else send the call to another extension, where it
// waits.
func (w *Waiting) Transfer(extension string) {
	w.do(func() {
		if !plainWord(extension) {
			panic(fmt.Sprintf("freeswitchtest: transfer: %q is not an extension", extension))
		}
		w.note("somebody sends the call to %s", extension)
		w.ch.transfer(extension, "XML", w.ch.context)
		w.arrive()
	})
}

// transferTo sends the call to another extension as a program wants it.
func (w *Waiting) transferTo(extension, dialplan, context string) {
	if dialplan == "" {
		dialplan = "XML"
	}
	if context == "" {
		context = w.ch.context
	}
	w.result.Transferred = extension + " " + dialplan + " " + context
	w.note("a program sends the call to %s", w.result.Transferred)
	w.ch.transfer(extension, dialplan, context)
	w.at(frameTime, w.arrive)
}

// arrive leaves the queue for the extension, which lets the call wait. What
// was to be heard comes too late: the switch begins it and gives it up.
func (w *Waiting) arrive() {
	w.silence("PLAYBACK ERROR")
	for _, e := range w.flush() {
		w.ch.begin(e, w.emit)
		w.ch.complete(e, pick(e.app == "playback", "PLAYBACK ERROR", ""), w.emit)
	}
	w.separated()
	w.leaveQueue()
	if w.missed {
		w.answeredByFifo() // whom the transfer has set free
		return
	}
	if a := w.ch.agent; a != nil {
		a.other, a.bridged = nil, time.Time{}
	}
	w.ch.state, w.ch.stateNumber = "CS_EXECUTE", 4
	w.ch.vars.set("call_uuid", w.ch.uuid)
}

// putAside takes the call out of the queue and parks it, where it is in the
// dialplan.
func (w *Waiting) putAside() {
	w.note("a program parks the call")
	w.silence("PLAYBACK ERROR")
	w.flush()
	if v, _ := w.ch.vars.get("fifo_status", w.ch.fill); v == "WAITING" {
		w.ch.vars.set("fifo_status", "ABORTED")
	}
	w.leaveQueue()
	w.ch.state, w.ch.stateNumber = "CS_PARK", 6
	w.emit(event{name: "CHANNEL_PARK", source: fromParked})
}
