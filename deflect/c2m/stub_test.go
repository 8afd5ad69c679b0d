package c2m

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// bearer sets a token, as an authenticator of OAuth 2.0 does.
type bearer struct{}

func (bearer) Transport(base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", "Bearer token")
		return base.RoundTrip(req)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

const ticketID = "b52403dc-b140-45cc-a9ca-d749a39b1b56"

// yes and taken are the answers of the vendor's examples.
const (
	yes   = `{"availableChannels":["sms","wa"],"recommendedChannelName":"sms","eligible":true,"callId":"` + ticketID + `"}`
	taken = `{"callId":"ec88bd52-3d1e-40a7-a2fc-95565a528258"}`
)

// reply is an answer of the stub: without a status the vendor's example.
type reply struct {
	status int
	body   string
	header http.Header
	err    error
	hang   bool
}

// stub is an API that answers as the test says. It keeps what it was asked.
type stub struct {
	eligibility, invite reply

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (s *stub) RoundTrip(req *http.Request) (*http.Response, error) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.requests, s.bodies = append(s.requests, req), append(s.bodies, string(b))
	r, ok := s.eligibility, yes
	if strings.HasSuffix(req.URL.Path, "/invite") {
		r, ok = s.invite, taken
	}
	s.mu.Unlock()
	if r.hang {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.status == 0 {
		r.status, r.body = http.StatusOK, ok
	}
	if r.header == nil {
		r.header = http.Header{}
	}
	return &http.Response{StatusCode: r.status, Header: r.header, Body: io.NopCloser(strings.NewReader(r.body)), Request: req}, nil
}

// count is how many requests there were to the end of a path.
func (s *stub) count(path string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.HasSuffix(r.URL.Path, path) {
			n++
		}
	}
	return n
}

// last is the body of the last request.
func (s *stub) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[len(s.bodies)-1]
}

// testConfig is that of tests: an account, over a transport.
func testConfig(api http.RoundTripper) Config {
	return Config{
		Account: "38856538", HandoffID: "H123456789", Auth: bearer{},
		BaseURL: "https://va.connect-to-messaging.liveperson.net", Transport: api,
	}
}

func testClient(t testing.TB, api http.RoundTripper, change func(*Config)) *Client {
	t.Helper()
	cfg := testConfig(api)
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func testCall() deflect.Call {
	return deflect.Call{ANI: "+14043438646", DNIS: "+18005550100", Digits: "1234", Skill: "sales", ExternalCallID: "1231"}
}

// read is a call that was checked, as the engine hands it to a backend.
func read(t testing.TB, c *Client, call deflect.Call) *deflect.Text {
	t.Helper()
	text := &deflect.Text{Call: call}
	number := call.ANI
	if call.NumberOverride != "" {
		number = call.NumberOverride
	}
	text.Customer, _ = numberplan.Parse(number, "US")
	text.Dialed, _ = numberplan.Parse(call.DNIS, "US")
	for _, p := range c.Read(text) {
		t.Fatalf("Read: %v", p)
	}
	return text
}

// asked is a text whose caller can have it.
func asked(t testing.TB, c *Client, call deflect.Call) *deflect.Text {
	t.Helper()
	text := read(t, c, call)
	want(t, c.Ask(t.Context(), text), deflect.Sent, deflect.ReasonOK)
	return text
}

func want(t testing.TB, a deflect.Attempt, o deflect.Outcome, r deflect.Reason) {
	t.Helper()
	if a.Outcome != o || a.Reason != r {
		t.Errorf("%s %s (%v), want %s %s", a.Outcome, a.Reason, a.Err, o, r)
	}
	if (a.Err == nil) != (o == deflect.Sent) {
		t.Errorf("%s %s with the error %v", a.Outcome, a.Reason, a.Err)
	}
}

// wantJSON compares JSON, but for white space.
func wantJSON(t testing.TB, got, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// silentStub is a stub that keeps nothing.
type silentStub struct{ stub }

func (s *silentStub) RoundTrip(req *http.Request) (*http.Response, error) {
	s.requests, s.bodies = s.requests[:0], s.bodies[:0]
	return s.stub.RoundTrip(req)
}

// endless is a Rate without a limit.
type endless struct{}

func (endless) Take(context.Context) (bool, error) { return true, nil }
