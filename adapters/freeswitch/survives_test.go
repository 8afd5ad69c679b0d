package freeswitch_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// Whoever moves the call away during the offer, and whenever: it goes on where it is
// then, also when this process dies after it has learned of it.
func TestMovedCallSurvives(t *testing.T) {
	moves := map[string]fst.Action{
		"to an extension":     fst.Transfer("3001"),
		"to a park":           fst.TransferToPark("3002"),
		"by another resume":   fst.OtherSocket(true),
		"by the end of other": fst.OtherSocket(false),
	}
	whens := map[string]func(fst.Action) []fst.Action{
		"in the offer": func(a fst.Action) []fst.Action { return []fst.Action{a.After(time.Second)} },
		"in the gap":   func(a fst.Action) []fst.Action { return []fst.Action{a.SincePromptEnd(1, time.Second)} },
		"in the request": func(a fst.Action) []fst.Action {
			return []fst.Action{fst.Press("1").After(time.Second), a.After(2 * time.Second)}
		},
		"in the result": func(a fst.Action) []fst.Action {
			return []fst.Action{fst.Press("1").After(time.Second), a.SincePrompt(2, time.Second)}
		},
	}
	for move, action := range moves {
		for when, script := range whens {
			for _, limited := range []bool{false, true} {
				for _, dies := range []bool{false, true} {
					if move == "to a park" && dies {
						continue // the end of any socket ends a park
					}
					if limited && move == "by the end of other" && when == "in the result" {
						continue // in the moment in which the call is given back, which needs resume without the api
					}
					name := fmt.Sprintf("%s %s, full %t, dies %t", move, when, !limited, dies)
					t.Run(name, func(t *testing.T) {
						inBubble(t, nil, func(t *testing.T, r *rig) {
							r.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second})
							c := caller(script(action)...)
							c.NotFull, c.Vars = limited, map[string]string{"deflect_watchdog": "17"}
							conn := r.ln.dial(t)
							if dies {
								conn = &dyingConn{Conn: conn}
							}
							res, err := c.Run(context.Background(), conn)
							if err != nil {
								t.Fatal(err)
							}
							r.clean(res)
							if !res.Transferred && !res.Continued {
								t.Errorf("the call was not moved: %v", res.Timeline)
							}
							r.drain()
							want := "abandoned transferred"
							if strings.Contains(when, "request") || strings.Contains(when, "result") {
								want = "sent ok" // the key was pressed, whatever becomes of the call
							}
							if got := outcomes(t, r.reg); got[want] != 1 {
								t.Errorf("counted %v, want %s", got, want)
							}
						})
					})
				}
			}
		}
	}
}

// dyingConn breaks a moment after the peer has unset socket_resume.
type dyingConn struct {
	net.Conn
	once sync.Once
}

func (c *dyingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if strings.Contains(string(p[:n]), "socket_resume") {
		c.once.Do(func() { time.AfterFunc(100*time.Millisecond, func() { c.Conn.Close() }) })
	}
	return n, err
}

// A dialplan that forgot a word of "async full": what can be served is, what cannot goes
// on unharmed, and the log says which word, but not for every call.
func TestForgottenWordsAreSaidAndHarmNobody(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*fst.Call)
		outcome deflect.Outcome
		reason  deflect.Reason
		says    string
	}{
		{"no full", func(c *fst.Call) { c.NotFull = true }, deflect.Sent, deflect.ReasonOK, "socket without full"},
		{"no async", func(c *fst.Call) { c.NotAsync = true }, deflect.Failed, deflect.ReasonSwitch, "socket without async"},
		{"neither", func(c *fst.Call) { c.NotAsync, c.NotFull = true, true }, deflect.Failed, deflect.ReasonSwitch, "socket without async"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				for range 5 {
					c := caller(fst.Press("1").After(time.Second))
					tt.change(&c)
					res := r.run(c)
					if !res.Continued || res.Vars["deflect_outcome"] != string(tt.outcome) || res.Vars["deflect_reason"] != string(tt.reason) {
						t.Errorf("continued %t with %v", res.Continued, res.Vars)
					}
				}
				synctest.Wait()
				if n := strings.Count(r.log.String(), tt.says); n != 1 {
					t.Errorf("the log says %q %d times", tt.says, n)
				}
			})
		})
	}
}

