package c2m

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

var keys = c2mtest.Config{
	Account: "38856538", ClientID: "client", ClientSecret: "client-s3cret",
	ConsumerKey: "consumer", ConsumerSecret: "consumer-s3cret", Token: "token", TokenSecret: "token-s3cret",
}

func oauth1() liveperson.OAuth1 {
	return liveperson.OAuth1{
		ConsumerKey: keys.ConsumerKey, ConsumerSecret: deflect.NewSecret(keys.ConsumerSecret),
		Token: keys.Token, TokenSecret: deflect.NewSecret(keys.TokenSecret),
	}
}

// issued is a token that the double gives without being asked.
type issued struct{ api *c2mtest.Server }

func (a issued) Transport(base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+a.api.IssueToken(keys.Account))
		return base.RoundTrip(req)
	})
}

// TestDouble has every field of both calls, and both kinds of credentials, taken by a double
// that knows no other than the documented ones.
func TestDouble(t *testing.T) {
	for name, auth := range map[string]func(*c2mtest.Server) liveperson.Authenticator{
		"a token": func(api *c2mtest.Server) liveperson.Authenticator { return issued{api} },
		"a key":   func(*c2mtest.Server) liveperson.Authenticator { return oauth1() },
	} {
		t.Run(name, func(t *testing.T) {
			known := keys
			known.Channels, known.OtherCallID = []string{c2mtest.WhatsApp, c2mtest.SMS}, true
			api := c2mtest.New(known)
			c := testClient(t, api, func(c *Config) {
				c.Auth, c.Channels, c.IVRNumber = auth(api), []Channel{SMS}, "18005550100"
			})
			call := testCall()
			call.Text, call.FirstName, call.LastName, call.CustomerID, call.CustomerIDDescriptor = "Hi", "Ann", "O'Neil", "7", "CRM"
			call.TemplateVariables = map[string]string{"1": "a"}
			call.CallerInfo = map[string]any{
				"companyBranch": "a", "cstatus": "b", "balance": 1.5, "currency": "USD", "socialId": 1, "imei": "e", "userName": "f", "companySize": 500,
				"role": "r", "storeZipCode": "i", "email": "l@example.com", "phone": "m", "gender": "other", "language": "en-US", "company": "n", "plan": "Gold",
			}
			text := asked(t, c, call)
			call.Skill = "billing"
			later := read(t, c, call)
			later.Ticket, later.CallID = text.Ticket, text.CallID
			if !c.Fresh(later) {
				t.Fatal("the ticket is not fresh")
			}
			a := c.Send(t.Context(), later)
			want(t, a, deflect.Sent, deflect.ReasonOK)
			sent := api.Invites()
			if len(sent) != 1 || !sent[0].Sent || sent[0].CallID != a.CallID || sent[0].Number != "+14043438646" || sent[0].Channel != c2mtest.SMS ||
				sent[0].Message != "Hi" || sent[0].Skill != "billing" || sent[0].Asked.Skill != "sales" || sent[0].Asked.IVRNumber != "18005550100" ||
				sent[0].Asked.TemplateVariables["1"] != "a" || sent[0].HandoffID != "H123456789" {
				t.Errorf("%+v", sent)
			}
			var told []struct{ Info struct{ AccountName string } }
			if err := json.Unmarshal(sent[0].Asked.SDEs, &told); err != nil || told[0].Info.AccountName != "1234" {
				t.Errorf("%s, %v", sent[0].Asked.SDEs, err)
			}
			for _, r := range api.Requests() {
				if r.Reason != "" {
					t.Errorf("%s: %s", r.Call, r.Reason)
				}
			}
			if v := api.Violations(); len(v) != 0 {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestInAppDouble(t *testing.T) {
	known := keys
	known.Channels = []string{c2mtest.InApp}
	api := c2mtest.New(known)
	c := testClient(t, api, func(c *Config) { c.Auth, c.Channels = issued{api}, []Channel{InApp} })
	call := testCall()
	call.ConsumerID, call.Text, call.TemplateVariables = "user", "Hi", map[string]string{"1": "a"}
	want(t, c.Send(t.Context(), asked(t, c, call)), deflect.Sent, deflect.ReasonOK)
	if sent := api.Invites(); len(sent) != 1 || sent[0].Channel != c2mtest.InApp || sent[0].Asked.ConsumerID != "user" {
		t.Errorf("%+v", sent)
	}
}

// What the API knows of consumers.
func TestConsumers(t *testing.T) {
	const number = "+14043438646"
	for name, tt := range map[string]struct {
		config func(*c2mtest.Config)
		state  func(*c2mtest.Server)
		ask    deflect.Reason // "" for an offer
		send   deflect.Reason
	}{
		"open conversation":               {nil, func(s *c2mtest.Server) { s.OpenConversation(number) }, deflect.ReasonNotEligible, ""},
		"open conversation, by its code":  {func(c *c2mtest.Config) { c.Open = c2mtest.OpenRefused }, func(s *c2mtest.Server) { s.OpenConversation(number) }, deflect.ReasonOpenConversation, ""},
		"open conversation, at the press": {func(c *c2mtest.Config) { c.Open = c2mtest.OpenUnseen }, func(s *c2mtest.Server) { s.OpenConversation(number) }, "", deflect.ReasonOpenConversation},
		"WhatsApp":                        {func(c *c2mtest.Config) { c.Channels = []string{"wa"} }, func(s *c2mtest.Server) { s.OpenConversation(number) }, "", deflect.ReasonOpenConversation},
		"a landline":                      {func(c *c2mtest.Config) { c.DeviceCheck = true }, func(s *c2mtest.Server) { s.Landline(number) }, deflect.ReasonNumberNotMobile, ""},
		"a landline, unchecked":           {nil, func(s *c2mtest.Server) { s.Landline(number) }, "", ""},
		"an opt-out":                      {nil, func(s *c2mtest.Server) { s.OptOut(number, true) }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			known := keys
			if tt.config != nil {
				tt.config(&known)
			}
			api := c2mtest.New(known)
			tt.state(api)
			c := testClient(t, api, func(c *Config) { c.Auth = issued{api} })
			text := read(t, c, testCall())
			if a := c.Ask(t.Context(), text); tt.ask != "" {
				want(t, a, deflect.Ineligible, tt.ask)
				return
			}
			if tt.send == "" {
				want(t, c.Send(t.Context(), text), deflect.Sent, deflect.ReasonOK)
				return
			}
			want(t, c.Send(t.Context(), text), deflect.Ineligible, tt.send)
		})
	}
}

// TestFaults has both calls meet what networks and servers do, without sockets and with.
func TestFaults(t *testing.T) {
	const uncertain, failed = deflect.Uncertain, deflect.Failed
	for _, tt := range []struct {
		fault   string
		key     bool // OAuth 1.0
		outcome deflect.Outcome
		reason  deflect.Reason
		texts   int
	}{
		{"conn-refused", false, failed, deflect.ReasonUnreachable, 0},
		{"reset-before", false, uncertain, deflect.ReasonConnectionLost, 0},
		{"reset-after", false, uncertain, deflect.ReasonConnectionLost, 1},
		{"hang", false, uncertain, deflect.ReasonTimeout, 0},
		{"hang-after", false, uncertain, deflect.ReasonTimeout, 1},
		{"hang-after,truncate", false, uncertain, deflect.ReasonTimeout, 1},
		{"delay=3s", false, uncertain, deflect.ReasonTimeout, 1},
		{"redirect=https://example.com/", false, failed, deflect.ReasonRedirected, 0},
		{"status=401", false, failed, deflect.ReasonUnauthorized, 0},
		{"status=403", false, failed, deflect.ReasonUnauthorized, 0},
		{"status=429,retry-after=1", false, failed, deflect.ReasonRateLimited, 0},
		{"status=500", false, uncertain, deflect.ReasonServerError, 0},
		{"status-after=503", false, uncertain, deflect.ReasonServerError, 1},
		{"status-after=502,gzip", false, uncertain, deflect.ReasonServerError, 1},
		{"garbage", false, uncertain, deflect.ReasonBadResponse, 1},
		{"truncate", false, uncertain, deflect.ReasonBadResponse, 1},
		{"gzip", false, deflect.Sent, deflect.ReasonOK, 1},
		{"delivered-twice", true, uncertain, deflect.ReasonInvalidNonce, 1},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := c2mtest.New(keys)
				c := testClient(t, api, func(c *Config) {
					c.Auth = issued{api}
					if tt.key {
						c.Auth = oauth1()
					}
				})
				inject := func(call string) {
					call, f, err := c2mtest.ParseFault(call + ":" + tt.fault)
					if err != nil {
						t.Fatal(err)
					}
					api.Inject(call, f)
				}
				inject(c2mtest.CallEligibility)
				ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
				defer cancel()
				want(t, c.Ask(ctx, read(t, c, testCall())), tt.outcome, tt.reason)
				text := asked(t, c, testCall())
				inject(c2mtest.CallInvite)
				ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				a := c.Send(ctx, text)
				want(t, a, tt.outcome, tt.reason)
				if (a.CallID == "") != (tt.outcome == failed) {
					t.Errorf("callId %q of %s", a.CallID, tt.outcome)
				}
				if sent := api.Invites(); len(sent) != tt.texts || len(api.Violations()) != 0 {
					t.Errorf("%+v, %+v", sent, api.Violations())
				}
			})
		})
	}
}

