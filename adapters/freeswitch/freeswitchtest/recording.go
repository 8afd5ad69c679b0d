package freeswitchtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A recording is a transcript of one connection.
type recording struct {
	frames   []recordedFrame
	executes []execute // of the recorded peer
	closed   bool      // the switch closed it at the end
	closedAt time.Duration
	commands int // the recorded peer sent in all
}

// A recordedFrame is one message of the switch.
type recordedFrame struct {
	at       time.Duration
	data     []byte
	commands int // that had been sent before it
}

// reply tells whether the frame answers a command.
func (f recordedFrame) reply() bool {
	head, _, _ := bytes.Cut(f.data, []byte("\n\n"))
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		switch string(line) {
		case "Content-Type: command/reply", "Content-Type: api/response":
			return true
		}
	}
	return false
}

// An execute is an application that a peer wants to be run.
type execute struct{ app, uuid string }

// readRecording reads JSON lines: t in seconds, dir ">" for the peer, "<" for
// the switch and "<EOF" for its end, and the bytes of data.
func readRecording(r io.Reader) (recording, error) {
	var rec recording
	var peer commandReader
	var pending []byte
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var l struct {
			T    float64 `json:"t"`
			Dir  string  `json:"dir"`
			Data string  `json:"data"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return rec, fmt.Errorf("freeswitchtest: transcript: line %d: %w", n, err)
		}
		at := time.Duration(l.T * float64(time.Second))
		switch l.Dir {
		case ">":
			commands, err := peer.feed([]byte(l.Data))
			if err != nil {
				return rec, fmt.Errorf("freeswitchtest: transcript: line %d: %w", n, err)
			}
			rec.commands += len(commands)
			for _, c := range commands {
				rec.executes = appendExecute(rec.executes, c)
			}
		case "<":
			pending = append(pending, l.Data...)
			for {
				size := frameSize(pending)
				if size == 0 {
					break
				}
				rec.frames = append(rec.frames, recordedFrame{at, slices.Clone(pending[:size]), rec.commands})
				pending = pending[size:]
			}
		case "<EOF":
			rec.closed, rec.closedAt = true, at
		default:
			return rec, fmt.Errorf("freeswitchtest: transcript: line %d: unknown direction %q", n, l.Dir)
		}
	}
	if err := lines.Err(); err != nil {
		return rec, fmt.Errorf("freeswitchtest: transcript: %w", err)
	}
	if len(pending) > 0 {
		rec.frames = append(rec.frames, recordedFrame{rec.lastAt(), pending, rec.commands})
	}
	return rec, nil
}

func (rec recording) lastAt() time.Duration {
	if len(rec.frames) == 0 {
		return 0
	}
	return rec.frames[len(rec.frames)-1].at
}

// frameSize is how long the first frame is, 0 if it is not complete.
func frameSize(p []byte) int {
	head, _, ok := bytes.Cut(p, []byte("\n\n"))
	if !ok {
		return 0
	}
	size := len(head) + 2 + bodyLength(string(head))
	if len(p) < size {
		return 0
	}
	return size
}

func appendExecute(list []execute, text string) []execute {
	c := parseCommand(text)
	if c.verb != "sendmsg" || c.get("call-command") != "execute" {
		return list
	}
	app, _ := c.application()
	return append(list, execute{app, c.get("event-uuid")})
}

// A renamer gives the events of a recording the ids of another peer: the
// third playback of the one is the third playback of the other.
type renamer struct{ seen map[string][]string } // application: recorded ids

func (n *renamer) rename(frame []byte, executes []execute) []byte {
	head, body, _ := strings.Cut(string(frame), "\n\n")
	app, ok := bodyHeader(body, "Application")
	id, hasID := bodyHeader(body, "Application-UUID")
	if !ok || !hasID {
		return frame
	}
	if !slices.Contains(n.seen[app], id) {
		n.seen[app] = append(n.seen[app], id)
	}
	nth := slices.Index(n.seen[app], id)
	for _, e := range executes {
		if e.app != app {
			continue
		}
		if nth--; nth < 0 {
			return withUUID(head, body, id, e.uuid, frame)
		}
	}
	return frame
}

func withUUID(head, body, old, id string, frame []byte) []byte {
	if id == "" {
		return frame
	}
	renamed := strings.Replace(body, "\nApplication-UUID: "+old+"\n", "\nApplication-UUID: "+encoded(id)+"\n", 1)
	length := func(s string) string { return "Content-Length: " + strconv.Itoa(len(s)) }
	head = strings.Replace(head, length(body), length(renamed), 1)
	return []byte(head + "\n\n" + renamed)
}

func bodyHeader(body, name string) (string, bool) {
	_, rest, ok := strings.Cut(body, "\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\n")
	return value, ok
}