// Hang-ups of a socket without full, which cannot linger.
func TestHangUpWithoutFullHoldsNothing(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		c := caller(fst.HangUp().After(time.Second))
		c.NotFull = true
		res := r.run(c)
		r.drain()
		r.wantOutcome(res, deflect.Abandoned, deflect.ReasonHangup)
	})
}

// A dialplan may keep much in variables. What is too much is said, with its size.
func TestTooMuchChannelDataIsSaid(t *testing.T) {
	large := func(n int) fst.Call {
		c := caller(fst.Press("1").After(time.Second))
		c.Vars = map[string]string{"crm": strings.Repeat(`{"a":"b"},`, n/10)}
		return c
	}
	inBubble(t, nil, func(t *testing.T, r *rig) {
		res := r.run(large(100 << 10)) // some 250 KB on the wire
		r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
	})
	inBubble(t, nil, func(t *testing.T, r *rig) {
		for range 3 {
			if res := r.run(large(400 << 10)); !res.Continued || len(res.Played) > 0 {
				t.Errorf("continued %t, played %v", res.Continued, res.Played)
			}
		}
		r.drain()
		log := r.log.String()
		if n := strings.Count(log, "ended before its channel data"); n != 1 || !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "524288 bytes") {
			t.Errorf("the log:\n%s", log)
		}
	})
}

// What came of the call is on the channel before the last prompt: callers hang up as
// soon as they know, and daemons die.
func TestOutcomeBeforeTheLastPrompt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []fst.Action
		dies   time.Duration
		want   map[string]string
	}{
		{"hangs up in the result", []fst.Action{fst.Press("1").After(time.Second), fst.HangUp().SincePrompt(2, time.Second)}, 0,
			map[string]string{"deflect_outcome": "sent", "deflect_reason": "ok", "deflect_asked": "sent", "deflect_heard": "false"}},
		{"hangs up in the request", []fst.Action{fst.Press("1").After(time.Second), fst.HangUp().After(2 * time.Second)}, 0,
			map[string]string{"deflect_outcome": "uncertain", "deflect_reason": "internal", "deflect_asked": "uncertain"}},
		{"this process dies in the result", []fst.Action{fst.Press("1").After(time.Second)}, 5 * time.Second,
			map[string]string{"deflect_outcome": "sent", "deflect_reason": "ok", "deflect_asked": "sent", "deflect_heard": "false"}},
		{"this process dies in the request", []fst.Action{fst.Press("1").After(time.Second)}, 2 * time.Second,
			map[string]string{"deflect_outcome": "uncertain", "deflect_reason": "internal", "deflect_asked": "uncertain"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				r.api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second})
				conn := r.ln.dial(t)
				if tt.dies > 0 {
					time.AfterFunc(tt.dies, func() { conn.Close() })
				}
				res, err := caller(tt.script...).Run(context.Background(), conn)
				if err != nil {
					t.Fatal(err)
				}
				r.clean(res)
				for name, want := range tt.want {
					if got := res.Vars[name]; got != want {
						t.Errorf("%s = %q, want %q", name, got, want)
					}
				}
			})
		})
	}
}

// No key ends a prompt but through us.
func TestStarEndsNoPrompt(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		res := r.run(caller(fst.Press("*").After(500*time.Millisecond), fst.PressAfter(1, "1", time.Second), fst.PressDuring(2, "*", 500*time.Millisecond)))
		for _, p := range res.Played {
			if p.For < 2*time.Second {
				t.Errorf("%s was heard for %s", p.File, p.For)
			}
		}
		r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
	})
}

// A key of the menu before is no answer. One in the first moment of the prompt is.
func TestKeyOfTheMenuBeforeIsNoAnswer(t *testing.T) {
	for name, digits := range map[string]string{"accept": "1", "decline": "2", "several": "4711"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				c := caller()
				c.Answered, c.Queued = true, digits
				res := r.run(c)
				r.wantOutcome(res, deflect.NoInput, deflect.ReasonNoKey)
				r.wantTexts(0)
				if res.Vars["deflect_digits"] != "" {
					t.Errorf("digits %q", res.Vars["deflect_digits"])
				}
			})
		})
	}
	t.Run("first moment", func(t *testing.T) {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			c := caller(fst.Press("1").After(10 * time.Millisecond))
			c.Answered, c.Queued = true, "9"
			res := r.run(c)
			r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
		})
	})
}

