package freeswitchtest

import "time"

// A Moment is a point of a call to take the time of. Unlike the timeline, which
// is for people, moments are for programs that measure.
type Moment struct {
	At   time.Duration // since the connection
	Kind MomentKind
	Name string // the Event-UUID of a prompt, the key that was pressed
}

// MomentKind is what happened at a Moment.
type MomentKind int

const (
	// PromptAsked is when a playback or say was received. The switch begins it
	// in the next frame, or later.
	PromptAsked MomentKind = iota + 1
	// PromptEnded is when the peer was told that a prompt is complete.
	PromptEnded
	// KeyPressed is when the caller pressed a key that can be heard.
	KeyPressed
	// ControlEnded is when the peer's control ended, as Result.Release tells.
	ControlEnded
)

// Release is how the peer's control over a call ended. It is empty if the call
// ended first, or if the peer still had it when the time of Run was over.
type Release string

const (
	Unreached Release = "nobody listens"
	GaveUp    Release = "the switch gave up" // no command for 25 s
	Broke     Release = "the connection broke"
	Exited    Release = "the call was given back" // with exit, as it should be
)

func (l *leg) moment(kind MomentKind, name string) {
	l.result.Moments = append(l.result.Moments, Moment{l.since(), kind, name})
}
