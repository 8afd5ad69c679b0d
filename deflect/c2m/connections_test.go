package c2m

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// served is a Client with its own transport, and a double at the other end of sockets which
// are counted.
func served(t *testing.T, handler func(api http.Handler) http.Handler) (c *Client, api *c2mtest.Server, opened *atomic.Int64) {
	t.Helper()
	known := keys
	known.Rate, known.ReportRate = -1, -1
	api, opened = c2mtest.New(known), &atomic.Int64{}
	srv := httptest.NewUnstartedServer(handler(api))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	c = testClient(t, nil, func(c *Config) {
		c.BaseURL, c.Rate = srv.URL, endless{}
		c.Auth = &liveperson.OAuth2{Account: keys.Account, ClientID: keys.ClientID, ClientSecret: deflect.NewSecret(keys.ClientSecret), URL: srv.URL}
	})
	return c, api, opened
}

// TestConnectionIsReused: whatever is answered is read to its end, so that the next request
// finds the connection of the last one. One for tokens, eligibility, invites and the report.
func TestConnectionIsReused(t *testing.T) {
	c, api, opened := served(t, func(api http.Handler) http.Handler { return api })
	long := `{"errorMessage":"` + strings.Repeat("x", 40<<10) + `","errorCode":1001}`
	for _, tt := range []struct {
		name    string
		ask     *c2mtest.Fault // the answer to the eligibility
		invite  *c2mtest.Fault // or to the invite after it
		outcome deflect.Outcome
		reason  deflect.Reason
	}{
		{"sent", nil, nil, deflect.Sent, deflect.ReasonOK},
		{"not eligible", &c2mtest.Fault{SuccessFalse: true}, nil, deflect.Ineligible, deflect.ReasonNotEligible},
		{"400", &c2mtest.Fault{Status: 400, Body: c2mtest.ErrorBody(1001)}, nil, deflect.Ineligible, deflect.ReasonNumberNotMobile},
		{"a long 400", &c2mtest.Fault{Status: 400, Body: long}, nil, deflect.Ineligible, deflect.ReasonNumberNotMobile},
		{"403", &c2mtest.Fault{Status: 403}, nil, deflect.Failed, deflect.ReasonUnauthorized},
		{"404", &c2mtest.Fault{Status: 404}, nil, deflect.Failed, deflect.ReasonRejected},
		{"429", &c2mtest.Fault{Status: 429, RetryAfter: "5"}, nil, deflect.Failed, deflect.ReasonRateLimited},
		{"503", &c2mtest.Fault{Status: 503}, nil, deflect.Uncertain, deflect.ReasonServerError},
		{"no JSON", &c2mtest.Fault{Garbage: true}, nil, deflect.Uncertain, deflect.ReasonBadResponse},
		{"compressed", &c2mtest.Fault{Gzip: true}, nil, deflect.Sent, deflect.ReasonOK},
		{"an open conversation", nil, &c2mtest.Fault{Status: 400, Body: c2mtest.ErrorBody(1400)}, deflect.Ineligible, deflect.ReasonOpenConversation},
		{"a text that may have gone", nil, &c2mtest.Fault{Status: 502, StatusAfterProcessing: true}, deflect.Uncertain, deflect.ReasonServerError},
	} {
		for range 3 {
			if tt.ask != nil {
				api.Inject(c2mtest.CallEligibility, *tt.ask)
			}
			if tt.invite != nil {
				api.Inject(c2mtest.CallInvite, *tt.invite)
			}
			text := read(t, c, testCall())
			a := c.Ask(t.Context(), text)
			if a.Outcome == deflect.Sent {
				a = c.Send(t.Context(), text)
			}
			want(t, a, tt.outcome, tt.reason)
			if n := opened.Swap(1); n != 1 {
				t.Errorf("%s: %d connections", tt.name, n)
			}
		}
	}
	text := asked(t, c, testCall())
	api.ExpireTokens()
	want(t, c.Send(t.Context(), text), deflect.Sent, deflect.ReasonOK)
	if n := opened.Swap(1); n != 1 {
		t.Errorf("with another token: %d connections", n)
	}
	for _, expired := range []bool{false, true} {
		if expired {
			api.ExpireTokens()
		}
		if told := c.Find(t.Context(), "", text.CallID, time.Now(), time.Minute); told.Err != nil || !told.Sent {
			t.Errorf("%+v", told)
		}
		if n := opened.Swap(1); n != 1 {
			t.Errorf("the report, expired %v: %d connections", expired, n)
		}
	}
}

// TestBurst: as many connections as requests at one time, which are all there for the next
// burst.
func TestBurst(t *testing.T) {
	const callers = 60
	var arrived sync.WaitGroup
	c, api, opened := served(t, func(api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/sentinel/api/v2/account/"+keys.Account+"/app/token" { // all of them are on their way before one is answered
				arrived.Done()
				arrived.Wait()
			}
			api.ServeHTTP(w, r)
		})
	})
	for range 3 {
		texts := make([]*deflect.Text, callers)
		for i := range texts {
			texts[i] = read(t, c, testCall())
		}
		for _, request := range []func(*deflect.Text) deflect.Attempt{
			func(text *deflect.Text) deflect.Attempt { return c.Ask(t.Context(), text) },
			func(text *deflect.Text) deflect.Attempt { return c.Send(t.Context(), text) },
		} {
			arrived.Add(callers)
			var all sync.WaitGroup
			for _, text := range texts {
				all.Go(func() { want(t, request(text), deflect.Sent, deflect.ReasonOK) })
			}
			all.Wait()
			if n := opened.Load(); n != callers {
				t.Fatalf("%d connections for %d requests at one time", n, callers)
			}
		}
	}
	if n := countCalls(api, c2mtest.CallToken); n != 1 {
		t.Errorf("%d tokens", n)
	}
}
