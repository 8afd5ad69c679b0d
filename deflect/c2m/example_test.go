package c2m_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// An offer, and the text that its caller asks for. The double stands for the API.
func Example() {
	double := c2mtest.New(c2mtest.Config{
		ConsumerKey: "key", ConsumerSecret: "secret", Token: "token", TokenSecret: "token secret",
	})
	key, secret := "key", deflect.NewSecret("secret")
	token, tokenSecret := "token", deflect.NewSecret("token secret")
	api, err := c2m.New(c2m.Config{
		Account:   "38856538",
		HandoffID: "H123456789",
		BaseURL:   "https://va.connect-to-messaging.liveperson.net",
		Auth:      liveperson.OAuth1{ConsumerKey: key, ConsumerSecret: secret, Token: token, TokenSecret: tokenSecret},
		Transport: double,
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
		ANI: "+14043438646", DNIS: "+18005550100", Digits: "1234",
		Start: time.Now().Add(-time.Minute), ExternalCallID: "call-1", Skill: "sales",
	}
	offer, err := client.Offer(ctx, call) // asks for eligibility
	if err != nil {
		fmt.Println(err)
		return
	}
	defer offer.Release()
	fmt.Println(len(double.Invites()), "invites before the caller pressed the key")
	result, err := offer.Deflect(ctx) // invites
	fmt.Println(result.Outcome, err, len(double.Invites()), "invite")

	double.OpenConversation("+14043438646")
	call.ExternalCallID = "call-2"
	_, err = client.Offer(ctx, call)
	fmt.Println(deflect.ReasonOf(err))
	// Output:
	// 0 invites before the caller pressed the key
	// sent <nil> 1 invite
	// not_eligible
}
