package esl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPostIsOneWrite(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		tr := recorded(t, "accept")
		go func() {
			want := "connect\n\nlinger 5\n\nmyevents\n\nfilter Event-Name DTMF\n\n"
			if got := p.receive(); got != want {
				t.Errorf("one write of %q, want %q", got, want)
			}
			p.send(string(tr.received[:7000])) // the data and the first replies
			p.nc.Close()
		}()
		if err := c.Post(Connect(), Linger(5), MyEvents(), Filter("Event-Name", "DTMF")); err != nil {
			t.Fatal(err)
		}
		e := wantNext(t, c, ChannelData)
		if got := e.Get("Caller-ANI"); got != "+14043438646" {
			t.Errorf("caller %q", got)
		}
		if got := names(c); len(got) > 0 {
			t.Errorf("commands that were taken made the events %q", got)
		}
	})
}

func TestPostOfNothingWritesNothing(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, _ *peer) {
		if err := c.Post(); err != nil {
			t.Errorf("Post of nothing: %v", err)
		}
	})
}

func TestUnsafeCommandStopsItsBatch(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		if err := c.Post(Resume(), Execute("u", "playback", "x\nexit"), Exit()); !errors.Is(err, ErrUnsafe) {
			t.Errorf("Post: %v", err)
		}
		go c.Post(Linger(1))
		if got := p.receive(); got != "linger 1\n\n" {
			t.Errorf("the switch got %q", got)
		}
	})
}

func TestPostTellsOfRefusalOnly(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			p.receive()
			p.send(reply("+OK") + reply("-ERR invalid session id [x]") + reply("-ERR command not found"))
			p.send(event("CHANNEL_HANGUP"))
		}()
		if err := c.Post(Resume(), Execute("u-1", "set", "a=b"), Exit()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for range 3 {
			e, err := c.Next(time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.Join([]string{e.Name(), e.Get("Command"), e.Get("Application"),
				e.Get("Application-UUID"), e.Get("Reply-Text")}, "|"))
		}
		want := []string{
			"COMMAND_ERROR|sendmsg|set|u-1|-ERR invalid session id [x]",
			"COMMAND_ERROR|exit|||-ERR command not found",
			"CHANNEL_HANGUP||||",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestWriteThatNobodyReadsIsGivenUp(t *testing.T) {
	inBubble(t, Config{FirstFrameTimeout: time.Hour}, func(t *testing.T, c *Conn, _ *peer) {
		start := time.Now()
		for range 2 {
			if err := c.Post(Connect()); kindOf(err) != KindWrite {
				t.Errorf("Post: %v, want kind %s", err, KindWrite)
			}
		}
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("gave up after %v, want 5s", got)
		}
		wantKind(t, c, KindWrite)
	})
}

// The switch refuses everything, while events come in between: each refusal belongs
// to its command.
func TestRefusalsKeepTheirOrder(t *testing.T) {
	ours, theirs := tcpPipe(t)
	c := NewConn(ours, Config{})
	defer c.Close()
	go func() {
		in := bufio.NewReader(theirs)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			if id, ok := strings.CutPrefix(line, "Event-UUID: "); ok {
				io.WriteString(theirs, reply("-ERR "+strings.TrimSpace(id))+event("E"))
			}
		}
	}()
	const commands = 100
	posted, refused, events := 0, 0, 0
	for refused < commands || events < commands {
		for range min(3, commands-posted) {
			posted++
			if err := c.Post(Execute(fmt.Sprint(posted), "set", "x")); err != nil {
				t.Fatal(err)
			}
		}
		e, err := c.Next(time.Time{})
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Name() == CommandError:
			refused++
			want := fmt.Sprint(refused)
			if e.Get("Application-UUID") != want || e.Get("Reply-Text") != "-ERR "+want {
				t.Fatalf("refusal %d: command %s got %q", refused, e.Get("Application-UUID"), e.Get("Reply-Text"))
			}
		default:
			events++
		}
	}
}

// A posted Connect brings the channel data as an event, in the order of the wire.
func TestPostConnectDeliversChannelData(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			p.receive()
			p.send("Event-Name: CHANNEL_DATA\nUnique-ID: u-1\nContent-Type: command/reply\nReply-Text: %2BOK%0A\n\n" +
				reply("+OK"))
		}()
		if err := c.Post(Connect(), MyEvents()); err != nil {
			t.Fatal(err)
		}
		if e := wantNext(t, c, "CHANNEL_DATA"); e.Get("Unique-ID") != "u-1" {
			t.Errorf("data of %q", e.Get("Unique-ID"))
		}
	})
}
