package freeswitch

import (
	"regexp"
	"strings"
)

// command is one command to a switch that we dialled. Only the functions below make
// one: of fixed words, of a call's id, and of what has one of the strict forms, so
// that nothing of a caller can become a command, and so that no reply can come that
// the library does not survive (see glue_eventsocket.go).
type command string

// What is said after connecting. Only events of calls on offer come through the
// last filter: the others have no variables, or are few.
const (
	subscribe = command("event json DTMF CHANNEL_HANGUP CHANNEL_BRIDGE CHANNEL_PARK CHANNEL_EXECUTE_COMPLETE " +
		"CUSTOM " + eventOffer + " " + eventWithdraw + " " + eventProbe + " " + eventFifo)
	filterKeys     = command("filter Event-Name DTMF")
	filterOffer    = command("filter Event-Subclass " + eventOffer)
	filterWithdraw = command("filter Event-Subclass " + eventWithdraw)
	filterProbe    = command("filter Event-Subclass " + eventProbe)
	filterBridges  = command("filter Event-Name CHANNEL_BRIDGE")
	showChannels   = command("api show channels as json")
	probePrefix    = "sendevent CUSTOM\r\nEvent-Subclass: " + eventProbe + "\r\n" + probeHeader + ": "
	eventOffer     = "deflect::offer"
	eventWithdraw  = "deflect::withdraw"
	eventProbe     = "deflect::probe"
	eventFifo      = "fifo::info"
	probeHeader    = "Deflect-Probe"
)

var filterMarked = command("filter " + variablePrefix + offerVariable + " true")

// Forms of what goes into commands besides the fixed words.
var (
	// A prompt must stay one word of the switch's command line.
	promptWordForm = regexp.MustCompile(`^[^\s[:cntrl:]'"\\^\x60]+$`)
	transferForm   = regexp.MustCompile(`^[A-Za-z0-9_+*#.][A-Za-z0-9_+*#.-]{0,63} [A-Za-z0-9_][A-Za-z0-9_-]{0,31} [A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$`) // no words that begin with -: they are options
	contextForm    = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}$`)
	setForm        = regexp.MustCompile(`^[a-z_]+=[A-Za-z0-9_.*#-]*(;[a-z_]+=[A-Za-z0-9_.*#-]*)*$`)
	// A switch can be told to take the caller's Call-ID for the id of a call. These are
	// what SIP allows there, without quotes, backslashes, braces and what begins an option.
	channelForm = regexp.MustCompile(`^[A-Za-z0-9_.@:!%*+~()<>/\[\]?=][A-Za-z0-9_.@:!%*+~()<>/\[\]?=-]{0,254}$`)
	placeForm   = regexp.MustCompile(`^[0-9]{1,20}\.[0-9]{1,20}$`)
)

// probe asks the switch to send an event back to us.
func probe(token string) command { return command(probePrefix + token) }

// dump asks for the data of a channel. The id was checked by whoever made the call. In
// JSON a name of a header cannot be taken for another header: mod_verto makes names of
// variables of what a browser sends, line ends included.
func dump(uuid string) command { return command("api uuid_dump " + uuid + " json") }

// moduleExists asks for a module by one of our own words.
func moduleExists(module string) command { return command("api module_exists " + module) }

// locateContext asks for the extensions of a context of the dialplan.
func locateContext(name string) (command, bool) {
	return command("api xml_locate dialplan context name " + name), contextForm.MatchString(name)
}

func breakOff(uuid string) command { return command("api uuid_break " + uuid) }

// setVariables takes assignments that are separated by semicolons. It reports false
// for anything that does not have their form, as do the others.
func setVariables(uuid, assignments string) (command, bool) {
	return command("api uuid_setvar_multi " + uuid + " " + assignments), setForm.MatchString(assignments)
}

func broadcast(uuid, prompt string) (command, bool) {
	return command("api uuid_broadcast " + uuid + " " + noTerminators + prompt + " aleg"), promptWord(prompt)
}

// promptWord reports whether a prompt can be played to a caller who waits.
func promptWord(prompt string) bool {
	return promptWordForm.MatchString(prompt) && !strings.Contains(prompt, "${") && !strings.Contains(prompt, "::")
}

func transferTo(uuid, target string) (command, bool) {
	return command("api uuid_transfer " + uuid + " " + target), transferForm.MatchString(target)
}

// commandFor is what a word is for a call that waits: "" for one that says nothing there,
// false for one that cannot be said.
func commandFor(uuid string, w word) (command, bool) {
	switch w.do {
	case doOpen:
		return dump(uuid), true
	case doPlay:
		return broadcast(uuid, w.prompt)
	case doSay:
		arg := noTerminators + spoken(w)
		return command("api uuid_broadcast " + uuid + " 'say::" + arg + "' aleg"), sayForm.MatchString(arg)
	case doStop:
		return breakOff(uuid), true
	case doSet, doGiveBack:
		if len(w.set) == 0 {
			return "", true
		}
		return setVariables(uuid, joined(w.set, ';'))
	}
	return "", true // the queue has answered, and its watcher hears every key
}

var sayForm = regexp.MustCompile(`^` + regexp.QuoteMeta(noTerminators) + `[A-Za-z0-9_-]{1,48} number iterated [0-9]{1,20}$`)
