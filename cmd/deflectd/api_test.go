//go:build unix

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// watchedAPI is one of the two APIs, and what is seen of it.
type watchedAPI struct {
	double *livedeflecttest.Server // of LiveDeflect, or nil
	c2m    *c2mtest.Server         // of Connect to Messaging, or nil
	url    string                  // where it is, if it is there already

	hold func() // holds a request for a text that has arrived; may be nil

	mu       sync.Mutex
	requests map[string]request // by the external id of the call
	answered int                // requests for a text
}

// request is what is known of the requests of a call.
type request struct {
	first, last time.Time // the first one of any kind, and the last one for a text
	tries, out  int       // for a text
	asking      int       // whether the caller is eligible, and not answered yet
}

func newWatchedAPI(c livedeflecttest.Config) *watchedAPI {
	c.ConsumerKey, c.ConsumerSecret = "key", "opensesame"
	return &watchedAPI{double: livedeflecttest.New(c), requests: map[string]request{}}
}

// newWatchedC2M has all hosts of an account at one place, which its Domain API tells.
func newWatchedC2M(t *testing.T, c c2mtest.Config) *watchedAPI {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	a := &watchedAPI{url: "http://" + server.Listener.Addr().String(), requests: map[string]request{}}
	c.BaseURL, c.Account, c.ClientID, c.ClientSecret = a.url, "1", "client", "opensesame"
	c.Rate, c.ReportRate = -1, -1
	a.c2m = c2mtest.New(c)
	server.Config.Handler = a
	server.Start()
	t.Cleanup(server.Close)
	return a
}

// bothAPIs runs a test with each of them.
func bothAPIs(t *testing.T, test func(t *testing.T, api func() *watchedAPI)) {
	t.Run("livedeflect", func(t *testing.T) {
		test(t, func() *watchedAPI { return newWatchedAPI(livedeflecttest.Config{}) })
	})
	t.Run("c2m", func(t *testing.T) {
		test(t, func() *watchedAPI { return newWatchedC2M(t, c2mtest.Config{}) })
	})
}

func (a *watchedAPI) serve(t *testing.T) (url string) {
	if a.url != "" {
		return a.url
	}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	return s.URL
}

// section is that of the configuration. A busy machine has time to tell who is eligible.
func (a *watchedAPI) section(url string) string {
	if a.c2m == nil {
		return fmt.Sprintf("livedeflect: {site_id: \"1\", base_url: %q, consumer_key: key, live_deadline: 2s}", url)
	}
	return fmt.Sprintf("c2m: {account: \"1\", domain_url: %q, client_id: client, handoff_id: H1, rate: 1000, live_deadline: 2s, eligibility_deadline: 2s}", url)
}

// text is one that went out.
type text struct {
	call           string // its external id
	caller, dialed string
	callID         string // by which the report knows it; "" where the external id is that
}

// texts are those that went out.
func (a *watchedAPI) texts() (all []text) {
	if a.c2m == nil {
		for _, d := range a.double.Sent() {
			all = append(all, text{d.ExternalCallID, d.DeflectionHandle, "+" + d.DialedCountryCode + d.DialedPhoneNumber, ""})
		}
		return all
	}
	for _, i := range a.c2m.Invites() {
		if i.Sent {
			all = append(all, textOf(i.Asked))
		}
	}
	return all
}

// sent are the calls that were texted, with the callId, or the call's own id where there is none.
func (a *watchedAPI) sent() map[string]string {
	calls := map[string]string{}
	for _, t := range a.texts() {
		calls[t.call] = cmp.Or(t.callID, t.call)
	}
	return calls
}

// askedFor are the calls for which a text was asked, whether or not it went out.
func (a *watchedAPI) askedFor() (calls []string) {
	if a.c2m == nil {
		for _, t := range a.texts() {
			calls = append(calls, t.call)
		}
		return calls
	}
	for _, r := range a.c2m.Requests() {
		if e, known := a.c2m.Eligibility(r.CallID); r.Call == c2mtest.CallInvite && known {
			calls = append(calls, textOf(e).call)
		}
	}
	return calls
}

// textOf is the text that an eligibility is for. Calls have their own ids for those of
// customers, which is how they are told apart here.
func textOf(e c2mtest.Eligibility) text {
	customer, dialed := attributes(e.SDEs)
	return text{customer, e.Number, dialed, e.CallID}
}

func attributes(sdes []byte) (customer, dialed string) {
	var list []struct {
		Info struct {
			Customer string `json:"customerId"`
			Dialed   string `json:"storeNumber"`
		} `json:"info"`
	}
	if json.Unmarshal(sdes, &list) != nil || len(list) == 0 {
		return "", ""
	}
	return list[0].Info.Customer, list[0].Info.Dialed
}

