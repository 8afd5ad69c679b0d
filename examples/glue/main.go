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
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: glue ADDRESS")
		os.Exit(2)
	}
	cfg := deflect.Config{
		SiteID: "38856538",
		Domain: "va",
		Auth: deflect.OAuth1{
			ConsumerKey:    os.Getenv("DEFLECT_KEY"),
			ConsumerSecret: deflect.Secret(os.Getenv("DEFLECT_SECRET")),
			Token:          os.Getenv("DEFLECT_TOKEN"),
			TokenSecret:    deflect.Secret(os.Getenv("DEFLECT_TOKEN_SECRET")),
		},
	}
	if err := run(context.Background(), os.Stdout, cfg, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, cfg deflect.Config, address string) error {
	client, err := deflect.New(cfg)
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

// menu is what the program always did, but for the line in the middle.
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
	key, err := readKey(c)
	if err != nil {
		return err
	}
	if key == "1" {
		c.Execute("set", "deflect_info_menu=sales", false) // the agent will see it
		c.Execute("break", "", false)

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

// readKey waits for a key.
func readKey(c *eventsocket.Connection) (string, error) {
	for {
		ev, err := c.ReadEvent()
		switch {
		case err != nil:
			return "", err
		case ev.Get("Event-Name") == "DTMF":
			return ev.Get("Dtmf-Digit"), nil
		case ev.Get("Event-Name") == "CHANNEL_HANGUP", ev.Get("Content-Type") == "text/disconnect-notice":
			return "", errors.New("the caller hung up")
		}
	}
}
