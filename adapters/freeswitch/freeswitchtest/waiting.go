package freeswitchtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Waiting is a call that was answered and waits in a queue of a Switch. Its
// methods act at once and are safe for concurrent use. Once the call is gone
// they do nothing.
type Waiting struct {
	sw    *Switch
	spec  Call
	ch    *channel
	start time.Time
	gone  bool

	app     *execution // in which the call waits
	queue   []*execution
	lead    *execution // that begins soon
	playing *execution
	missed  bool // an agent of mod_fifo waits in vain
	result  WaitingResult
}

// WaitingResult is what a call was like until now.
type WaitingResult struct {
	// Vars are the channel variables that programs have set.
	Vars map[string]string
	// Played are the prompts in the order in which they began. At counts
	// from Park.
	Played []Played
	// Transferred is where a program has sent the call with uuid_transfer:
	// extension, dialplan and context.
	Transferred string
	// HungUp tells whether the call has ended, Bridged whether it was
	// connected with an agent.
	HungUp, Bridged bool
	// Timeline tells the call in words, counted from Park.
	Timeline []Entry
}

// Park brings a call to the switch that was answered and waits, as in a queue
// of mod_callcenter, in a fifo or with park. Nothing is announced. Of c it
// takes UUID, ANI, DNIS, CallerName, HideNumber, Vars, Prompts, Missing and
// Exists. It panics if c cannot be a call.
func (s *Switch) Park(c Call) *Waiting {
	if err := c.Validate(); err != nil {
		panic(err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[c.UUID] != nil {
		panic(fmt.Sprintf("freeswitchtest: park: there is a call %s", c.UUID))
	}
	now := time.Now()
	w := &Waiting{sw: s, spec: c, ch: newChannel(c, "", now), start: now}
	w.result.Vars = map[string]string{}
	w.ch.answer()
	w.ch.vars.set("endpoint_disposition", "ANSWER")
	w.ch.vars.appear(groupAck)
	for _, name := range sortedKeys(c.Vars) {
		w.ch.vars.set(name, c.Vars[name])
	}
	w.app = &execution{app: "park", uuid: newUUID(), fromDialplan: true}
	w.ch.appName = "park"
	w.ch.vars.set("current_application", "park")
	if s.calls == nil {
		s.calls = map[string]*Waiting{}
	}
	s.calls[w.ch.uuid] = w
	s.order = append(s.order, w)
	w.noteLocked("the call waits")
	return w
}

// UUID is the channel's id.
func (w *Waiting) UUID() string { return w.ch.uuid }

// Announce is the event application of the dialplan that tells programs that
// the call is on offer: CUSTOM deflect::offer with all data of the channel.
func (w *Waiting) Announce() { w.Event("deflect::offer") }

// Withdraw is Announce with deflect::withdraw.
func (w *Waiting) Withdraw() { w.Event("deflect::withdraw") }

// Event is the event application of the dialplan with a CUSTOM event.
func (w *Waiting) Event(subclass string) {
	w.do(func() {
		w.noteLocked("announces %s", subclass)
		v := &w.ch.vars
		data, _ := v.get("current_application_data", w.ch.fill)
		app, _ := v.get("current_application", w.ch.fill)
		v.set("current_application_data", "Event-Name=CUSTOM,Event-Subclass="+subclass)
		v.set("current_application", "event")
		w.emitLocked(event{name: eventCustom, subclass: subclass, source: fromApp})
		v.unset("current_application_data")
		if data != "" {
			v.set("current_application_data", data)
		}
		v.set("current_application", app)
	})
}

// Press presses keys, all at once. It tells on how many connections the event
// of the last one went out.
func (w *Waiting) Press(digits string) int {
	n := 0
	w.do(func() {
		if err := Press(digits).validate(); err != nil {
			panic("freeswitchtest: " + err.Error())
		}
		for i := range len(digits) {
			digit := digits[i : i+1]
			w.noteLocked("caller presses %s", digit)
			n = w.sw.emitLocked(w.ch, w.ch.press(digit))
			if w.playing != nil && w.ch.terminates(digit, w.playing.scoped) {
				w.ch.vars.set("playback_terminator_used", digit)
				w.playedLocked("FILE PLAYED", "done")
			}
		}
	})
	return n
}

// Set is the set application of the dialplan. An empty value unsets.
func (w *Waiting) Set(name, value string) {
	w.do(func() {
		if !goodName(name) {
			panic(fmt.Sprintf("freeswitchtest: set: %q cannot be the name of a variable", name))
		}
		if value == "" {
			w.ch.vars.unset(name)
			return
		}
		w.ch.vars.set(name, value)
	})
}

// Result tells what became of the call until now.
func (w *Waiting) Result() WaitingResult {
	w.sw.mu.Lock()
	defer w.sw.mu.Unlock()
	r := w.result
	r.Vars = maps.Clone(r.Vars)
	r.Played, r.Timeline = slices.Clone(r.Played), slices.Clone(r.Timeline)
	if e := w.playing; e != nil {
		r.Played[e.prompt-1].For = time.Since(e.began)
	}
	return r
}

// lostLocked is for a call whose switch is gone.
func (w *Waiting) lostLocked() {
	w.gone = true
	w.noteLocked("the switch is gone")
	if e := w.playing; e != nil {
		w.result.Played[e.prompt-1].For = time.Since(e.began)
		w.playing = nil
	}
}

// do runs something on a call that is there.
func (w *Waiting) do(f func()) {
	w.sw.mu.Lock()
	defer w.sw.mu.Unlock()
	if !w.gone {
		f()
	}
}

func (w *Waiting) emitLocked(e event) { w.sw.emitLocked(w.ch, e) }

func (w *Waiting) noteLocked(format string, args ...any) {
	w.result.Timeline = append(w.result.Timeline, Entry{time.Since(w.start), printable(fmt.Sprintf(format, args...))})
}

// setVarLocked is for the programs.
func (w *Waiting) setVarLocked(name, value string) {
	if value == "" {
		w.ch.vars.unset(name)
		delete(w.result.Vars, name)
		w.noteLocked("a program unsets %s", name)
		return
	}
	w.ch.vars.set(name, value)
	w.result.Vars[name] = value
	w.noteLocked("a program sets %s=%s", name, value)
}

// atLocked does something later, if the call is there then.
func (w *Waiting) atLocked(d time.Duration, f func()) {
	w.sw.atLocked(d, func() {
		if !w.gone {
			f()
		}
	})
}

// sounding gives the file that PLAYBACK_START and PLAYBACK_STOP name.
func (e *execution) sounding() []line {
	path := e.arg
	if e.app == "say" {
		_, spoken, _ := strings.Cut(e.arg, " ")
		path = "file_string://" + strings.ReplaceAll(spoken, " ", "/")
	}
	kind, _, ok := strings.Cut(path, "://")
	if ok && (kind == "tone_stream" || kind == "local_stream") {
		return []line{{"Playback-File-Type", kind}, {"Playback-File-Path", path}}
	}
	return []line{{"Playback-File-Path", path}}
}
