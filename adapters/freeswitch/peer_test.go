package freeswitch_test

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const (
	peerOK   = "Content-Type: command/reply\nReply-Text: +OK\n\n"
	peerData = "Event-Name: CHANNEL_DATA\nUnique-ID: u-1\nCaller-Caller-ID-Number: %2B14043438646\n" +
		"Caller-Destination-Number: 18005550100\nContent-Type: command/reply\nReply-Text: %2BOK%0A\n\n"
)

func peerEvent(headers string) string {
	return fmt.Sprintf("Content-Type: text/event-plain\nContent-Length: %d\n\n%s\n", len(headers)+1, headers)
}

func peerDone(id string) string {
	return peerEvent("Event-Name: CHANNEL_EXECUTE_COMPLETE\nApplication-UUID: " + id + "\nApplication-Response: FILE PLAYED\n")
}

const peerKey = "Event-Name: DTMF\nDTMF-Digit: 1\n"

// peer answers each command as the test says, until the server closes or sends
// exit. It returns the commands.
func (r *rig) peer(answer func(command string) string) []string {
	c := r.ln.dial(r.t)
	defer c.Close()
	out := make(chan string, 100)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for s := range out {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
		}
	}()
	defer func() { close(out); <-written }()
	in := bufio.NewReader(c)
	var commands []string
	for {
		var cmd strings.Builder
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return commands
			}
			if line == "\n" {
				break
			}
			cmd.WriteString(line)
		}
		commands = append(commands, cmd.String())
		if strings.HasPrefix(cmd.String(), "exit") {
			return commands
		}
		reply := answer(cmd.String())
		if strings.Contains(cmd.String(), "flush_dtmf") {
			reply += peerDone("flush-1")
		}
		out <- reply
	}
}

// The switch refuses a command after the text was sent: the outcome is set all
// the same.
func TestRefusedCommandKeepsTheOutcome(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		commands := r.peer(func(cmd string) string {
			switch {
			case strings.HasPrefix(cmd, "connect"):
				return peerData
			case strings.Contains(cmd, "offer.wav"):
				return peerOK + peerEvent(peerKey) + peerDone("offer-1")
			case strings.Contains(cmd, "sent.wav"):
				return "Content-Type: command/reply\nReply-Text: -ERR memory\n\n"
			}
			return peerOK
		})
		r.drain()
		last := strings.Join(commands[max(0, len(commands)-4):], "|")
		if !strings.Contains(last, "deflect_outcome=sent") || !strings.Contains(last, "resume\n|sendmsg\ncall-command: execute\nexecute-app-name: unset\nexecute-app-arg: socket_resume\n|exit\n") {
			t.Errorf("the last commands are %q", last)
		}
		r.wantTexts(1)
	})
}

// The switch refuses the call itself: nobody waits in silence.
func TestRefusedConnectHoldsNobody(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		start := time.Now()
		commands := r.peer(func(string) string { return "Content-Type: command/reply\nReply-Text: -ERR no\n\n" })
		if took := time.Since(start); took > time.Second || commands[len(commands)-1] != "exit\n" {
			t.Errorf("after %s: %q", took, commands)
		}
		r.drain()
		r.wantSum(0)
	})
}

// The key comes before the switch began to play, so that the first break has no
// effect: it is said again while the request runs.
func TestBreakIsRepeated(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.api.SetFault(&livedeflecttest.Fault{Delay: 3500 * time.Millisecond})
		start, breaks, ended := time.Now(), 0, time.Duration(0)
		r.peer(func(cmd string) string {
			switch {
			case strings.HasPrefix(cmd, "connect"):
				return peerData
			case strings.Contains(cmd, "offer.wav"):
				return peerOK + peerEvent(peerKey)
			case strings.Contains(cmd, "break"):
				if breaks++; breaks == 2 {
					ended = time.Since(start)
					return peerOK + peerDone("offer-1")
				}
			case strings.Contains(cmd, "sent.wav"):
				return peerOK + peerDone("bye-1")
			}
			return peerOK
		})
		if breaks != 2 || ended > 500*time.Millisecond {
			t.Errorf("%d breaks, the last one after %s", breaks, ended)
		}
	})
}

