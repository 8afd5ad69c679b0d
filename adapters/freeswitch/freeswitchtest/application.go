package freeswitchtest

import (
	"strconv"
	"strings"
	"time"
)

// begin marks the beginning of an application on the channel.
func (ch *channel) begin(e *execution, emit func(event)) {
	v := &ch.vars
	e.began = time.Now()
	ch.appName, ch.appArg = e.app, e.arg
	if !e.fromDialplan {
		ch.loops(true)
	}
	v.unset("current_application_response")
	v.set("current_application", e.app)
	v.unset("current_application_data")
	if e.arg != "" {
		v.set("current_application_data", e.arg)
	}
	emit(event{name: eventExecute, source: fromExecute, extra: ch.application(e, false)})
	if e.arg != "" {
		v.set("current_application_data", e.arg)
	}
	v.set("current_application", e.app)
}

// complete marks the end of an application on the channel.
func (ch *channel) complete(e *execution, response string, emit func(event)) {
	if response != "" {
		ch.vars.set("current_application_response", response)
	}
	emit(event{name: eventComplete, source: fromComplete, extra: ch.application(e, true)})
	ch.loops(false)
}

// application gives the last headers of an event about an application.
func (ch *channel) application(e *execution, done bool) []line {
	lines := []line{{"Application", e.app}}
	if e.arg != "" {
		lines = append(lines, line{"Application-Data", e.arg})
	}
	if done {
		response, ok := ch.vars.get("current_application_response", ch.fill)
		lines = append(lines, line{"Application-Response", pick(ok, response, "_none_")})
	}
	return append(lines, line{"Application-UUID", e.uuid})
}

// loops sets or removes the variables of an application that did not come
// from the dialplan.
func (ch *channel) loops(set bool) {
	for _, name := range []string{"current_loop", "total_loops"} {
		if set {
			ch.vars.set(name, "1")
		} else {
			ch.vars.unset(name)
		}
	}
}

// heard sets what the switch notes when a prompt has ended.
func (ch *channel) heard(heard, full time.Duration) {
	// The switch reads a file ahead, in pieces of about two seconds.
	const piece = 2048 * time.Millisecond
	read := min((heard+piece-1)/piece*piece, full)
	set := func(name string, n int64) { ch.vars.set(name, strconv.FormatInt(n, 10)) }
	set("playback_last_offset_pos", heard.Milliseconds()*8)
	set("playback_seconds", int64(read/time.Second))
	set("playback_ms", read.Milliseconds())
	set("playback_samples", read.Milliseconds()*8)
}

// press takes one key and gives its event.
func (ch *channel) press(digit string) event {
	ch.digits += digit
	return event{name: "DTMF", source: fromDTMF, bare: true, extra: []line{
		{"DTMF-Digit", digit}, {"DTMF-Duration", "1600"}, {"DTMF-Source", "RTP"},
	}}
}

// terminates tells whether a key ends a prompt by itself: * does, unless the
// variable playback_terminators, that of the prompt alone (scoped) or that of the
// channel, says otherwise.
func (ch *channel) terminates(digit string, scoped map[string]string) bool {
	list, ok := scoped["playback_terminators"]
	if !ok {
		list, ok = ch.vars.get("playback_terminators", ch.fill)
	}
	switch {
	case !ok:
		return digit == "*"
	case list == "any":
		return true
	case list == "none":
		return false
	default:
		return strings.Contains(list, digit)
	}
}
