package livedeflect

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

const contextAndInvite = "/api/contextAndInvite"

// request is what a Client makes of a call.
type request struct {
	setup *setup // of when the call was read
	info  []byte // caller info as JSON
	body  []byte // nil until it is first sent
}

// ReadNumber implements [deflect.Backend].
func (c *Client) ReadNumber(n phone.Number, region string) (phone.Parsed, bool) {
	return numberplan.Parse(n, region)
}

// Read implements [deflect.Backend]: it encodes the caller info, at most 16 KiB of it.
func (c *Client) Read(t *deflect.Text) []*deflect.ValidationError {
	if !c.made() {
		return nil // Send refuses it
	}
	info, problem := wire.ReadInfo(t.Call.CallerInfo)
	t.Request = &request{setup: c.setup.Load(), info: info}
	if problem != nil {
		return []*deflect.ValidationError{problem}
	}
	return nil
}

// encode builds the request body of a checked call: the 20 fields of the vendor's
// table, in its order and with the wire types of its example. The tag has two names
// because table and example differ.
func (s *setup) encode(t *deflect.Text, info []byte) []byte {
	call := &t.Call
	in := make(wire.Object, 0, 640+len(call.Text)+len(info))
	in = in.Text("siteId", s.SiteID)
	in = in.Text("skill", call.Skill)
	in = in.Text("customerCountryCode", t.Customer.Country)
	in = in.Text("customerPhoneNumber", s.nationalForm(t.Customer))
	in = in.Text("isMobile", "true") // the vendor: always
	in = in.Text("deflectionAcceptTime", s.epoch(call.Accepted))
	in = in.Text("callBeginTime", s.epoch(call.Start))
	in = in.Text("externalCallId", call.ExternalCallID)
	in = in.Text("dialedCountryCode", t.Dialed.Country)
	in = in.Text("dialedPhoneNumber", s.nationalForm(t.Dialed))
	in = in.Text("deflectionChannel", "sms") // the vendor: always
	in = in.Optional("deflectionText", call.Text)
	// What is texted: never with a trunk prefix.
	in = in.Text("deflectionHandle", strings.TrimPrefix(t.Customer.E164, "+"))
	if len(info) > 0 {
		in = append(in.Name("callerInfo"), info...)
	}
	in = in.Optional("callerEnteredDigits", call.Digits)
	in = in.Optional("firstName", call.FirstName)
	in = in.Optional("lastName", call.LastName)
	if s.TextTagField != TagTagText {
		in = in.Optional("deflectionTextTag", call.TextTag)
	}
	if s.TextTagField != TagTextTag {
		in = in.Optional("deflectionTagText", call.TextTag)
	}
	in = in.Optional("externalCustomerIdDescriptor", call.CustomerIDDescriptor)
	in = in.Optional("externalCustomerId", call.CustomerID)
	return append(in, '}')
}

func (s *setup) nationalForm(n phone.Parsed) string {
	if s.TrunkPrefix {
		return numberplan.WithTrunkPrefix(n)
	}
	return n.National
}

func (s *setup) epoch(t time.Time) string {
	if s.TimeUnit == Seconds {
		return strconv.FormatInt(t.Unix(), 10)
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// previewWithin is how long Preview waits for the host.
const previewWithin = 4 * time.Second

// Preview returns what Send sends for a text of [deflect.Client.Preview]: the URL and the
// JSON body. The body holds the caller's full number. When Config.Domains tells where it is
// sent, that may be asked; without an answer in a few seconds the region in the URL is
// {domain}.
func (c *Client) Preview(t *deflect.Text) (url string, body []byte) {
	r, ok := t.Request.(*request)
	if !ok {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, previewWithin)
	defer cancel()
	url, err := r.setup.at(ctx, contextAndInvite)
	if err != nil {
		url = "https://{domain}.ivrdeflect.liveperson.net" + contextAndInvite
	}
	return url, r.setup.encode(t, r.info)
}
