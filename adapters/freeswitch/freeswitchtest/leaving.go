package freeswitchtest

import (
	"fmt"
	"slices"
	"time"
)

// HangUp lets the caller hang up. The channel is gone then.
func (w *Waiting) HangUp() {
	w.do(func() {
		w.noteLocked("caller hangs up")
		w.ch.bye(func() {
			if w.ch.talks() {
				w.ch.setAll(w.ch.agent.flavour + " hangup")
			}
			w.ch.hangUp(normalClearing, w.emitLocked)
		})
		w.takeApartLocked("PLAYBACK ERROR")
	})
}

// killLocked ends the call as a program wants it.
func (w *Waiting) killLocked(cause string) {
	if cause == "" {
		cause = normalClearing
	}
	w.noteLocked("a program ends the call: %s", cause)
	w.ch.hangUp(cause, w.emitLocked)
	w.takeApartLocked("FILE PLAYED")
}

// takeApartLocked ends everything about a call that was hung up.
func (w *Waiting) takeApartLocked(response string) {
	w.result.HungUp = true
	w.silenceLocked(response)
	w.flushLocked()
	w.separatedLocked()
	w.leaveQueueLocked()
	w.ch.report(w.emitLocked)
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
		w.noteLocked("somebody sends the call to %s", extension)
		w.ch.transfer(extension, "XML", w.ch.context)
		w.arriveLocked()
	})
}

// transferToLocked sends the call to another extension as a program wants it.
func (w *Waiting) transferToLocked(extension, dialplan, context string) {
	if dialplan == "" {
		dialplan = "XML"
	}
	if context == "" {
		context = w.ch.context
	}
	w.result.Transferred = extension + " " + dialplan + " " + context
	w.noteLocked("a program sends the call to %s", w.result.Transferred)
	w.ch.transfer(extension, dialplan, context)
	w.atLocked(frameTime, w.arriveLocked)
}

// arriveLocked leaves the queue for the extension, which lets the call wait. What
// was to be heard comes too late: the switch begins it and gives it up.
func (w *Waiting) arriveLocked() {
	w.silenceLocked("PLAYBACK ERROR")
	for _, e := range w.flushLocked() {
		w.ch.begin(e, w.emitLocked)
		w.ch.complete(e, pick(e.app == "playback", "PLAYBACK ERROR", ""), w.emitLocked)
	}
	w.separatedLocked()
	w.leaveQueueLocked()
	if w.missed {
		w.answeredByFifoLocked() // whom the transfer has set free
		return
	}
	if a := w.ch.agent; a != nil {
		a.other, a.bridged = nil, time.Time{}
	}
	w.ch.state, w.ch.stateNumber = "CS_EXECUTE", 4
	w.ch.vars.set("call_uuid", w.ch.uuid)
}

// putAsideLocked takes the call out of the queue and parks it, where it is in the
// dialplan.
func (w *Waiting) putAsideLocked() {
	w.noteLocked("a program parks the call")
	w.silenceLocked("PLAYBACK ERROR")
	w.flushLocked()
	if v, _ := w.ch.vars.get("fifo_status", w.ch.fill); v == "WAITING" {
		w.ch.vars.set("fifo_status", "ABORTED")
	}
	w.leaveQueueLocked()
	w.ch.state, w.ch.stateNumber = "CS_PARK", 6
	w.emitLocked(event{name: "CHANNEL_PARK", source: fromParked})
}
