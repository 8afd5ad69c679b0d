// Package state is what deflectd remembers, for people who ask about it: the journal
// itself where no deflectd runs, or a deflectd that does, over its HTTP port. Whatever it
// returns is masked: numbers to their last two digits, ids as in the log.
package state

import (
	"context"
	"net/http"
	"time"
)

// Keeper knows the state. The errors are of people who ask: what is wrong, and what to do.
type Keeper interface {
	// List returns what waits, is in doubt, is just being sent, or is cooling down.
	List(ctx context.Context) (Listing, error)
	// About is List of one number.
	About(ctx context.Context, number string) (Listing, error)
	// Forget erases all that is known of a number.
	Forget(ctx context.Context, number string) (Forgotten, error)
	// Cancel drops a text that waits.
	Cancel(ctx context.Context, externalID string) (Cancelled, error)
	// Release ends the cooldowns of a number.
	Release(ctx context.Context, number string) (Released, error)
}

// Listing is what is known. Its names are API, as are those of all that follows.
type Listing struct {
	Texts     []Text     `json:"texts"`     // the oldest first
	Cooldowns []Cooldown `json:"cooldowns"` // those that end first in front
	More      int        `json:"more"`      // how many of both are not listed, which are too many
}

// mostListed of texts, and of cooldowns: an answer is made in memory.
const mostListed = 10_000

// Text is one that has not ended.
type Text struct {
	ExternalID string     `json:"external_id"`
	State      string     `json:"state"` // waiting, doubted or sending
	Number     string     `json:"number"`
	Profile    string     `json:"profile"`
	Reason     string     `json:"reason"` // why it waits
	Since      time.Time  `json:"since"`
	Next       *time.Time `json:"next"`  // when one that waits is tried
	Until      *time.Time `json:"until"` // when one that waits is given up
	Tries      int        `json:"tries"`
}

// Cooldown is of a caller who was, or may have been, texted.
type Cooldown struct {
	Profile string    `json:"profile"`
	Number  string    `json:"number"`
	Until   time.Time `json:"until"`
}

// Forgotten counts what was erased.
type Forgotten struct {
	Number    string `json:"number"`
	Waiting   int    `json:"waiting"`
	Doubted   int    `json:"doubted"`
	Ended     int    `json:"ended"` // outcomes of texts
	Cooldowns int    `json:"cooldowns"`
	Traces    int    `json:"traces"` // of calls, which a deflectd that runs has in memory
}

// Cancelled is a text that is not sent any more.
type Cancelled struct {
	ExternalID string `json:"external_id"`
}

// Nothing reports whether nothing was known of the number.
func (f Forgotten) Nothing() bool { return f.Waiting+f.Doubted+f.Ended+f.Cooldowns+f.Traces == 0 }

// Released counts the cooldowns that were ended.
type Released struct {
	Number    string `json:"number"`
	Cooldowns int    `json:"cooldowns"`
}

// Request is what is asked for, over HTTP.
type Request struct {
	Number     string `json:"number,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
}

// Error is why something was not done. Its text is for whoever asked; it holds no number.
type Error struct {
	Status int    `json:"-"` // of HTTP
	Text   string `json:"error"`
}

func (e *Error) Error() string { return e.Text }

// What is not there, or cannot be told from what is.
func notFound(text string) *Error  { return &Error{http.StatusNotFound, text} }
func malformed(text string) *Error { return &Error{http.StatusBadRequest, text} }
