package livedeflect

import (
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
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
	info, problem := readInfo(t.Call.CallerInfo)
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
	in := make(object, 0, 640+len(call.Text)+len(info))
	in = in.text("siteId", s.SiteID)
	in = in.text("skill", call.Skill)
	in = in.text("customerCountryCode", t.Customer.Country)
	in = in.text("customerPhoneNumber", s.nationalForm(t.Customer))
	in = in.text("isMobile", "true") // the vendor: always
	in = in.text("deflectionAcceptTime", s.epoch(call.Accepted))
	in = in.text("callBeginTime", s.epoch(call.Start))
	in = in.text("externalCallId", call.ExternalCallID)
	in = in.text("dialedCountryCode", t.Dialed.Country)
	in = in.text("dialedPhoneNumber", s.nationalForm(t.Dialed))
	in = in.text("deflectionChannel", "sms") // the vendor: always
	in = in.optional("deflectionText", call.Text)
	// What is texted: never with a trunk prefix.
	in = in.text("deflectionHandle", strings.TrimPrefix(t.Customer.E164, "+"))
	if len(info) > 0 {
		in = append(in.name("callerInfo"), info...)
	}
	in = in.optional("callerEnteredDigits", call.Digits)
	in = in.optional("firstName", call.FirstName)
	in = in.optional("lastName", call.LastName)
	if s.TextTagField != TagTagText {
		in = in.optional("deflectionTextTag", call.TextTag)
	}
	if s.TextTagField != TagTextTag {
		in = in.optional("deflectionTagText", call.TextTag)
	}
	in = in.optional("externalCustomerIdDescriptor", call.CustomerIDDescriptor)
	in = in.optional("externalCustomerId", call.CustomerID)
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

// Preview returns what Send sends for a text of [deflect.Client.Preview]: the URL and the
// JSON body. The body holds the caller's full number.
func (c *Client) Preview(t *deflect.Text) (url string, body []byte) {
	r, ok := t.Request.(*request)
	if !ok {
		return "", nil
	}
	return r.setup.root + contextAndInvite, r.setup.encode(t, r.info)
}