// TestFaultsOverSockets has the transport of a Client tell what left this machine.
func TestFaultsOverSockets(t *testing.T) {
	api := c2mtest.RunT(t, keys)
	c := testClient(t, nil, func(c *Config) { c.BaseURL, c.Auth = api.URL(), issued{api} })
	for _, tt := range []struct {
		fault   string
		outcome deflect.Outcome
		reason  deflect.Reason
		texts   int
	}{
		{"gzip", deflect.Sent, deflect.ReasonOK, 1},
		{"reset-before", deflect.Uncertain, deflect.ReasonConnectionLost, 0},
		{"reset-after", deflect.Uncertain, deflect.ReasonConnectionLost, 1},
		{"hang-after", deflect.Uncertain, deflect.ReasonTimeout, 1},
		{"truncate", deflect.Uncertain, deflect.ReasonBadResponse, 1},
		{"redirect=http://127.0.0.1:1/", deflect.Failed, deflect.ReasonRedirected, 0},
	} {
		text, before := asked(t, c, testCall()), len(api.Invites())
		call, f, err := c2mtest.ParseFault("invite:" + tt.fault)
		if err != nil {
			t.Fatal(err)
		}
		api.Inject(call, f)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		if f.HangAfterProcessing {
			ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		}
		want(t, c.Send(ctx, text), tt.outcome, tt.reason)
		cancel()
		if n := len(api.Invites()) - before; n != tt.texts {
			t.Errorf("%s: %d texts", tt.fault, n)
		}
	}
}

