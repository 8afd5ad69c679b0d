package rig

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// Keys are the account of tests, as the double of the API knows it.
var Keys = livedeflecttest.Config{
	SiteID: "38856538", ConsumerKey: "consumer", ConsumerSecret: "consumer-s3cret",
	Token: "token", TokenSecret: "token-s3cret",
}

// Auth signs with Keys.
func Auth() liveperson.OAuth1 {
	return liveperson.OAuth1{
		ConsumerKey: Keys.ConsumerKey, ConsumerSecret: deflect.NewSecret(Keys.ConsumerSecret),
		Token: Keys.Token, TokenSecret: deflect.NewSecret(Keys.TokenSecret),
	}
}

// Account is the configuration of a client of the account, without a transport.
func Account() Config {
	var cfg Config
	cfg.SiteID, cfg.Domain, cfg.Auth = Keys.SiteID, "va", Auth()
	return cfg
}

// Over returns a client of the account over a transport, such as the double of the API; a
// nil change leaves its configuration as it is.
func Over(t testing.TB, api http.RoundTripper, change func(*Config)) *Client {
	t.Helper()
	cfg := Account()
	cfg.Transport = api
	if change != nil {
		change(&cfg)
	}
	return Must(t, cfg)
}

// Call is one that a text may be sent for, which began a minute ago. Each has an id of
// its own, for one call is texted once.
func Call() deflect.Call {
	return Next(deflect.Call{
		ANI: "+14043438646", DNIS: "+18005550100", Digits: "1234",
		Start: time.Now().Add(-time.Minute),
		Skill: "sales", Text: "Thanks for calling.",
	})
}

var calls atomic.Uint64

// Next is another call like one.
func Next(k deflect.Call) deflect.Call {
	k.ExternalCallID = fmt.Sprintf("3e0068c6-dcda-4c96-a87d-%012x", 0x305d62b539f6+calls.Add(1))
	return k
}
