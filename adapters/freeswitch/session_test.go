package freeswitch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

func files(played []fst.Played) []string {
	var out []string
	for _, p := range played {
		out = append(out, p.File)
	}
	return out
}

// The calls of a caller, prompt by prompt: prompts last 2 s unless the test says
// otherwise.
func TestCallersHearWhatBecameOfThem(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*deflect.Config, *freeswitch.Config)
		call    func(*fst.Call)
		fault   livedeflecttest.Fault
		outcome deflect.Outcome
		reason  deflect.Reason
		played  []string
		texts   int
		digits  string
		answers bool          // the call has been answered
		within  time.Duration // of the connection, the dialplan goes on
	}{
		{name: "accepts during the offer",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Press("1").After(time.Second)} },
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "sent.wav"},
			texts: 1, answers: true, within: 3200 * time.Millisecond},
		{name: "accepts in the gap",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.PressAfter(1, "1", 2*time.Second)} },
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "sent.wav"},
			texts: 1, answers: true, within: 6100 * time.Millisecond},
		{name: "accepts the second offer",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.PressDuring(2, "1", time.Second)} },
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "offer.wav", "sent.wav"},
			texts: 1, answers: true, within: 8200 * time.Millisecond},
		{name: "presses a few keys, then accepts",
			call: func(c *fst.Call) {
				c.Vars = map[string]string{"deflect_digits": "77"}
				c.Script = []fst.Action{fst.Press("5#*").After(500 * time.Millisecond), fst.Press("1").After(time.Second)}
			},
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "sent.wav"},
			texts: 1, digits: "775#*", answers: true, within: 4 * time.Second},
		{name: "presses everything at once",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Press("1234567890*#1").After(time.Second)} },
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "sent.wav"},
			texts: 1, answers: true},
		{name: "declines",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Press("2").After(time.Second)} },
			outcome: deflect.Declined, reason: deflect.ReasonDeclineKey, played: []string{"offer.wav"},
			answers: true, within: 1100 * time.Millisecond},
		{name: "presses nothing",
			outcome: deflect.NoInput, reason: deflect.ReasonNoKey, played: []string{"offer.wav", "offer.wav"},
			answers: true, within: 10200 * time.Millisecond},
		{name: "presses another key only",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Press("9").After(time.Second)} },
			outcome: deflect.NoInput, reason: deflect.ReasonNoKey, played: []string{"offer.wav", "offer.wav"},
			digits: "9", answers: true},
		{name: "hangs up during the offer",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.HangUp().After(time.Second)} },
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer.wav"}, answers: true},
		{name: "hangs up in the gap",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.HangUp().SincePromptEnd(1, time.Second)} },
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer.wav"}, answers: true},
		{name: "is transferred by somebody else",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Transfer("1000").After(time.Second)} },
			outcome: deflect.Abandoned, reason: deflect.ReasonTransferred, played: []string{"offer.wav"}, answers: true},
		{name: "is killed by an operator",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Kill().After(time.Second)} },
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer.wav"}, answers: true},
		{name: "was answered before",
			call:    func(c *fst.Call) { c.Answered = true; c.Script = []fst.Action{fst.Press("1").After(time.Second)} },
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "sent.wav"}, texts: 1, answers: true},
		{name: "hears that it failed",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Press("1").After(time.Second)} },
			fault:   livedeflecttest.Fault{Status: 400},
			outcome: deflect.Failed, reason: deflect.ReasonRejected, played: []string{"offer.wav", "failed.wav"}, answers: true},
		{name: "hears that nobody knows",
			call:    func(c *fst.Call) { c.Script = []fst.Action{fst.Press("1").After(time.Second)} },
			fault:   livedeflecttest.Fault{ResetAfter: true},
			outcome: deflect.Uncertain, reason: deflect.ReasonConnectionLost, played: []string{"offer.wav", "uncertain.wav"}, texts: 1, answers: true},
		{name: "waits for a slow API",
			change: func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].Prompts.Wait = "wait.wav" },
			call: func(c *fst.Call) {
				c.Prompts = map[string]time.Duration{"wait.wav": 10 * time.Second}
				c.Script = []fst.Action{fst.Press("1").After(time.Second)}
			},
			fault:   livedeflecttest.Fault{Delay: 3 * time.Second},
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "wait.wav", "sent.wav"},
			texts: 1, answers: true, within: 6200 * time.Millisecond},
		{name: "hangs up while the request runs",
			call: func(c *fst.Call) {
				c.Script = []fst.Action{fst.Press("1").After(time.Second), fst.HangUp().After(2 * time.Second)}
			},
			fault:   livedeflecttest.Fault{Delay: 3 * time.Second},
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav"}, texts: 1, answers: true},
		{name: "accepts and hangs up at once",
			call: func(c *fst.Call) {
				c.Script = []fst.Action{fst.Press("1").After(time.Second), fst.HangUp().After(1010 * time.Millisecond)}
			},
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav"}, texts: 1, answers: true},
		{name: "finds no prompt",
			call:    func(c *fst.Call) { c.Missing = []string{"offer.wav"} },
			outcome: deflect.Failed, reason: deflect.ReasonPrompt, played: []string{"offer.wav"}, answers: true, within: 100 * time.Millisecond},
		{name: "finds no outcome prompt",
			call: func(c *fst.Call) {
				c.Missing = []string{"sent.wav"}
				c.Script = []fst.Action{fst.Press("1").After(time.Second)}
			},
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"offer.wav", "sent.wav"}, texts: 1, answers: true},

		// Not offered: not even answered, and back at once.
		{name: "withholds the number", call: func(c *fst.Call) { c.HideNumber = true },
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberHidden, within: 50 * time.Millisecond},
		{name: "calls from an extension", call: func(c *fst.Call) { c.ANI = "1001" },
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberInvalid, within: 50 * time.Millisecond},
		{name: "calls from a name", call: func(c *fst.Call) { c.ANI = "alice" },
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberInvalid, within: 50 * time.Millisecond},
		{name: "calls from a landline", call: func(c *fst.Call) { c.ANI = "+493012345678" },
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberFixedLine, within: 50 * time.Millisecond},
		{name: "calls a number without a profile", call: func(c *fst.Call) { c.DNIS = "18005550199" },
			outcome: deflect.Ineligible, reason: deflect.ReasonNoProfile, within: 50 * time.Millisecond},
		{name: "names an unknown profile", call: func(c *fst.Call) { c.Vars = map[string]string{"deflect_profile": "x"} },
			outcome: deflect.Ineligible, reason: deflect.ReasonNoProfile, within: 50 * time.Millisecond},
		{name: "has an unknown mode", call: func(c *fst.Call) { c.Vars = map[string]string{"deflect_mode": "x"} },
			outcome: deflect.Ineligible, reason: deflect.ReasonInvalidCall, within: 50 * time.Millisecond},
		{name: "has half a customer id", call: func(c *fst.Call) { c.Vars = map[string]string{"deflect_customer_id": "1"} },
			outcome: deflect.Ineligible, reason: deflect.ReasonInvalidCall, within: 50 * time.Millisecond},
		{name: "was silent before", call: func(c *fst.Call) { c.Vars = map[string]string{"deflect_asked": "no_input"} },
			outcome: deflect.Ineligible, reason: deflect.ReasonAlreadyAsked, within: 50 * time.Millisecond},
		{name: "declined before", call: func(c *fst.Call) { c.Vars = map[string]string{"deflect_asked": "declined"} },
			outcome: deflect.Ineligible, reason: deflect.ReasonAlreadyAsked, within: 50 * time.Millisecond},

		// The menu collected the key.
		{name: "accepted in a menu",
			call: func(c *fst.Call) {
				c.Answered, c.Vars = true, map[string]string{"deflect_mode": "accepted", "deflect_digits": "41"}
			},
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"sent.wav"}, texts: 1, digits: "41", answers: true, within: 2100 * time.Millisecond},
		{name: "accepted in a menu, from an extension",
			call:    func(c *fst.Call) { c.ANI, c.Vars = "1001", map[string]string{"deflect_mode": "accepted"} },
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberInvalid, within: 50 * time.Millisecond},
		{name: "accepted in a menu after declining an offer",
			call: func(c *fst.Call) {
				c.Answered, c.Vars = true, map[string]string{"deflect_mode": "accepted", "deflect_asked": "declined"}
			},
			outcome: deflect.Sent, reason: deflect.ReasonOK, played: []string{"sent.wav"}, texts: 1, answers: true},
		{name: "accepted in a menu a second time",
			call: func(c *fst.Call) {
				c.Answered, c.Vars = true, map[string]string{"deflect_mode": "accepted", "deflect_asked": "uncertain"}
			},
			outcome: deflect.Ineligible, reason: deflect.ReasonAlreadyAsked, answers: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.change, func(t *testing.T, r *rig) {
				if tt.fault != (livedeflecttest.Fault{}) {
					r.api.Inject(tt.fault)
				}
				c := caller()
				if tt.call != nil {
					tt.call(&c)
				}
				res := r.run(c)
				if !res.HungUp {
					// A call that goes on has its variables at once, one that
					// hung up is recorded a moment later.
					r.wantOutcome(res, tt.outcome, tt.reason)
				} else {
					r.drain()
					r.wantOutcome(res, tt.outcome, tt.reason)
				}
				if diff := cmp.Diff(tt.played, files(res.Played)); diff != "" {
					t.Errorf("prompts (-want +got):\n%s", diff)
				}
				r.wantTexts(tt.texts)
				if got := res.Vars["deflect_digits"]; got != tt.digits && res.Continued && !strings.HasPrefix(tt.name, "presses everything") {
					t.Errorf("deflect_digits = %q, want %q", got, tt.digits)
				}
				if res.Answered != tt.answers {
					t.Errorf("answered = %v", res.Answered)
				}
				if tt.within > 0 && (!res.Continued || res.ContinuedAfter > tt.within) {
					t.Errorf("went on after %s, want at most %s:\n%v", res.ContinuedAfter, tt.within, res.Timeline)
				}
				if tt.outcome == deflect.Sent && res.Continued && res.Vars["deflect_call_id"] != "473513" {
					t.Errorf("deflect_call_id = %q", res.Vars["deflect_call_id"])
				}
			})
		})
	}
}

