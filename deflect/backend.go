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
	// Name names the API in one word of [a-z0-9_], such as "livedeflect": in logs, and in a
	// Journal, where it says who is to be asked about a text after a restart.
	Name() string
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
	// called again with the same Text, but not at the same time. That the API takes no text
	// for this caller is [Ineligible].
	Send(ctx context.Context, t *Text) Attempt
}

// Asker is a [Backend] that has to be asked before a caller is offered a text. Failures in a
// row open the breaker as those of Send do; a success closes none: no text was seen to work.
type Asker interface {
	// Ask returns an Attempt that is [Sent] for a caller who can be offered a text, and
	// keeps in Text.Ticket what Send will need of it; [Ineligible] for one who cannot; and
	// else when the API could not be asked, which is no offer either. It returns soon after
	// ctx ends: a caller waits. A call that had no offer, or one for another number, is
	// asked for before its text is sent. Nothing that it asks for may send a text.
	Ask(ctx context.Context, t *Text) Attempt
	// Fresh reports whether Send can still use Text.Ticket; if not, Ask comes before it. It
	// asks nobody.
	Fresh(t *Text) bool
}

// Meter is a [Backend] that makes other requests than those of Ask and Send, such as for a
// token. They are counted beside them.
type Meter interface {
	// Calls names them, each in one word of [a-z0-9_].
	Calls() []string
	// OnRequest sets who hears of each one with what it ended with, in place of who did
	// before. It is called from any goroutine, and does not wait.
	OnRequest(func(call string, r Reason))
}

// Teller is a [Backend] that can tell later what became of an uncertain text.
type Teller interface {
	// Doubt returns what LookUp needs to find a text that was asked for at a time of ours;
	// nil when it cannot be found.
	Doubt(t *Text, began time.Time) Doubt
	// LookUp asks the API once about several texts at a time, all from Doubt. An error
	// says that it could not be asked, so that asking again soon is in vain.
	LookUp(ctx context.Context, doubts []Doubt) error
	// Find asks about a text of which only the call's id, the API's own id of it (or "", when
	// nobody knows it) and about when it was asked for are known, give or take a slack.
	Find(ctx context.Context, externalCallID, callID string, at time.Time, slack time.Duration) Told
	// Lag is up to how much later the API tells of a text: that it tells of none is no proof
	// before. Settle.Limit counts when it is longer.
	Lag() time.Duration
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
	// CallID is the API's id of the call where Ask tells it before the text is sent. The
	// Journal keeps it, if it has the form of Attempt.CallID, so that Doubt is given it also
	// after a restart.
	CallID string
	// Live says that its caller has asked for the text and waits for what becomes of it: where
	// Ask needs a place among other requests, it waits for one as Send does.
	Live bool
}

// Attempt is what became of asking an API once.
type Attempt struct {
	// Outcome is [Sent]; [Ineligible] when the API says that this caller gets none, or
	// [Failed], when certainly no text was sent; or [Uncertain], when nobody can tell. One
	// that is not of these, or has a Reason that the outcome cannot have, is taken for
	// Uncertain.
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
