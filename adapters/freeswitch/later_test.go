package freeswitch_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// notebook is a journal that lives as long as a test.
type notebook struct {
	mu      sync.Mutex
	entries map[string]deflect.Entry
}

func (n *notebook) Find(_ context.Context, id string) (deflect.Entry, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.entries[id], nil
}

func (n *notebook) Change(_ context.Context, from deflect.State, e deflect.Entry) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.entries[e.ExternalCallID].State != from {
		return false, nil
	}
	n.entries[e.ExternalCallID] = e
	return true, nil
}

func (n *notebook) Note(e deflect.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries[e.ExternalCallID] = e
}

func (n *notebook) Open(context.Context) (open []deflect.Entry, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.entries {
		if e.State != "" && e.State != deflect.Ended {
			open = append(open, e)
		}
	}
	return open, nil
}

// later makes texts of a profile wait, with a journal that keeps them.
func later(t *testing.T, p freeswitch.Profile, change ...func(*deflect.Config)) func(*deflect.Config, *freeswitch.Config) {
	t.Helper()
	if p.Later.Closed == 0 {
		p.Later = deflect.Later{Closed: 16 * time.Hour, Failed: time.Hour}
	}
	p.Prompts.LaterOffer, p.Prompts.LaterAccepted = "later", "accepted"
	return func(d *deflect.Config, c *freeswitch.Config) {
		policy, err := deflect.NewPolicy(p.Name, p.Rules)
		if err != nil {
			t.Fatal(err)
		}
		p.OnSent = c.Profiles[0].OnSent // where there are switches to watch
		c.Profiles = []freeswitch.Profile{p}
		d.Journal, d.Policies = &notebook{entries: map[string]deflect.Entry{}}, []*deflect.Policy{policy}
		for _, do := range change {
			do(d)
		}
	}
}

// opensAt is a team that is back at nine o'clock. A bubble begins at midnight, a Saturday.
var opensAt = deflect.Hours{Zone: "UTC", Week: map[string][]string{"sat": {"09:00-17:00"}}}

