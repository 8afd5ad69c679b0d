package c2m

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// doubleOf is a double of the API, and a client of it.
func doubleOf(t testing.TB, cfg c2mtest.Config) (*c2mtest.Server, *Client) {
	t.Helper()
	cfg.ConsumerKey, cfg.ConsumerSecret, cfg.Token, cfg.TokenSecret = "appkey", "appsecret", "token", "tokensecret"
	api := c2mtest.New(cfg)
	return api, testClient(t, api, func(c *Config) {
		c.Auth = liveperson.OAuth1{ConsumerKey: "appkey", ConsumerSecret: deflect.NewSecret("appsecret"), Token: "token", TokenSecret: deflect.NewSecret("tokensecret")}
	})
}

// doubted is a text whose invite met a fault.
func doubted(t testing.TB, api *c2mtest.Server, c *Client, number phone.Number, f c2mtest.Fault) *deflect.Text {
	t.Helper()
	call := testCall()
	call.ANI = number
	text := asked(t, c, call)
	api.Inject(c2mtest.CallInvite, f)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	c.Send(ctx, text)
	return text
}

var lost = c2mtest.Fault{ResetAfter: true}

// What the report tells of an uncertain text, when it has had time to.
func TestLookUp(t *testing.T) {
	const number = "+14043438646"
	for name, tt := range map[string]struct {
		fault  c2mtest.Fault
		number phone.Number // "" for another one
		sent   bool
	}{
		"sent":                   {lost, number, true},
		"not sent":               {c2mtest.Fault{Status: 503}, number, false},
		"never arrived":          {c2mtest.Fault{Hang: true}, number, false},
		"opted out":              {lost, "+14043438647", false},
		"a conversation is open": {lost, "+14043438648", false},
		"could not be delivered": {lost, "+14043438649", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, c := doubleOf(t, c2mtest.Config{Open: c2mtest.OpenUnseen, Consumer: func(i c2mtest.Invite) c2mtest.Consumer {
					if i.Number == "+14043438649" {
						return c2mtest.Consumer{Error: "30003", ErrorSource: "twilio"}
					}
					return c2mtest.Consumer{}
				}, Report: c2mtest.Report{Lag: 20 * time.Minute}})
				api.OptOut("+14043438647", true)
				api.OpenConversation("+14043438648")
				time.Sleep(time.Hour)
				began := time.Now()
				text := doubted(t, api, c, tt.number, tt.fault)
				d := c.Doubt(text, began)
				if err := c.LookUp(t.Context(), []deflect.Doubt{d}); err != nil {
					t.Fatal(err)
				}
				if told := d.Told(); told.Sent || !errors.Is(told.Err, ErrNotTold) || told.Lookups != 1 || told.CallID != "" {
					t.Errorf("before its lag: %+v", told)
				}
				time.Sleep(time.Until(began.Add(c.Lag())))
				if err := c.LookUp(t.Context(), []deflect.Doubt{d}); err != nil {
					t.Fatal(err)
				}
				told := d.Told()
				if told.Err != nil || told.Sent != tt.sent || told.CallID != text.CallID || told.Lookups != 2 || told.Sent && (told.SentAt.Before(began.Truncate(time.Millisecond)) || told.SentAt.After(began.Add(time.Minute))) {
					t.Errorf("%+v, want sent %t", told, tt.sent)
				}
				if found := c.Find(t.Context(), "any", strings.ToUpper(text.CallID), began, c.Lag()); tt.sent && found.Err == nil && !found.Sent {
					t.Errorf("an id in capitals is another one: %+v", found)
				}
				if found := c.Find(t.Context(), "any", text.CallID, began, c.Lag()); found.Sent != tt.sent || found.Err != nil {
					t.Errorf("found %+v", found)
				}
			})
		})
	}
}

// A report that does not know the call proves nothing, and one of another call neither.
func TestLookUpOfAnUnknownCall(t *testing.T) {
	api, c := doubleOf(t, c2mtest.Config{})
	text := doubted(t, api, c, "+14043438646", lost)
	other := &deflect.Text{CallID: "b52403dc-b140-45cc-a9ca-d749a39b1b56"}
	both := []deflect.Doubt{c.Doubt(other, time.Now()), c.Doubt(text, time.Now())}
	if err := c.LookUp(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	if told := both[0].Told(); told.Sent || !errors.Is(told.Err, ErrNotTold) {
		t.Errorf("unknown: %+v", told)
	}
	if told := both[1].Told(); !told.Sent || told.Err != nil {
		t.Errorf("known: %+v", told)
	}
}

// Many texts of a day and more are asked for together.
func TestLookUpMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, c := doubleOf(t, c2mtest.Config{})
		var all []deflect.Doubt
		for i := range 120 {
			fault := lost
			if i%2 == 1 {
				fault = c2mtest.Fault{Status: 500}
			}
			all = append(all, c.Doubt(doubted(t, api, c, phone.Number(fmt.Sprintf("+1404343%04d", i)), fault), time.Now()))
			time.Sleep(15 * time.Minute)
		}
		if err := c.LookUp(t.Context(), append(all, all[0])); err != nil {
			t.Fatal(err)
		}
		for i, d := range all {
			if told := d.Told(); told.Sent != (i%2 == 0) || told.Err != nil {
				t.Errorf("text %d: %+v", i, told)
			}
		}
		if err := c.LookUp(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

// Times of the report are by the API's clock.
func TestLookUpByAnotherClock(t *testing.T) {
	for _, ahead := range []time.Duration{-50 * time.Hour, 50 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			api := c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret"})
			time.Sleep(100 * time.Hour)
			api.SetClock(ahead)
			began := time.Now()
			// A token has no time of ours, as signatures have.
			c := testClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
				req = req.Clone(req.Context())
				req.Header.Set("Authorization", "Bearer "+api.IssueToken("38856538"))
				return api.RoundTrip(req)
			}), nil)
			d := c.Doubt(doubted(t, api, c, "+14043438646", lost), began)
			if err := c.LookUp(t.Context(), []deflect.Doubt{d}); err != nil {
				t.Fatal(err)
			}
			if told := d.Told(); !told.Sent || told.Err != nil {
				t.Errorf("%s ahead: %+v", ahead, told)
			}
		})
	}
}