// A call that comes back again and again is asked once, and gets one text.
func TestFurtherPassesAskAndTextOnce(t *testing.T) {
	tests := []struct {
		key, outcome string
		texts        int
	}{{"1", "sent", 1}, {"2", "declined", 0}, {"", "no_input", 0}}
	for _, tt := range tests {
		t.Run(tt.outcome, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				vars := map[string]string{}
				for pass := range 4 {
					c := caller()
					if tt.key != "" {
						c.Script = []fst.Action{fst.Press(tt.key).After(time.Second)}
					}
					c.Vars = vars
					res := r.run(c)
					want := tt.outcome
					if pass > 0 {
						want = "ineligible"
					}
					if res.Vars["deflect_outcome"] != want || res.Vars["deflect_call_id"] != "" && pass > 0 {
						t.Errorf("pass %d: %v", pass, res.Vars)
					}
					next := map[string]string{}
					for _, m := range []map[string]string{vars, res.Vars} {
						for k, v := range m {
							next[k] = v
						}
					}
					vars = next
				}
				r.wantTexts(tt.texts)
			})
		})
	}
}

// A slow API: the offer ends with the key press all the same.
func TestKeyEndsThePrompt(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.api.Inject(livedeflecttest.Fault{Delay: 3 * time.Second})
		c := caller(fst.Press("1").After(time.Second))
		c.Prompts = map[string]time.Duration{"offer.wav": 10 * time.Second}
		res := r.run(c)
		if heard := res.Played[0].For; heard > 1200*time.Millisecond {
			t.Errorf("the offer played for %s", heard)
		}
	})
}