// A caller who calls while the team is closed is asked otherwise, and the text goes out when
// it is back; everything else is as ever.
func TestClosedTeamPromisesATextForLater(t *testing.T) {
	const mobile = "4043438699"
	tests := []struct {
		name    string
		closed  time.Duration // Later.Closed; 16 h
		change  func(*freeswitch.Profile)
		call    func(*fst.Call)
		script  []fst.Action
		outcome deflect.Outcome
		reason  deflect.Reason
		played  []string
		vars    map[string]string
		number  string // that is texted at nine; "" for nobody
	}{
		{name: "press 1", script: []fst.Action{accept()}, outcome: deflect.Deferred, reason: deflect.ReasonOutsideHours,
			played: []string{"later", "accepted"}, number: "14043438646",
			vars: map[string]string{"deflect_asked": "deferred", "deflect_heard": "true", "deflect_call_id": "", "deflect_confirmed": ""}},
		{name: "other keys first", script: []fst.Action{fst.Press("471").After(time.Second)}, outcome: deflect.Deferred, reason: deflect.ReasonOutsideHours,
			played: []string{"later", "accepted"}, number: "14043438646", vars: map[string]string{"deflect_digits": "47"}},
		{name: "nothing is confirmed", change: func(p *freeswitch.Profile) { p.Confirm = true }, script: []fst.Action{accept()},
			outcome: deflect.Deferred, reason: deflect.ReasonOutsideHours, played: []string{"later", "accepted"}, number: "14043438646",
			vars: map[string]string{"deflect_confirmed": ""}},
		{name: "no key", outcome: deflect.NoInput, reason: deflect.ReasonNoKey, played: []string{"later", "later"}}, // asked as often as ever
		{name: "no", script: []fst.Action{fst.Press("2").After(time.Second)}, outcome: deflect.Declined, reason: deflect.ReasonDeclineKey, played: []string{"later"}},
		{name: "another number", change: func(p *freeswitch.Profile) { p.AskNumber = true }, call: hidden,
			script:  []fst.Action{accept(), fst.PressDuring(2, mobile+"#", time.Second), fst.PressDuring(4, "1", time.Second)},
			outcome: deflect.Deferred, reason: deflect.ReasonOutsideHours, number: "1" + mobile,
			played: []string{"later", "number", "say en number iterated " + mobile, "right?", "accepted"}},
		{name: "from a menu", call: func(c *fst.Call) { c.Answered, c.Vars = true, map[string]string{"deflect_mode": "accepted"} },
			outcome: deflect.Deferred, reason: deflect.ReasonOutsideHours, played: []string{"accepted"}, number: "14043438646"},
		{name: "too long until nine", closed: 8 * time.Hour, outcome: deflect.Ineligible, reason: deflect.ReasonOutsideHours},
		{name: "too long until nine, from a menu", closed: 8 * time.Hour,
			call:    func(c *fst.Call) { c.Answered, c.Vars = true, map[string]string{"deflect_mode": "accepted"} },
			outcome: deflect.Ineligible, reason: deflect.ReasonOutsideHours},
		{name: "in another language", change: func(p *freeswitch.Profile) {
			es := p.Prompts
			es.LaterOffer, es.LaterAccepted = "es/later", "es/accepted"
			p.Languages = map[string]freeswitch.Translation{"es": {Text: freeswitch.None, Prompts: es}}
		}, call: func(c *fst.Call) { c.Vars = map[string]string{"deflect_language": "es-MX"} }, script: []fst.Action{accept()},
			outcome: deflect.Deferred, reason: deflect.ReasonOutsideHours, played: []string{"es/later", "es/accepted"}, number: "14043438646"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := talk()
			p.Confirm, p.AskNumber, p.Hours = false, false, opensAt
			if tt.change != nil {
				tt.change(&p)
			}
			p.Later.Closed = tt.closed
			inBubble(t, later(t, p), func(t *testing.T, r *rig) {
				c := caller(tt.script...)
				if tt.call != nil {
					tt.call(&c)
				}
				res := r.run(c)
				r.wantOutcome(res, tt.outcome, tt.reason)
				if diff := cmp.Diff(tt.played, files(res.Played)); diff != "" {
					t.Errorf("prompts (-want +got):\n%s", diff)
				}
				for name, want := range tt.vars {
					if res.Vars[name] != want {
						t.Errorf("%s = %q, want %q", name, res.Vars[name], want)
					}
				}
				if tt.played == nil && res.Answered != c.Answered {
					t.Error("a caller who gets nothing was answered")
				}
				r.wantTexts(0)
				time.Sleep(9*time.Hour - time.Minute)
				r.wantTexts(0)
				time.Sleep(12 * time.Minute)
				var numbers []string
				for _, d := range r.api.Sent() {
					numbers = append(numbers, d.DeflectionHandle)
				}
				if got := strings.Join(numbers, " "); got != tt.number {
					t.Errorf("texted %q, want %q", got, tt.number)
				}
				if strings.Contains(r.log.String(), mobile) {
					t.Errorf("the log holds a number:\n%s", r.log.String())
				}
				if log := r.log.String(); tt.outcome == deflect.Deferred && strings.Contains(log, `"err":"`) {
					t.Errorf("an error is logged:\n%s", log)
				}
				if n := series(t, r.reg, "deflect_outcomes_total"); n[string(tt.outcome)+" "+string(tt.reason)] != 1 {
					t.Errorf("counted %v", n)
				}
			})
		})
	}
}

// A text that certainly was not sent is promised for later, where the profile says so.
func TestFailedTextIsPromisedForLater(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   livedeflecttest.Fault
		outcome deflect.Outcome
		reason  deflect.Reason
		played  []string
		texts   int // after an hour
	}{
		{"unreachable", livedeflecttest.Fault{ConnRefused: true}, deflect.Deferred, deflect.ReasonUnreachable, []string{"offer", "accepted"}, 1},
		{"too many requests", livedeflecttest.Fault{Status: 429}, deflect.Deferred, deflect.ReasonRateLimited, []string{"offer", "accepted"}, 1},
		{"refused", livedeflecttest.Fault{Status: 400}, deflect.Failed, deflect.ReasonRejected, []string{"offer", "failed"}, 0},
		{"lost", livedeflecttest.Fault{Status: 503, StatusAfterProcessing: true}, deflect.Uncertain, deflect.ReasonServerError, []string{"offer", "uncertain"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := talk()
			p.Confirm = false
			inBubble(t, later(t, p), func(t *testing.T, r *rig) {
				r.api.SetFault(&tt.fault)
				res := r.run(caller(accept()))
				r.wantOutcome(res, tt.outcome, tt.reason)
				if diff := cmp.Diff(tt.played, files(res.Played)); diff != "" {
					t.Errorf("prompts (-want +got):\n%s", diff)
				}
				if line := `"level":"WARN","msg":"call ended"`; !strings.Contains(r.log.String(), line) {
					t.Errorf("the log lacks %s:\n%s", line, r.log.String())
				}
				r.api.SetFault(nil)
				time.Sleep(59 * time.Minute)
				synctest.Wait()
				r.wantTexts(tt.texts)
			})
		})
	}
}

