package esl

import (
	"fmt"
	"testing"
)

// A connection that is never without an unanswered command keeps only those.
func TestWaitingStaysSmall(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, c *Conn, p *peer) {
		post := func(n int) {
			go p.receive()
			if err := c.Post(Execute(fmt.Sprint(n), "set", "x")); err != nil {
				t.Fatal(err)
			}
		}
		post(0)
		post(1)
		post(2)
		for n := range 200 {
			go p.send(reply("-ERR no"))
			if e := wantNext(t, c, CommandError); e.Get("Application-UUID") != fmt.Sprint(n) {
				t.Fatalf("refusal %d is of command %s", n, e.Get("Application-UUID"))
			}
			post(n + 3)
		}
		if n := cap(c.waiting); n > 16 {
			t.Errorf("room for %d commands, 3 are unanswered", n)
		}
	})
}
