// Command embed is the smallest program that embeds package deflect: it offers one
// caller a text, asks LiveDeflect to send it, and prints what came of it. The READMEs show it.
//
//	DEFLECT_KEY=... DEFLECT_SECRET=... DEFLECT_TOKEN=... DEFLECT_TOKEN_SECRET=... \
//		go run ./examples/embed +14043438646 +18005550100
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: embed FROM TO")
		os.Exit(2)
	}
	cfg := livedeflect.Config{
		SiteID: "38856538",
		Domain: "va",
		Auth: liveperson.OAuth1{
			ConsumerKey:    os.Getenv("DEFLECT_KEY"),
			ConsumerSecret: deflect.NewSecret(os.Getenv("DEFLECT_SECRET")),
			Token:          os.Getenv("DEFLECT_TOKEN"),
			TokenSecret:    deflect.NewSecret(os.Getenv("DEFLECT_TOKEN_SECRET")),
		},
	}
	if err := run(context.Background(), os.Stdout, cfg, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, cfg livedeflect.Config, from, to string) error {
	// Once, at the start: one client and its policies serve all calls.
	api, err := livedeflect.New(cfg)
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
		CallerInfo:     map[string]any{"plan": "Gold"},
	}
	offer, err := client.Offer(ctx, call) // may this caller be texted, now, and is the API well?
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
