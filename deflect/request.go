package deflect

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

const contextAndInvite = "/api/contextAndInvite"

// encode builds the request body of a checked call: the 20 fields of the vendor's
// table, in its order and with the wire types of its example. The tag has two names
// because table and example differ.
func (s *setup) encode(k checked) []byte {
	call := k.call
	in := make(object, 0, 640+len(call.Text)+len(k.info))
	in = in.text("siteId", s.SiteID)
	in = in.text("skill", call.Skill)
	in = in.text("customerCountryCode", k.customer.Country)
	in = in.text("customerPhoneNumber", s.nationalForm(k.customer))
	in = in.text("isMobile", "true") // the vendor: always
	in = in.text("deflectionAcceptTime", s.epoch(call.Accepted))
	in = in.text("callBeginTime", s.epoch(call.Start))
	in = in.text("externalCallId", call.ExternalCallID)
	in = in.text("dialedCountryCode", k.dialed.Country)
	in = in.text("dialedPhoneNumber", s.nationalForm(k.dialed))
	in = in.text("deflectionChannel", "sms") // the vendor: always
	in = in.optional("deflectionText", call.Text)
	// What is texted: never with a trunk prefix.
	in = in.text("deflectionHandle", strings.TrimPrefix(k.customer.E164, "+"))
	if len(k.info) > 0 {
		in = append(in.name("callerInfo"), k.info...)
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

// Preview returns what Deflect would send for the call, without sending it: the
// URL and the JSON body. The body holds the caller's full number. The error is
// that of [Client.Check]; cooldowns are not asked.
func (c *Client) Preview(call Call) (url string, body []byte, err error) {
	if !c.made() {
		return "", nil, c.refuses()
	}
	q := c.inquire(context.Background(), call, time.Now())
	q.final = true
	if no := q.refusal(protecting); no != nil {
		return "", nil, no
	}
	return q.setup.root + contextAndInvite, q.setup.encode(q.call), nil
}
