// Command glue is an existing program, of the kind that many shops have, that serves
// FreeSWITCH's event socket with github.com/fiorix/go-eventsocket: a small menu. One
// line of it is new: who chooses sales is offered a text before the queue.
//
//	DEFLECT_KEY=... DEFLECT_SECRET=... DEFLECT_TOKEN=... DEFLECT_TOKEN_SECRET=... \
//		go run ./examples/glue 127.0.0.1:8084
//
// In the dialplan:
//
//	<action application="set" data="socket_resume=true"/>
//	<action application="socket" data="127.0.0.1:8084 async full"/>
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fiorix/go-eventsocket/eventsocket"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: glue ADDRESS")
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
	if err := run(context.Background(), os.Stdout, cfg, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, cfg livedeflect.Config, address string) error {
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
	server, err := freeswitch.New(freeswitch.Config{
		Client:   client,
		Profiles: []freeswitch.Profile{{Name: "sales", Skill: "sales", Text: "Thanks for calling. Reply here."}},
	})
	if err != nil {
		return err
	}
	return eventsocket.ListenAndServe(address, func(c *eventsocket.Connection) {
		defer c.Close()
		if err := menu(ctx, w, c, server); err != nil {
			fmt.Fprintln(w, "call:", err)
		}
	})
}

// menu is what the program always did, but for who chooses sales.
func menu(ctx context.Context, w io.Writer, c *eventsocket.Connection, server *freeswitch.Server) error {
	for _, command := range []string{"connect", "linger 5", "myevents"} {
		if _, err := c.Send(command); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	if _, err := c.Execute("answer", "", false); err != nil {
		return err
	}
	if _, err := c.Execute("playback", "ivr/sales_1_service_2.wav", false); err != nil {
		return err
	}
	pressed, err := await(c, func(ev *eventsocket.Event) bool { return ev.Get("Event-Name") == "DTMF" })
	if err != nil {
		return err
	}
	if pressed.Get("Dtmf-Digit") == "1" {
		if err := set(c, "deflect_info_menu=sales"); err != nil { // the agent will see it
			return err
		}

		result, err := freeswitch.HandleEventSocket(ctx, c, server) // the new line

		fmt.Fprintln(w, "sales:", result.Outcome, result.Reason)
		return err
	}
	fmt.Fprintln(w, "service")
	for _, command := range []string{"resume", "exit"} {
		if _, err := c.Send(command); err != nil {
			return err
		}
	}
	return nil
}

// set sets a variable, ends the prompt that plays, and waits until both are done: what
// is not complete is not seen by who asks for the channel's data.
func set(c *eventsocket.Connection, variable string) error {
	for _, e := range []struct{ app, arg string }{{"set", variable}, {"break", ""}} {
		if _, err := c.Execute(e.app, e.arg, false); err != nil {
			return fmt.Errorf("%s: %w", e.app, err)
		}
		_, err := await(c, func(ev *eventsocket.Event) bool {
			return ev.Get("Event-Name") == "CHANNEL_EXECUTE_COMPLETE" && ev.Get("Application") == e.app
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// await reads events up to one of a kind.
func await(c *eventsocket.Connection, wanted func(*eventsocket.Event) bool) (*eventsocket.Event, error) {
	for {
		ev, err := c.ReadEvent()
		switch {
		case err != nil:
			return nil, err
		case wanted(ev):
			return ev, nil
		case ev.Get("Event-Name") == "CHANNEL_HANGUP", ev.Get("Content-Type") == "text/disconnect-notice":
			return nil, errors.New("the caller hung up")
		}
	}
}
