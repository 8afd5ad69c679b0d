package esl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain fails the run if a reader is left behind.
func TestMain(m *testing.M) {
	code := m.Run()
	buf := make([]byte, 1<<20)
	for try := 0; ; try++ {
		stacks := string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "esl.(*Conn)") {
			break
		}
		if try == 1000 {
			fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", stacks)
			os.Exit(1)
		}
		runtime.Gosched() // one may be on its last step
	}
	os.Exit(code)
}

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

func wantKind(t *testing.T, c *Conn, want Kind) {
	t.Helper()
	<-c.Done()
	if got := kindOf(c.Err()); got != want {
		t.Errorf("ended with %v, want kind %s", c.Err(), want)
	}
}

func texts(replies []Reply) (s []string) {
	for _, r := range replies {
		s = append(s, r.Text())
	}
	return s
}

func TestDoIsOneWrite(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		tr := recorded(t, "accept")
		go func() {
			want := "connect\n\nlinger 5\n\nmyevents\n\nfilter Event-Name DTMF\n\n"
			if got := p.receive(); got != want {
				t.Errorf("one write of %q, want %q", got, want)
			}
			p.send(string(tr.received[:7000])) // the data and the first replies
		}()
		rs, err := c.Do(t.Context(), Connect(), Linger(5), MyEvents(), Filter("Event-Name", "DTMF"))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"+OK", "+OK will linger 5 seconds", "+OK Events Enabled", "+OK filter added. [Event-Name]=[DTMF]"}
		if diff := cmp.Diff(want, texts(rs)); diff != "" {
			t.Errorf("replies (-want +got):\n%s", diff)
		}
		if got := rs[0].Event().Get("Caller-ANI"); got != "+14043438646" {
			t.Errorf("caller %q", got)
		}
		if rs[1].Event() != (Event{}) {
			t.Error("a reply that is none to connect has an event")
		}
	})
}

func TestDoReturnsRefusals(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			p.receive()
			p.send(reply("-ERR aready enabled.") + event("DTMF", "DTMF-Digit: 1") + reply("+OK bye"))
		}()
		rs, err := c.Do(t.Context(), MyEvents(), Exit())
		if err != nil || rs[0].OK() || !rs[1].OK() {
			t.Errorf("replies %q, error %v", texts(rs), err)
		}
		if e := <-c.Events(); e.Name() != "DTMF" || e.Get("DTMF-Digit") != "1" {
			t.Errorf("event %s %q", e.Name(), e.Get("DTMF-Digit"))
		}
	})
}

func TestDoNothing(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, _ *peer) {
		if rs, err := c.Do(t.Context()); rs != nil || err != nil {
			t.Errorf("Do of nothing: %v, %v", rs, err)
		}
		if err := c.Post(); err != nil {
			t.Errorf("Post of nothing: %v", err)
		}
	})
}

func TestUnsafeCommandStopsItsBatch(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		bad := []Command{Resume(), Execute("u", "playback", "x\nexit"), Exit()}
		if _, err := c.Do(t.Context(), bad...); !errors.Is(err, ErrUnsafe) {
			t.Errorf("Do: %v", err)
		}
		if err := c.Post(bad...); !errors.Is(err, ErrUnsafe) {
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
			e := <-c.Events()
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

func TestAbandonedReplyIsThrownAway(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		cause := errors.New("caller hung up")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		go p.receive()
		if _, err := c.Do(ctx, Linger(1), Linger(2)); err != cause {
			t.Fatalf("Do: %v, want the cause", err)
		}
		if _, err := c.Do(ctx, Linger(3)); err != cause {
			t.Errorf("Do with an ended context: %v, want the cause", err)
		}
		go func() {
			if got := p.receive(); got != "exit\n\n" {
				t.Errorf("the switch got %q", got)
			}
			p.send(reply("+OK late one") + reply("-ERR late two") + reply("+OK bye"))
		}()
		rs, err := c.Do(t.Context(), Exit())
		if err != nil || rs[0].Text() != "+OK bye" {
			t.Errorf("replies %q, error %v; want the own one", texts(rs), err)
		}
		select {
		case e := <-c.Events():
			t.Errorf("a late reply made the event %s", e.Name())
		default:
		}
	})
}

