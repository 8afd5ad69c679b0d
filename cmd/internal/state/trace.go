package state

import (
	"context"
	"net/http"
	"time"
)

// Traces is what a deflectd has heard of calls, step by step. Its names are API, as are those
// of what is in it.
type Traces struct {
	Calls    []Trace  `json:"calls"`    // the newest last; without steps where nobody asked for one
	Next     int      `json:"next"`     // so many calls to come are traced, whatever their profile
	Profiles []string `json:"profiles"` // whose calls are all traced
}

// Trace is one call. What is about the caller is masked, unless it was asked for.
type Trace struct {
	CallID   string      `json:"call_id"`        // as in the log
	UUID     string      `json:"uuid,omitempty"` // of the channel, as in the log
	Profile  string      `json:"profile"`        // "" for none
	Number   string      `json:"number"`         // of the caller
	Dialed   string      `json:"dialed"`
	Began    time.Time   `json:"began"`
	Ended    *time.Time  `json:"ended"`   // null while it is in progress
	Outcome  string      `json:"outcome"` // "" while it is in progress
	Reason   string      `json:"reason"`
	Steps    []TraceStep `json:"steps,omitempty"`
	LeftOut  int         `json:"left_out,omitempty"` // steps that were too many to be kept
	Revealed bool        `json:"revealed,omitempty"` // nothing is masked
}

// TraceStep is one step.
type TraceStep struct {
	At time.Time `json:"at"`
	// Kind is call, command (to the switch), event (of the switch), rule, text, request or
	// end.
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// TraceRequest is which calls are asked about: by CallID as the log has it or as it is, the
// channel's UUID or the API's id of the call; or by the number of who was on the line.
type TraceRequest struct {
	CallID string `json:"call_id,omitempty"`
	Number string `json:"number,omitempty"`
	Reveal bool   `json:"reveal,omitempty"` // mask nothing
}

// TraceNext is how many calls to come are to be traced, whatever their profile; 0 is none.
type TraceNext struct {
	Calls int `json:"calls"`
}

// MostTraced is how many calls are kept at most.
const MostTraced = 200

// The paths of the HTTP port about traces.
const (
	PathTraces     = "/trace"
	PathTraceAbout = "/trace/about"
	PathTraceNext  = "/trace/next"
)

// Traces asks for the list of calls.
func (r Remote) Traces(ctx context.Context) (Traces, error) {
	return ask[Traces](ctx, r, http.MethodGet, PathTraces, nil)
}

// TraceOf asks for all that is known of calls.
func (r Remote) TraceOf(ctx context.Context, of TraceRequest) (Traces, error) {
	return ask[Traces](ctx, r, http.MethodPost, PathTraceAbout, of)
}

// TraceNext has calls to come traced.
func (r Remote) TraceNext(ctx context.Context, next TraceNext) (Traces, error) {
	return ask[Traces](ctx, r, http.MethodPost, PathTraceNext, next)
}