// Whoever has asked for a text already is not turned away because the API is down.
func TestAcceptedWhileTheBreakerIsOpenIsPromisedForLater(t *testing.T) {
	breaker := func(d *deflect.Config) { d.Breaker.Failures = 1 }
	p := talk()
	p.Confirm, p.Text = false, "Hi."+strings.Repeat("{{.Info.x}}", 20)
	inBubble(t, later(t, p, breaker), func(t *testing.T, r *rig) {
		r.api.Inject(livedeflecttest.Fault{Status: 500})
		r.run(caller(accept()))
		want := map[string]int{"uncertain server_error": 1}
		for _, tt := range []struct {
			name, outcome, reason string
			played                []string
			change                func(*fst.Call)
		}{
			{"from a menu", "deferred", "breaker_open", []string{"accepted"}, nil},
			{"from a menu, not answered yet", "deferred", "breaker_open", []string{"accepted"}, func(c *fst.Call) { c.Answered = false }},
			{"a hidden number from a menu", "failed", "breaker_open", []string{"failed"}, hidden},
			{"a text that is too long", "ineligible", "invalid_call", nil, func(c *fst.Call) { c.Vars["deflect_text"] = strings.Repeat("x", 2000) }},
			{"a text that cannot be made", "failed", "breaker_open", []string{"failed"}, func(c *fst.Call) { c.Vars["deflect_info_x"] = strings.Repeat("x", 1000) }},
			{"offered by us", "ineligible", "breaker_open", nil, func(c *fst.Call) { delete(c.Vars, "deflect_mode") }},
		} {
			c := caller()
			c.Answered, c.Vars = true, map[string]string{"deflect_mode": "accepted"}
			if tt.change != nil {
				tt.change(&c)
			}
			res := r.run(c)
			if res.Vars["deflect_outcome"] != tt.outcome || res.Vars["deflect_reason"] != tt.reason {
				t.Errorf("%s: %v, want %s %s", tt.name, res.Vars, tt.outcome, tt.reason)
			}
			if asked := res.Vars["deflect_asked"]; asked != map[bool]string{true: tt.outcome}[tt.outcome == "deferred"] {
				t.Errorf("%s: deflect_asked is %q", tt.name, asked)
			}
			if diff := cmp.Diff(tt.played, files(res.Played)); diff != "" {
				t.Errorf("%s: prompts (-want +got):\n%s", tt.name, diff)
			}
			want[tt.outcome+" "+tt.reason]++
			synctest.Wait()
			if diff := cmp.Diff(want, outcomes(t, r.reg)); diff != "" {
				t.Fatalf("%s: counted (-want +got):\n%s", tt.name, diff)
			}
		}
		r.wantTexts(0)
		time.Sleep(time.Hour)
		r.wantTexts(2)
	})
}

// A defect after that: a program that has handed its call over is told of the text.
func TestPanicAfterATextWasPromisedTellsOfIt(t *testing.T) {
	change := later(t, talk(), func(d *deflect.Config) { d.Breaker.Failures = 1 })
	broken := func(d *deflect.Config, c *freeswitch.Config) {
		change(d, c)
		c.Logger = slog.New(panicHandler{c.Logger.Handler(), "call ended"})
	}
	inBubble(t, broken, func(t *testing.T, r *rig) {
		r.api.Inject(livedeflecttest.Fault{Status: 500})
		r.run(caller(accept()))
		ours, theirs := net.Pipe()
		told := make(chan deflect.Result, 1)
		go func() {
			res, _ := r.srv.Bridge(context.Background(), newGlueConn(theirs))
			told <- res
		}()
		c := caller()
		c.UUID, c.Answered, c.Vars = nthCall(7), true, map[string]string{"deflect_mode": "accepted"}
		res, err := c.Run(t.Context(), ours)
		if err != nil {
			t.Fatal(err)
		}
		r.clean(res)
		if got := <-told; got.Outcome != deflect.Deferred || res.Vars["deflect_outcome"] != "deferred" {
			t.Errorf("the program is told %q, the dialplan %q", got.Outcome, res.Vars["deflect_outcome"])
		}
		r.wantSum(2)
		sendsGiveUp()
	})
}

