package livedeflecttest

import (
	"bytes"
	"encoding/json"
	"time"
)

// Deflection is a text that was sent: the request as it came, with the callId
// that was given to it and the time. It marshals to the JSON of the request.
type Deflection struct {
	CallID string    `json:"-"`
	Time   time.Time `json:"-"`

	SiteID               string `json:"siteId"`
	Skill                string `json:"skill"`
	CustomerCountryCode  string `json:"customerCountryCode"`
	CustomerPhoneNumber  string `json:"customerPhoneNumber"`
	IsMobile             string `json:"isMobile"`
	DeflectionAcceptTime string `json:"deflectionAcceptTime"`
	CallBeginTime        string `json:"callBeginTime"`
	ExternalCallID       string `json:"externalCallId"`
	DialedCountryCode    string `json:"dialedCountryCode"`
	DialedPhoneNumber    string `json:"dialedPhoneNumber"`
	DeflectionChannel    string `json:"deflectionChannel"`
	DeflectionHandle     string `json:"deflectionHandle"`

	DeflectionText               string          `json:"deflectionText,omitempty"`
	CallerInfo                   json.RawMessage `json:"callerInfo,omitempty"`
	CallerEnteredDigits          string          `json:"callerEnteredDigits,omitempty"`
	FirstName                    string          `json:"firstName,omitempty"`
	LastName                     string          `json:"lastName,omitempty"`
	DeflectionTextTag            string          `json:"deflectionTextTag,omitempty"`
	DeflectionTagText            string          `json:"deflectionTagText,omitempty"`
	ExternalCustomerIDDescriptor string          `json:"externalCustomerIdDescriptor,omitempty"`
	ExternalCustomerID           string          `json:"externalCustomerId,omitempty"`
}

func (d Deflection) clone() Deflection {
	d.CallerInfo = bytes.Clone(d.CallerInfo)
	return d
}

// Received is a request that arrived, and what became of it.
type Received struct {
	Time   time.Time
	Method string
	Path   string

	// Authorization is the header as it came. It holds a signature, no secret.
	Authorization string

	// ExternalCallID is the request's externalCallId, as far as it could be
	// read; also of a request that was refused. A report has none.
	ExternalCallID string

	// Processed says that the text was sent, and CallID under which callId.
	// After Fault.NoText there is a CallID, but no text.
	Processed bool
	CallID    string

	// Status is the status of the answer; 0 if the client gets none. A client
	// that gives up during a delay never sees it.
	Status int

	// Reason is why the request was refused. It is also set when a fault hid
	// the refusal, so that a client's mistake cannot hide behind a fault.
	Reason string

	// Fault is the fault that the request met, as Fault.String writes it.
	Fault string
}