func TestDeadlines(t *testing.T) {
	whole := reply("+OK")
	tests := map[string]struct {
		play  func(c *Conn, p *peer)
		want  Kind
		after time.Duration
	}{
		"silence": {func(*Conn, *peer) {}, KindFirstFrame, 5 * time.Second},
		"a late first frame": {func(c *Conn, p *peer) {
			time.Sleep(4 * time.Second)
			p.send(event("DTMF"))
		}, KindIdle, 4*time.Second + 2*time.Minute},
		"half a first frame": {func(c *Conn, p *peer) {
			time.Sleep(4 * time.Second)
			p.send("Content-")
		}, KindSlowFrame, 9 * time.Second},
		"a byte a second": {func(c *Conn, p *peer) {
			p.send(event("DTMF"))
			time.Sleep(time.Minute)
			for i := range whole {
				if _, err := p.nc.Write([]byte(whole[i : i+1])); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, KindSlowFrame, time.Minute + 5*time.Second},
		"a slow body": {func(c *Conn, p *peer) {
			p.send("Content-Type: log/data\nContent-Length: 9\n\n")
			time.Sleep(4 * time.Second)
			p.send("12345678")
		}, KindSlowFrame, 5 * time.Second},
		"half a frame behind a whole one": {func(c *Conn, p *peer) {
			p.send(event("DTMF"))
			time.Sleep(time.Minute)
			p.send(event("DTMF") + "C")
		}, KindSlowFrame, time.Minute + 5*time.Second},
		"idle": {func(c *Conn, p *peer) {
			for range 3 {
				p.send(event("DTMF"))
				time.Sleep(2*time.Minute - time.Nanosecond)
			}
			p.send(event("DTMF"))
		}, KindIdle, 8*time.Minute - 3*time.Nanosecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
				start := time.Now()
				over := make(chan struct{})
				go func() {
					defer close(over)
					tt.play(c, p)
				}()
				wantKind(t, c, tt.want)
				if got := time.Since(start); got != tt.after {
					t.Errorf("ended after %v, want %v", got, tt.after)
				}
				if !errors.Is(c.Err(), os.ErrDeadlineExceeded) {
					t.Errorf("%v has lost its cause", c.Err())
				}
				<-over
			})
		})
	}
}

func TestWriteThatNobodyReads(t *testing.T) {
	inBubble(t, Config{FirstFrameTimeout: time.Hour}, func(t *testing.T, c *Conn, _ *peer) {
		start := time.Now()
		errs := make(chan error)
		for range 2 {
			go func() { errs <- c.Post(Connect()) }()
		}
		for range 2 {
			if err := <-errs; kindOf(err) != KindWrite {
				t.Errorf("Post: %v, want kind %s", err, KindWrite)
			}
		}
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("gave up after %v, want 5s", got)
		}
		wantKind(t, c, KindWrite)
	})
}

func TestContextEndsStuckWrite(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		errs := make(chan error)
		for range 2 { // one is stuck in the write, the other before it
			go func() {
				_, err := c.Do(ctx, Linger(1))
				errs <- err
			}()
		}
		for range 2 {
			if err := <-errs; err != context.DeadlineExceeded {
				t.Errorf("Do: %v, want the context's end", err)
			}
		}
		if c.Err() != nil {
			t.Fatalf("ended with %v, though nothing was written", c.Err())
		}
		go func() {
			p.receive()
			p.send(reply("+OK bye"))
		}()
		if rs, err := c.Do(t.Context(), Exit()); err != nil || rs[0].Text() != "+OK bye" {
			t.Errorf("after that: %q, %v", texts(rs), err)
		}
	})
}

func TestContextEndsHalfAWrite(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go p.nc.Read(make([]byte, 3))
		if _, err := c.Do(ctx, Linger(1)); err != context.DeadlineExceeded {
			t.Errorf("Do: %v, want the context's end", err)
		}
		wantKind(t, c, KindWrite)
	})
}

