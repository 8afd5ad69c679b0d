package freeswitch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// settled gives what was begun the time to end.
func settled() {
	time.Sleep(10 * time.Second)
	synctest.Wait()
}

// A caller in a queue presses the accept digit: decision, text, variables, prompt to
// the caller, and only after a text the transfer.
func TestWatchTextsWhoPressesTheKey(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*deflect.Config, *freeswitch.Config)
		fault    livedeflecttest.Fault
		keys     string
		vars     map[string]string // of the call, before
		outcome  string
		prompts  []string
		transfer string
		texts    int
		want     map[string]string // variables
	}{
		{name: "sent", keys: "1", outcome: "sent ok", prompts: []string{"sent.wav"}, transfer: "9999 XML default", texts: 1,
			want: map[string]string{"deflect_call_id": "473513", "deflect_asked": "sent"}},
		{name: "other keys first", keys: "471", outcome: "sent ok", prompts: []string{"sent.wav"}, transfer: "9999 XML default", texts: 1,
			want: map[string]string{"deflect_digits": "47"}},
		{name: "left in the queue", keys: "1", outcome: "sent ok", prompts: []string{"sent.wav"}, texts: 1,
			change: func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].OnSent.Transfer = "" }},
		{name: "refused", keys: "1", fault: livedeflecttest.Fault{Status: 400}, outcome: "failed rejected", prompts: []string{"failed.wav"}},
		{name: "lost", keys: "1", fault: livedeflecttest.Fault{Status: 503, StatusAfterProcessing: true}, outcome: "uncertain server_error", prompts: []string{"uncertain.wav"}, texts: 1,
			want: map[string]string{"deflect_asked": "uncertain"}},
		{name: "hangs", keys: "1", fault: livedeflecttest.Fault{Hang: true}, outcome: "uncertain timeout", prompts: []string{"uncertain.wav"}},
		{name: "declined", keys: "2", outcome: "declined decline_key", want: map[string]string{"deflect_asked": "declined"}},
		{name: "pressed again", keys: "111", outcome: "sent ok", prompts: []string{"sent.wav"}, transfer: "9999 XML default", texts: 1},
		{name: "declined, then pressed", keys: "21", outcome: "declined decline_key"},
		{name: "landline", keys: "1", vars: map[string]string{"deflect_number": "+442079460018"}, outcome: "ineligible number_fixed_line", prompts: []string{"failed.wav"}},
		{name: "texted before", keys: "1", vars: map[string]string{"deflect_asked": "sent"}, outcome: "ineligible already_asked", prompts: []string{"ivrdeflect/en/already_sent.wav"}},
		{name: "mode of another way", keys: "1", vars: map[string]string{"deflect_mode": "offer"}, outcome: "sent ok", prompts: []string{"sent.wav"}, transfer: "9999 XML default", texts: 1},
		{name: "outside hours", keys: "1", outcome: "ineligible outside_hours", prompts: []string{"failed.wav"},
			change: func(_ *deflect.Config, c *freeswitch.Config) {
				c.Profiles[0].Hours = deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon": {"09:00-09:01"}}}
			}},
		{name: "another language", keys: "1", vars: map[string]string{"deflect_language": "es"}, outcome: "sent ok", prompts: []string{"es/sent.wav"}, transfer: "9999 XML default", texts: 1,
			change: func(_ *deflect.Config, c *freeswitch.Config) {
				c.Profiles[0].Languages = map[string]freeswitch.Translation{"es": {Text: "Gracias.", Prompts: freeswitch.Prompts{
					Offer: "es/offer.wav", Wait: freeswitch.None, Sent: "es/sent.wav", Failed: "es/failed.wav", Uncertain: "es/uncertain.wav",
				}}}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, tt.change, func(t *testing.T, r *watchRig) {
				if tt.fault != (livedeflecttest.Fault{}) {
					r.api.Inject(tt.fault)
				}
				w := r.queued("fs1", func(c *fst.Call) { c.Vars = tt.vars })
				for _, key := range tt.keys {
					w.Press(string(key))
					synctest.Wait()
				}
				settled()
				res := w.Result()
				outcome, reason, _ := strings.Cut(tt.outcome, " ")
				if res.Vars["deflect_outcome"] != outcome || res.Vars["deflect_reason"] != reason {
					t.Errorf("variables %v, want %s", res.Vars, tt.outcome)
				}
				for name, want := range tt.want {
					if res.Vars[name] != want {
						t.Errorf("%s=%q, want %q", name, res.Vars[name], want)
					}
				}
				if !slices.Equal(files(res.Played), tt.prompts) {
					t.Errorf("played %q, want %q", files(res.Played), tt.prompts)
				}
				if res.Transferred != tt.transfer {
					t.Errorf("transferred to %q, want %q", res.Transferred, tt.transfer)
				}
				for _, p := range res.Played {
					if p.For != 2*time.Second {
						t.Errorf("%s was heard for %s only", p.File, p.For)
					}
				}
				r.wantTexts(tt.texts)
				r.wantOutcome(fst.Result{}, deflect.Outcome(outcome), deflect.Reason(reason))
				w.HangUp()
				r.forgotten()
				r.wantSum(1)
			})
		})
	}
}

