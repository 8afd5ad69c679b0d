package deflect

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
)

const contextAndInvite = "/api/contextAndInvite"

// invite is the body of contextAndInvite: the 20 fields of the vendor's table,
// in its order and with the wire types of its example. The tag has two names
// because table and example differ.
type invite struct {
	SiteID                       string          `json:"siteId"`
	Skill                        string          `json:"skill"`
	CustomerCountryCode          string          `json:"customerCountryCode"`
	CustomerPhoneNumber          string          `json:"customerPhoneNumber"`
	IsMobile                     string          `json:"isMobile"`
	DeflectionAcceptTime         string          `json:"deflectionAcceptTime"`
	CallBeginTime                string          `json:"callBeginTime"`
	ExternalCallID               string          `json:"externalCallId"`
	DialedCountryCode            string          `json:"dialedCountryCode"`
	DialedPhoneNumber            string          `json:"dialedPhoneNumber"`
	DeflectionChannel            string          `json:"deflectionChannel"`
	DeflectionText               string          `json:"deflectionText,omitempty"`
	DeflectionHandle             string          `json:"deflectionHandle"`
	CallerInfo                   json.RawMessage `json:"callerInfo,omitempty"`
	CallerEnteredDigits          string          `json:"callerEnteredDigits,omitempty"`
	FirstName                    string          `json:"firstName,omitempty"`
	LastName                     string          `json:"lastName,omitempty"`
	DeflectionTextTag            string          `json:"deflectionTextTag,omitempty"`
	DeflectionTagText            string          `json:"deflectionTagText,omitempty"`
	ExternalCustomerIDDescriptor string          `json:"externalCustomerIdDescriptor,omitempty"`
	ExternalCustomerID           string          `json:"externalCustomerId,omitempty"`
}

// encode builds the request body of a checked call.
func (s *setup) encode(k checked) ([]byte, error) {
	call := k.call
	in := invite{
		SiteID:               s.SiteID,
		Skill:                call.Skill,
		CustomerCountryCode:  k.customer.country,
		CustomerPhoneNumber:  s.nationalForm(k.customer),
		IsMobile:             "true", // the vendor: always
		DeflectionAcceptTime: s.epoch(call.Accepted),
		CallBeginTime:        s.epoch(call.Start),
		ExternalCallID:       call.ExternalCallID,
		DialedCountryCode:    k.dialed.country,
		DialedPhoneNumber:    s.nationalForm(k.dialed),
		DeflectionChannel:    "sms", // the vendor: always
		DeflectionText:       call.Text,
		// What is texted: never with a trunk prefix.
		DeflectionHandle:             k.customer.country + k.customer.national,
		CallerInfo:                   k.info,
		CallerEnteredDigits:          call.Digits,
		FirstName:                    call.FirstName,
		LastName:                     call.LastName,
		ExternalCustomerIDDescriptor: call.CustomerIDDescriptor,
		ExternalCustomerID:           call.CustomerID,
	}
	if s.TextTagField != TagTagText {
		in.DeflectionTextTag = call.TextTag
	}
	if s.TextTagField != TagTextTag {
		in.DeflectionTagText = call.TextTag
	}
	return marshal(in)
}

func (s *setup) nationalForm(n number) string {
	if s.TrunkPrefix {
		return n.trunk()
	}
	return n.national
}

func (s *setup) epoch(t time.Time) string {
	if s.TimeUnit == Seconds {
		return strconv.FormatInt(t.Unix(), 10)
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// Preview returns what Deflect would send for the call, without sending it: the
// URL and the JSON body. The body holds the caller's full number. The error is
// that of [Client.Check]; cooldowns are not asked.
func (c *Client) Preview(call Call) (url string, body []byte, err error) {
	q := c.inquire(context.Background(), call, time.Now())
	q.final = true
	if no := q.refusal(protecting); no != nil {
		return "", nil, no
	}
	body, err = q.setup.encode(q.call)
	return q.setup.root + contextAndInvite, body, err
}