// about is the call that a request is for, "" for none, and whether it asks for a text.
func (a *watchedAPI) about(path string, body []byte) (id string, forText bool) {
	var asks struct {
		ID     string          `json:"externalCallId"`
		CallID string          `json:"callId"`
		SDEs   json.RawMessage `json:"sdes"`
	}
	if json.Unmarshal(body, &asks) != nil {
		return "", false
	}
	switch {
	case a.c2m == nil:
		return asks.ID, true
	case strings.HasSuffix(path, "/eligibility"):
		id, _ = attributes(asks.SDEs)
		return id, false
	case strings.HasSuffix(path, "/invite"):
		e, _ := a.c2m.Eligibility(asks.CallID)
		return textOf(e).call, true
	}
	return "", false
}

func (a *watchedAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body) // what has arrived counts, whoever dies then
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	id, forText := a.about(r.URL.Path, body)
	if id != "" {
		a.note(id, forText, 1)
		defer a.note(id, forText, -1)
	}
	if forText && a.hold != nil {
		a.hold()
	}
	if a.c2m != nil {
		a.c2m.ServeHTTP(w, r)
		return
	}
	a.double.ServeHTTP(w, r)
}

func (a *watchedAPI) note(id string, forText bool, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.requests[id]
	if r.first.IsZero() {
		r.first = time.Now()
	}
	switch {
	case !forText:
		r.asking += n
	case n > 0:
		r.out++
		r.tries++
		r.last = time.Now()
	default:
		r.out--
		a.answered++
	}
	a.requests[id] = r
}

func (a *watchedAPI) look() map[string]request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.requests)
}

// answers is how many requests for a text were answered.
func (a *watchedAPI) answers() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answered
}

// before says how long ago the API was first asked for something for a call.
func (a *watchedAPI) before(id string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r, ok := a.requests[id]; ok {
		return time.Since(r.first)
	}
	return 0
}

// faults are those of the API, by chance.
type faults struct {
	api  *watchedAPI
	over atomic.Bool // all is well from now on

	mu     sync.Mutex
	random *rand.Rand
	known  map[string]bool // numbers that were asked about
}

func (f *faults) strike(d livedeflecttest.Deflection) (livedeflecttest.Fault, bool) {
	if f.over.Load() {
		return livedeflecttest.Fault{}, true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, fault := f.next()
	switch {
	case n < 94:
	case n < 96:
		fault.DeliveredTwice = true
	case n < 98:
		fault.InvalidNonce = true
	case f.api.before(d.ExternalCallID) < 3*time.Second:
		fault.SuccessFalse = true // which ends a text that waited, although it was promised
	}
	return fault, true
}

// strikeC2M leaves out what nobody can tell apart there: an invite with a token that
// something on the way delivers twice is answered like one that was not processed.
func (f *faults) strikeC2M(a c2mtest.Asked) (c2mtest.Fault, bool) {
	if f.over.Load() {
		return c2mtest.Fault{}, true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, fault := f.next()
	switch a.Call {
	case c2mtest.CallInvite:
		switch e, _ := f.api.c2m.Eligibility(a.CallID); {
		case n < 94:
		case n < 98:
			fault.InvalidNonce = true // the token is not taken
		case f.api.before(textOf(e).call) < 3*time.Second:
			fault.SuccessFalse = true // which ends a text that waited, although it was promised
		}
		return fault, true
	case c2mtest.CallEligibility:
		known := f.known[a.Number]
		if f.known == nil {
			f.known = map[string]bool{}
		}
		f.known[a.Number] = true
		switch {
		case n >= 94 && !known: // who is known may have a text that waits
			return c2mtest.Fault{SuccessFalse: true}, true
		case n >= 94, f.random.IntN(3) > 0:
			return c2mtest.Fault{Delay: fault.Delay}, true
		}
		return fault, true
	case c2mtest.CallToken, c2mtest.CallTransactions:
		if f.random.IntN(6) == 0 { // all calls go without a token
			return fault, true
		}
	}
	return c2mtest.Fault{}, false
}

// next chooses a fault that both APIs have, n of 100, and none for the last ones.
func (f *faults) next() (n int, fault livedeflecttest.Fault) {
	fault.Delay = time.Duration(f.random.IntN(150)) * time.Millisecond
	n = f.random.IntN(100)
	switch {
	case n < 45:
	case n < 60:
		fault.Status = http.StatusTooManyRequests
	case n < 65:
		fault.Status = http.StatusServiceUnavailable
	case n < 70:
		fault.Status, fault.StatusAfterProcessing = http.StatusBadGateway, true
	case n < 75:
		fault.ResetBefore = true
	case n < 80:
		fault.ResetAfter = true
	case n < 84:
		fault.Garbage = true
	case n < 88:
		fault.Truncate = true
	case n < 91:
		fault.Hang = true
	case n < 94:
		fault.HangAfterProcessing = true
	}
	return n, fault
}