// TestOwnRateOfDouble keeps to a rate that the API counts in any one second.
func TestOwnRateOfDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := c2mtest.New(keys)
		c := testClient(t, api, func(c *Config) { c.Auth = issued{api} })
		limited := 0
		for range 500 {
			time.Sleep(10 * time.Millisecond)
			switch a := c.Ask(t.Context(), read(t, c, testCall())); a.Reason {
			case deflect.ReasonOK:
			case deflect.ReasonRateLimited:
				limited++
			default:
				t.Errorf("%s: %v", a.Reason, a.Err)
			}
		}
		requests := api.Requests()
		for _, r := range requests {
			if r.Status != http.StatusOK {
				t.Errorf("%d: %s", r.Status, r.Reason)
			}
		}
		if len(requests) < 4*30 || limited == 0 {
			t.Errorf("%d requests, %d not made", len(requests), limited)
		}
	})
}

func TestProveDouble(t *testing.T) {
	api := c2mtest.RunT(t, keys)
	c := testClient(t, nil, func(c *Config) { c.BaseURL, c.Auth = api.URL(), issued{api} })
	if err := c.ProveDouble(t.Context()); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"LivePerson's": nil,
		"no double":    func(c *Config) { c.BaseURL = "https://example.net" },
		"nobody knows": func(c *Config) { c.BaseURL, c.Domains = "", domainsAt(t, &domainAPI{err: errors.New("x")}, "") },
		"the Domain API's": func(c *Config) {
			c.BaseURL, c.Domains = "", domainsAt(t, &domainAPI{host: "va.connect-to-messaging.liveperson.net"}, "")
		},
	} {
		if err := testClient(t, roundTripper(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("nobody is there")
		}), change).ProveDouble(t.Context()); !errors.Is(err, liveperson.ErrNoDouble) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
