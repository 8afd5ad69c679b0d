package deflect

import (
	"context"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Backend sends texts through the API of a vendor; package livedeflect has one. What is
// about the caller, and what may be repeated and when, is the [Client]'s business. It is
// safe for concurrent use.
type Backend interface {
	// ReadNumber reads a number as it is written in a region of ISO 3166, and reports
	// whether it can be a telephone number; package phone/numberplan does it for any
	// backend. It asks nobody and is called several times a call.
	ReadNumber(n phone.Number, region string) (phone.Parsed, bool)
	// Read returns what is wrong with a call, as far as this API asks for more than the
	// Client does, and keeps in Text.Request what it made of it. It asks nobody, and is
	// called for each offer, and again before a text is sent.
	Read(t *Text) []*ValidationError
	// Send tries once to send a text, and returns soon after ctx ends. It may not repeat
	// what may have reached the API: that it is called again says that nothing did. It is
	// called again with the same Text, but not at the same time.
	Send(ctx context.Context, t *Text) Attempt
}

// Asker is a [Backend] that has to be asked before a caller is offered a text. A failure
// counts for the breaker as that of Send does, a success does not: no text was seen to work.
type Asker interface {
	// Ask returns an Attempt that is [Sent] for a caller who can be offered a text, and
	// keeps in Text.Ticket what Send will need of it; with any other outcome nobody is
	// offered one. It returns soon after ctx ends: a caller waits. A call that had no
	// offer, or one for another number, is asked for before its text is sent.
	Ask(ctx context.Context, t *Text) Attempt
}

// Teller is a [Backend] that can tell later what became of an uncertain text.
type Teller interface {
	// Doubt returns what LookUp needs to find a text that was asked for at a time of ours;
	// nil when it cannot be found.
	Doubt(t *Text, began time.Time) Doubt
	// LookUp asks the API once about several texts at a time, all from Doubt. An error
	// says that it could not be asked, so that asking again soon is in vain.
	LookUp(ctx context.Context, doubts []Doubt) error
	// Find asks about a text of which only the call's id and about when it was asked for
	// are known, give or take a slack.
	Find(ctx context.Context, externalCallID string, at time.Time, slack time.Duration) Told
}

// Doubt is an uncertain text of a [Teller]. It is used by one goroutine at a time.
type Doubt interface {
	// Told is what the lookups so far have told.
	Told() Told
}

// Told is what a [Teller] knows of a text.
type Told struct {
	Sent    bool      // it was sent
	SentAt  time.Time // when, as the API says
	CallID  string    // the API's id of the call, if it knows the call
	Lookups int       // how often it was asked
	Err     error     // why the last lookup is no proof that there is none
}

// Text is one text that may be sent: a call that was checked, with its numbers read.
type Text struct {
	Call     Call         // as it was given, with its times clamped
	Customer phone.Parsed // who is texted
	Dialed   phone.Parsed
	Request  any // of Backend.Read
	Ticket   any // of Asker.Ask
}

// Attempt is what became of asking an API once.
type Attempt struct {
	// Outcome is [Sent]; [Failed] when certainly no text was sent; or [Uncertain], when
	// nobody can tell. One that is not of these, or has a Reason that the outcome cannot
	// have, is taken for Uncertain.
	Outcome Outcome
	Reason  Reason
	CallID  string // the API's id of the call, or ""; shown if it has the form [A-Za-z0-9_.-]{1,64}
	Status  int    // of HTTP, 0 without an answer
	// RetryAfter is when an API that is rate limiting wants to be asked again; 0 when it
	// did not say.
	RetryAfter time.Duration
	Err        error // the cause, without numbers and strangers' words
	// NoSign says that it tells nothing new about the API's health.
	NoSign bool
}

// failed is an attempt that certainly sent nothing, without an answer of the API.
func failed(r Reason, err error) Attempt {
	return Attempt{Outcome: Failed, Reason: r, Err: err}
}
