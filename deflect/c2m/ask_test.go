package c2m

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// An offer asks for eligibility, and nothing else; the press invites with the callId of it.
func TestAskAndSend(t *testing.T) {
	api := &stub{}
	c := testClient(t, api, nil)
	text := asked(t, c, testCall())
	if text.CallID != ticketID || !c.Fresh(text) || api.count("") != 1 {
		t.Errorf("callId %q, fresh %t, %d requests", text.CallID, c.Fresh(text), api.count(""))
	}
	a := c.Send(t.Context(), text)
	want(t, a, deflect.Sent, deflect.ReasonOK)
	if a.CallID != ticketID {
		t.Errorf("callId %q is not the one that was asked for", a.CallID)
	}
	wantJSON(t, api.last(), `{"callId":"`+ticketID+`"}`)
	for i, url := range []string{"/eligibility?v=2.0", "/invite?v=2.0"} {
		r := api.requests[i]
		if got, want := r.URL.String(), "https://va.connect-to-messaging.liveperson.net/api/account/38856538"+url; got != want || r.Method != http.MethodPost {
			t.Errorf("%s %s, want %s", r.Method, got, want)
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "Bearer token" {
			t.Errorf("%v", r.Header)
		}
	}
	// The ticket was used: whatever a second invite would do.
	if c.Fresh(text) {
		t.Error("a ticket that was used is fresh")
	}
	want(t, c.Send(t.Context(), text), deflect.Uncertain, deflect.ReasonInternal)
	if n := api.count("/invite"); n != 1 {
		t.Errorf("%d invites with one ticket", n)
	}
}

// The fields that most calls do not have.
func TestEligibilityFields(t *testing.T) {
	api := &stub{}
	c := testClient(t, api, func(c *Config) { c.IVRNumber = "180000" })
	call := testCall()
	call.Digits, call.NumberOverride, call.HandoffID, call.ConsumerID = "", "+447911123456", "H2", "user"
	call.TemplateVariables = map[string]string{"2": "b", "1": "a\"", "10": ""}
	asked(t, c, call)
	wantJSON(t, api.last(), `{"skill":"sales","consumerPhoneNumber":"+447911123456","handoffId":"H2","ivrNumber":"180000",
		"sdes":[{"type":"ctmrinfo","info":{"storeNumber":"+18005550100"}}],"templateVariables":{"1":"a\"","10":"","2":"b"}}`)

	api.eligibility = reply{status: 200, body: `{"eligible":true,"callId":"1","availableChannels":["inapp"],"recommendedChannelName":"inapp"}`}
	c = testClient(t, api, func(c *Config) { c.Channels = []Channel{InApp} })
	text := asked(t, c, call)
	wantJSON(t, api.last(), `{"skill":"sales","consumerPhoneNumber":"+447911123456","handoffId":"H2","consumerId":"user"}`)
	text.Call.Text = "Hello"
	want(t, c.Send(t.Context(), text), deflect.Sent, deflect.ReasonOK)
	wantJSON(t, api.last(), `{"callId":"1","overrideChannel":"inapp"}`)
}

func TestChannels(t *testing.T) {
	const both, onlySMS, onlyWA = `["sms","wa"]`, `["twilio"]`, `["wa"]`
	for _, tt := range []struct {
		name                   string
		prefer                 []Channel
		available, recommended string
		text                   string
		no                     bool   // no offer
		invite                 string // beside the callId
	}{
		{"the handoff decides", nil, both, "wa", "", false, ``},
		{"nothing is said", nil, `[]`, "", "", false, ``},
		{"a text, recommended", nil, both, "sms", "Hi", false, `,"overrideChannel":"sms","overrideMessage":"Hi"`},
		{"a text, twilio is recommended", nil, both, "twilio", "Hi", false, `,"overrideChannel":"sms","overrideMessage":"Hi"`},
		{"a text, the only channel", nil, onlySMS, "", "Hi", false, `,"overrideChannel":"sms","overrideMessage":"Hi"`},
		{"a text, another channel", nil, both, "wa", "Hi", false, ``},
		{"a text, nothing is said", nil, `[]`, "", "Hi", false, ``},
		{"preferred", []Channel{WhatsApp, SMS}, both, "sms", "Hi", false, `,"overrideChannel":"wa"`},
		{"the second", []Channel{WhatsApp, SMS}, onlySMS, "sms", "Hi", false, `,"overrideChannel":"sms","overrideMessage":"Hi"`},
		{"one of them", []Channel{SMS}, both, "wa", "", false, `,"overrideChannel":"sms"`},
		{"none", []Channel{SMS}, onlyWA, "wa", "", true, ``},
		{"none is said", []Channel{SMS}, `[]`, "", "", true, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			api := &stub{eligibility: reply{status: 200, body: `{"eligible":true,"callId":"` + ticketID + `","availableChannels":` + tt.available +
				`,"recommendedChannelName":"` + tt.recommended + `"}`}}
			c := testClient(t, api, func(c *Config) { c.Channels = tt.prefer })
			call := testCall()
			call.Text = tt.text
			text := read(t, c, call)
			a := c.Ask(t.Context(), text)
			if tt.no {
				want(t, a, deflect.Ineligible, deflect.ReasonNotEligible)
				return
			}
			want(t, a, deflect.Sent, deflect.ReasonOK)
			want(t, c.Send(t.Context(), text), deflect.Sent, deflect.ReasonOK)
			wantJSON(t, api.last(), `{"callId":"`+ticketID+`"`+tt.invite+`}`)
		})
	}
}

