package livedeflect_test

import (
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

var keys = livedeflecttest.Config{
	SiteID: "38856538", ConsumerKey: "consumer", ConsumerSecret: "consumer-s3cret",
	Token: "token", TokenSecret: "token-s3cret",
}

func auth() livedeflect.OAuth1 {
	return livedeflect.OAuth1{
		ConsumerKey: keys.ConsumerKey, ConsumerSecret: deflect.NewSecret(keys.ConsumerSecret),
		Token: keys.Token, TokenSecret: deflect.NewSecret(keys.TokenSecret),
	}
}

// newClient returns a client of the double, without sockets.
func newClient(t testing.TB, api *livedeflecttest.Server, change func(*rig.Config)) *rig.Client {
	t.Helper()
	var cfg rig.Config
	cfg.SiteID, cfg.Domain, cfg.Auth, cfg.Transport = keys.SiteID, "va", auth(), api
	if change != nil {
		change(&cfg)
	}
	return rig.Must(t, cfg)
}

func call() deflect.Call {
	return deflect.Call{
		ANI: "+14043438646", DNIS: "+18005550100", Digits: "1234",
		Start: time.Now().Add(-time.Minute), ExternalCallID: "3e0068c6-dcda-4c96-a87d-305d62b539f6",
		Skill: "sales", Text: "Thanks for calling.",
	}
}
