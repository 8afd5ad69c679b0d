package deflect

import (
	"context"
	"time"
)

// Journal remembers texts by the external id of their call: those that are being sent, may
// have been sent, wait, or have ended. One in memory forgets them with its process; package
// journal has one in a file. A journal belongs to one [Client] at a time.
//
// What it is given is as private as numbers are: Data, Customer and the external id are to be
// kept encrypted, or as keyed hashes where equality is enough.
//
// The methods are safe for concurrent use, and a call waits for those with a context, which
// return soon after it ends. An error means that the journal does not know.
type Journal interface {
	// Find returns what is known of a call. One that is not known, or whose entry has ended
	// and is older than its Until, has the zero State.
	Find(ctx context.Context, externalCallID string) (Entry, error)
	// Change keeps an entry in place of what was known of its call, if that is in the state
	// from (the zero State for nothing), and reports whether it was. Of several at the same
	// moment one changes it. It returns true only when no crash can take the entry back, or
	// what was noted before; after an error it may have been kept all the same, or yet be.
	Change(ctx context.Context, from State, e Entry) (bool, error)
	// Note keeps an entry in place of what was known of its call, whatever that is. One of
	// the zero State erases it. It does not wait for the disk: Find and Open know of it at
	// once, a crash soon after may take it back. What cannot be kept then fails the next
	// Change.
	Note(e Entry)
	// Open returns the entries that have not ended.
	Open(ctx context.Context) ([]Entry, error)
}

// Entry is what a [Journal] keeps of one text.
type Entry struct {
	ExternalCallID string
	State          State
	// Customer is the E.164 number that is, or was, to be texted, by which everything that
	// is known of a number can be erased. It can be kept as a hash once the text has ended.
	Customer string
	Policy   string  // name of the call's
	Outcome  Outcome // as Deflect returned it: that of an ended or a waiting text
	Reason   Reason
	CallID   string    // the API's id of the call, or ""
	Since    time.Time // when it came to be in this state
	Next     time.Time // when a waiting text is tried
	// Until is when an ended text is forgotten, and when one that waits is given up.
	Until time.Time
	Tries int // how often a waiting text was tried
	// Data is what else is needed of a text that has not ended: numbers, names, words. It
	// is erased with the end.
	Data []byte
}

// State is where a text is on its way.
type State string

// The states. That of a call of which nothing is known is "".
const (
	Sending State = "sending" // its request is about to leave, or out: after a crash it is in doubt
	Doubted State = "doubted" // it may have been sent, and is looked up
	Waiting State = "waiting" // it was promised to the caller, and certainly not sent yet
	Ended   State = "ended"   // it was sent, or may have been, and nobody will tell
)
