package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// The other API that is played: Connect to Messaging, at the same address.
const (
	withC2M         = "deflectd, C2M"
	handoff         = "H123456789"
	eligibilityPath = "/api/account/" + siteID + "/eligibility"
	invitePath      = "/api/account/" + siteID + "/invite"
	tokenPath       = "/sentinel/api/v2/account/" + siteID + "/app/token"
)

// app is what its tokens are given to. Nobody keeps to 30 requests a second here.
var app = c2mtest.Config{
	Account: siteID, ClientID: "client", ClientSecret: "client-s3cret", HandoffIDs: []string{handoff}, Skills: []string{skill},
	Rate: -1, KeepLast: 4 * judged,
}

// serveWithC2M is serveDeflectd with the other API.
func serveWithC2M(ctx context.Context, api, _ string) (address string, err error) {
	return serveSession(ctx, api, func(cfg *deflect.Config) (err error) {
		cfg.Backend, err = c2m.New(c2m.Config{
			Account: siteID, HandoffID: handoff, BaseURL: api, Rate: anyRate{}, Logger: cfg.Logger,
			Auth: &liveperson.OAuth2{
				Account: siteID, ClientID: app.ClientID, ClientSecret: deflect.NewSecret(app.ClientSecret), URL: api,
			},
		})
		return err
	})
}

// anyRate is a rate without a limit.
type anyRate struct{}

func (anyRate) Take(context.Context) (bool, error) { return true, nil }

// c2m measures what it costs that a caller is asked about before the offer.
func (l *lab) c2m(ctx context.Context) error {
	// As for latency: nobody has to wait for a core of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	b := l.beside(withC2M)
	if err := l.each(ctx, "c2m", b.names, l.warm(b.measure)); err != nil {
		return err
	}
	l.title("C2M: CPU and calls, of %d callers who call again at once, and at a rate. A ratio is that with Connect to Messaging to that with LiveDeflect.", parallel)
	b.cost("").print(l.out)
	l.title("C2M: from the DTMF event to the request for the text, at %d calls/s, %s a run; and what is more with Connect to Messaging.", l.Rate, l.Time)
	b.latency(b.request, "", "").print(l.out)
	l.title("C2M: from the call to the offer, in the same runs.")
	b.latency(b.offer, "", "").print(l.out)
	return nil
}

// eligibility answers as the double does, with the call's own id for that of the API.
func (a *api) eligibility(w http.ResponseWriter, r *http.Request, body []byte) {
	n, ok := callFrom(strings.TrimPrefix(text(body, "consumerPhoneNumber"), "+"))
	if !ok {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if p := a.phase.Load(); p != nil && p.of(n) == nil {
		p.fail(fmt.Errorf("call %d: asked about, and it is not in progress", n))
	}
	if j := a.judge.Load(); j.asked.Add(1) <= judged {
		j.calls.Store(text(j.ask(w, r, body), "callId"), n)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"availableChannels":["sms"],"recommendedChannelName":"sms","eligible":true,"callId":"`+identify(n).uuid+`"}`) //nolint:errcheck // fails only if the subject has gone
}

// invite answers as the double does, and notes when it came.
func (a *api) invite(w http.ResponseWriter, r *http.Request, body []byte, at int64) {
	id, j := text(body, "callId"), a.judge.Load()
	n, ok := callOf(id)
	judged, is := j.calls.Load(id)
	if is {
		n, ok = judged.(int), true
	}
	if p := a.phase.Load(); p != nil {
		p.fail(p.noteCall(n, ok, at))
	}
	if is {
		j.got.Add(1)
		j.ask(w, r, body)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"callId":"`+id+`"}`) //nolint:errcheck // fails only if the subject has gone
}

// ask lets the strict double answer, and returns what it said.
func (j *judge) ask(w http.ResponseWriter, r *http.Request, body []byte) []byte {
	r.Body = io.NopCloser(bytes.NewReader(body))
	said := httptest.NewRecorder()
	j.c2m.ServeHTTP(said, r)
	for name, values := range said.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(said.Code)
	w.Write(said.Body.Bytes()) //nolint:errcheck // fails only if the subject has gone
	return said.Body.Bytes()
}
