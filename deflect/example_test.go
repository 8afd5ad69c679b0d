package deflect_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

func ExampleClient_Deflect() {
	client, err := deflect.New(deflect.Config{
		SiteID:    "38856538",
		Domain:    "va",
		Auth:      deflect.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
		Transport: deflecttest.New(deflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"}),
	})
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
	client, err := deflect.New(deflect.Config{
		SiteID: "38856538", Domain: "va", Auth: deflect.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Check(context.Background(), deflect.Call{ANI: "anonymous", DNIS: "+18005550100", Start: time.Now(), ExternalCallID: "call-1"}))
	// Output: deflect: number_hidden: no text was sent: ANI is withheld by the caller; Skill is missing
}

// A day's funnel. Errors are parts that are missing; the rest still counts.
func ExampleClient_Report() {
	api := deflecttest.New(deflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"})
	client, err := deflect.New(deflect.Config{
		SiteID: "38856538", Domain: "va", Auth: deflect.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")}, Transport: api,
	})
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
	report := client.Report(context.Background(), deflect.ReportQuery{From: now.Add(-24 * time.Hour), To: now})
	calls := deflect.Journeys(deflect.Events(report, func(err error) { fmt.Println("incomplete:", err) }))
	for _, skill := range deflect.FunnelBy(calls, deflect.BySkill, time.UTC) {
		fmt.Printf("%s: %d calls, %d texts, %d conversations\n", skill.Key, skill.Calls, skill.Texts, skill.Conversations)
	}
	// Output: sales: 2 calls, 2 texts, 0 conversations
}
