package freeswitch_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// A server with both doubles: no FreeSWITCH, no account, no text.
func Example() {
	keys := livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"}
	api, err := livedeflect.New(livedeflect.Config{
		SiteID:    "38856538",
		Domain:    "va",
		Auth:      liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")},
		Transport: livedeflecttest.New(keys), // leave out for the real API
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := deflect.New(deflect.Config{Backend: api})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := freeswitch.New(freeswitch.Config{
		Client: client,
		Profiles: []freeswitch.Profile{{
			Name: "sales", Dialed: []string{"+18005550100"}, Skill: "sales",
			Prompts: freeswitch.Prompts{Offer: "ivr/offer.wav"},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := freeswitch.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, listener) }()

	caller := freeswitchtest.Call{
		ANI: "+14043438646", DNIS: "18005550100", SocketResume: true,
		Script: []freeswitchtest.Action{freeswitchtest.Press("1").After(10 * time.Millisecond)},
	}
	result, err := caller.Dial(ctx, listener.Addr().String())
	fmt.Println(result.Vars["deflect_outcome"], result.Vars["deflect_call_id"], result.Continued, err)

	stop()
	fmt.Println(<-done)
	// Output:
	// sent 473513 true <nil>
	// <nil>
}
