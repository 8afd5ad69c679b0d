package c2mtest

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Eligibility is a request for eligibility that was answered 200, and what was said.
type Eligibility struct {
	CallID  string
	Time    time.Time
	Account string

	Skill             string
	Number            string // consumerPhoneNumber
	HandoffID         string
	SDEs              json.RawMessage
	TemplateVariables map[string]string
	IVRNumber         string
	ConsumerID        string

	Eligible    bool
	Channels    []string // availableChannels
	Recommended string   // recommendedChannelName
}

func (e Eligibility) clone() Eligibility {
	e.SDEs, e.TemplateVariables, e.Channels = slices.Clone(e.SDEs), maps.Clone(e.TemplateVariables), slices.Clone(e.Channels)
	return e
}

// Invite is an invite that was processed: with it a message went out, unless Sent is
// false.
type Invite struct {
	CallID  string
	Time    time.Time
	Account string

	// What of its eligibility it is for, with what the invite overrides.
	Number    string
	Skill     string
	HandoffID string
	Channel   string
	Message   string // empty: that of the handoff

	// What the invite asked for, as it came.
	OverrideChannel, OverrideMessage, OverrideSkill string

	// Asked is the eligibility.
	Asked Eligibility

	// Sent is false if the consumer had opted out, and after Fault.NoText.
	Sent bool
}

func (i Invite) clone() Invite {
	i.Asked = i.Asked.clone()
	return i
}

// Received is a request that arrived, and what became of it.
type Received struct {
	Time   time.Time
	Method string
	Path   string

	// Call is what it was for: one of Calls, or "" for a path that is none of theirs.
	Call string

	// Auth is how it was authorized, "bearer", "oauth1" or "", good or not.
	Auth string

	// CallID is that of an invite, as far as it could be read, or the one that an
	// eligibility was given.
	CallID string

	// Number is that of an eligibility, as far as it could be read.
	Number string

	// Processed says that the request was answered as it asked for: for an invite, that its
	// message went out.
	Processed bool

	// Status is the status of the answer; 0 if the client gets none. A client
	// that gives up during a delay never sees it.
	Status int

	// Reason is why the request was refused. It is also set when a fault hid
	// the refusal, so that a client's mistake cannot hide behind a fault.
	Reason string

	// Fault is the fault that the request met, as Fault.String writes it.
	Fault string
}

// Violation is something that no client may do, although the API takes it.
type Violation struct {
	Time   time.Time
	CallID string
	What   string
}
