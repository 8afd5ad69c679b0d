package freeswitchtest

import (
	"slices"
	"strings"
	"time"
)

// The switch waits for five frames of the caller's sound before a broadcast
// begins, and twice as many at most.
const leadTime = 9 * frameTime

// broadcastLocked lets the caller hear a file, or runs application::argument.
// Broadcasts wait for one another.
func (w *Waiting) broadcastLocked(what, legs string) {
	app, arg, ok := strings.Cut(what, "::")
	if !ok {
		app, arg = "playback", what
	}
	if legs != "" && !strings.Contains(legs, "aleg") && !strings.Contains(legs, "both") {
		return
	}
	app, _, _ = strings.Cut(app, "!")
	w.queue = append(w.queue, &execution{app: app, arg: arg, uuid: newUUID()})
	w.atLocked(frameTime, w.lookLocked)
}

// lookLocked takes the next broadcast if nothing plays.
func (w *Waiting) lookLocked() {
	if w.playing != nil || w.lead != nil || len(w.queue) == 0 {
		return
	}
	e := w.queue[0]
	w.queue = w.queue[1:]
	w.lead = e
	w.atLocked(leadTime, func() {
		if w.lead == e {
			w.lead = nil
			w.playLocked(e)
		}
	})
}

// playLocked begins a broadcast.
func (w *Waiting) playLocked(e *execution) {
	ch := w.ch
	e.scope()
	ch.begin(e, w.emitLocked)
	if !e.sounds() {
		w.noteLocked("runs %s %s, which does nothing here", e.app, e.arg)
		ch.complete(e, "", w.emitLocked)
		w.lookLocked()
		return
	}
	w.result.Played = append(w.result.Played, Played{File: e.file(), At: e.began.Sub(w.start)})
	e.prompt = len(w.result.Played)
	w.playing = e
	if !w.has(e.file()) {
		w.noteLocked("cannot find %s", e.file())
		w.stoppedLocked("FILE NOT FOUND")
		w.lookLocked()
		return
	}
	w.noteLocked("plays %s", e.file())
	w.emitLocked(event{name: "PLAYBACK_START", source: fromPlay, extra: e.sounding()})
	w.atLocked(w.promptLength(e.file()), func() {
		if w.playing == e {
			w.playedLocked("FILE PLAYED", "done")
		}
	})
}

func (w *Waiting) has(file string) bool {
	all := Call{Missing: slices.Concat(w.sw.Missing, w.spec.Missing), Exists: w.spec.Exists}
	if all.Exists == nil {
		all.Exists = w.sw.Exists
	}
	return all.has(file)
}

func (w *Waiting) promptLength(file string) time.Duration {
	if d, ok := w.spec.Prompts[file]; ok {
		return d
	}
	return Call{Prompts: w.sw.Prompts}.promptLength(file)
}

// playedLocked ends what plays and goes on with what waits for it.
func (w *Waiting) playedLocked(response, status string) {
	w.endsLocked(response, status)
	w.lookLocked()
}

// endsLocked tells that what plays has ended.
func (w *Waiting) endsLocked(response, status string) {
	e := w.playing
	full := w.promptLength(e.file())
	heard := min(time.Since(e.began), full)
	w.result.Played[e.prompt-1].For = heard
	if heard < full {
		w.noteLocked("%s ends after %v", e.file(), heard.Round(time.Millisecond))
	}
	w.ch.heard(heard, full)
	w.emitLocked(event{name: "PLAYBACK_STOP", source: fromStop, extra: append(e.sounding(), line{"Playback-Status", status})})
	w.stoppedLocked(response)
}

// stoppedLocked tells that the application of a prompt has ended.
func (w *Waiting) stoppedLocked(response string) {
	e := w.playing
	w.playing = nil
	if e.app == "say" {
		response = "" // the switch does not tell
	}
	w.result.Played[e.prompt-1].Response = pick(e.app == "say", "_none_", response)
	w.ch.complete(e, response, w.emitLocked)
}

// hearsLocked tells whether the caller hears a broadcast, or will.
func (w *Waiting) hearsLocked() bool { return w.playing != nil || w.lead != nil || len(w.queue) > 0 }

// flushLocked gives what has not begun to play and never will.
func (w *Waiting) flushLocked() []*execution {
	late := w.queue
	if w.lead != nil {
		late = append([]*execution{w.lead}, late...)
	}
	w.queue, w.lead = nil, nil
	for _, e := range late {
		w.noteLocked("%s comes too late", e.file())
	}
	return late
}

// silenceLocked ends what plays.
func (w *Waiting) silenceLocked(response string) {
	if w.playing != nil {
		w.endsLocked(response, "done")
	}
}

// breakInLocked ends what plays in the next frame, and the music a frame later; with
// all also what waits for it. What is about to begin it does not touch.
func (w *Waiting) breakInLocked(flag string) {
	if strings.Contains(flag, "all") {
		w.queue = nil
	}
	e := w.playing
	w.atLocked(frameTime, func() {
		switch {
		case e != nil && w.playing == e:
			w.playedLocked("FILE PLAYED", "break")
			w.atLocked(frameTime, func() {
				if w.missed {
					w.answeredByFifoLocked()
				}
			})
		case e == nil && w.missed && !w.hearsLocked():
			w.answeredByFifoLocked() // the music ended
		}
	})
}
