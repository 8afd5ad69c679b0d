package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/percipia/eslgo"
	"github.com/percipia/eslgo/command"
	"github.com/percipia/eslgo/command/call"
)

// serveESLGo serves calls with a handler on percipia/eslgo.
func serveESLGo(_ context.Context, api, _ string) (address string, err error) {
	text := newTexter(api)
	if address, err = freeAddress(); err != nil {
		return "", err
	}
	options := eslgo.DefaultOutboundOptions
	options.Logger = nil // it would write a line for every connection
	go func() {
		err := options.ListenAndServe(address, func(ctx context.Context, c *eslgo.Conn, data *eslgo.RawResponse) {
			if err := eslgoCall(ctx, c, data, text); err != nil {
				fmt.Fprintln(os.Stderr, "eslgo:", err)
			}
		})
		fmt.Fprintln(os.Stderr, "eslgo:", err)
		os.Exit(1)
	}()
	return address, nil
}

// plain is a command for which the library has no type.
type plain string

func (p plain) BuildMessage() string { return string(p) }

// eslgoCall offers a text to one caller who takes it. The library calls a listener in a
// goroutine of its own for each event, so what is waited for has a channel.
func eslgoCall(ctx context.Context, c *eslgo.Conn, data *eslgo.RawResponse, text *texter) error {
	uuid := data.ChannelUUID()
	accepted, heard, gone := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	c.RegisterEventListener(uuid, func(e *eslgo.Event) {
		switch {
		case e.GetName() == "DTMF" && e.GetHeader("DTMF-Digit") == "1":
			tell(accepted)
		case e.GetName() == "CHANNEL_EXECUTE_COMPLETE" && e.GetHeader("Application-UUID") == "bye-1":
			tell(heard)
		case e.GetName() == "CHANNEL_HANGUP":
			tell(gone)
		}
	})
	wait := func(what <-chan struct{}) error {
		select {
		case <-what:
			return nil
		case <-gone:
			return errors.New("the caller hung up")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := say(ctx, c, plain("linger 5"), command.MyEvents{Format: "plain"},
		command.Filter{EventHeader: "Event-Name", FilterValue: "DTMF"},
		command.Filter{EventHeader: "Event-Name", FilterValue: "CHANNEL_EXECUTE_COMPLETE"},
		command.Filter{EventHeader: "Event-Name", FilterValue: "CHANNEL_HANGUP"},
		&call.Execute{AppName: "answer"},
		&call.Execute{AppName: "playback", AppArgs: offerPrompt, AppUUID: "offer-1"})
	if err != nil {
		return err
	}
	if err := wait(accepted); err != nil {
		return err
	}
	if err := say(ctx, c, &call.Execute{AppName: "break"}); err != nil {
		return err
	}
	id, err := text.send(ctx, caller{
		uuid:  uuid,
		from:  data.GetHeader("Caller-Caller-ID-Number"),
		to:    data.GetHeader("Caller-Destination-Number"),
		skill: data.GetVariable("deflect_skill"),
		since: micros(data.GetHeader("Caller-Channel-Created-Time")),
		info:  map[string]any{"plan": data.GetVariable("deflect_info_plan")},
	})
	if err != nil {
		return err
	}
	if err := say(ctx, c, &call.Execute{AppName: "playback", AppArgs: sentPrompt, AppUUID: "bye-1"}); err != nil {
		return err
	}
	if err := wait(heard); err != nil {
		return err
	}
	if err := say(ctx, c, &call.Execute{AppName: "multiset", AppArgs: "^^~deflect_outcome=sent~deflect_call_id=" + id}, plain("resume")); err != nil {
		return err
	}
	c.ExitAndClose()
	return nil
}

// tell does not wait for who was told already.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// say sends commands one after the other. Each has a deadline, because the library keeps
// that of connect for what is written later, and a caller may take longer to decide.
func say(ctx context.Context, c *eslgo.Conn, commands ...command.Command) error {
	for _, cmd := range commands {
		if err := sayOne(ctx, c, cmd); err != nil {
			return err
		}
	}
	return nil
}

func sayOne(ctx context.Context, c *eslgo.Conn, cmd command.Command) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	reply, err := c.SendCommand(ctx, cmd)
	if err != nil {
		return err
	}
	if !reply.IsOk() {
		return errors.New(reply.GetReply())
	}
	return nil
}
