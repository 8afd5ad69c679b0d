package esl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// peer is the switch's end of a pipe, held by the test.
type peer struct {
	t  *testing.T
	nc net.Conn
}

// inBubble runs fn in a bubble with a connection, which it closes after that.
func inBubble(t *testing.T, cfg Config, fn func(t *testing.T, c *Conn, p *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := NewConn(ours, cfg)
		defer theirs.Close()
		defer c.Close()
		fn(t, c, &peer{t, theirs})
	})
}

// send sends in one write. It waits until all is read.
func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := p.nc.Write([]byte(s)); err != nil {
		p.t.Errorf("the switch cannot write: %v", err)
	}
}

// receive returns what one write of the connection brings.
func (p *peer) receive() string {
	p.t.Helper()
	buf := make([]byte, 4096)
	n, err := p.nc.Read(buf)
	if err != nil {
		p.t.Errorf("the switch cannot read: %v", err)
	}
	return string(buf[:n])
}

func reply(text string) string {
	return "Content-Type: command/reply\nReply-Text: " + text + "\n\n"
}

func event(name string, lines ...string) string {
	body := "Event-Name: " + name + "\n" + strings.Join(append(lines, "", ""), "\n")
	return fmt.Sprintf("Content-Length: %d\nContent-Type: text/event-plain\n\n%s", len(body), body)
}

// names receives up to the end and returns the names of the events.
func names(c *Conn) (got []string) {
	for {
		e, err := c.Next(time.Time{})
		if err != nil {
			return got
		}
		got = append(got, e.Name())
	}
}

// wantKind receives up to the end.
func wantKind(t *testing.T, c *Conn, want Kind) {
	t.Helper()
	names(c)
	if got := kindOf(c.Err()); got != want {
		t.Errorf("ended with %v, want kind %s", c.Err(), want)
	}
}

// wantNext receives one event.
func wantNext(t *testing.T, c *Conn, name string) Event {
	t.Helper()
	e, err := c.Next(time.Time{})
	if err != nil || e.Name() != name {
		t.Errorf("event %q, error %v; want %s", e.Name(), err, name)
	}
	return e
}

func TestFaultEndsConnection(t *testing.T) {
	tests := map[string]struct {
		in   string
		want Kind
	}{
		"one-byte reply":          {reply("1"), KindReply},
		"unknown content type":    {"Content-Type: text/html\n\n", KindContentType},
		"negative length":         {"Content-Type: log/data\nContent-Length: -5\n\n", KindContentLength},
		"huge length":             {"Content-Type: log/data\nContent-Length: 99999999999999999999\n\n", KindBodySize},
		"event that is no event":  {"Content-Type: text/event-plain\nContent-Length: 4\n\nabcd", KindMalformed},
		"event without a body":    {"Content-Type: text/event-plain\n\n", KindMalformed},
		"a reply too many":        {reply("+OK") + reply("+OK"), KindUnexpectedReply},
		"api response":            {"Content-Type: api/response\nContent-Length: 3\n\n+OK", KindUnexpectedReply},
		"auth request":            {"Content-Type: auth/request\n\n", KindUnexpected},
		"JSON event":              {"Content-Type: text/event-json\nContent-Length: 2\n\n{}", KindUnexpected},
		"XML event":               {"Content-Type: text/event-xml\nContent-Length: 3\n\n<a>", KindUnexpected},
		"log line":                {"Content-Type: log/data\nContent-Length: 2\n\nab", KindUnexpected},
		"rude rejection":          {"Content-Type: text/rude-rejection\n\n", KindUnexpected},
		"too many lines in event": {event("A", strings.Repeat("a:\n", 1024)+"b:"), KindHeaderLines},
		"faked error":             {event(CommandError), KindMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
				go func() {
					p.receive()
					p.nc.Write([]byte(tt.in)) // may be cut short
				}()
				if err := c.Post(Linger(5)); err != nil {
					t.Fatal(err)
				}
				if e, err := c.Next(time.Time{}); kindOf(err) != tt.want {
					t.Errorf("event %q, error %v, want kind %s", e.Name(), err, tt.want)
				}
				wantKind(t, c, tt.want)
				if err := c.Post(Exit()); kindOf(err) != tt.want {
					t.Errorf("Post after the end: %v", err)
				}
			})
		})
	}
}

func TestFaultIsSafeToLog(t *testing.T) {
	number := "14043438646"
	for _, in := range []string{
		"Content-Type: " + number + strings.Repeat("\x1b", 99) + "\n\n",
		number + "\n\n",
		"Content-Type: log/data\nContent-Length: x" + number + "\n\n",
		"Content-Type: log/data\nContent-Length: " + number + "\n\n",
	} {
		_, err := decodeAll(strings.NewReader(in), Limits{})
		s := err.Error()
		if strings.Contains(s, number) || strings.Contains(s, "\x1b") || len(s) > 120 {
			t.Errorf("%q", s)
		}
	}
}