// Prompts that no break ends do not hold the call either.
func TestPromptThatDoesNotEndHoldsNobody(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		start := time.Now()
		r.peer(func(cmd string) string {
			switch {
			case strings.HasPrefix(cmd, "connect"):
				return peerData
			case strings.Contains(cmd, "offer.wav"):
				return peerOK + peerEvent(peerKey)
			case strings.Contains(cmd, "sent.wav"):
				return peerOK + peerDone("bye-1")
			}
			return peerOK
		})
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the call took %s", took)
		}
	})
}

// A peer that stays within every limit of the socket and never comes to an end.
func TestEndlessPeersAreGivenUp(t *testing.T) {
	tests := []struct {
		name, first string
		within      time.Duration
		outcome     string
	}{
		{"no channel data", "", 8 * time.Second, ""},
		{"a prompt without end", peerData + strings.Repeat(peerOK, 5), 16 * time.Minute, "failed switch"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				c := r.ln.dial(t)
				go io.Copy(io.Discard, c)
				synctest.Wait() // the hello is out
				start := time.Now()
				io.WriteString(c, tt.first)
				for time.Since(start) < time.Hour {
					if _, err := io.WriteString(c, peerEvent("Event-Name: DTMF\nDTMF-Digit: 9\n")); err != nil {
						break
					}
					time.Sleep(time.Second)
				}
				c.Close()
				if took := time.Since(start); took > tt.within {
					t.Errorf("held for %s", took)
				}
				r.drain()
				if got := outcomes(t, r.reg); tt.outcome != "" && got[tt.outcome] != 1 || tt.outcome == "" && len(got) > 0 {
					t.Errorf("outcomes %v", got)
				}
			})
		})
	}
}

// 100 MB without the end of a line cost next to nothing.
func TestMemoryStaysFlat(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		c := r.ln.dial(t)
		go io.Copy(io.Discard, c)
		chunk := make([]byte, 1<<16)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		sent := 0
		for range 100 << 4 {
			n, err := c.Write(chunk)
			sent += n
			if err != nil {
				break
			}
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 || sent > 1<<20 {
			t.Errorf("%d bytes were taken and %d allocated", sent, grown)
		}
		c.Close()
		synctest.Wait()
	})
}

// Connections that are no calls yet when the server has to end count as none.
func TestCutBeforeTheCallCountsNothing(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		c := r.ln.dial(t)
		go io.Copy(io.Discard, c)
		synctest.Wait()
		start := time.Now()
		r.srv.Cut()
		r.drain()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %s, want a second for the data and two for the end", took)
		}
		c.Close()
		r.wantSum(0)
		if strings.Contains(r.log.String(), "call ended") {
			t.Error(r.log.String())
		}
	})
}

// A call whose data are on their way when the server has to end gets its outcome.
func TestCutWhileOpeningHasAnOutcome(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		commands := r.peer(func(cmd string) string {
			if strings.HasPrefix(cmd, "connect") {
				r.srv.Cut()
				time.Sleep(900 * time.Millisecond)
				return peerData
			}
			return peerOK
		})
		r.drain()
		if all := strings.Join(commands, "|"); !strings.Contains(all, "deflect_outcome=failed~deflect_reason=shutdown") {
			t.Errorf("the commands are %q", commands)
		}
		r.wantSum(1)
	})
}

// What was said and not written when the call is given back goes out first.
func TestLastWordsGoOutFirst(t *testing.T) {
	inBubble(t, func(dc *deflect.Config, c *freeswitch.Config) {
		dc.Breaker.Failures = 1
		c.Profiles[0].Prompts.Failed = freeswitch.None
	}, func(t *testing.T, r *rig) {
		r.api.SetFault(&livedeflecttest.Fault{Status: 503})
		r.run(caller(fst.Press("1").After(time.Second)))
		call := caller()
		call.Vars = map[string]string{"deflect_mode": "accepted"}
		res := r.run(call)
		if res.Vars["deflect_reason"] != "breaker_open" || !res.Answered {
			t.Errorf("answered %t, variables %v", res.Answered, res.Vars)
		}
	})
}
