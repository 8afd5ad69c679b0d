package freeswitchtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

type recordedLine struct {
	T         float64
	Dir, Data string
}

func decodeLines(t *testing.T, data []byte) []recordedLine {
	t.Helper()
	var all []recordedLine
	for line := range bytes.Lines(data) {
		var l recordedLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// A peer is the program under test, played by hand.
type peer struct {
	t      *testing.T
	conn   net.Conn
	frames chan string
	done   chan struct{}
}

// start runs a call against a peer over net.Pipe.
func start(t *testing.T, c Call) (*peer, <-chan Result) {
	t.Helper()
	here, there := net.Pipe()
	results := make(chan Result, 1)
	go func() {
		r, err := c.Run(t.Context(), there)
		if err != nil {
			t.Error(err)
		}
		results <- r
	}()
	return newPeer(t, here), results
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	p := &peer{t: t, conn: conn, frames: make(chan string, 1000), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer close(p.frames)
		var pending []byte
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			pending = append(pending, buf[:n]...)
			for size := frameSize(pending); size > 0; size = frameSize(pending) {
				p.frames <- string(pending[:size])
				pending = pending[size:]
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-p.done })
	return p
}

// send writes all commands at once.
func (p *peer) send(commands ...string) {
	p.t.Helper()
	if _, err := p.conn.Write([]byte(strings.Join(commands, "\n\n") + "\n\n")); err != nil {
		p.t.Errorf("send %q: %v", commands, err)
	}
}

// next gives the next frame, "" at the end.
func (p *peer) next() string { return <-p.frames }

// until skips frames up to one that has the line.
func (p *peer) until(line string) string {
	p.t.Helper()
	var seen []string
	for f := range p.frames {
		if strings.Contains("\n"+f, "\n"+line+"\n") {
			return f
		}
		seen = append(seen, brief(f))
	}
	p.t.Errorf("no frame with %q but\n%s", line, strings.Join(seen, "\n"))
	return ""
}

// rest gives all frames until the switch closes, in brief.
func (p *peer) rest() []string {
	var all []string
	for f := range p.frames {
		all = append(all, brief(f))
	}
	return all
}

// brief is a frame in a few words.
func brief(frame string) string {
	var words []string
	for line := range strings.SplitSeq(frame, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Event-Name", "Reply-Text", "Application", "Application-Response", "DTMF-Digit", "Content-Disposition":
			words = append(words, value)
		}
	}
	return strings.Join(words, " ")
}

func exec(app, arg, id string) string {
	return fmt.Sprintf("sendmsg\ncall-command: execute\nexecute-app-name: %s\nexecute-app-arg: %s\nEvent-UUID: %s", app, arg, id)
}

var setUp = []string{
	"connect", "linger 5", "myevents", "filter Event-Name DTMF",
	"filter Event-Name CHANNEL_EXECUTE_COMPLETE", "filter Event-Name CHANNEL_HANGUP",
}

// offer sets up, answers and plays a prompt, and waits until it plays.
func (p *peer) offer(file string) {
	p.t.Helper()
	p.send(append(slices.Clone(setUp), exec("answer", "", "a-1"), exec("playback", file, "p-1"))...)
	p.until("Application-UUID: a-1")
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func contains(t *testing.T, what string, list []string, want string) {
	t.Helper()
	if !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, want) }) {
		t.Errorf("%s: nothing with %q in %q", what, want, list)
	}
}
