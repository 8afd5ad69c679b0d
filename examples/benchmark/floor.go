package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
)

// floor is a subject that does the least: one goroutine a call, two writes, and of what
// the switch says nothing is read but the key, and what the text needs. It is what the
// task and the machine cost in any case, and nothing to serve calls with: it hears no
// hang-up and no refusal, gives nobody up, and lets the offer play until the text is
// sent.
const floor = "the floor"

// What it says: all that comes before the key, all that comes after the text. The ends
// that deflectd does not want it does not want either.
var (
	floorOpening = commands("connect", "linger 5", "myevents",
		"filter Event-Name DTMF", "filter Event-Name CHANNEL_EXECUTE_COMPLETE", "filter Event-Name CHANNEL_HANGUP",
		"filter Application -answer", "filter Application -break", "filter Application -multiset",
		"sendmsg\ncall-command: execute\nexecute-app-name: answer",
		"sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: "+offerPrompt+"\nEvent-UUID: offer-1")
	floorEnd = commands("sendmsg\ncall-command: execute\nexecute-app-name: break",
		"sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: "+sentPrompt+"\nEvent-UUID: bye-1",
		"sendmsg\ncall-command: execute\nexecute-app-name: multiset\nexecute-app-arg: ^^~deflect_outcome=sent~deflect_call_id=%s",
		"resume", "exit")
	floorKey = "\nDTMF-Digit: 1\n"
)

func commands(c ...string) string { return strings.Join(c, "\n\n") + "\n\n" }

// floorRooms hold all that a switch says before the key.
var floorRooms = sync.Pool{New: func() any { return new([16 << 10]byte) }}

func serveFloor(_ context.Context, api, _ string) (string, error) {
	text := newTexter(api)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := floorCall(conn, text); err != nil {
					fmt.Fprintln(os.Stderr, "floor:", err)
				}
			}()
		}
	}()
	return ln.Addr().String(), nil
}

// floorCall offers a text to one caller who takes it.
func floorCall(conn net.Conn, text *texter) error {
	if _, err := io.WriteString(conn, floorOpening); err != nil {
		return err
	}
	room := floorRooms.Get().(*[16 << 10]byte)
	defer floorRooms.Put(room)
	said := room[:0]
	for from := 0; !bytes.Contains(said[from:], []byte(floorKey)); {
		from = max(0, len(said)-len(floorKey))
		if len(said) == len(room) {
			return errors.New("too much was said before the key")
		}
		n, err := conn.Read(room[len(said):])
		if err != nil {
			return err
		}
		said = room[:len(said)+n]
	}
	id, err := text.send(context.Background(), caller{
		uuid:  floorHeader(said, "Unique-ID"),
		from:  floorHeader(said, "Caller-Caller-ID-Number"),
		to:    floorHeader(said, "Caller-Destination-Number"),
		skill: floorHeader(said, "variable_deflect_skill"),
		since: micros(floorHeader(said, "Caller-Channel-Created-Time")),
		info:  map[string]any{"plan": floorHeader(said, "variable_deflect_info_plan")},
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, floorEnd, id); err != nil {
		return err
	}
	for err == nil {
		_, err = conn.Read(room[:]) // an end without it would be a reset
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// floorHeader returns the first value of a header; "" without.
func floorHeader(said []byte, name string) string {
	_, after, _ := bytes.Cut(said, []byte("\n"+name+": "))
	value, _, _ := bytes.Cut(after, []byte("\n"))
	plain, _ := url.PathUnescape(string(value))
	return plain
}