func TestEventOverflow(t *testing.T) {
	inBubble(t, Config{EventQueue: 2}, func(t *testing.T, c *Conn, p *peer) {
		p.send(event("A") + event("B") + event("C") + event("D"))
		wantKind(t, c, KindEventQueue)
		var got []string
		for e := range c.Events() {
			got = append(got, e.Name())
		}
		if diff := cmp.Diff([]string{"A", "B"}, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
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
				wantKind(t, c, tt.want)
				for e := range c.Events() {
					t.Errorf("event %s", e.Name())
				}
				if _, err := c.Do(t.Context(), Exit()); kindOf(err) != tt.want {
					t.Errorf("Do after the end: %v", err)
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

func TestEnd(t *testing.T) {
	tests := map[string]struct {
		play func(c *Conn, p *peer)
		want error
	}{
		"by the peer":             {func(_ *Conn, p *peer) { p.nc.Close() }, io.EOF},
		"by the peer in a frame":  {func(_ *Conn, p *peer) { p.send("Con"); p.nc.Close() }, io.ErrUnexpectedEOF},
		"by us":                   {func(c *Conn, _ *peer) { c.Close() }, net.ErrClosed},
		"by us after the peer":    {func(c *Conn, p *peer) { p.nc.Close(); <-c.Done(); c.Close() }, io.EOF},
		"by the peer after notes": {func(_ *Conn, p *peer) { p.send(event("A")); p.nc.Close() }, io.EOF},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
				if c.Err() != nil {
					t.Errorf("ended at the start: %v", c.Err())
				}
				errs := make(chan error)
				go func() {
					_, err := c.Do(t.Context(), Connect())
					errs <- err
				}()
				p.receive()
				tt.play(c, p)
				if err := <-errs; !errors.Is(err, tt.want) {
					t.Errorf("Do: %v, want %v", err, tt.want)
				}
				<-c.Done()
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
			})
		})
	}
}

func TestRepliesBeforeTheEndCount(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			p.receive()
			p.send(reply("+OK bye") + "Content-Type: text/disconnect-notice\nContent-Disposition: disconnect\nContent-Length: 3\n\nbye")
			p.nc.Close()
		}()
		rs, err := c.Do(t.Context(), Exit())
		if err != nil || rs[0].Text() != "+OK bye" {
			t.Errorf("replies %q, error %v", texts(rs), err)
		}
		e := <-c.Events()
		if e.Name() != DisconnectNotice || e.Get("Content-Disposition") != "disconnect" {
			t.Errorf("event %s", e.Name())
		}
		if _, ok := <-c.Events(); ok {
			t.Error("another event")
		}
	})
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
	if e := <-c.Events(); e.Name() != "CHANNEL_HANGUP" {
		t.Errorf("event %q", e.Name())
	}
	if <-c.Done(); c.Err() != io.EOF {
		t.Errorf("ended with %v, want EOF", c.Err())
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

// TestConcurrentDo has many callers whose replies must not be mixed up, while
// events come in between.
func TestConcurrentDo(t *testing.T) {
	ours, theirs := tcpPipe(t)
	c := NewConn(ours, Config{EventQueue: 1 << 12})
	defer c.Close()
	go func() {
		var line []byte
		buf := make([]byte, 1000)
		for {
			n, err := theirs.Read(buf)
			for _, b := range buf[:n] {
				if line = append(line, b); bytes.HasSuffix(line, []byte("\n\n")) {
					text := strings.TrimSpace(string(line))
					line = line[:0]
					io.WriteString(theirs, reply("+OK "+text)+event("E"))
				}
			}
			if err != nil {
				return
			}
		}
	}()
	const workers, rounds = 8, 40
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				n := w*rounds + i
				if w == 0 {
					if err := c.Post(Linger(n)); err != nil {
						t.Errorf("Post: %v", err)
					}
					continue
				}
				if w == 1 { // gives up at once, more or less
					ctx, cancel := context.WithCancel(t.Context())
					go cancel()
					c.Do(ctx, Linger(n))
					continue
				}
				rs, err := c.Do(t.Context(), Linger(n), Filter("n", fmt.Sprint(n)))
				want := []string{fmt.Sprintf("+OK linger %d", n), fmt.Sprintf("+OK filter n %d", n)}
				if err != nil || !slices.Equal(texts(rs), want) {
					t.Errorf("replies %q, error %v; want %q", texts(rs), err, want)
				}
			}
		})
	}
	wg.Wait()
	if c.RemoteAddr().String() != theirs.LocalAddr().String() {
		t.Errorf("remote address %v", c.RemoteAddr())
	}
}

func TestCloseDuringEverything(t *testing.T) {
	for range 50 {
		ours, theirs := net.Pipe()
		c := NewConn(ours, Config{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { c.Do(t.Context(), Connect()) })
			wg.Go(func() { c.Post(Connect()) })
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
			for range c.Events() {
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
			rs, err := c.Do(t.Context(), cmds...)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range rs {
				if !r.OK() {
					t.Errorf("command %d: %s", i, r.Text())
				}
			}
			events := 0
			for range c.Events() {
				events++
			}
			if c.Err() != io.EOF || events != bytes.Count(tr.received, []byte("Content-Type: text/")) {
				t.Errorf("%d events, ended with %v", events, c.Err())
			}
		})
	}
}

// A posted Connect brings the channel data as an event, in the order of the wire.
func TestPostConnectDeliversChannelData(t *testing.T) {
	ours, theirs := net.Pipe()
	c := NewConn(ours, Config{})
	defer c.Close()
	go func() {
		buf := make([]byte, 1024)
		theirs.Read(buf)
		io.WriteString(theirs, "Event-Name: CHANNEL_DATA\nUnique-ID: u-1\nContent-Type: command/reply\nReply-Text: %2BOK%0A\n\n"+
			"Content-Type: command/reply\nReply-Text: +OK\n\n")
	}()
	if err := c.Post(Connect(), MyEvents()); err != nil {
		t.Fatal(err)
	}
	e := <-c.Events()
	if e.Name() != "CHANNEL_DATA" || e.Get("Unique-ID") != "u-1" {
		t.Errorf("event %q of %q", e.Name(), e.Get("Unique-ID"))
	}
}
