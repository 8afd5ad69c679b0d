package funnel_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// bearer has a token of the double in every request.
type bearer struct{ api *c2mtest.Server }

func (b bearer) Transport(base http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer "+b.api.IssueToken("38856538"))
		return base.RoundTrip(req)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// newConnect returns a client of a double of Connect to Messaging, and an engine over it.
func newConnect(t *testing.T, api *c2mtest.Server) (*c2m.Client, *deflect.Client) {
	t.Helper()
	connect, err := c2m.New(c2m.Config{
		Account: "38856538", HandoffID: "H123456789", Auth: bearer{api}, BaseURL: api.URL(), Transport: api,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connect.Close)
	engine, err := deflect.New(deflect.Config{Backend: connect})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	return connect, engine
}

// TestLiveOfC2M polls for hours while calls come in, late as the report is. Nothing is
// counted twice, and nothing from before.
func TestLiveOfC2M(t *testing.T) {
	for _, ahead := range []time.Duration{0, 30 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			api := c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret", Report: c2mtest.Report{Lag: 20 * time.Minute}, Consumer: func(i c2mtest.Invite) c2mtest.Consumer {
				return c2mtest.Consumer{Replies: strings.HasSuffix(i.Number, "0"), After: 10 * time.Minute}
			}})
			time.Sleep(100 * time.Hour)
			api.SetClock(ahead)
			connect, engine := newConnect(t, api)
			deflectOne := func(i int) {
				k := call()
				k.ExternalCallID, k.Start = fmt.Sprint("call-", i), time.Now()
				k.ANI = k.ANI[:len(k.ANI)-2] + phoneDigits(i)
				if _, err := engine.Deflect(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 10 {
				deflectOne(40 + i) // before the polling
			}
			time.Sleep(time.Minute)
			registry := prometheus.NewRegistry()
			live, err := funnel.NewLive(nil, connect, funnel.LiveConfig{Every: time.Minute, Lookback: 2 * time.Hour, Registerer: registry})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(live.Close)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { live.Run(ctx); close(ended) }()
			time.Sleep(time.Second)
			for i := range 20 {
				deflectOne(i)
				time.Sleep(2 * time.Minute)
			}
			time.Sleep(2 * time.Hour)
			cancel()
			<-ended
			// The conversations of before were opened after the polling began.
			want := "attempted 20, conversation 3, delivered 20, eligible 20, invited 20, read 0, sent 20, complete 160, incomplete 0"
			if got := funnelMetrics(t, registry); !strings.Contains(got, want) {
				t.Errorf("%s ahead: %s, want %s", ahead, got, want)
			}
		})
	}
}

func phoneDigits(i int) phone.Number { return phone.Number(fmt.Sprintf("%02d", i)) }

// Of both APIs there is one funnel; a poll is complete when both could be read.
func TestLiveOfBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, other := livedeflecttest.New(keys), c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret"})
		registry := prometheus.NewRegistry()
		c := newClient(t, api, registry)
		connect, engine := newConnect(t, other)
		live, err := funnel.NewLive(c.API, connect, funnel.LiveConfig{Every: time.Minute, Registerer: registry})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(live.Close)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { live.Run(ctx); close(ended) }()
		time.Sleep(time.Second)
		for _, e := range []interface {
			Deflect(context.Context, deflect.Call) (deflect.Result, error)
		}{c, engine} {
			k := call()
			k.ExternalCallID, k.Start = "call-1", time.Now()
			if _, err := e.Deflect(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		other.SetFault(c2mtest.CallTransactions, &c2mtest.Fault{Status: 400})
		time.Sleep(time.Minute)
		cancel()
		<-ended
		got := funnelMetrics(t, registry)
		for _, want := range []string{string(livedeflect.EventSendText) + " 1", string(funnel.Sent) + " 1", "complete 2", "incomplete 1"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %s", got, want)
			}
		}
	})
}

// A report that hangs costs a poll all of its time, and the other report none of its own.
func TestLiveOfOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := roundTrip(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		api, err := livedeflect.New(livedeflect.Config{SiteID: "38856538", Domain: "va", Auth: rig.Auth(), Transport: silent})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(api.Close)
		connect, engine := newConnect(t, c2mtest.New(c2mtest.Config{ClientID: "client", ClientSecret: "secret"}))
		registry := prometheus.NewRegistry()
		live, err := funnel.NewLive(api, connect, funnel.LiveConfig{Every: time.Minute, Lookback: 10 * 24 * time.Hour, Registerer: registry})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(live.Close)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { live.Run(ctx); close(ended) }()
		time.Sleep(time.Second)
		k := call()
		k.ExternalCallID, k.Start = "call-1", time.Now()
		if _, err := engine.Deflect(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		cancel()
		<-ended
		if got := funnelMetrics(t, registry); !strings.Contains(got, string(funnel.Sent)+" 1") {
			t.Error(got)
		}
	})
}