// A PIN menu before may have left keys secret: the offer hears them all the same, and
// leaves the channel as it was.
func TestSecretKeysAreHeard(t *testing.T) {
	for name, script := range map[string][]fst.Action{
		"given back":  {fst.Press("1").After(time.Second)},
		"moved":       {fst.Press("5").After(time.Second), fst.Transfer("3001").After(1500 * time.Millisecond)},
		"not offered": nil,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				c := caller(script...)
				c.Vars = map[string]string{"sensitive_dtmf": "true"}
				c.HideNumber = name == "not offered"
				res := r.run(c)
				if got, set := res.Vars["sensitive_dtmf"]; (got != "true" || !set) && name != "not offered" {
					t.Errorf("sensitive_dtmf is %q", got)
				}
				if name == "given back" {
					r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
				}
			})
		})
	}
}

// A caller who heard nothing must not be hung up on, and somebody must learn of it.
func TestUnheardPromptHangsNobodyUp(t *testing.T) {
	for _, tt := range []struct {
		name    string
		missing string
		change  func(*freeswitch.Profile)
		script  []fst.Action
		heard   string
		counted map[string]int
	}{
		{"heard", "", nil, []fst.Action{fst.Press("1").After(time.Second)}, "true", map[string]int{}},
		{"no result", "sent.wav", nil, []fst.Action{fst.Press("1").After(time.Second)}, "false", map[string]int{"sent": 1}},
		{"no wait", "wait.wav", func(p *freeswitch.Profile) { p.Prompts.Wait = "wait.wav" }, []fst.Action{fst.Press("1").After(time.Second)}, "true", map[string]int{"wait": 1}},
		{"no question", "confirm.wav", func(p *freeswitch.Profile) { p.Confirm, p.Prompts.Confirm = true, "confirm.wav" },
			[]fst.Action{fst.Press("1").After(time.Second)}, "true", map[string]int{"confirm": 1}},
		{"no offer", "offer.wav", nil, nil, "", map[string]int{"offer": 1}},
		{"hung up in it", "", nil, []fst.Action{fst.Press("1").After(time.Second), fst.HangUp().SincePrompt(2, time.Second)}, "false", map[string]int{}},
		{"moved in it", "", nil, []fst.Action{fst.Press("1").After(time.Second), fst.Transfer("3001").SincePrompt(2, time.Second)}, "false", map[string]int{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change := func(_ *deflect.Config, c *freeswitch.Config) {
				if tt.change != nil {
					tt.change(&c.Profiles[0])
				}
			}
			inBubble(t, change, func(t *testing.T, r *rig) {
				r.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
				c := caller(tt.script...)
				c.Missing = []string{tt.missing}
				res := r.run(c)
				r.drain()
				if got := res.Vars["deflect_heard"]; got != tt.heard {
					t.Errorf("deflect_heard = %q, want %q", got, tt.heard)
				}
				got := series(t, r.reg, "deflect_freeswitch_prompt_errors_total")
				if fmt.Sprint(got) != fmt.Sprint(tt.counted) {
					t.Errorf("counted %v, want %v", got, tt.counted)
				}
				if said := strings.Contains(r.log.String(), `"file":"`+tt.missing+`"`); said != (len(tt.counted) > 0) {
					t.Errorf("the log:\n%s", r.log.String())
				}
			})
		})
	}
}

// Whoever looks at abandoned calls wants to know who ended them.
func TestHangupCauseIsRecorded(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.run(caller(fst.HangUp().After(time.Second)))
		r.drain()
		if !strings.Contains(r.log.String(), `"cause":"NORMAL_CLEARING"`) {
			t.Errorf("the log:\n%s", r.log.String())
		}
	})
}

// stuckHandler never comes back from the line of a call's end.
type stuckHandler struct {
	slog.Handler
	free chan struct{}
}

func (h stuckHandler) Handle(_ context.Context, rec slog.Record) error {
	if rec.Message == "call ended" {
		<-h.free
	}
	return nil
}

