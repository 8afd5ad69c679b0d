// Command c2m is the smallest program that embeds package deflect, with Connect to
// Messaging: it asks whether one caller can be texted, offers it, has the text sent, and
// prints what came of it. It differs from the one with LiveDeflect in its configuration alone.
//
//	DEFLECT_CLIENT_ID=... DEFLECT_CLIENT_SECRET=... go run ./examples/embed/c2m +14043438646 +18005550100
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: c2m FROM TO")
		os.Exit(2)
	}
	const account = "38856538"
	hosts, err := liveperson.NewDomains(liveperson.DomainsConfig{Account: account})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cfg := c2m.Config{
		Account:   account,
		HandoffID: "H123456789",
		Domains:   hosts, // or a BaseURL
		Auth: &liveperson.OAuth2{
			Account:      account,
			ClientID:     os.Getenv("DEFLECT_CLIENT_ID"),
			ClientSecret: deflect.NewSecret(os.Getenv("DEFLECT_CLIENT_SECRET")),
			Domains:      hosts, // or a URL
		},
	}
	if err := run(context.Background(), os.Stdout, cfg, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, cfg c2m.Config, from, to string) error {
	// Once, at the start: one client and its policies serve all calls.
	api, err := c2m.New(cfg)
	if err != nil {
		return err
	}
	defer api.Close()
	client, err := deflect.New(deflect.Config{Backend: api})
	if err != nil {
		return err
	}
	defer client.Close()
	policy, err := deflect.NewPolicy("sales", deflect.Rules{Countries: []string{"US", "CA"}, Cooldown: time.Hour})
	if err != nil {
		return err
	}

	// For each call:
	call := deflect.Call{
		Policy:         policy,
		ANI:            phone.Number(from),
		DNIS:           phone.Number(to),
		Start:          time.Now(),
		ExternalCallID: "call-1", // the phone system's id of the call
		Skill:          "sales",
		CallerInfo:     map[string]any{"role": "Gold"},
	}
	offer, err := client.Offer(ctx, call) // may this caller be texted, now? The API is asked too
	if err != nil {
		fmt.Fprintf(w, "not offered, the caller waits on: %v\n", err)
		return nil
	}
	defer offer.Release()

	// ... the caller hears the offer and presses 1 ...

	result, err := offer.Deflect(ctx)
	switch {
	case err == nil:
		fmt.Fprintf(w, "%s: a text is on its way, callId %s\n", result.Outcome, result.CallID)
	case errors.Is(err, deflect.ErrUnauthorized) && deflect.NotSent(err):
		return fmt.Errorf("check the keys: %w", err)
	case deflect.NotSent(err):
		fmt.Fprintf(w, "%s: no text, the caller waits on: %v\n", result.Outcome, err)
	default:
		fmt.Fprintf(w, "%s: a text may be on its way, do not send again: %v\n", result.Outcome, err)
	}
	return nil
}
