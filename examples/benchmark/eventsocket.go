package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/fiorix/go-eventsocket/eventsocket"
)

// serveEventSocket serves calls with a handler on fiorix/go-eventsocket.
func serveEventSocket(_ context.Context, api, _ string) (address string, err error) {
	text := newTexter(api)
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	go func() {
		err := eventsocket.ListenAndServe(address, func(c *eventsocket.Connection) {
			defer c.Close()
			if err := eventSocketCall(c, text); err != nil {
				fmt.Fprintln(os.Stderr, "go-eventsocket:", err)
			}
		})
		fmt.Fprintln(os.Stderr, "go-eventsocket:", err)
		os.Exit(1)
	}()
	return address, nil
}

// eventSocketCall offers a text to one caller who takes it.
func eventSocketCall(c *eventsocket.Connection, text *texter) error {
	data, err := c.Send("connect")
	if err != nil {
		return err
	}
	for _, command := range []string{
		"linger 5", "myevents", "filter Event-Name DTMF", "filter Event-Name CHANNEL_EXECUTE_COMPLETE", "filter Event-Name CHANNEL_HANGUP",
	} {
		if _, err := c.Send(command); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	if _, err := c.Execute("answer", "", false); err != nil {
		return err
	}
	if err := play(c, "offer-1", offerPrompt); err != nil {
		return err
	}
	if err := await(c, func(e *eventsocket.Event) bool {
		return e.Get("Event-Name") == "DTMF" && e.Get("Dtmf-Digit") == "1"
	}); err != nil {
		return err
	}
	if _, err := c.Execute("break", "", false); err != nil {
		return err
	}
	id, err := text.send(context.Background(), caller{
		uuid:  data.Get("Unique-Id"),
		from:  data.Get("Caller-Caller-Id-Number"),
		to:    data.Get("Caller-Destination-Number"),
		skill: data.Get("Variable_deflect_skill"),
		since: micros(data.Get("Caller-Channel-Created-Time")),
		info:  map[string]any{"plan": data.Get("Variable_deflect_info_plan")},
	})
	if err != nil {
		return err
	}
	if err := play(c, "bye-1", sentPrompt); err != nil {
		return err
	}
	if err := await(c, func(e *eventsocket.Event) bool {
		return e.Get("Event-Name") == "CHANNEL_EXECUTE_COMPLETE" && e.Get("Application-Uuid") == "bye-1"
	}); err != nil {
		return err
	}
	if _, err := c.Execute("multiset", "^^~deflect_outcome=sent~deflect_call_id="+id, false); err != nil {
		return err
	}
	for _, command := range []string{"resume", "exit"} {
		if _, err := c.Send(command); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
	return nil
}

// play starts a prompt whose end can be told from others by an id.
func play(c *eventsocket.Connection, id, prompt string) error {
	_, err := c.SendMsg(eventsocket.MSG{
		"call-command": "execute", "execute-app-name": "playback", "execute-app-arg": prompt, "Event-UUID": id,
	}, "", "")
	return err
}

// await reads events up to one of a kind.
func await(c *eventsocket.Connection, wanted func(*eventsocket.Event) bool) error {
	for {
		e, err := c.ReadEvent()
		switch {
		case err != nil:
			return err
		case wanted(e):
			return nil
		case e.Get("Event-Name") == "CHANNEL_HANGUP", e.Get("Content-Type") == "text/disconnect-notice":
			return errors.New("the caller hung up")
		}
	}
}
