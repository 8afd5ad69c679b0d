package livedeflect_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// A text, and what the report tells of it. The double stands for the API.
func Example() {
	key, secret := "key", deflect.NewSecret("secret")
	token, tokenSecret := "token", deflect.NewSecret("token secret")
	api, err := livedeflect.New(livedeflect.Config{
		SiteID: "38856538",
		Domain: "va",
		Auth:   liveperson.OAuth1{ConsumerKey: key, ConsumerSecret: secret, Token: token, TokenSecret: tokenSecret},
		Transport: livedeflecttest.New(livedeflecttest.Config{
			ConsumerKey: "key", ConsumerSecret: "secret", Token: "token", TokenSecret: "token secret",
		}),
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
	defer client.Close() // before api

	ctx := context.Background()
	call := deflect.Call{
		ANI: "+14043438646", DNIS: "+18005550100",
		Start: time.Now().Add(-time.Minute), ExternalCallID: "call-1", Skill: "sales",
	}
	result, err := client.Deflect(ctx, call)
	fmt.Println(result.Outcome, result.CallID, err)

	to := time.Now().Add(time.Second)
	for event, err := range api.Report(ctx, livedeflect.ReportQuery{From: to.Add(-time.Hour), To: to}) {
		if err != nil {
			fmt.Println("incomplete:", err)
			continue
		}
		fmt.Println(event.CallID, event.Type)
	}
	// Output:
	// sent 473513 <nil>
	// 473513 callstart
	// 473513 skillchoice
	// 473513 ovrchan
	// 473513 deflresponse
	// 473513 sendtext
}
