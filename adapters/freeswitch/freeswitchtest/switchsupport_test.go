package freeswitchtest

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// reach connects a peer to the switch over net.Pipe.
func reach(t *testing.T, s *Switch) *peer {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() { defer close(done); s.ServeConn(there) }()
	t.Cleanup(func() { <-done })
	return newPeer(t, here)
}

// login connects a peer, brings the password and sends commands.
func login(t *testing.T, s *Switch, commands ...string) *peer {
	t.Helper()
	p := reach(t, s)
	equal(t, "greeting", p.next(), "Content-Type: auth/request\n\n")
	for _, c := range append([]string{"auth ClueCon"}, commands...) {
		if answer := p.ask(c); !strings.HasPrefix(answer, "+OK") {
			t.Fatalf("%q: %q", c, answer)
		}
	}
	return p
}

// ask sends a command and gives the text of its answer. Events that come
// before it are lost.
func (p *peer) ask(command string) string {
	p.t.Helper()
	p.send(command)
	for f := range p.frames {
		head, body, _ := strings.Cut(f, "\n\n")
		if strings.HasPrefix(head, "Content-Type: api/response") {
			return body
		}
		if _, text, ok := strings.Cut(head, "Content-Type: command/reply\nReply-Text: "); ok {
			return text
		}
	}
	p.t.Errorf("%q: no answer", command)
	return ""
}

// heard gives all frames that have come, in brief.
func (p *peer) heard() []string {
	var all []string
	for _, f := range p.read() {
		if f != "end" {
			f = brief(f)
		}
		all = append(all, f)
	}
	return all
}

// read gives all frames that have come, and "end" for the end.
func (p *peer) read() []string {
	synctest.Wait()
	var all []string
	for {
		select {
		case f, ok := <-p.frames:
			if !ok {
				return append(all, "end")
			}
			all = append(all, f)
		default:
			return all
		}
	}
}

// value gives a header of a plain frame.
func value(frame, name string) string {
	v, _ := headerIn(frame, name)
	return v
}

func caller() Call {
	return Call{UUID: "c-1", ANI: "+14045550123", DNIS: "18005550100", CallerName: "Jane Doe"}
}

const (
	keysAndOffers = "event plain DTMF CHANNEL_HANGUP CUSTOM deflect::offer deflect::withdraw"
	story         = "event plain CHANNEL_HANGUP CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_EXECUTE CHANNEL_EXECUTE_COMPLETE " +
		"PLAYBACK_START PLAYBACK_STOP"
)
