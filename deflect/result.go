package deflect

import "time"

// Result is what became of one call of [Client.Deflect] or [Offer.Deflect].
type Result struct {
	Outcome  Outcome
	Reason   Reason
	CallID   string // the API's id; empty unless it has the form [A-Za-z0-9_.-]{1,64}
	Attempts int    // requests handed to the network; 0 when nothing was tried
	Status   int    // HTTP status of the last answer, 0 without one
	// Repeated says that it is what became of the call's text before: nothing was sent now.
	Repeated bool
	Duration time.Duration // from the call of Deflect to its return
}