// A text is taken whole or refused, never cut.
func TestTextIsSentWholeOrNotAtAll(t *testing.T) {
	for n, want := range map[int]string{1600: "sent", 1601: "ineligible"} {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			c := caller(fst.Press("1").After(time.Second))
			c.Vars = map[string]string{"deflect_text": strings.Repeat("あ", n)}
			if res := r.run(c); res.Vars["deflect_outcome"] != want {
				t.Errorf("%d characters: %v", n, res.Vars)
			}
			if sent := r.api.Sent(); want == "sent" && len([]rune(sent[0].DeflectionText)) != n {
				t.Errorf("%d characters were sent of %d", len([]rune(sent[0].DeflectionText)), n)
			}
		})
	}
}

// drain waits for what the server still does after the switch has gone.
func (r *rig) drain() {
	r.stop()
	err := <-r.done
	r.done <- err
}

// Everything that the contract lets the dialplan say gets into the request.
func TestEveryVariableReachesTheRequest(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		c := caller(fst.Press("1").After(time.Second))
		c.Vars = map[string]string{
			"deflect_skill": "billing", "deflect_text": "Grüße,\nReply here.", "deflect_text_tag": "tag-7",
			"deflect_digits": "41", "deflect_first_name": "Zoë", "deflect_last_name": "O'Neil",
			"deflect_customer_id": "123", "deflect_customer_id_descriptor": "CRM",
			"deflect_info_plan": "Gold Über & more", "deflect_info_Wait": "12", "deflect_number": "+4915112345678",
			"deflect_external_id": "crm-1",
		}
		r.wantOutcome(r.run(c), deflect.Sent, deflect.ReasonOK)
		got := r.api.Sent()[0]
		want := livedeflecttest.Deflection{
			CallID: got.CallID, Time: got.Time, DeflectionAcceptTime: got.DeflectionAcceptTime, CallBeginTime: got.CallBeginTime,
			SiteID: "38856538", Skill: "billing", CustomerCountryCode: "49", CustomerPhoneNumber: "15112345678", IsMobile: "true",
			ExternalCallID: "crm-1", DialedCountryCode: "1", DialedPhoneNumber: "8005550100", DeflectionChannel: "sms",
			DeflectionHandle: "4915112345678", DeflectionText: "Grüße,\nReply here.", CallerEnteredDigits: "41",
			FirstName: "Zoë", LastName: "O'Neil", DeflectionTextTag: "tag-7", DeflectionTagText: "tag-7",
			CallerInfo:         []byte(`{"Wait":"12","plan":"Gold Über & more"}`),
			ExternalCustomerID: "123", ExternalCustomerIDDescriptor: "CRM",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
		// The external id defaults to the channel's UUID.
		r.play(caller(fst.Press("1").After(time.Second)))
		if id := r.api.Sent()[1].ExternalCallID; id != "3e0068c6-dcda-4c96-a87d-305d62b539f6" {
			t.Errorf("externalCallId = %q", id)
		}
	})
}