// What changed between offer and press: a skill is told in the invite, and all else is asked
// for again, as is what grew old.
func TestFresh(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*deflect.Call)
		wait   time.Duration
		fresh  bool
	}{
		"nothing":        {func(*deflect.Call) {}, 0, true},
		"a while":        {func(*deflect.Call) {}, 10*time.Minute - time.Second, true},
		"too long":       {func(*deflect.Call) {}, 10 * time.Minute, false},
		"the times":      {func(c *deflect.Call) { c.Accepted = time.Now() }, time.Minute, true},
		"another text":   {func(c *deflect.Call) { c.Text = "Hi" }, 0, true},
		"another skill":  {func(c *deflect.Call) { c.Skill = "billing" }, 0, true},
		"another number": {func(c *deflect.Call) { c.NumberOverride = "+14043438647" }, 0, false},
		"more digits":    {func(c *deflect.Call) { c.Digits += "5" }, 0, false},
		"a handoff":      {func(c *deflect.Call) { c.HandoffID = "H2" }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &stub{}
				c := testClient(t, api, nil)
				call := testCall()
				offered := asked(t, c, call)
				time.Sleep(tt.wait)
				tt.change(&call)
				text := read(t, c, call)
				text.Ticket, text.CallID = offered.Ticket, offered.CallID
				if fresh := c.Fresh(text); fresh != tt.fresh {
					t.Fatalf("fresh: %t", fresh)
				}
				if !tt.fresh {
					return
				}
				want(t, c.Send(t.Context(), text), deflect.Sent, deflect.ReasonOK)
				if call.Skill != "sales" {
					wantJSON(t, api.last(), `{"callId":"`+ticketID+`","overrideSkill":"billing"}`)
				}
			})
		})
	}
	c := testClient(t, &stub{}, nil)
	if text := read(t, c, testCall()); c.Fresh(text) || c.Fresh(&deflect.Text{}) {
		t.Error("no ticket is fresh")
	}
}

// What never was asked for is not sent.
func TestSendWithoutTicket(t *testing.T) {
	api := &stub{}
	c := testClient(t, api, nil)
	text := read(t, c, testCall())
	want(t, c.Send(t.Context(), text), deflect.Failed, deflect.ReasonInternal)
	want(t, c.Send(t.Context(), &deflect.Text{}), deflect.Failed, deflect.ReasonInternal)
	want(t, c.Ask(t.Context(), &deflect.Text{}), deflect.Failed, deflect.ReasonInternal)
	var none *Client
	if none.Read(text) != nil || none.Calls() != nil || api.count("") != 0 {
		t.Errorf("%d requests", api.count(""))
	}
	want(t, (&Client{}).Send(t.Context(), &deflect.Text{}), deflect.Failed, deflect.ReasonInternal)
	if err := (&Client{}).Reload(Config{}); !errors.Is(err, deflect.ErrInternal) {
		t.Errorf("Reload: %v", err)
	}
}

// Of a request that panicked on its way nobody knows whether it left.
func TestPanicUsesTheTicket(t *testing.T) {
	panics := false
	api := &stub{}
	c := testClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		if panics {
			panic("a transport of somebody else's")
		}
		return api.RoundTrip(req)
	}), nil)
	text := asked(t, c, testCall())
	panics = true
	func() {
		defer func() { _ = recover() }()
		c.Send(t.Context(), text)
	}()
	if c.Fresh(text) {
		t.Error("the ticket is fresh")
	}
}

// The log tells why a caller is not eligible, or that nobody said so.
func TestNotEligibleIsExplained(t *testing.T) {
	for body, says := range map[string]string{
		`{"eligible":false}`: "HTTP 200: " + errNotSaidWhy.Error(),
		`{"eligible":false,"errorCode":1300,"errorMessage":"No engagement"}`: `HTTP 200, code 1300 "No engagement" (` + hints[1300] + ")",
	} {
		c := testClient(t, &stub{eligibility: reply{status: http.StatusOK, body: body}}, nil)
		a := c.Ask(t.Context(), read(t, c, testCall()))
		want(t, a, deflect.Ineligible, deflect.ReasonNotEligible)
		if a.Err == nil || a.Err.Error() != says {
			t.Errorf("%s: %v, want %s", body, a.Err, says)
		}
	}
}

