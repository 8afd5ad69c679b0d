package freeswitch

import "time"

// line is the way to one call: what its session says to it in words, and hears of it in
// events, whatever phone system there is at the other end and however it is reached. Each
// kind of line turns words into commands of its own, and what comes back into events.
//
//	word        socketLine: a socket of the call's own   queueLine: from outside, in a queue
//	doOpen      connect, linger, myevents, filter        uuid_dump
//	doAnswer    answer                                   nothing: its queue has
//	doListen    flush_dtmf                               nothing: it has heard every key
//	doPlay      playback                                 uuid_broadcast
//	doSay       say                                      uuid_broadcast say::
//	doStop      break                                    uuid_break
//	doSet       multiset                                 uuid_setvar_multi
//	doGiveBack  multiset, resume, unset, exit            uuid_setvar_multi
//
//	event
//	callKnown   the reply to connect                     the answer to uuid_dump
//	keyPressed  DTMF                                     DTMF
//	promptEnded CHANNEL_EXECUTE_COMPLETE                 the same, with an id of the switch's
//	callLeft    CHANNEL_HANGUP, the end of socket        CHANNEL_HANGUP, CHANNEL_BRIDGE, fifo::info
//
// One goroutine uses a line; only wake is for any.
type line interface {
	// tell says words in their order, all of them in one write where the line has writes,
	// and waits for no answer: what fails shows as an event. The first word is doOpen, which
	// comes to callKnown, the last one doGiveBack.
	tell(words ...word)
	// next waits for the next event, for the time until unless that is zero, or for a wake.
	// Events come in the order in which things happened, promptEnded once for each doPlay and
	// doSay, unless the call leaves first. After lineDown it returns that at once.
	next(until time.Time) event
	// wake ends the wait of next, or else the next one before it begins.
	wake()
	// call tells what is known of the call, and reports whether it is one. It is asked
	// once, after doOpen came to something.
	call() (channel, bool)
	// end lets go of the call, after doGiveBack, as soon as that cannot harm its caller; that
	// can be when the caller hangs up. It returns the cause of the hang-up, "" when none is known.
	end() string
	// why says why the line is down, nil while it is not.
	why() error
	// trace lets t hear, from now on, what is said to the switch and heard of it.
	trace(t *callTrace)
}

// word is one thing that is said to a call.
type word struct {
	do       verb
	id       string       // of doPlay and doSay: promptEnded comes with it
	prompt   string       // of doPlay, as the configuration has it
	digits   string       // of doSay
	language string       // of doSay
	set      []assignment // of doSet and doGiveBack; none says nothing
}

type verb int

const (
	doOpen     verb = iota // get to know the call
	doAnswer               // answer it
	doListen               // report the keys that are pressed from now on
	doPlay                 // play a prompt, which no key ends
	doSay                  // read digits out, one by one
	doStop                 // end the prompt that is playing
	doSet                  // set variables for the dialplan
	doGiveBack             // set variables, and let the dialplan go on
)

// event is one thing that has happened to a call.
type event struct {
	what   happening
	key    byte         // of keyPressed: a DTMF digit
	id     string       // of promptEnded
	result promptResult // of promptEnded
	gone   gone         // of callLeft
}

type happening int

const (
	otherEvent  happening = iota // of no interest to a session
	callKnown                    // see line.call
	keyPressed                   // while a prompt plays as well
	promptEnded                  // by itself, or because it was stopped
	callLeft                     // the call is not ours to speak to any more
	lineDown                     // nothing more comes, see line.why
	timeCame                     // the one that next was given
	lineWoken                    // there is news elsewhere
)

// gone says why a call is no longer ours to speak to.
type gone string

const (
	here        gone = ""
	hungUp      gone = "hangup"
	transferred gone = "transferred"
	served      gone = "agent"  // somebody has taken the call out of the queue
	broken      gone = "switch" // the line is down, or the switch refused a command
)

// promptResult is what a prompt came to, in FreeSWITCH's words, which the log shows.
type promptResult string

const (
	noResult    promptResult = "" // it was not played to its end, or nobody says
	played      promptResult = "FILE PLAYED"
	notFound    promptResult = "FILE NOT FOUND"
	playError   promptResult = "PLAYBACK ERROR" // also when the caller hangs up
	otherResult promptResult = "another answer"
)

// resultOf takes a switch's word for a result, or a stranger's for another one.
func resultOf(response string) promptResult {
	switch r := promptResult(response); r {
	case noResult, played, notFound, playError:
		return r
	}
	return otherResult
}
