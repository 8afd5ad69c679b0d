package esl_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
)

func offer(nc net.Conn) error {
	conn := esl.NewConn(nc, esl.Config{})
	defer conn.Close()
	err := conn.Post(esl.Connect(), esl.Linger(5), esl.MyEvents(), esl.Filter("Event-Name", "DTMF"))
	if err != nil {
		return err
	}
	for {
		e, err := conn.Next(time.Time{})
		if err != nil {
			return err
		}
		switch e.Name() {
		case esl.ChannelData:
			fmt.Println("called:", e.Get("Caller-Destination-Number"))
			err = conn.Post(esl.Execute("offer-1", "playback", "ivr/offer.wav"))
		case "DTMF":
			fmt.Println("pressed:", e.Get("DTMF-Digit"))
			return conn.Post(esl.Resume(), esl.Exit())
		case esl.CommandError:
			err = errors.New(e.Get("Reply-Text"))
		}
		if err != nil {
			return err
		}
	}
}

func Example() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go callerWhoPresses1(ln.Addr().String())
	call, err := ln.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("error:", offer(call))
	// Output:
	// called: 18005550100
	// pressed: 1
	// error: <nil>
}

// callerWhoPresses1 plays the switch: it answers each command, and the first
// execute with a key press as well.
func callerWhoPresses1(daemon string) {
	nc, err := net.Dial("tcp", daemon)
	if err != nil {
		return
	}
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
