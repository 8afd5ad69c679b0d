package c2m

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
)

// engineOver is the engine with a Client of an account of the double.
func engineOver(t *testing.T, api *c2mtest.Server, change func(*Config)) *deflect.Client {
	t.Helper()
	c := testClient(t, api, func(c *Config) {
		c.Auth = issued{api}
		if change != nil {
			change(c)
		}
	})
	client, err := deflect.New(deflect.Config{Backend: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func engineCall(n int) deflect.Call {
	call := testCall()
	call.ExternalCallID, call.Start = fmt.Sprint("call-", n), time.Now()
	return call
}

// TestOfferAndPress has the engine ask before the offer and send at the press, each once.
func TestOfferAndPress(t *testing.T) {
	for name, tt := range map[string]struct {
		between func(*deflect.Offer, *c2mtest.Server)
		outcome deflect.Outcome
		reason  deflect.Reason
		asked   int
		invites int
	}{
		"at once":     {func(*deflect.Offer, *c2mtest.Server) {}, deflect.Sent, deflect.ReasonOK, 1, 1},
		"much later":  {func(*deflect.Offer, *c2mtest.Server) { time.Sleep(11 * time.Minute) }, deflect.Sent, deflect.ReasonOK, 2, 1},
		"other phone": {func(o *deflect.Offer, _ *c2mtest.Server) { o.Call.NumberOverride = "+14043438647" }, deflect.Sent, deflect.ReasonOK, 2, 1},
		"more keys":   {func(o *deflect.Offer, _ *c2mtest.Server) { o.Call.Digits += "99" }, deflect.Sent, deflect.ReasonOK, 2, 1},
		"no key":      {func(o *deflect.Offer, _ *c2mtest.Server) { o.End(deflect.NoInput, deflect.ReasonNoKey) }, "", "", 1, 0},
		"a conversation began": {func(_ *deflect.Offer, api *c2mtest.Server) { api.OpenConversation("+14043438646") },
			deflect.Ineligible, deflect.ReasonOpenConversation, 1, 0},
		"much later, and down": {func(_ *deflect.Offer, api *c2mtest.Server) {
			time.Sleep(11 * time.Minute)
			api.SetFault(c2mtest.CallEligibility, &c2mtest.Fault{Status: 503})
		}, deflect.Failed, deflect.ReasonEligibilityUnknown, 4, 0},
		"reset once": {func(_ *deflect.Offer, api *c2mtest.Server) {
			api.Inject(c2mtest.CallInvite, c2mtest.Fault{ConnRefused: true})
		}, deflect.Sent, deflect.ReasonOK, 1, 1},
		"lost": {func(_ *deflect.Offer, api *c2mtest.Server) {
			api.Inject(c2mtest.CallInvite, c2mtest.Fault{ResetAfter: true})
		}, deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := c2mtest.New(keys)
				client := engineOver(t, api, nil)
				offer, err := client.Offer(t.Context(), engineCall(1))
				if err != nil {
					t.Fatal(err)
				}
				if len(api.Invites()) != 0 {
					t.Error("an offer sent a text")
				}
				tt.between(offer, api)
				if tt.outcome != "" {
					res, err := offer.Deflect(t.Context())
					if res.Outcome != tt.outcome || res.Reason != tt.reason {
						t.Errorf("%+v, %v", res, err)
					}
					if sent := api.Invites(); len(sent) == 1 && res.CallID != sent[0].CallID {
						t.Errorf("callId %q, sent %q", res.CallID, sent[0].CallID)
					}
				}
				if n := countCalls(api, c2mtest.CallEligibility); n != tt.asked || len(api.Invites()) != tt.invites || len(api.Violations()) != 0 {
					t.Errorf("%d eligibilities, %d invites, %+v", n, len(api.Invites()), api.Violations())
				}
			})
		})
	}
}

// A menu that collected the key itself has both requests in one live deadline.
func TestAcceptedWithoutOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := c2mtest.New(keys)
		client := engineOver(t, api, nil)
		if res, err := client.Deflect(t.Context(), engineCall(1)); err != nil || res.CallID == "" || len(api.Eligibilities()) != 1 || len(api.Invites()) != 1 {
			t.Errorf("%+v, %v", res, err)
		}
		api.SetFault(c2mtest.CallEligibility, &c2mtest.Fault{Hang: true})
		start := time.Now()
		res, err := client.Deflect(t.Context(), engineCall(2))
		if err == nil || res.Outcome != deflect.Failed || time.Since(start) > 4*time.Second || len(api.Invites()) != 1 {
			t.Errorf("%+v, %v after %s", res, err, time.Since(start))
		}
	})
}

// Who has asked for a text waits for the places of both requests, as long as there is time.
func TestFloodOfAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := c2mtest.New(keys)
		client := engineOver(t, api, nil)
		const calls = 50 // 100 requests: for the last ones there are places after three seconds
		for i := range calls {
			go func() {
				if res, err := client.Deflect(t.Context(), engineCall(i)); err != nil {
					t.Errorf("%+v, %v", res, err)
				}
			}()
		}
		for range 250 {
			time.Sleep(10 * time.Millisecond)
			if _, err := client.Offer(t.Context(), engineCall(calls)); deflect.ReasonOf(err) != deflect.ReasonRateLimited {
				t.Fatalf("an offer while others wait for the text they asked for: %v", err)
			}
		}
		time.Sleep(10 * time.Second)
		if n := countCalls(api, c2mtest.CallEligibility); n != calls || len(api.Invites()) != calls || len(api.Requests()) != 2*calls {
			t.Errorf("%d eligibilities, %d texts, %d requests", n, len(api.Invites()), len(api.Requests()))
		}
	})
}

// A flood of callers is held back by our own rate: it opens no breaker, and whoever was
// offered a text gets it.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := c2mtest.New(keys)
		client := engineOver(t, api, nil)
		offered, limited := 0, 0
		for i := range 300 {
			time.Sleep(5 * time.Millisecond)
			offer, err := client.Offer(t.Context(), engineCall(i))
			switch {
			case err == nil:
				offered++
				go func() {
					time.Sleep(time.Second)
					if res, err := offer.Deflect(t.Context()); err != nil {
						t.Errorf("%+v, %v", res, err)
					}
				}()
			case deflect.ReasonOf(err) == deflect.ReasonRateLimited:
				limited++
			default:
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Second)
		if len(api.Invites()) != offered || limited == 0 || offered < 30 {
			t.Errorf("%d offered, %d texts, %d not offered", offered, len(api.Invites()), limited)
		}
		for _, r := range api.Requests() {
			if r.Status == 429 {
				t.Error("more requests than the API takes")
			}
		}
	})
}
