package deflect_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

func ExampleClient_Deflect() {
	api, err := livedeflect.New(livedeflect.Config{
		SiteID:    "38856538",
		Domain:    "va",
		Auth:      liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
		Transport: livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer api.Close()
	client, err := deflect.New(deflect.Config{Backend: api})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	result, err := client.Deflect(context.Background(), deflect.Call{
		ANI: "+14043438646", DNIS: "+18005550100",
		Start: time.Now().Add(-time.Minute), ExternalCallID: "call-1", Skill: "sales",
	})
	fmt.Println(result.Outcome, result.CallID, err)
	// Output: sent 473513 <nil>
}

// Every problem of a call comes at once, before anything is sent.
func ExampleClient_Check() {
	api, err := livedeflect.New(livedeflect.Config{
		SiteID: "38856538", Domain: "va", Auth: liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer api.Close()
	client, err := deflect.New(deflect.Config{Backend: api})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Check(context.Background(), deflect.Call{ANI: "anonymous", DNIS: "+18005550100", Start: time.Now(), ExternalCallID: "call-1"}))
	// Output: deflect: number_hidden: no text was sent: ANI is withheld by the caller; Skill is missing
}

// A trace of a call: what is inside of something has its context.
func ExampleTrace() {
	type within struct{}
	begin := func(ctx context.Context, what string) (context.Context, func(outcome string, err error)) { // such as a span
		outer, _ := ctx.Value(within{}).(string)
		name := outer + "/" + what
		return context.WithValue(ctx, within{}, name), func(outcome string, err error) { fmt.Println(name, outcome) }
	}
	trace := &deflect.Trace{
		Deflect: func(ctx context.Context, c *deflect.Call) (context.Context, func(deflect.Result, error)) {
			ctx, end := begin(ctx, "text of "+deflect.LogID(c.ExternalCallID))
			return ctx, func(r deflect.Result, err error) { end(string(r.Outcome), err) }
		},
		Attempt: func(ctx context.Context, t *deflect.Text) (context.Context, func(deflect.Attempt)) {
			ctx, end := begin(ctx, "request")
			return ctx, func(a deflect.Attempt) { end(string(a.Outcome), a.Err) }
		},
	}
	api, err := livedeflect.New(livedeflect.Config{
		SiteID:    "38856538",
		Domain:    "va",
		Auth:      liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
		Transport: livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer api.Close()
	client, err := deflect.New(deflect.Config{Backend: api, Trace: trace})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_, err = client.Deflect(context.Background(), deflect.Call{
		ANI: "+14043438646", DNIS: "+18005550100",
		Start: time.Now().Add(-time.Minute), ExternalCallID: "call-1", Skill: "sales",
	})
	fmt.Println(err)
	// Output:
	// /text of call-1/request sent
	// /text of call-1 sent
	// <nil>
}
