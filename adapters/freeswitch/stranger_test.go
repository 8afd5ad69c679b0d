package freeswitch_test

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// from is a connection that comes from an address.
type from struct {
	net.Conn
	peer net.Addr
}

func (c from) RemoteAddr() net.Addr { return c.peer }

// knock connects from an address, and waits to be refused.
func (r *rig) knock(address string) {
	r.t.Helper()
	ours, theirs := net.Pipe()
	r.ln.conns <- from{theirs, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}
	if n, err := ours.Read(make([]byte, 1)); n != 0 || err == nil {
		r.t.Errorf("%s is spoken to", address)
	}
	ours.Close()
	synctest.Wait()
}

// A peer that is not on the allow-list is named in the log once a minute, with what to do.
func TestStrangerIsNamed(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		refused := func() (all []map[string]any) {
			for line := range strings.Lines(r.log.String()) {
				var l map[string]any
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatal(err)
				}
				if l["level"] == "WARN" {
					all = append(all, l)
				}
			}
			return all
		}
		for range 30 {
			r.knock("10.0.0.7:1234")
			time.Sleep(time.Second)
			r.knock("[2001:db8::7]:1234")
			time.Sleep(time.Second)
		}
		first := refused()
		if len(first) != 2 || first[0]["peer"] != "10.0.0.7" || first[1]["peer"] != "2001:db8::7" {
			t.Fatalf("in the first minute: %v", first)
		}
		if text := first[0]["msg"].(string); !strings.Contains(text, "add it to freeswitch.outbound.allow") {
			t.Errorf("%q does not say what to do", text)
		}
		r.knock("10.0.0.7:1234")
		if again := refused(); len(again) != 3 || again[2]["peer"] != "10.0.0.7" || again[2]["not_logged_before"] != 58.0 {
			t.Errorf("in the next minute: %v", again)
		}

		// Many addresses flood nothing.
		before := len(refused())
		const many = 5000
		ip := netip.MustParseAddr("172.16.0.0")
		for range many {
			ip = ip.Next()
			r.knock(netip.AddrPortFrom(ip, 1234).String())
		}
		if n := len(refused()) - before; n == 0 || n > 10 {
			t.Errorf("%d lines about %d addresses", n, many)
		}
		if n := r.srv.Strangers(); n > 10 {
			t.Errorf("%d addresses are remembered", n)
		}
		time.Sleep(time.Minute)
		r.knock("10.0.0.7:1234")
		if all := refused(); all[len(all)-1]["peer"] != "10.0.0.7" {
			t.Errorf("once they have gone: %v", all[len(all)-1])
		}
		if got := series(t, r.reg, "deflect_freeswitch_rejected_connections_total"); got["not_allowed"] != 60+1+many+1 {
			t.Errorf("rejected %v", got)
		}
	})
}
