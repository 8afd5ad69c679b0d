package livedeflect

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// engineConfig is the name under which the engine's can stand beside a Config.
type engineConfig = deflect.Config

// bothConfig is the configuration of a Client and of the engine that sends through it.
type bothConfig struct {
	Config
	engineConfig
	Registerer prometheus.Registerer
}

// bothClient is the engine with a Client behind it.
type bothClient struct {
	*deflect.Client
	api *Client
}

func validConfig() Config {
	return Config{
		SiteID: "38856538", Domain: "va",
		Auth: liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s"), Token: "t", TokenSecret: deflect.NewSecret("ts")},
	}
}

func validCall() deflect.Call {
	return deflect.Call{
		ANI: "+14043438646", DNIS: "+18005550100", Digits: "1234",
		Start: time.Now().Add(-time.Minute), Accepted: time.Now(),
		ExternalCallID: "1231", Skill: "sales", Text: "Welcome",
	}
}

func testClient(t testing.TB, change func(*bothConfig)) *bothClient {
	t.Helper()
	cfg := bothConfig{Config: validConfig()}
	if change != nil {
		change(&cfg)
	}
	cfg.Config.Registerer, cfg.engineConfig.Registerer = cfg.Registerer, cfg.Registerer
	api, err := New(cfg.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	cfg.Backend = api
	c, err := deflect.New(cfg.engineConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &bothClient{c, api}
}

var calls atomic.Uint64

// next is another call like one: each is texted once.
func next(k deflect.Call) deflect.Call {
	k.ExternalCallID = fmt.Sprint("next-", calls.Add(1))
	return k
}