// Profiles: by number, by name, and the rest.
func TestProfileIsOfTheNumberOrTheName(t *testing.T) {
	two := func(_ *deflect.Config, c *freeswitch.Config) {
		rest := sales()
		rest.Name, rest.Dialed, rest.Skill = "rest", nil, "service"
		c.Profiles = append(c.Profiles, rest)
	}
	tests := []struct {
		name string
		call func(*fst.Call)
		want string // skill
		dial string
	}{
		{"by number", func(c *fst.Call) {}, "sales", "8005550100"},
		{"by number with +", func(c *fst.Call) { c.DNIS = "+18005550100" }, "sales", "8005550100"},
		{"the rest", func(c *fst.Call) { c.DNIS = "+18005550111" }, "service", "8005550111"},
		{"by name", func(c *fst.Call) { c.DNIS, c.Vars = "+18005550111", map[string]string{"deflect_profile": "sales"} }, "sales", "8005550111"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, two, func(t *testing.T, r *rig) {
				c := caller(fst.Press("1").After(time.Second))
				tt.call(&c)
				r.wantOutcome(r.run(c), deflect.Sent, deflect.ReasonOK)
				if got := r.api.Sent()[0]; got.Skill != tt.want || got.DialedPhoneNumber != tt.dial {
					t.Errorf("skill %s for %s, want %s for %s", got.Skill, got.DialedPhoneNumber, tt.want, tt.dial)
				}
			})
		})
	}
}

