package esl

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowPeersAreGivenUpInTime(t *testing.T) {
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
			// Who waits, and gives up and waits again, makes no difference.
			for _, patience := range []time.Duration{time.Hour, 700 * time.Millisecond} {
				inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
					start := time.Now()
					over := make(chan struct{})
					go func() {
						defer close(over)
						tt.play(c, p)
					}()
					for c.Err() == nil {
						c.Next(time.Now().Add(patience))
					}
					if got := kindOf(c.Err()); got != tt.want {
						t.Errorf("ended with %v, want kind %s", c.Err(), tt.want)
					}
					if got := time.Since(start); got != tt.after {
						t.Errorf("ended after %v, want %v", got, tt.after)
					}
					if !errors.Is(c.Err(), os.ErrDeadlineExceeded) {
						t.Errorf("%v has lost its cause", c.Err())
					}
					<-over
				})
			}
		})
	}
}

// Time that runs out in the middle of a frame takes nothing from it.
func TestNextGivesUpAndGoesOn(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		frame := event("DTMF", "DTMF-Digit: 7")
		go func() {
			p.send(frame[:len(frame)/2])
			time.Sleep(2 * time.Second)
			p.send(frame[len(frame)/2:])
		}()
		start := time.Now()
		if _, err := c.Next(start.Add(time.Second)); err != ErrTimeout || time.Since(start) != time.Second {
			t.Errorf("%v after %s, want ErrTimeout after 1s", err, time.Since(start))
		}
		if _, err := c.Next(start); err != ErrTimeout {
			t.Errorf("%v for a time that has passed, want ErrTimeout", err)
		}
		if e := wantNext(t, c, "DTMF"); e.Get("DTMF-Digit") != "7" {
			t.Errorf("digit %q", e.Get("DTMF-Digit"))
		}
	})
}

func TestWakeEndsNextOnce(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		woken := func(what string) {
			t.Helper()
			if _, err := c.Next(time.Now().Add(time.Minute)); err != ErrWoken {
				t.Errorf("%s: %v, want ErrWoken", what, err)
			}
		}
		start := time.Now()
		c.Wake()
		c.Wake()
		woken("before the wait")
		go func() {
			time.Sleep(time.Second)
			c.Wake()
		}()
		woken("during the wait")
		if got := time.Since(start); got != time.Second {
			t.Errorf("woken after %s, want 1s", got)
		}
		if _, err := c.Next(time.Now().Add(time.Second)); err != ErrTimeout {
			t.Errorf("a wake counted twice: %v", err)
		}
		go func() {
			p.send(event("A"))
			c.Wake()
		}()
		wantNext(t, c, "A")
		synctest.Wait()
		woken("after an event")
	})
}

// Wakes that come all the time cost neither events nor time.
func TestWakesLoseNothing(t *testing.T) {
	ours, theirs := tcpPipe(t)
	c := NewConn(ours, Config{})
	defer c.Close()
	const events = 200
	go func() {
		for range events {
			theirs.Write([]byte(event("A")))
		}
	}()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				c.Wake()
			}
		}
	}()
	for got := 0; got < events; {
		switch _, err := c.Next(time.Time{}); err {
		case nil:
			got++
		case ErrWoken:
		default:
			t.Fatal(err)
		}
	}
}

// A peer that sends without end cannot keep whoever waits from being done in time.
func TestFloodEndsInTime(t *testing.T) {
	ours, theirs := tcpPipe(t)
	c := NewConn(ours, Config{})
	defer c.Close()
	go func() {
		for {
			if _, err := theirs.Write([]byte(event("A"))); err != nil {
				return
			}
		}
	}()
	wantNext(t, c, "A")
	past := time.Now()
	for range largeBuffer / len(event("A")) {
		if _, err := c.Next(past); err == ErrTimeout {
			return
		}
	}
	t.Error("still waiting when all that was read at once is used up")
}

// Time in which nobody waits is not the peer's: what came meanwhile counts.
func TestAwayIsNotThePeersTime(t *testing.T) {
	frame := event("DTMF", "DTMF-Digit: 7")
	tests := map[string]struct {
		before string
		away   time.Duration
	}{
		"in the middle of a frame": {frame[:20], 10 * time.Second},
		"between two frames":       {"", 3 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
				go p.send(event("A") + tt.before)
				wantNext(t, c, "A")
				if _, err := c.Next(time.Now().Add(time.Second)); err != ErrTimeout {
					t.Fatal(err)
				}
				go p.nc.Write([]byte(frame[len(tt.before):]))
				time.Sleep(tt.away)
				wantNext(t, c, "DTMF")
			})
		})
	}
}