// A key of a call that is not on offer does nothing: it was meant for somebody else.
func TestWatchKeyOfNoOfferDoesNothing(t *testing.T) {
	tests := []struct {
		name    string
		do      func(*fst.Waiting)
		outcome string // counted, "" for none
	}{
		{"withdrawn", func(w *fst.Waiting) { w.Withdraw() }, "no_input no_key"},
		{"withdrawn twice", func(w *fst.Waiting) { w.Withdraw(); w.Withdraw() }, "no_input no_key"},
		{"an agent of callcenter", func(w *fst.Waiting) { w.Agent("callcenter") }, "no_input no_key"},
		{"an agent of fifo", func(w *fst.Waiting) { w.Agent("fifo") }, "no_input no_key"},
		{"in another menu", func(w *fst.Waiting) { w.Transfer("voicemail") }, "no_input no_key"},
		{"parked by an operator", nil, "no_input no_key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				w := r.queued("fs1")
				if tt.do != nil {
					tt.do(w)
				} else {
					r.ask("api uuid_park " + w.UUID())
					if calls, _ := r.srv.Announced(); calls != 0 {
						t.Errorf("%d calls are on offer", calls)
					}
				}
				w.Press("1")
				settled()
				r.wantTexts(0)
				r.wantOutcome(fst.Result{}, deflect.NoInput, deflect.ReasonNoKey)
				if res := w.Result(); len(res.Played) > 0 || res.Vars["deflect_outcome"] != "" {
					t.Errorf("%+v", res)
				}
				if calls, _ := r.srv.Announced(); calls != 0 {
					t.Errorf("%d calls are kept", calls)
				}
				w.HangUp()
				r.forgotten()
			})
		})
	}
	t.Run("never announced", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			w := r.sw("fs1").Park(fst.Call{ANI: "+14043438646", DNIS: "18005550100"})
			w.Press("1")
			w.Event("deflect::other")
			w.Press("1")
			settled()
			w.HangUp()
			r.forgotten()
			r.wantTexts(0)
			r.wantSum(0)
		})
	})
	t.Run("no profile", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			w := r.queued("fs1", func(c *fst.Call) { c.DNIS = "18005550199" })
			w.Press("1")
			settled()
			r.wantTexts(0)
			r.wantOutcome(fst.Result{}, deflect.Ineligible, deflect.ReasonNoProfile)
			w.HangUp()
			r.forgotten()
		})
	})
	t.Run("hung up", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			w := r.queued("fs1")
			w.HangUp()
			r.forgotten()
			r.wantOutcome(fst.Result{}, deflect.Abandoned, deflect.ReasonHangup)
		})
	})
}

// A call that was withdrawn, or got no text, can be announced again.
func TestWatchAnnouncedAgainIsOnOffer(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1")
		w.Withdraw()
		w.Announce()
		w.Announce()
		r.api.Inject(livedeflecttest.Fault{Status: 400})
		w.Press("1")
		settled()
		w.Press("1")
		settled()
		r.wantTexts(0)
		w.Announce()
		w.Press("1")
		settled()
		r.wantTexts(1)
		w.Announce()
		w.Press("1") // has been texted
		settled()
		r.wantTexts(1)
		want := map[string]int{"no_input no_key": 1, "failed rejected": 1, "sent ok": 1, "ineligible no_profile": 1}
		got := outcomes(t, r.reg)
		delete(want, "ineligible no_profile") // the number dialled is still in the SIP headers
		want["ineligible already_asked"] = 1
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("counted %v, want %v", got, want)
		}
		w.HangUp()
		r.forgotten()
	})
}

