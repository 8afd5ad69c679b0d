package freeswitchtest

import (
	"fmt"
	"time"
)

// Result is what a call was like for its caller and for the switch.
type Result struct {
	// Commands are all commands that were received, in order and verbatim,
	// without the empty line that ends them.
	Commands []string
	// Vars are the channel variables that the peer set, as they were when
	// the call left its hands.
	Vars map[string]string
	// Played are the prompts in the order in which they began.
	Played []Played
	// Answered tells whether the call was answered, by the peer or before.
	Answered bool
	// Resumed tells whether the peer asked for the dialplan to go on.
	Resumed bool
	// Continued tells whether the dialplan went on with its next action.
	Continued bool
	// ResumeLeft tells whether it went on with socket_resume still true: an
	// event-socket program that the same call comes to later, and that transfers
	// it, loses it.
	ResumeLeft bool
	// ContinuedAfter is when it went on, counted from the connection.
	ContinuedAfter time.Duration
	// HungUp tells whether the caller, or an operator, ended the call.
	HungUp bool
	// Transferred tells whether somebody sent the call elsewhere.
	Transferred bool
	// Lost tells whether the peer cost the caller the call: the switch hung
	// up, or holds a call that nobody controls and that was never parked.
	Lost bool
	// HangupCause is the cause if the call ended, for example
	// NORMAL_CLEARING.
	HangupCause string
	// Expansions are the ${...} that the switch evaluated because the peer
	// sent them in an argument. ${system(...)} runs a program.
	Expansions []string
	// Violations are commands that FreeSWITCH does not accept, or that are
	// dangerous. Empty is the only good value.
	Violations []string
	// Timeline tells the call in words.
	Timeline []Entry
	// Connected is when the connection was there: durations count from it.
	Connected time.Time
	// Release is how the peer's control ended. Only Exited is what the peer did
	// itself and on purpose.
	Release Release
	// Moments are what times can be taken from, in order.
	Moments []Moment
	// Unreached tells why hosts that Dial tried could not be connected to.
	Unreached error
}

// Played is one prompt.
type Played struct {
	File     string        // argument of playback; for say the word say and its argument
	At       time.Duration // since the connection
	For      time.Duration // how long it was really heard, without waiting for others
	Response string        // FILE PLAYED, FILE NOT FOUND or PLAYBACK ERROR
}

// Entry is one line of a timeline.
type Entry struct {
	At   time.Duration // since the connection
	Text string
}

// String gives the entry as a line: seconds, then the text.
func (e Entry) String() string { return fmt.Sprintf("%7.3fs  %s", e.At.Seconds(), e.Text) }
