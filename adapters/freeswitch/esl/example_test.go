package esl_test

import (
	"bufio"
	"context"
	"fmt"
	"net"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

func offer(ctx context.Context, nc net.Conn) error {
	conn := esl.NewConn(nc, esl.Config{})
	defer conn.Close()
	replies, err := conn.Do(ctx, esl.Connect(), esl.Linger(5), esl.MyEvents(),
		esl.Filter("Event-Name", "DTMF"))
	if err != nil {
		return err
	}
	fmt.Println("called:", replies[0].Event().Get("Caller-Destination-Number"))
	if err := conn.Post(esl.Execute("offer-1", "playback", "ivr/offer.wav")); err != nil {
		return err
	}
	for e := range conn.Events() {
		if e.Name() == "DTMF" {
			fmt.Println("pressed:", e.Get("DTMF-Digit"))
			_, err := conn.Do(ctx, esl.Resume(), esl.Exit())
			return err
		}
	}
	return conn.Err()
}

func Example() {
	ours, theirs := net.Pipe()
	go callerWhoPresses1(theirs)
	fmt.Println("error:", offer(context.Background(), ours))
	// Output:
	// called: 18005550100
	// pressed: 1
	// error: <nil>
}

// callerWhoPresses1 plays the switch: it answers each command, and the first
// execute with a key press as well.
func callerWhoPresses1(nc net.Conn) {
	defer nc.Close()
	const reply = "Content-Type: command/reply\nReply-Text: +OK\n\n"
	const press = "Event-Name: DTMF\nDTMF-Digit: 1\n\n"
	for r := bufio.NewReader(nc); ; {
		word, err := r.ReadString('\n')
		if err != nil {
			return
		}
		for line := word; line != "\n"; { // to the end of the command
			if line, err = r.ReadString('\n'); err != nil {
				return
			}
		}
		switch word {
		case "connect\n":
			fmt.Fprint(nc, "Event-Name: CHANNEL_DATA\nCaller-Destination-Number: 18005550100\n"+
				"Content-Type: command/reply\nReply-Text: %2BOK%0A\n\n")
		case "sendmsg\n":
			fmt.Fprintf(nc, "%sContent-Length: %d\nContent-Type: text/event-plain\n\n%s", reply, len(press), press)
		default:
			fmt.Fprint(nc, reply)
		}
	}
}
