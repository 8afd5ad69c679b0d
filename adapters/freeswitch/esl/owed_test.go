package esl

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a switch owes comes in few reads, and who waits for a caller holds a small buffer.
// A peer that has said nothing yet holds no more, whatever it was asked.
func TestOwedRepliesAreReadAtOnce(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		said := event("CHANNEL_EXECUTE_COMPLETE", "variable_x: "+strings.Repeat("x", 7000))
		holds := func() int { return len(c.in.dec.buf) }
		ask := func() {
			go c.Post(Execute("", "answer", "")) //nolint:errcheck // the peer reads it
			p.receive()
			synctest.Wait()
		}
		told := make(chan string)
		next := func() {
			go func() {
				e, _ := c.Next(time.Time{})
				told <- e.Name()
			}()
			synctest.Wait()
		}

		ask()
		next()
		if holds() != smallBuffer {
			t.Errorf("a peer that has said nothing holds %d bytes", holds())
		}
		p.send(reply("+OK") + said)
		<-told

		ask()
		next()
		if holds() != mediumBuffer {
			t.Errorf("what is owed is read into %d bytes", holds())
		}
		// Who owes a reply holds no more for having said much before.
		before := huge.Load()
		p.send(event("CHANNEL_EXECUTE_COMPLETE", "variable_x: "+strings.Repeat("x", 200<<10)))
		<-told
		next()
		if holds() > mediumBuffer || huge.Load() != before {
			t.Errorf("after a large event it holds %d bytes", holds())
		}
		p.send(said)
		<-told
		next()
		p.send(reply("+OK"))
		synctest.Wait()
		if holds() != smallBuffer {
			t.Errorf("who waits for a caller holds %d bytes", holds())
		}
		p.send(said)
		<-told

		ask()
		next()
		c.Close()
		if got := <-told; got != "" || holds() != smallBuffer {
			t.Errorf("after the end it holds %d bytes", holds())
		}
	})
}