// What becomes of a request that gets no answer.
func TestNoAnswer(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	for name, tt := range map[string]struct {
		reply   reply
		outcome deflect.Outcome
		reason  deflect.Reason
	}{
		"reset before it left": {reply{err: dial}, deflect.Failed, deflect.ReasonUnreachable},
		"reset after it left":  {reply{err: reset}, deflect.Uncertain, deflect.ReasonConnectionLost},
		"cut":                  {reply{err: io.ErrUnexpectedEOF}, deflect.Uncertain, deflect.ReasonConnectionLost},
		"hang":                 {reply{hang: true}, deflect.Uncertain, deflect.ReasonTimeout},
		"redirect":             {reply{status: 307, header: http.Header{"Location": {"https://example.com/"}}}, deflect.Failed, deflect.ReasonRedirected},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &stub{eligibility: tt.reply}
				c := testClient(t, api, nil)
				ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
				defer cancel()
				want(t, c.Ask(ctx, read(t, c, testCall())), tt.outcome, tt.reason)
				api.eligibility, api.invite = reply{}, tt.reply
				ctx, cancel = context.WithTimeout(t.Context(), 4*time.Second)
				defer cancel()
				text := asked(t, c, testCall())
				want(t, c.Send(ctx, text), tt.outcome, tt.reason)
				if n := api.count("/invite"); n != 1 {
					t.Errorf("%d invites", n)
				}
				// Only what certainly sent nothing may be sent again with the ticket.
				if fresh := c.Fresh(text); fresh != (tt.outcome == deflect.Failed) {
					t.Errorf("fresh: %t", fresh)
				}
			})
		})
	}
}

// Texts to what the API could not take are refused before anybody is asked.
func TestRead(t *testing.T) {
	for name, tt := range map[string]struct {
		config func(*Config)
		call   func(*deflect.Call)
		field  string
		code   deflect.FieldCode
	}{
		"no handoff":     {func(c *Config) { c.HandoffID = "" }, func(*deflect.Call) {}, "HandoffID", deflect.CodeMissing},
		"no app user":    {func(c *Config) { c.Channels = []Channel{InApp} }, func(*deflect.Call) {}, "ConsumerID", deflect.CodeMissing},
		"a long text":    {nil, func(c *deflect.Call) { c.Text = strings.Repeat("é", 1601) }, "Text", deflect.CodeTooLong},
		"a long number":  {nil, func(c *deflect.Call) { c.ANI = "+491771234567890" }, "ANI", deflect.CodeNotTextable},
		"a long number2": {nil, func(c *deflect.Call) { c.NumberOverride = "+491771234567890" }, "NumberOverride", deflect.CodeNotTextable},
		"caller info":    {nil, func(c *deflect.Call) { c.CallerInfo = map[string]any{"role": "\x07"} }, "CallerInfo", deflect.CodeCharacters},
		"info that is left out": {nil, func(c *deflect.Call) { c.CallerInfo = map[string]any{"x": "\xff"} },
			"CallerInfo", deflect.CodeCharacters},
	} {
		t.Run(name, func(t *testing.T) {
			c := testClient(t, &stub{}, tt.config)
			call := testCall()
			tt.call(&call)
			text := &deflect.Text{Call: call}
			number := call.ANI
			if call.NumberOverride != "" {
				number = call.NumberOverride
			}
			text.Customer = phone.Parsed{E164: string(number)}
			problems := c.Read(text)
			if len(problems) != 1 || problems[0].Field != tt.field || problems[0].Code != tt.code {
				t.Errorf("%v", problems)
			}
		})
	}
	c := testClient(t, &stub{}, nil)
	call := testCall()
	call.Text = strings.Repeat("é", 1600)
	read(t, c, call)
}

func TestPreview(t *testing.T) {
	api := &stub{}
	c := testClient(t, api, func(c *Config) { c.Channels = []Channel{SMS, WhatsApp} })
	call := testCall()
	call.Text, call.CallerInfo = "Hi", map[string]any{"plan": "Gold"}
	p := c.Preview(read(t, c, call))
	wantJSON(t, string(p.Eligibility.Body), `{"skill":"sales","consumerPhoneNumber":"+14043438646","handoffId":"H123456789",
		"sdes":[{"type":"ctmrinfo","info":{"accountName":"1234","storeNumber":"+18005550100"}}]}`)
	wantJSON(t, string(p.Invite.Body), `{"callId":"(callId of the eligibility)","overrideChannel":"sms","overrideMessage":"Hi"}`)
	if p.Eligibility.URL != "https://va.connect-to-messaging.liveperson.net/api/account/38856538/eligibility?v=2.0" ||
		p.Invite.URL != "https://va.connect-to-messaging.liveperson.net/api/account/38856538/invite?v=2.0" || len(p.LeftOut) != 1 || api.count("") != 0 {
		t.Errorf("%+v, %d requests", p, api.count(""))
	}
	if p := c.Preview(&deflect.Text{}); p.Eligibility.URL != "" || p.Invite.Body != nil {
		t.Errorf("%+v", p)
	}
}
