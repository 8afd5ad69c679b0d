package freeswitchtest

import (
	"slices"
	"strings"
	"time"
)

// The switch waits for five frames of the caller's sound before a broadcast
// begins, and twice as many at most.
const leadTime = 9 * frameTime

// broadcast lets the caller hear a file, or runs application::argument.
// Broadcasts wait for one another.
func (w *Waiting) broadcast(what, legs string) {
	app, arg, ok := strings.Cut(what, "::")
	if !ok {
		app, arg = "playback", what
	}
	if legs != "" && !strings.Contains(legs, "aleg") && !strings.Contains(legs, "both") {
		return
	}
	app, _, _ = strings.Cut(app, "!")
	w.queue = append(w.queue, &execution{app: app, arg: arg, uuid: newUUID()})
	w.at(frameTime, w.look)
}

// look takes the next broadcast if nothing plays.
func (w *Waiting) look() {
	if w.playing != nil || w.lead != nil || len(w.queue) == 0 {
		return
	}
	e := w.queue[0]
	w.queue = w.queue[1:]
	w.lead = e
	w.at(leadTime, func() {
		if w.lead == e {
			w.lead = nil
			w.play(e)
		}
	})
}

// play begins a broadcast.
func (w *Waiting) play(e *execution) {
	ch := w.ch
	e.scope()
	ch.begin(e, w.emit)
	if !e.sounds() {
		w.note("runs %s %s, which does nothing here", e.app, e.arg)
		ch.complete(e, "", w.emit)
		w.look()
		return
	}
	w.result.Played = append(w.result.Played, Played{File: e.file(), At: e.began.Sub(w.start)})
	e.prompt = len(w.result.Played)
	w.playing = e
	if !w.has(e.file()) {
		w.note("cannot find %s", e.file())
		w.stopped("FILE NOT FOUND")
		w.look()
		return
	}
	w.note("plays %s", e.file())
	w.emit(event{name: "PLAYBACK_START", source: fromPlay, extra: e.sounding()})
	w.at(w.promptLength(e.file()), func() {
		if w.playing == e {
			w.played("FILE PLAYED", "done")
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

// played ends what plays and goes on with what waits for it.
func (w *Waiting) played(response, status string) {
	w.ends(response, status)
	w.look()
}

// ends tells that what plays has ended.
func (w *Waiting) ends(response, status string) {
	e := w.playing
	full := w.promptLength(e.file())
	heard := min(time.Since(e.began), full)
	w.result.Played[e.prompt-1].For = heard
	if heard < full {
		w.note("%s ends after %v", e.file(), heard.Round(time.Millisecond))
	}
	w.ch.heard(heard, full)
	w.emit(event{name: "PLAYBACK_STOP", source: fromStop, extra: append(e.sounding(), line{"Playback-Status", status})})
	w.stopped(response)
}

// stopped tells that the application of a prompt has ended.
func (w *Waiting) stopped(response string) {
	e := w.playing
	w.playing = nil
	if e.app == "say" {
		response = "" // the switch does not tell
	}
	w.result.Played[e.prompt-1].Response = pick(e.app == "say", "_none_", response)
	w.ch.complete(e, response, w.emit)
}

// hears tells whether the caller hears a broadcast, or will.
func (w *Waiting) hears() bool { return w.playing != nil || w.lead != nil || len(w.queue) > 0 }

// flush gives what has not begun to play and never will.
func (w *Waiting) flush() []*execution {
	late := w.queue
	if w.lead != nil {
		late = append([]*execution{w.lead}, late...)
	}
	w.queue, w.lead = nil, nil
	for _, e := range late {
		w.note("%s comes too late", e.file())
	}
	return late
}

// silence ends what plays.
func (w *Waiting) silence(response string) {
	if w.playing != nil {
		w.ends(response, "done")
	}
}

// breakIn ends what plays in the next frame, and the music a frame later; with
// all also what waits for it. What is about to begin it does not touch.
func (w *Waiting) breakIn(flag string) {
	if strings.Contains(flag, "all") {
		w.queue = nil
	}
	e := w.playing
	w.at(frameTime, func() {
		switch {
		case e != nil && w.playing == e:
			w.played("FILE PLAYED", "break")
			w.at(frameTime, func() {
				if w.missed {
					w.answeredByFifo()
				}
			})
		case e == nil && w.missed && !w.hears():
			w.answeredByFifo() // the music ended
		}
	})
}