// A text that waits is final for its call, as one that was sent is: also for a later pass.
func TestCallWithATextThatWaitsIsNotAskedAgain(t *testing.T) {
	p := talk()
	p.Hours = opensAt
	inBubble(t, later(t, p), func(t *testing.T, r *rig) {
		for _, mode := range []string{"offer", "accepted"} {
			c := caller()
			c.Answered, c.Vars = true, map[string]string{"deflect_mode": mode, "deflect_asked": "deferred"}
			res := r.run(c)
			if res.Vars["deflect_outcome"] != "ineligible" || res.Vars["deflect_reason"] != "already_asked" || len(res.Played) > 0 {
				t.Errorf("%s: %v, played %v", mode, res.Vars, files(res.Played))
			}
			for _, line := range res.Timeline {
				if strings.Contains(line.Text, "deflect_asked") {
					t.Errorf("%s: %s", mode, line)
				}
			}
		}
	})
}

// A dialplan that has lost deflect_asked on the way does not get a second text out of us.
func TestSamePassTwiceIsOneText(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		for i := range 2 {
			res := r.play(caller(accept()))
			if res.Vars["deflect_outcome"] != "sent" || res.Vars["deflect_call_id"] != "473513" {
				t.Errorf("%v", res.Vars)
			}
			if diff := cmp.Diff([]string{"offer.wav", "sent.wav"}, files(res.Played)); diff != "" {
				t.Errorf("prompts (-want +got):\n%s", diff)
			}
			synctest.Wait()
			if n := strings.Count(r.log.String(), `"repeated":true`); n != i {
				t.Errorf("%d calls are repeated in the log, want %d:\n%s", n, i, r.log.String())
			}
		}
		r.wantTexts(1)
		r.wantSum(1)
	})
}

// A caller in a queue presses the key, and the text has to wait: so does the caller.
func TestWaitingCallerIsPromisedATextForLater(t *testing.T) {
	for _, tt := range []struct {
		name   string
		hours  deflect.Hours
		reason string
	}{
		{"closed", opensAt, "outside_hours"},
		{"the breaker is open", deflect.Hours{}, "breaker_open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := sales()
			p.Hours, p.Confirm, p.Prompts.Confirm = tt.hours, true, "confirm"
			change := later(t, p, func(d *deflect.Config) { d.Breaker.Failures, d.Settle.Disabled = 1, true })
			inWatchBubble(t, []string{"fs1"}, change, func(t *testing.T, r *watchRig) {
				if tt.hours.Zone == "" {
					r.api.Inject(livedeflecttest.Fault{Status: 500})
					first := r.queued("fs1", func(c *fst.Call) { c.UUID = nthCall(1) })
					first.Press("1")
					settled()
					first.HangUp()
				}
				w := r.queued("fs1")
				w.Press("1")
				settled()
				want := map[string]string{"deflect_outcome": "deferred", "deflect_reason": tt.reason, "deflect_asked": "deferred", "deflect_heard": "true", "deflect_confirmed": ""}
				check := func(want map[string]string, played ...string) {
					t.Helper()
					res := w.Result()
					for name, value := range want {
						if res.Vars[name] != value {
							t.Errorf("%s = %q, want %q", name, res.Vars[name], value)
						}
					}
					if diff := cmp.Diff(played, files(res.Played)); diff != "" {
						t.Errorf("prompts (-want +got):\n%s", diff)
					}
					if res.Transferred != "" {
						t.Errorf("transferred to %q", res.Transferred)
					}
				}
				check(want, "accepted")
				// Announced once more: the text is the same one, and not sent yet.
				w.Announce()
				synctest.Wait()
				w.Press("1")
				settled()
				check(map[string]string{"deflect_outcome": "ineligible", "deflect_reason": "already_asked", "deflect_asked": "deferred"}, "accepted", "accepted")
				r.wantTexts(0)
				time.Sleep(10 * time.Hour)
				r.wantTexts(1)
				w.HangUp()
				r.forgotten()
			})
		})
	}
}