// A log that is stuck holds no caller.
func TestStuckLogHoldsNoCaller(t *testing.T) {
	free := make(chan struct{})
	stuck := func(_ *deflect.Config, c *freeswitch.Config) {
		free = make(chan struct{})
		c.Logger = slog.New(stuckHandler{slog.DiscardHandler, free})
	}
	inBubble(t, stuck, func(t *testing.T, r *rig) {
		defer close(free)
		for range 3 {
			if res := r.run(caller(fst.Press("1").After(time.Second))); !res.Continued || res.Vars["deflect_outcome"] != "sent" {
				t.Errorf("continued %t with %v", res.Continued, res.Vars)
			}
		}
	})
}

// The watchdog of the dialplan must not take a call from whoever has it after a move.
func TestMovedCallHasNoWatchdog(t *testing.T) {
	for name, tt := range map[string]struct {
		vars    map[string]string
		limited bool
		want    string
	}{
		"cancelled":             {map[string]string{"deflect_watchdog": "17"}, false, "api sched_del 17"},
		"cancelled by the call": {map[string]string{"deflect_watchdog": "17"}, true, "execute-app-name: sched_cancel\nexecute-app-arg: 17"},
		"none":                  {nil, false, ""},
		"no number":             {map[string]string{"deflect_watchdog": "17 18"}, false, ""},
		"of a browser":          {map[string]string{"deflect_watchdog": "17", "verto_dvar_x": "y"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				c := caller(fst.Transfer("3001").After(time.Second))
				c.Vars, c.NotFull = tt.vars, tt.limited
				commands := strings.Join(r.run(c).Commands, "|")
				if tt.want != "" && !strings.Contains(commands, tt.want) || tt.want == "" && strings.Contains(commands, "sched_") {
					t.Errorf("commands %q, want %q", commands, tt.want)
				}
			})
		})
	}
}

// What certainly was not sent does not keep the caller from being asked again.
func TestFailureIsNoAnswer(t *testing.T) {
	for before, want := range map[string]string{"": "", "declined": "declined", "x${y}": ""} {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			r.api.Inject(livedeflecttest.Fault{Status: 400})
			c := caller(fst.Press("1").After(time.Second))
			c.Answered, c.Vars = true, map[string]string{"deflect_asked": before, "deflect_mode": "accepted"}
			res := r.run(c)
			r.wantOutcome(res, deflect.Failed, deflect.ReasonRejected)
			if got := res.Vars["deflect_asked"]; got != want {
				t.Errorf("deflect_asked = %q, want %q", got, want)
			}
		})
	}
}

// A dialplan with half a watchdog is served: nobody is held in our own socket.
func TestHalfAWatchdogHoldsNobody(t *testing.T) {
	for _, resume := range []string{"", "yes", "1", "false"} {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			c := caller(fst.Press("1").After(time.Second))
			c.SocketResume = false
			c.Vars = map[string]string{"deflect_watchdog": "17"}
			if resume != "" {
				c.Vars["socket_resume"] = resume
			}
			r.wantOutcome(r.run(c), deflect.Sent, deflect.ReasonOK)
		})
	}
}

// A switch that does not say where a call is keeps our socket, and its flood of events
// does not end that.
func TestSilentSwitchKeepsTheSocket(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		const moved = "Event-Name: CHANNEL_EXECUTE_COMPLETE\nApplication: socket\nCaller-Profile-Index: 2\nCaller-Profile-Created-Time: 5\n"
		told, start := make(chan time.Duration, 1), time.Now()
		commands := r.peer(func(cmd string) string {
			switch {
			case strings.HasPrefix(cmd, "connect"):
				return "Caller-Profile-Index: 1\nCaller-Profile-Created-Time: 4\n" + peerData
			case strings.Contains(cmd, "offer.wav"):
				return peerOK + peerEvent(moved)
			case strings.HasPrefix(cmd, "api uuid_getvar"):
				return ""
			case strings.HasPrefix(cmd, "api"):
				return "Content-Type: api/response\nContent-Length: 4\n\n+OK\n"
			case strings.HasPrefix(cmd, "noevents"):
				told <- time.Since(start)
				time.AfterFunc(3*time.Hour, func() { r.srv.Cut() })
			}
			return peerOK
		})
		if len(told) == 0 || time.Since(start) < 3*time.Hour {
			t.Errorf("after %s: %q", time.Since(start), commands)
		}
	})
}
