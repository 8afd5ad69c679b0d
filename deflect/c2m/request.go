package c2m

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// request is what a Client makes of a call.
type request struct {
	setup *setup // of when the call was read
	info  []byte // caller info as JSON

	// Of the eligibility, nil until it is first needed. Only its begin, the skill, can be
	// another one in the invite.
	body []byte
	rest int // where in body the rest begins
	left []string
}

// ReadNumber implements [deflect.Backend].
func (c *Client) ReadNumber(n phone.Number, region string) (phone.Parsed, bool) {
	return numberplan.Parse(n, region)
}

// Read implements [deflect.Backend]: it encodes the caller info, at most 16 KiB of it, and
// holds the call to the API's own limits.
func (c *Client) Read(t *deflect.Text) (problems []*deflect.ValidationError) {
	if !c.made() {
		return nil // Send refuses it
	}
	bad := func(field string, code deflect.FieldCode, format string, args ...any) {
		problems = append(problems, &deflect.ValidationError{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
	s := c.setup.Load()
	info, problem := wire.ReadInfo(t.Call.CallerInfo)
	if problem != nil {
		problems = append(problems, problem)
	}
	t.Request = &request{setup: s, info: info}
	if s.handoff(t) == "" {
		bad("HandoffID", deflect.CodeMissing, "is missing: the handoff that the text is of")
	}
	if s.inApp() && t.Call.ConsumerID == "" {
		bad("ConsumerID", deflect.CodeMissing, "is missing: In-App reaches a user of the app, not a number")
	}
	if n := utf8.RuneCountInString(t.Call.Text); n > maxMessage {
		bad("Text", deflect.CodeTooLong, "has %d characters; Connect to Messaging takes at most %d", n, maxMessage)
	}
	if len(t.Customer.E164) > maxNumber {
		field := "ANI"
		if t.Call.NumberOverride != "" {
			field = "NumberOverride"
		}
		bad(field, deflect.CodeNotTextable, "has more characters than Connect to Messaging takes, %d with the plus sign", maxNumber)
	}
	return problems
}

func (s *setup) handoff(t *deflect.Text) string {
	if t.Call.HandoffID != "" {
		return t.Call.HandoffID
	}
	return s.HandoffID
}

func (s *setup) inApp() bool { return slices.Contains(s.Channels, InApp) }

// encode makes the body of the eligibility of a checked call.
func (r *request) encode(t *deflect.Text) {
	if r.body != nil {
		return
	}
	s, call := r.setup, &t.Call
	o := make(wire.Object, 0, 512+len(r.info))
	o = o.Text("skill", call.Skill)
	r.rest = len(o)
	o = o.Text("consumerPhoneNumber", t.Customer.E164)
	o = o.Text("handoffId", s.handoff(t))
	if s.inApp() {
		// The vendor has attributes and variables for the other channels only.
		o = o.Text("consumerId", call.ConsumerID)
	} else {
		var v sdes
		r.left = append(v.info(r.info), v.own(t)...)
		o = variables(v.write(o), call.TemplateVariables)
	}
	o = o.Optional("ivrNumber", s.IVRNumber)
	r.body = append(o, '}')
}

func variables(o wire.Object, values map[string]string) wire.Object {
	if len(values) == 0 {
		return o
	}
	var in wire.Object
	for _, name := range slices.Sorted(maps.Keys(values)) {
		in = in.Text(name, values[name])
	}
	return append(append(o.Name("templateVariables"), in...), '}')
}

// Preview is what a Client sends for a call: a request before the offer and, when the caller
// asks for the text, another one.
type Preview struct {
	Eligibility, Invite Request
	// LeftOut are the names of caller info, and of fields of the call, that agents are not
	// shown: the API has no place for them.
	LeftOut []string
}

// Request is one request: POST, with a body of JSON that holds the caller's full number.
type Request struct {
	URL  string
	Body []byte
}

// previewWithin is how long Preview waits for the host.
const previewWithin = 4 * time.Second

// Preview returns what is sent for a text of [deflect.Client.Preview]. The API is not asked:
// the callId is a placeholder, and the channel the preferred one. Domains may be; without an
// answer in a few seconds the region in the URLs is {domain}.
func (c *Client) Preview(t *deflect.Text) Preview {
	r, ok := t.Request.(*request)
	if !ok {
		return Preview{}
	}
	ctx, cancel := context.WithTimeout(c.ctx, previewWithin)
	defer cancel()
	at, err := r.setup.endpoints(ctx)
	if err != nil {
		at = newEndpoints("https://{domain}.connect-to-messaging.liveperson.net", r.setup.Account)
	}
	r.encode(t)
	answer := eligible{callID: "(callId of the eligibility)"}
	if answer.available = r.setup.Channels; len(answer.available) == 0 {
		answer.available = []Channel{SMS}
	}
	channel, _ := r.setup.choose(answer)
	return Preview{
		Eligibility: Request{at.eligibility, bytes.Clone(r.body)},
		Invite:      Request{at.invite, r.setup.invite(t, &ticket{skill: t.Call.Skill, answer: answer}, channel)},
		LeftOut:     slices.Clone(r.left),
	}
}
