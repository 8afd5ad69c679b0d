package freeswitch_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
)

// A peer that sends events as fast as it can is given up long before the offer would be.
func TestFloodingPeerIsGivenUp(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		c := r.ln.dial(t)
		go io.Copy(io.Discard, c)
		synctest.Wait() // the hello is out
		io.WriteString(c, peerData+strings.Repeat(peerOK, 5))
		key := peerEvent("Event-Name: DTMF\nDTMF-Digit: 9\n")
		taken := 0
		for taken < 20000 {
			if _, err := io.WriteString(c, key); err != nil {
				break
			}
			taken++
		}
		c.Close()
		r.drain()
		if taken == 20000 {
			t.Errorf("all %d events of one moment were taken", taken)
		}
		if got := outcomes(t, r.reg); got["failed switch"] != 1 {
			t.Errorf("outcomes %v", got)
		}
	})
}