// A report that cannot be had, or not wholly, proves nothing.
func TestLookUpInVain(t *testing.T) {
	known := `{"transactionId":"` + ticketID + `"}`
	for name, tt := range map[string]struct {
		status int
		body   string
		want   error
		outage bool
	}{
		"refused":             {401, "", deflect.ErrUnauthorized, true},
		"down":                {503, "", deflect.ErrUnavailable, true},
		"no report":           {200, "{}", deflect.ErrBadResponse, true},
		"malformed":           {200, `{"transactions":[` + known + `,{"transactionId":"` + ticketID + `","sentTime":"x"}]}`, errIncomplete, false},
		"without an id":       {200, `{"transactions":[` + known + `,{}]}`, errIncomplete, false},
		"malformed, another":  {200, `{"transactions":[` + known + `,{"transactionId":"x","sentTime":"x"}]}`, nil, false},
		"sent, and malformed": {200, `{"transactions":[{"transactionId":"` + ticketID + `","messageStatus":"SENT"},{}]}`, nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &reporter{answer: func(_ int, q reportRequest) (int, string, bool) {
				if q.Offset > 0 {
					return 200, `{"transactions":[]}`, true
				}
				return tt.status, tt.body, true
			}}
			c := testClient(t, r, nil)
			time.Sleep(100 * time.Hour)
			d := c.Doubt(&deflect.Text{CallID: ticketID}, time.Now())
			err := c.LookUp(t.Context(), []deflect.Doubt{d})
			told := d.Told()
			if (err != nil) != tt.outage || !errors.Is(told.Err, tt.want) || told.Sent != strings.HasPrefix(name, "sent") {
				t.Errorf("%s: %v, %+v", name, err, told)
			}
			// What was in vain once does not stay.
			r.answer = func(int, reportRequest) (int, string, bool) { return 0, "", false }
			r.ids, r.refuses = []string{ticketID}, true
			if err := c.LookUp(t.Context(), []deflect.Doubt{d}); err != nil || d.Told().Err != nil {
				t.Errorf("%s, then: %v, %+v", name, err, d.Told())
			}
			r.ids, r.refuses = nil, false
			if err := c.LookUp(t.Context(), []deflect.Doubt{d}); err != nil || d.Told().Err == nil != d.Told().Sent {
				t.Errorf("%s, and forgotten: %v, %+v", name, err, d.Told())
			}
		})
	}
}

func TestDoubtNeedsACallID(t *testing.T) {
	c := testClient(t, &reporter{}, nil)
	for _, id := range []string{"", "a b", "+14043438646", strings.Repeat("x", 65)} {
		if d := c.Doubt(&deflect.Text{CallID: id, Call: testCall()}, time.Now()); d != nil {
			t.Errorf("%q: %+v", id, d)
		}
		if told := c.Find(t.Context(), "1231", id, time.Now(), time.Hour); told.Err != ErrNoCallID || told.Sent {
			t.Errorf("%q: %+v", id, told)
		}
	}
	var none *Client
	if told := none.Find(t.Context(), "1231", ticketID, time.Now(), time.Hour); told.Err == nil {
		t.Errorf("%+v", told)
	}
}

// A span may not end far in times to come, and a slack may be longer than a day.
func TestFindSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{}
		c := testClient(t, r, nil)
		time.Sleep(1000 * time.Hour)
		now := time.Now()
		c.Find(t.Context(), "", ticketID, now.Add(-time.Minute), 24*time.Hour)
		first, last := r.asked[0], r.asked[len(r.asked)-1]
		if first.From != fmt.Sprint(now.Add(-time.Minute-30*time.Hour).UnixMilli()) || last.To != fmt.Sprint(now.Add(10*time.Minute).UnixMilli()) {
			t.Errorf("%+v to %+v", first, last)
		}
	})
}
