package c2m

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// tokenClient gets its tokens from the double.
func tokenClient(t *testing.T, api *c2mtest.Server, secret string) *Client {
	return testClient(t, api, func(c *Config) {
		c.Auth = &liveperson.OAuth2{Account: keys.Account, ClientID: keys.ClientID, ClientSecret: deflect.NewSecret(secret), URL: api.URL()}
	})
}

func countCalls(api *c2mtest.Server, call string) (n int) {
	for _, r := range api.Requests() {
		if r.Call == call {
			n++
		}
	}
	return n
}

// TestTokenExpiresMeanwhile: one that is refused is fetched anew once and the request posted
// once more, both calls alike. The first post was refused, so there is one text.
func TestTokenExpiresMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := c2mtest.New(keys)
		c := tokenClient(t, api, keys.ClientSecret)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		asked(t, c, testCall())
		api.ExpireTokens()
		text := asked(t, c, testCall())
		api.ExpireTokens()
		want(t, c.Send(ctx, text), deflect.Sent, deflect.ReasonOK)
		if e, i, n := countCalls(api, c2mtest.CallEligibility), countCalls(api, c2mtest.CallInvite), countCalls(api, c2mtest.CallToken); e != 3 || i != 2 || n != 3 {
			t.Errorf("%d eligibilities, %d invites, %d tokens", e, i, n)
		}
		if len(api.Invites()) != 1 || len(api.Violations()) != 0 {
			t.Errorf("%+v, %+v", api.Invites(), api.Violations())
		}
		// A Reload with the same credentials keeps the token.
		cfg := testConfig(nil)
		cfg.Auth = tokenClient(t, api, keys.ClientSecret).setup.Load().Auth
		if err := c.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		asked(t, c, testCall())
		if n := countCalls(api, c2mtest.CallToken); n != 3 {
			t.Errorf("%d tokens after a Reload", n)
		}
		if calls := c.Calls(); len(calls) != 2 || calls[0] != "token" {
			t.Errorf("%q", calls)
		}
	})
}

// A token that is refused again is no reason to post for ever.
func TestTokenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := c2mtest.New(keys)
		c := tokenClient(t, api, keys.ClientSecret)
		text := asked(t, c, testCall())
		api.SetFault(c2mtest.CallInvite, &c2mtest.Fault{Status: 401})
		want(t, c.Send(t.Context(), text), deflect.Failed, deflect.ReasonUnauthorized)
		if n := countCalls(api, c2mtest.CallInvite); n != 2 || len(api.Invites()) != 0 || !c.Fresh(text) {
			t.Errorf("%d invites, %d texts, fresh %t", n, len(api.Invites()), c.Fresh(text))
		}
	})
}

// Trouble with a token is unauthorized: no request was made, whatever stood in the way.
func TestNoToken(t *testing.T) {
	for name, tt := range map[string]struct {
		secret string
		fault  *c2mtest.Fault
	}{
		"wrong secret": {"other", nil},
		"down":         {keys.ClientSecret, &c2mtest.Fault{Status: 503}},
		"hang":         {keys.ClientSecret, &c2mtest.Fault{Hang: true}},
		"garbage":      {keys.ClientSecret, &c2mtest.Fault{Garbage: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := c2mtest.New(keys)
				c := tokenClient(t, api, tt.secret)
				api.SetFault(c2mtest.CallToken, tt.fault)
				ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
				defer cancel()
				want(t, c.Ask(ctx, read(t, c, testCall())), deflect.Failed, deflect.ReasonUnauthorized)
				if n := countCalls(api, c2mtest.CallEligibility); n != 0 {
					t.Errorf("%d eligibilities without a token", n)
				}
				time.Sleep(time.Minute) // what fetches in the background gives up
			})
		})
	}
}
