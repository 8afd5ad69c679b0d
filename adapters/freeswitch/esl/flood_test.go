package esl

import (
	"io"
	"strings"
	"testing"
	"time"
)

// A peer that sends events without end, far faster than any call, does not keep us busy.
func TestFloodEndsTheConnection(t *testing.T) {
	const sent = 20000
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			for range sent {
				if _, err := p.nc.Write([]byte(event("A"))); err != nil {
					return
				}
			}
		}()
		for got := 0; ; got++ {
			_, err := c.Next(time.Now().Add(time.Second))
			if err == nil {
				continue
			}
			if kindOf(err) != KindEventFlood || got != mostEvents {
				t.Errorf("%v after %d events of one moment", err, got)
			}
			return
		}
	})
}

// As many events as may come, for a minute.
func TestManyEventsAreNoFlood(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		go func() {
			p.send(strings.Repeat(event("A"), mostEvents-1))
			for range time.Minute / eventEvery {
				time.Sleep(eventEvery)
				p.send(event("A"))
			}
			p.nc.Close()
		}()
		if names(c); c.Err() != io.EOF {
			t.Errorf("ended with %v", c.Err())
		}
	})
}