// Whatever the API does, the caller is back in the dialplan within the live
// deadline plus the prompt, with the right outcome, and no text goes out twice.
func TestBrokenAPIHoldsNobodyAndTextsOnce(t *testing.T) {
	tests := []struct {
		fault   string
		outcome deflect.Outcome
		texts   int
	}{
		{"hang", deflect.Uncertain, 0}, {"hang-after", deflect.Uncertain, 1}, {"reset-before", deflect.Uncertain, 0},
		{"reset-after", deflect.Uncertain, 1}, {"status=500", deflect.Uncertain, 0}, {"status-after=502", deflect.Uncertain, 1},
		{"garbage", deflect.Uncertain, 1}, {"truncate", deflect.Uncertain, 1}, {"delay=10s", deflect.Uncertain, 1},
		{"delay=3s", deflect.Sent, 1}, {"conn-refused", deflect.Failed, 0}, {"status=429,retry-after=1", deflect.Failed, 0},
		{"status=401", deflect.Failed, 0}, {"redirect=https://example.net", deflect.Failed, 0}, {"invalid-nonce", deflect.Uncertain, 0}, {"delivered-twice", deflect.Uncertain, 1},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				f, err := livedeflecttest.ParseFault(tt.fault)
				if err != nil {
					t.Fatal(err)
				}
				r.api.SetFault(&f)
				res := r.run(caller(fst.Press("1").After(time.Second)))
				if res.Vars["deflect_outcome"] != string(tt.outcome) {
					t.Errorf("variables %v, want %s", res.Vars, tt.outcome)
				}
				// A second of offer, four of deadline, two of prompt, and the
				// frames of audio after which prompts begin and end.
				if limit := (1 + 4 + 2) * time.Second; !res.Continued || res.ContinuedAfter > limit+200*time.Millisecond {
					t.Errorf("back after %s", res.ContinuedAfter)
				}
				r.wantTexts(tt.texts)
				processed := 0
				for _, q := range r.api.Requests() {
					if q.Processed {
						processed++
					}
				}
				if processed > 1 {
					t.Errorf("%d requests were processed", processed)
				}
			})
		})
	}
}

// After enough failures callers are not offered a text, and later they are again.
func TestBreakerStopsOffers(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.api.SetFault(&livedeflecttest.Fault{Status: 500})
		yes := caller(fst.Press("1").After(time.Second))
		for range 5 {
			if res := r.run(yes); res.Vars["deflect_outcome"] != "uncertain" {
				t.Fatalf("variables %v", res.Vars)
			}
		}
		res := r.run(yes)
		if res.Vars["deflect_outcome"] != "ineligible" || res.Vars["deflect_reason"] != "breaker_open" || res.Answered || len(res.Played) > 0 {
			t.Errorf("offered while the breaker is open: %v, %v", res.Vars, res.Timeline)
		}
		menu := caller()
		menu.Answered, menu.Vars = true, map[string]string{"deflect_mode": "accepted"}
		res = r.run(menu)
		if res.Vars["deflect_outcome"] != "failed" || res.Vars["deflect_reason"] != "breaker_open" {
			t.Errorf("from a menu while the breaker is open: %v", res.Vars)
		}
		asked := 0
		for _, q := range r.api.Requests() {
			if strings.HasSuffix(q.Path, "/contextAndInvite") { // not a look into the report
				asked++
			}
		}
		if asked != 5 {
			t.Errorf("%d requests", asked)
		}
		time.Sleep(30 * time.Second)
		r.api.SetFault(nil)
		// A caller who declines leaves the trial to the next one.
		if res := r.run(caller(fst.Press("2").After(time.Second))); res.Vars["deflect_outcome"] != "declined" {
			t.Errorf("variables %v", res.Vars)
		}
		for range 2 {
			if res := r.run(yes); res.Vars["deflect_outcome"] != "sent" {
				t.Errorf("variables %v", res.Vars)
			}
		}
	})
}
