package funnel_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// A day's funnel. Errors are parts that are missing; the rest still counts.
func ExampleCollect() {
	api, err := livedeflect.New(livedeflect.Config{
		SiteID: "38856538", Domain: "va", Auth: liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
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
	for _, id := range []string{"call-1", "call-2"} {
		_, err := client.Deflect(context.Background(), deflect.Call{
			ANI: "+14043438646", DNIS: "+18005550100", Start: time.Now(), ExternalCallID: id, Skill: "sales",
		})
		if err != nil {
			fmt.Println(err)
		}
	}

	now := time.Now()
	report := api.Report(context.Background(), livedeflect.ReportQuery{From: now.Add(-24 * time.Hour), To: now})
	calls := funnel.Collect(report, func(err error) { fmt.Println("incomplete:", err) })
	for _, skill := range funnel.By(calls, funnel.BySkill, time.UTC) {
		fmt.Printf("%s: %d calls, %d texts, %d conversations\n", skill.Key, skill.Calls, skill.Texts, skill.Conversations)
	}
	// Output: sales: 2 calls, 2 texts, 0 conversations
}