// The same press comes over two connections, or again after a reconnect: one text.
func TestWatchSeenTwiceTextsOnce(t *testing.T) {
	inWatchBubble(t, []string{"fs1", "same"}, func(_ *deflect.Config, c *freeswitch.Config) {}, func(t *testing.T, r *watchRig) {
		r.watchedTwice(0)
		if n := r.sw("fs1").Listeners(); n != 4 {
			t.Fatalf("%d connections", n)
		}
		r.api.Inject(livedeflecttest.Fault{Status: 400}) // after which a second decision would text
		w := r.queued("fs1")
		if n := w.Press("1"); n != 2 {
			t.Errorf("the key went out on %d connections", n)
		}
		settled()
		r.wantTexts(0)
		r.wantSum(1)

		w.Announce()
		w.Press("1")
		w.Press("1")
		settled()
		r.wantTexts(1)
		r.wantSum(2)
		w.HangUp()
		r.forgotten()
	})
}

// Nothing that a caller chooses gets into a command.
func TestWatchHostileCallerGetsIntoNoCommand(t *testing.T) {
	// The first one was recorded from a real switch.
	for _, bad := range []string{"Zo\u00eb %{system(touch /var/pwned2)} A+\n", "x\r\n\r\napi system touch /tmp/pwned\n\n${system(id)}';&|` deflect_outcome=sent"} {
		testWatchHostileCaller(t, bad)
	}
	// A switch can be told to take the caller's Call-ID for the channel's id.
	for _, id := range []string{"a b", "a;b", "x\n\napi reload", "${x}", "%{x}", "a'b", `a"b`, `a\b`, "a`b", "-both", "^^:a:b", strings.Repeat("a", 256), ""} {
		if cmds := freeswitch.AllCommands(id, "sent.wav"); len(cmds) > 0 {
			t.Errorf("%q got into %q", id, cmds)
		}
	}
}

// Ids that are a Call-ID are on offer if they are safe; that others are not is said once,
// without the id.
func TestWatchOffersSafeCallIDs(t *testing.T) {
	for id, ok := range map[string]bool{
		"a84b4c76e66710@pc33.example.com": true, "1-2:3@[2001:db8::1]": true, "3848276298220188511@192.0.2.1:5060": true, "f!%*_+~()<>/?=.z": true,
		"it's": false, `quo"te`: false, `back\slash`: false, "${system(id)}": false, "-bleg": false, "a;b": false,
	} {
		t.Run(id, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				w := r.queued("fs1", func(c *fst.Call) { c.UUID = id })
				w.Announce()
				w.Press("1")
				settled()
				said, want := strings.Count(r.log.String(), "its id is not safe"), 0
				if !ok {
					want = 1
				}
				if texted := len(r.api.Sent()) == 1; texted != ok || (w.Result().Transferred != "") != ok || said != want {
					t.Errorf("texted %t, transferred to %q, said %d times", texted, w.Result().Transferred, said)
				}
				if !ok && strings.Contains(r.log.String(), strings.Trim(id, `"\`)) {
					t.Errorf("the log:\n%s", r.log)
				}
				w.HangUp()
				r.forgotten()
			})
		})
	}
}

func testWatchHostileCaller(t *testing.T, bad string) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1", func(c *fst.Call) {
			c.CallerName = bad
			c.Vars = map[string]string{
				"deflect_digits": "12" + bad, "deflect_language": bad, "deflect_first_name": bad, "deflect_external_id": "ok-1", "deflect_info_note": bad,
			}
		})
		w.Press("1")
		settled()
		r.wantTexts(1)
		said := strings.Join(r.sw("fs1").Commands(), "\n")
		for _, part := range []string{"touch", "system", "Jane", "Zo\u00eb", "pwned", "${", "`", "14043438646"} {
			if strings.Contains(said, part) {
				t.Errorf("%q got into a command:\n%s", part, said)
			}
		}
		w.HangUp()
		r.forgotten()
	})
}

// inFifo is what mod_fifo says of a call that waits.
func inFifo(c *fst.Call) { c.Vars = map[string]string{"fifo_status": "WAITING"} }

// While the outcome is told, an agent answers: the caller stays with the agent.
func TestWatchAgentKeepsTheCaller(t *testing.T) {
	for _, flavour := range []string{"callcenter", "fifo"} {
		t.Run(flavour, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				w := r.queued("fs1", inFifo)
				w.Press("1")
				time.Sleep(time.Second) // the prompt is playing
				synctest.Wait()
				if got := w.Result().Vars["deflect_outcome"]; got != "sent" {
					t.Errorf("the agent sees deflect_outcome=%q", got)
				}
				w.Agent(flavour)
				settled()
				if res := w.Result(); res.Transferred != "" || res.Vars["deflect_outcome"] != "sent" {
					t.Errorf("transferred to %q, variables %v", res.Transferred, res.Vars)
				}
				r.wantOutcome(fst.Result{}, deflect.Sent, deflect.ReasonOK)
				w.HangUp()
				r.forgotten()
			})
		})
	}
	t.Run("the queue let the caller go", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			r.api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second})
			w := r.queued("fs1")
			w.Press("1")
			time.Sleep(time.Second)
			w.Withdraw()
			settled()
			if res := w.Result(); res.Transferred != "" || len(res.Played) > 0 || res.Vars["deflect_outcome"] != "sent" {
				t.Errorf("%+v", res)
			}
			w.HangUp()
			time.Sleep(6 * time.Minute)
			r.forgotten()
		})
	})
	t.Run("before the channel could be looked at", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			r.api.SetFault(&livedeflecttest.Fault{Delay: 100 * time.Millisecond}) // the agent is earlier, whoever runs first
			w := r.queued("fs1")
			w.Press("1")
			w.Agent("fifo") // puts the agent's number where the caller's was
			settled()
			sent := r.api.Sent()
			if len(sent) != 1 || sent[0].DeflectionHandle != "14043438646" {
				t.Errorf("texts %+v", sent)
			}
			if res := w.Result(); res.Transferred != "" || len(res.Played) > 0 || res.Vars["deflect_outcome"] != "sent" {
				t.Errorf("%+v", res)
			}
			w.HangUp()
			r.forgotten()
		})
	})
	t.Run("before the request has ended", func(t *testing.T) {
		inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
			r.api.SetFault(&livedeflecttest.Fault{Delay: 2 * time.Second})
			w := r.queued("fs1")
			w.Press("1")
			time.Sleep(time.Second)
			w.Agent("callcenter")
			settled()
			res := w.Result()
			if res.Transferred != "" || len(res.Played) > 0 || res.Vars["deflect_outcome"] != "sent" {
				t.Errorf("%+v", res)
			}
			w.HangUp()
			r.forgotten()
		})
	})
}

