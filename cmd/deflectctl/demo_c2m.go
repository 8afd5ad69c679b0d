package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
)

//go:embed demo_c2m.yaml
var demoC2MConfig []byte

const demoClientSecret = "demo-client-secret"

var c2mScenes = []scene{
	{
		title: "A caller can be texted, and presses 1", from: "+14043438646", press: true,
		outcome: "sent", cause: "ok", texts: 1,
		lesson: "Connect to Messaging was asked before the offer, and sent the text at the key press.",
	},
	{
		title: "A caller has opted out of texts", from: "+14043438655", optedOut: true,
		outcome: "ineligible", cause: "not_eligible",
		lesson: "Not eligible, so there is no offer: the call is not even answered, and goes on to\n   the queue.",
	},
	{
		title: "A caller is in a conversation with the brand already", from: "+14043438688", converses: true,
		outcome: "ineligible", cause: "open_conversation",
		lesson: "A text would not be delivered while that conversation is open: no offer.",
	},
	{
		title: "A caller presses nothing", from: "+14043438677",
		outcome: "no_input", cause: "no_key",
		lesson: "Asking sends nothing: without the key press there is no invite. The caller waits\n   in the queue, as ever.",
	},
}

// startC2M starts the double of Connect to Messaging.
func (s *stage) startC2M() error {
	s.c2m = c2mtest.New(c2mtest.Config{
		Account: "38856538", ClientID: "demo-app", ClientSecret: demoClientSecret,
		OptOutsKnown: true, Open: c2mtest.OpenRefused,
	})
	return s.c2m.Start()
}

// readDemo reads the configuration of a demo, with an API that is at a URL.
func readDemo(text []byte, url string) (config.File, error) {
	text = bytes.ReplaceAll(text, []byte("http://127.0.0.1:1\n"), []byte(url+"\n"))
	return config.Parse("demo.yaml", text, func(name string) string {
		return map[string]string{
			"DEFLECT_CONSUMER_SECRET": demoConsumerSecret, "DEFLECT_TOKEN_SECRET": demoTokenSecret, "DEFLECT_CLIENT_SECRET": demoClientSecret,
		}[name]
	})
}

// exchange is a request of deflectd, as the API saw it.
type exchange struct {
	at           time.Time
	what, callID string
}

// exchanges are all requests so far, about a caller.
func (s *stage) exchanges(from string) (all []exchange) {
	if s.c2m == nil {
		for _, q := range s.api.Requests() {
			all = append(all, exchange{q.Time, fmt.Sprintf("-> LiveDeflect contextAndInvite, signed, for %s", from), q.CallID})
		}
		return all
	}
	for _, q := range s.c2m.Requests() {
		what := map[string]string{
			c2mtest.CallToken:       "-> C2M token: asked for once, good for an hour",
			c2mtest.CallEligibility: "-> C2M eligibility: can " + from + " be texted?",
			c2mtest.CallInvite:      "-> C2M invite, with the callId of the eligibility",
		}[q.Call]
		if what != "" {
			all = append(all, exchange{q.Time, what, q.CallID})
		}
	}
	return all
}

// texts counts those that the API has sent.
func (s *stage) texts() (n int) {
	if s.c2m == nil {
		return len(s.api.Sent())
	}
	for _, in := range s.c2m.Invites() {
		if in.Sent {
			n++
		}
	}
	return n
}

// answeredC2M says what came of a request to Connect to Messaging, by the log.
func answeredC2M(v map[string]string, callID string) string {
	switch {
	case v["call"] == "eligibility" && v["outcome"] == "sent":
		return fmt.Sprintf("-> deflectd %s: eligible, callId %s", v["status"], shortID(callID))
	case v["outcome"] == "sent":
		return fmt.Sprintf("-> deflectd %s: text sent, callId %s", v["status"], shortID(callID))
	}
	return fmt.Sprintf("-> deflectd %s: %s, %s", v["status"], v["outcome"], v["reason"])
}

// shortID is the beginning of a UUID, by which people tell them apart.
func shortID(id string) string {
	if len(id) > 8 {
		return id[:8] + "..."
	}
	return id
}

// tellTransactions tells what became of the callers, as C2M's report has it.
func (s *stage) tellTransactions(ctx context.Context, w io.Writer, began time.Time, scenes []scene) (complaints []string, err error) {
	all, _, err := apis.Open(s.file, apis.Options{})
	if err != nil {
		return nil, err
	}
	defer all.Close()
	stages := []struct {
		what string
		n    int
		is   func(*c2m.Transaction) bool
	}{
		{what: "attempted   asked about", is: func(*c2m.Transaction) bool { return true }},
		{what: "eligible    could be texted", is: func(t *c2m.Transaction) bool { return !t.Eligible.IsZero() }},
		{what: "sent        text sent", is: func(t *c2m.Transaction) bool { return t.WasSent() }},
		{what: "delivered   text arrived", is: func(t *c2m.Transaction) bool { return t.WasDelivered() }},
	}
	for t, err := range all.C2M.Transactions(ctx, c2m.TransactionQuery{From: began.Add(-time.Minute), To: time.Now().Add(time.Second)}) {
		if err != nil {
			return nil, err
		}
		for i := range stages {
			if stages[i].is(&t) {
				stages[i].n++
			}
		}
	}
	fmt.Fprintf(w, "\nWhat became of them, from the report (of a real account it is 20 minutes late)\n\n")
	fmt.Fprintf(w, "   %-36s %d  %s\n", "called", len(scenes), bar(len(scenes), len(scenes), demoBar))
	texts := 0
	for _, sc := range scenes {
		texts += sc.texts
	}
	for _, st := range stages {
		fmt.Fprintf(w, "   %-36s %d  %s\n", st.what, st.n, bar(st.n, len(scenes), demoBar))
	}
	if sent := stages[2].n; sent != texts {
		complaints = append(complaints, fmt.Sprintf("the report shows %d texts, not %d", sent, texts))
	}
	if v := s.c2m.Violations(); len(v) > 0 {
		complaints = append(complaints, fmt.Sprintf("a callId was used twice: %d times", len(v)))
	}
	return complaints, nil
}