func TestErrTellsWhoEndedIt(t *testing.T) {
	tests := map[string]struct {
		play func(c *Conn, p *peer)
		want error
	}{
		"by the peer":             {func(_ *Conn, p *peer) { p.nc.Close() }, io.EOF},
		"by the peer in a frame":  {func(_ *Conn, p *peer) { p.send("Con"); p.nc.Close() }, io.ErrUnexpectedEOF},
		"by us":                   {func(c *Conn, _ *peer) { c.Close() }, net.ErrClosed},
		"by us after the peer":    {func(c *Conn, p *peer) { p.nc.Close(); synctest.Wait(); c.Close() }, io.EOF},
		"by the peer after notes": {func(_ *Conn, p *peer) { p.send(event("A")); p.nc.Close() }, io.EOF},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
				if c.Err() != nil {
					t.Errorf("ended at the start: %v", c.Err())
				}
				go tt.play(c, p)
				names(c)
				if !errors.Is(c.Err(), tt.want) {
					t.Errorf("ended with %v, want %v", c.Err(), tt.want)
				}
				if err := c.Post(Exit()); !errors.Is(err, tt.want) {
					t.Errorf("Post: %v, want %v", err, tt.want)
				}
				for range 2 {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
				if _, err := c.Next(time.Now().Add(time.Hour)); !errors.Is(err, tt.want) {
					t.Errorf("Next after the end: %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func TestLastEventsSurviveAFailedWrite(t *testing.T) {
	ours, theirs := tcpPipe(t)
	c := NewConn(brokenWriter{ours}, Config{})
	defer c.Close()
	for range 2 {
		if err := c.Post(MyEvents()); !errors.Is(err, errBroken) {
			t.Errorf("Post: %v, want the network's error", err)
		}
	}
	if _, err := theirs.Write([]byte(event("CHANNEL_HANGUP"))); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	wantNext(t, c, "CHANNEL_HANGUP")
	if _, err := c.Next(time.Time{}); err != io.EOF {
		t.Errorf("ended with %v, want EOF", err)
	}
}

var errBroken = errors.New("broken pipe")

type brokenWriter struct{ net.Conn }

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

// tcpPipe returns the two ends of a connection over loopback.
func tcpPipe(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

func TestCloseDuringEverything(t *testing.T) {
	for range 50 {
		ours, theirs := net.Pipe()
		c := NewConn(ours, Config{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(c.Wake)
		}
		wg.Go(func() { io.Copy(io.Discard, theirs) })
		wg.Go(func() {
			for {
				if _, err := theirs.Write([]byte(event("A"))); err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			for c.Err() == nil {
				c.Post(Connect())
				c.Next(time.Time{})
			}
		})
		wg.Go(func() { c.Close() })
		c.Close()
		theirs.Close()
		wg.Wait()
		if c.Err() == nil {
			t.Fatal("no reason for the end")
		}
	}
}

// TestTranscriptsOverTCP replays each outbound recording: what the switch
// sent, cut into small writes, against the commands it was sent.
func TestTranscriptsOverTCP(t *testing.T) {
	for _, tr := range transcripts(t) {
		var cmds []Command
		for _, wire := range tr.sent {
			if cmd, ok := parseCommand(wire); ok {
				cmds = append(cmds, cmd)
			}
		}
		if len(cmds) < len(tr.sent) {
			continue // has commands that this package never sends
		}
		t.Run(tr.name, func(t *testing.T) {
			ours, theirs := tcpPipe(t)
			c := NewConn(ours, Config{})
			defer c.Close()
			go func() {
				defer theirs.Close()
				io.ReadFull(theirs, make([]byte, len(strings.Join(tr.sent, ""))))
				for b := range slices.Chunk(tr.received, 1000) {
					if _, err := theirs.Write(b); err != nil {
						return
					}
				}
			}()
			if err := c.Post(cmds...); err != nil {
				t.Fatal(err)
			}
			got := names(c)
			refused := bytes.Count(tr.received, []byte("Reply-Text: -ERR"))
			if len(got) == 0 || got[0] != ChannelData || refused != len(slices.DeleteFunc(slices.Clone(got), func(s string) bool { return s != CommandError })) {
				t.Errorf("events %q", got)
			}
			answers := bytes.Count(tr.received, []byte("Content-Type: api/response"))
			if want := 1 + refused + answers + bytes.Count(tr.received, []byte("Content-Type: text/")); c.Err() != io.EOF || len(got) != want {
				t.Errorf("%d events, want %d; ended with %v", len(got), want, c.Err())
			}
		})
	}
}

func answer(text string) string {
	return fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(text), text)
}

// The api answers in bodies, where it is allowed, in the order of the commands.
func TestAPIRepliesKeepTheirOrder(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			p.receive()
			p.send(answer("+OK\n") + answer("fifo") + answer("-ERR No such channel!\n") +
				reply("-ERR command not found") + reply("+OK") + answer("late"))
		}()
		err := c.Post(SetVar("u", "x", ""), GetVar("u", "y"), SetVar("u", "x", "1"), GetVar("u", "x"), Resume())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range [][2]string{{"uuid_setvar", "+OK"}, {"uuid_getvar", "fifo"}} {
			e := wantNext(t, c, APIReply)
			if got := [2]string{e.Get("Application"), e.Get("Reply-Text")}; got != want {
				t.Errorf("the answer is %q, want %q", got, want)
			}
		}
		for _, want := range []string{"-ERR No such channel!", "-ERR command not found"} {
			e := wantNext(t, c, CommandError)
			if e.Get("Reply-Text") != want || e.Get("Command") != "api" {
				t.Errorf("refused %s with %q, want %q", e.Get("Command"), e.Get("Reply-Text"), want)
			}
		}
		wantKind(t, c, KindUnexpectedReply)
	})
}

// A body is no answer to anything but the api.
func TestBodyIsAReplyToTheAPIAlone(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			p.receive()
			p.send(answer("+OK"))
		}()
		if err := c.Post(Resume()); err != nil {
			t.Fatal(err)
		}
		wantKind(t, c, KindUnexpectedReply)
	})
}

// Whoever holds a call that is somewhere else waits as long as that takes.
func TestPatientWaitsAsLongAsItTakes(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go p.send(event("A"))
		wantNext(t, c, "A")
		if _, err := c.Next(time.Now().Add(time.Second)); err != ErrTimeout {
			t.Fatal(err)
		}
		c.Patient()
		go func() {
			time.Sleep(5 * time.Hour)
			p.send(event("B"))
		}()
		wantNext(t, c, "B")
	})
}
