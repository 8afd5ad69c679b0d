package freeswitchtest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMoments has a caller who answers an offer, of which the peer tells the result.
func TestMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, results := start(t, Call{
			SocketResume: true, Answered: true,
			Length: func(file, uuid string) time.Duration {
				if file == "a.wav" && uuid == "a-1" {
					return 3 * time.Second
				}
				return 100 * time.Millisecond
			},
			Prompts: map[string]time.Duration{"a.wav": time.Hour},
			Script:  []Action{Press("1").After(time.Second)},
		})
		began := time.Now()
		p.send(append(setUp, exec("playback", "a.wav", "a-1"))...)
		p.until("DTMF-Digit: 1")
		p.send(exec("break", "", "b-1"))
		p.until("Application-UUID: a-1")
		p.send(exec("playback", "b.wav", "c-1"))
		p.until("Application-UUID: c-1")
		p.send("resume", "exit")
		p.rest()
		r := <-results
		ms := time.Millisecond
		equal(t, "moments", r.Moments, []Moment{
			{0, PromptAsked, "a-1"}, {1020 * ms, KeyPressed, "1"}, {1060 * ms, PromptEnded, "a-1"},
			{1060 * ms, PromptAsked, "c-1"}, {1180 * ms, PromptEnded, "c-1"}, {1180 * ms, ControlEnded, ""},
		})
		equal(t, "release", r.Release, Exited)
		equal(t, "connected", r.Connected, began)
	})
}

func TestLengthLetsPromptEnd(t *testing.T) {
	for name, length := range map[string]time.Duration{"as told": 700 * time.Millisecond, "none": -time.Second} {
		bubble(t, name, func(t *testing.T) {
			p, results := start(t, Call{Answered: true, Length: func(string, string) time.Duration { return length }})
			p.send(append(setUp, exec("playback", "a.wav", "a-1"))...)
			p.until("Application-UUID: a-1")
			p.send("resume", "exit")
			p.rest()
			equal(t, "played for", (<-results).Played[0].For, max(length, 0))
		})
	}
}

func TestReleaseTellsHowTheCallWasGivenBack(t *testing.T) {
	for _, tt := range []struct {
		want Release
		peer func(*peer)
	}{
		{Exited, func(p *peer) { p.send("connect", "exit") }},
		{Broke, func(p *peer) { p.send("connect"); p.next(); _ = p.conn.Close() }},
		{GaveUp, func(p *peer) {}},
		{"", func(p *peer) { p.send("connect", "sendmsg\ncall-command: hangup") }},
	} {
		bubble(t, string(tt.want), func(t *testing.T) {
			p, results := start(t, Call{SocketResume: true})
			tt.peer(p)
			if tt.want != Broke {
				p.rest()
			}
			equal(t, "release", (<-results).Release, tt.want)
		})
	}
	r, err := Call{}.Dial(t.Context(), nobody(t))
	if err != nil || r.Release != Unreached || r.Unreached == nil {
		t.Errorf("nobody listens: %q, %v, %v", r.Release, r.Unreached, err)
	}
}

// TestLeaveHangsUp hangs up a call in the middle of a prompt, and one that has ended.
func TestLeaveHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(leave) })
		p, results := start(t, Call{Answered: true, Leave: leave})
		p.send(append(setUp, exec("playback", "a.wav", "a-1"))...)
		p.until("Content-Disposition: linger")
		p.send("exit")
		p.rest()
		r := <-results
		equal(t, "hung up, lost", []bool{r.HungUp, r.Lost}, []bool{true, false})
		equal(t, "release", r.Release, Exited)
		equal(t, "heard", r.Played[0].For, 980*time.Millisecond)
		said := 0
		for _, e := range r.Timeline {
			said += strings.Count(e.Text, "caller hangs up")
		}
		equal(t, "hung up so often", said, 1)
	})
}