// A caller who presses the key and hangs up has asked for the text.
func TestWatchHangUpAfterTheKeyIsTexted(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		r.api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
		w := r.queued("fs1")
		w.Press("1")
		w.HangUp()
		settled()
		r.wantOutcome(fst.Result{}, deflect.Sent, deflect.ReasonOK)
		r.wantTexts(1)
		r.forgotten()
	})
}

// With confirm, only a caller who got the text leaves the queue.
func TestWatchTransfersWhoConfirms(t *testing.T) {
	for keys, transfer := range map[string]string{"1": "9999 XML default", "2": "", "": ""} {
		t.Run("answer "+keys, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].Confirm = true }, func(t *testing.T, r *watchRig) {
				w := r.queued("fs1")
				w.Press("1")
				time.Sleep(4500 * time.Millisecond) // 2 s of prompt, and in the middle of the question
				if keys != "" {
					w.Press(keys)
				}
				time.Sleep(30 * time.Second)
				synctest.Wait()
				res := w.Result()
				if res.Transferred != transfer || !slices.Equal(files(res.Played), []string{"sent.wav", "ivrdeflect/en/confirm.wav"}) {
					t.Errorf("transferred to %q, played %q", res.Transferred, files(res.Played))
				}
				if want := fmt.Sprint(keys == "1"); res.Vars["deflect_confirmed"] != want {
					t.Errorf("deflect_confirmed=%q, want %s", res.Vars["deflect_confirmed"], want)
				}
				w.HangUp()
				r.forgotten()
			})
		})
	}
}

// A caller without a number keys one in, which is read back.
func TestWatchTextsAnotherNumber(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].AskNumber = true }, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1", func(c *fst.Call) {
			c.HideNumber = true
			c.Prompts = map[string]time.Duration{"say en number iterated 4043438647": 3 * time.Second}
		})
		w.Press("1")
		time.Sleep(time.Second)
		for _, key := range "4043438647#" {
			w.Press(string(key))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		w.Press("1") // it is right
		settled()
		r.wantTexts(1)
		res := w.Result()
		if res.Transferred == "" || res.Vars["deflect_digits"] != "" {
			t.Errorf("%+v", res)
		}
		w.HangUp()
		r.forgotten()
	})
}

// Who could not hear of the text is not taken out of the queue.
func TestWatchUnheardKeepsThePlace(t *testing.T) {
	inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1", func(c *fst.Call) { c.Missing = []string{"sent.wav"} })
		w.Press("1")
		settled()
		if res := w.Result(); res.Transferred != "" || res.Vars["deflect_outcome"] != "sent" || res.Vars["deflect_heard"] != "false" {
			t.Errorf("transferred to %q with %v", res.Transferred, res.Vars)
		}
	})
}
