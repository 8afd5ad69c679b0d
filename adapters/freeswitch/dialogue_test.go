package freeswitch_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// talk is a profile that asks everything there is to ask.
func talk() freeswitch.Profile {
	p := sales()
	p.Confirm, p.AskNumber = true, true
	p.Prompts = freeswitch.Prompts{
		Offer: "offer", Wait: freeswitch.None, Sent: "sent", Failed: "failed", Uncertain: "uncertain", AlreadySent: "already",
		Confirm: "confirm", Number: "number", NumberConfirm: "right?", NumberInvalid: "invalid",
	}
	return p
}

// accept presses 1 during the first prompt.
func accept() fst.Action { return fst.Press("1").After(time.Second) }

// Prompts last 2 s.
func TestDialoguesCountNoKeyByMistake(t *testing.T) {
	const mobile, said = "4043438699", "say en number iterated 4043438699"
	tests := []struct {
		name      string
		change    func(*freeswitch.Profile)
		call      func(*fst.Call)
		fault     livedeflecttest.Fault
		script    []fst.Action
		outcome   deflect.Outcome
		reason    deflect.Reason
		confirmed string
		answer    string // what is counted
		number    string // that is texted; "" for no text
		digits    string
		played    []string
	}{
		// Did you get it?
		{name: "confirm: yes", script: []fst.Action{accept(), fst.PressDuring(3, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: yes, later", script: []fst.Action{accept(), fst.PressAfter(3, "1", 14*time.Second)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: pressed too soon to have heard the question", script: []fst.Action{accept(), fst.PressDuring(3, "1", 300*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "false", answer: "silence", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: no", script: []fst.Action{accept(), fst.PressDuring(3, "2", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "false", answer: "no", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: silence", script: []fst.Action{accept(), fst.PressAfter(3, "1", 16*time.Second)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "false", answer: "silence", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: other keys", script: []fst.Action{accept(), fst.PressDuring(3, "5#", time.Second)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "false", answer: "silence", number: "14043438646", digits: "5#",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: a key before the question is no answer", script: []fst.Action{accept(), fst.PressDuring(2, "1", time.Second)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "false", answer: "silence", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: hangs up", script: []fst.Action{accept(), fst.HangUp().SincePrompt(3, time.Second)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, answer: "hangup", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: hung up before", script: []fst.Action{accept(), fst.HangUp().SincePrompt(2, time.Second)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, answer: "hangup", number: "14043438646",
			played: []string{"offer", "sent"}},
		{name: "confirm: the question cannot be played", call: func(c *fst.Call) { c.Missing = []string{"confirm"} }, script: []fst.Action{accept()},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "false", answer: "silence", number: "14043438646",
			played: []string{"offer", "sent", "confirm"}},
		{name: "confirm: nothing to ask after a failure", fault: livedeflecttest.Fault{Status: 400, Body: `{"success":"false"}`}, script: []fst.Action{accept()},
			outcome: deflect.Failed, reason: deflect.ReasonRejected, played: []string{"offer", "failed"}},
		{name: "confirm: nor after a doubt", fault: livedeflecttest.Fault{Status: 500}, script: []fst.Action{accept()},
			outcome: deflect.Uncertain, reason: deflect.ReasonServerError, played: []string{"offer", "uncertain"}, number: "?"},
		{name: "confirm: off", change: func(p *freeswitch.Profile) { p.Confirm = false }, script: []fst.Action{accept()},
			outcome: deflect.Sent, reason: deflect.ReasonOK, number: "14043438646", played: []string{"offer", "sent"}},

		// Another number.
		{name: "number: keyed in, read back, right", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second), fst.PressDuring(4, "1", time.Second), fst.PressDuring(6, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", said, "right?", "sent", "confirm"}},
		{name: "number: a key while it is read back is no answer", call: hidden, change: func(p *freeswitch.Profile) { p.NumberEntry.Tries = 1 }, script: []fst.Action{
			accept(), fst.PressAfter(2, mobile+"#", time.Second), fst.PressDuring(3, "1", time.Second)},
			outcome: deflect.NoInput, reason: deflect.ReasonNoNumber, played: []string{"offer", "number", said, "right?", "failed"}},
		{name: "number: silence ends it", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile, time.Second), fst.PressDuring(4, "1", time.Second), fst.PressDuring(6, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", said, "right?", "sent", "confirm"}},
		{name: "number: as many digits as there may be end it", call: hidden, change: func(p *freeswitch.Profile) { p.NumberEntry.MaxDigits = 10 }, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"191#", time.Second), fst.PressDuring(4, "1", time.Second), fst.PressDuring(6, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", said, "right?", "sent", "confirm"}},
		{name: "number: a terminator after as many digits as there may be", call: hidden,
			change: func(p *freeswitch.Profile) { p.NumberEntry.MaxDigits, p.NumberEntry.Tries = 11, 2 }, script: []fst.Action{
				accept(), fst.PressDuring(2, "99999999999", time.Second), fst.PressDuring(3, "#", 1500*time.Millisecond),
				fst.PressDuring(4, "1"+mobile, time.Second), fst.PressDuring(6, "1", time.Second), fst.PressDuring(8, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", "invalid", "number", "say en number iterated 14043438699", "right?", "sent", "confirm"}},
		{name: "number: the terminator comes even later", call: hidden,
			change: func(p *freeswitch.Profile) { p.NumberEntry.MaxDigits, p.NumberEntry.Tries = 11, 2 }, script: []fst.Action{
				accept(), fst.PressDuring(2, "99999999999", time.Second), fst.PressDuring(4, "#", 500*time.Millisecond),
				fst.PressDuring(4, "1"+mobile, time.Second), fst.PressDuring(6, "1", time.Second), fst.PressDuring(8, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", "invalid", "number", "say en number iterated 14043438699", "right?", "sent", "confirm"}},
		{name: "number: the rest of one that is too long", call: hidden,
			change: func(p *freeswitch.Profile) { p.NumberEntry.MaxDigits, p.NumberEntry.Tries = 11, 2 }, script: []fst.Action{
				accept(), fst.PressDuring(2, "99999999999", time.Second), fst.PressDuring(3, "11#", 400*time.Millisecond),
				fst.PressDuring(4, "1"+mobile, time.Second), fst.PressDuring(6, "1", time.Second), fst.PressDuring(8, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", "invalid", "number", "say en number iterated 14043438699", "right?", "sent", "confirm"}},
		{name: "number: known by heart", call: hidden, script: []fst.Action{
			fst.Press("1" + mobile + "#").After(time.Second), fst.PressDuring(4, "1", time.Second), fst.PressDuring(6, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", said, "right?", "sent", "confirm"}},
		{name: "number: wrong, then corrected", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, "4043438600#", time.Second), fst.PressDuring(4, "2", time.Second),
			fst.PressDuring(5, mobile+"#", time.Second), fst.PressDuring(7, "1", time.Second), fst.PressDuring(9, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", "say en number iterated 4043438600", "right?", "number", said, "right?", "sent", "confirm"}},
		{name: "number: a landline asks as well", call: func(c *fst.Call) { c.ANI = "+493012345678" }, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second), fst.PressDuring(4, "1", time.Second), fst.PressDuring(6, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", said, "right?", "sent", "confirm"}},
		{name: "number: after a menu", call: func(c *fst.Call) {
			hidden(c)
			c.Vars, c.Answered = map[string]string{"deflect_mode": "accepted"}, true
		}, script: []fst.Action{
			fst.PressDuring(1, mobile+"#", time.Second), fst.PressDuring(3, "1", time.Second), fst.PressDuring(5, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"number", said, "right?", "sent", "confirm"}},
		{name: "number: wrong three times", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, "123#", time.Second), fst.PressDuring(4, "8005550199#", time.Second), fst.PressDuring(6, "1234567#", time.Second)},
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberInvalid,
			played: []string{"offer", "number", "invalid", "number", "invalid", "number", "failed"}},
		{name: "number: the last wrong one says why", call: hidden, change: func(p *freeswitch.Profile) { p.NumberEntry.Tries = 1 }, script: []fst.Action{
			accept(), fst.PressDuring(2, "8005550199#", time.Second)},
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberNotTextable, played: []string{"offer", "number", "failed"}},
		{name: "number: of another country", call: hidden, change: func(p *freeswitch.Profile) { p.NumberEntry.Tries, p.Countries = 1, []string{"CA"} }, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second)},
			outcome: deflect.Ineligible, reason: deflect.ReasonCountry, played: []string{"offer", "number", "failed"}},
		{name: "number: silence three times", call: hidden, script: []fst.Action{accept()},
			outcome: deflect.NoInput, reason: deflect.ReasonNoNumber, played: []string{"offer", "number", "number", "number", "failed"}},
		{name: "number: nothing but the end", call: hidden, change: func(p *freeswitch.Profile) { p.NumberEntry.Tries = 1 }, script: []fst.Action{
			accept(), fst.PressDuring(2, "#", time.Second)},
			outcome: deflect.NoInput, reason: deflect.ReasonNoNumber, played: []string{"offer", "number", "failed"}},
		{name: "number: never confirmed", call: hidden, change: func(p *freeswitch.Profile) { p.NumberEntry.Tries = 1 }, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second)},
			outcome: deflect.NoInput, reason: deflect.ReasonNoNumber, played: []string{"offer", "number", said, "right?", "failed"}},
		{name: "number: opted out", call: hidden, change: func(p *freeswitch.Profile) { p.DoNotText = optedOut("+1" + mobile) }, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second)},
			outcome: deflect.Ineligible, reason: deflect.ReasonOptedOut, played: []string{"offer", "number", "failed"}},
		{name: "number: the question cannot be played", call: func(c *fst.Call) { hidden(c); c.Missing = []string{"number"} }, script: []fst.Action{accept()},
			outcome: deflect.Failed, reason: deflect.ReasonPrompt, played: []string{"offer", "number", "failed"}},
		{name: "number: whether it is right cannot be played", call: func(c *fst.Call) { hidden(c); c.Missing = []string{"right?"} }, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second)},
			outcome: deflect.Failed, reason: deflect.ReasonPrompt, played: []string{"offer", "number", said, "right?", "failed"}},
		{name: "number: cannot be read back", call: func(c *fst.Call) { hidden(c); c.Missing = []string{said} }, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second)},
			outcome: deflect.Failed, reason: deflect.ReasonPrompt, played: []string{"offer", "number", said, "failed"}},
		{name: "number: keyed in at once when the one before was invalid", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, "123#", time.Second), fst.PressDuring(3, mobile+"#", time.Second),
			fst.PressDuring(6, "1", time.Second), fst.PressDuring(8, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", "invalid", "number", said, "right?", "sent", "confirm"}},
		{name: "number: no, pressed twice", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, "4043438600#", time.Second), fst.PressDuring(4, "22", time.Second),
			fst.PressDuring(5, mobile+"#", time.Second), fst.PressDuring(7, "1", time.Second), fst.PressDuring(9, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", "say en number iterated 4043438600", "right?", "number", said, "right?", "sent", "confirm"}},
		{name: "number: closing time while it is keyed in", call: hidden, change: func(p *freeswitch.Profile) {
			// The bubble's clock begins at 00:00:00.
			p.Hours = deflect.Hours{Zone: "UTC", Week: map[string][]string{"sat": {"00:00-00:01"}}}
			p.NumberEntry.Gap = 59 * time.Second
		}, script: []fst.Action{
			accept(), fst.PressAfter(2, mobile+"#", 58*time.Second), fst.PressDuring(4, "1", time.Second), fst.PressDuring(6, "1", 1500*time.Millisecond)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, confirmed: "true", answer: "yes", number: "1" + mobile,
			played: []string{"offer", "number", said, "right?", "sent", "confirm"}},
		{name: "number: invalid, then silence", call: hidden, change: func(p *freeswitch.Profile) { p.NumberEntry.Tries = 2 }, script: []fst.Action{
			accept(), fst.PressDuring(2, "123#", time.Second)},
			outcome: deflect.NoInput, reason: deflect.ReasonNoNumber, played: []string{"offer", "number", "invalid", "number", "failed"}},
		{name: "number: hangs up in the question", call: hidden, script: []fst.Action{accept(), fst.HangUp().SincePrompt(2, time.Second)},
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer", "number"}},
		{name: "number: hangs up while keying in", call: hidden, script: []fst.Action{accept(), fst.PressDuring(2, "404343", time.Second), fst.HangUp().SincePromptEnd(2, time.Second)},
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer", "number"}},
		{name: "number: hangs up while it is read back", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second), fst.HangUp().SincePrompt(3, time.Second)},
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer", "number", said}},
		{name: "number: hangs up when asked whether it is right", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, mobile+"#", time.Second), fst.HangUp().SincePrompt(4, time.Second)},
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer", "number", said, "right?"}},
		{name: "number: hangs up when it was invalid", call: hidden, script: []fst.Action{
			accept(), fst.PressDuring(2, "123#", time.Second), fst.HangUp().SincePrompt(3, time.Second)},
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer", "number", "invalid"}},
		{name: "number: nobody is asked who has one", change: func(p *freeswitch.Profile) { p.Confirm = false }, script: []fst.Action{accept()},
			outcome: deflect.Sent, reason: deflect.ReasonOK, number: "14043438646", played: []string{"offer", "sent"}},
		{name: "number: nobody is asked who declines", call: hidden, script: []fst.Action{fst.Press("2").After(time.Second)},
			outcome: deflect.Declined, reason: deflect.ReasonDeclineKey, played: []string{"offer"}},
		{name: "number: off", call: hidden, change: func(p *freeswitch.Profile) { p.AskNumber = false },
			outcome: deflect.Ineligible, reason: deflect.ReasonNumberHidden},

		// Hang-ups in the other prompts.
		{name: "hangs up in the offer", script: []fst.Action{fst.HangUp().After(time.Second)},
			outcome: deflect.Abandoned, reason: deflect.ReasonHangup, played: []string{"offer"}},
		{name: "hangs up when nobody knows", fault: livedeflecttest.Fault{Status: 500}, script: []fst.Action{accept(), fst.HangUp().SincePrompt(2, time.Second)},
			outcome: deflect.Uncertain, reason: deflect.ReasonServerError, number: "?", played: []string{"offer", "uncertain"}},
		{name: "hangs up when asked to wait", change: func(p *freeswitch.Profile) { p.Prompts.Wait = "wait" }, fault: livedeflecttest.Fault{Delay: 3 * time.Second},
			script:  []fst.Action{accept(), fst.HangUp().SincePrompt(2, time.Second)},
			outcome: deflect.Sent, reason: deflect.ReasonOK, answer: "hangup", number: "14043438646", played: []string{"offer", "wait"}},
		{name: "hangs up when it failed", fault: livedeflecttest.Fault{Status: 400, Body: `{"success":"false"}`}, script: []fst.Action{accept(), fst.HangUp().SincePrompt(2, time.Second)},
			outcome: deflect.Failed, reason: deflect.ReasonRejected, played: []string{"offer", "failed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			change := func(_ *deflect.Config, c *freeswitch.Config) {
				p := talk()
				if tt.change != nil {
					tt.change(&p)
				}
				c.Profiles = []freeswitch.Profile{p}
			}
			inBubble(t, change, func(t *testing.T, r *rig) {
				if tt.fault != (livedeflecttest.Fault{}) {
					r.api.Inject(tt.fault)
				}
				c := caller(tt.script...)
				if tt.call != nil {
					tt.call(&c)
				}
				res := r.run(c)
				if res.HungUp {
					r.drain()
				}
				r.wantOutcome(res, tt.outcome, tt.reason)
				if diff := cmp.Diff(tt.played, files(res.Played)); diff != "" {
					t.Errorf("prompts (-want +got):\n%s", diff)
				}
				if got := res.Vars["deflect_confirmed"]; got != tt.confirmed {
					t.Errorf("deflect_confirmed = %q, want %q", got, tt.confirmed)
				}
				if got := res.Vars["deflect_digits"]; got != tt.digits {
					t.Errorf("deflect_digits = %q, want %q", got, tt.digits)
				}
				want := map[string]int{}
				if tt.answer != "" {
					want[tt.answer] = 1
				}
				if diff := cmp.Diff(want, series(t, r.reg, "deflect_freeswitch_confirmations_total")); diff != "" {
					t.Errorf("answers (-want +got):\n%s", diff)
				}
				var numbers []string
				for _, d := range r.api.Sent() {
					numbers = append(numbers, d.DeflectionHandle)
				}
				if got := strings.Join(numbers, " "); tt.number != "?" && got != tt.number {
					t.Errorf("texted %q, want %q", got, tt.number)
				}
				for _, digits := range []string{mobile, "404343", "8005550199", "1234567"} {
					if strings.Contains(r.log.String(), digits) {
						t.Errorf("the log holds %s:\n%s", digits, r.log.String())
					}
				}
			})
		})
	}
}

func hidden(c *fst.Call) { c.HideNumber = true }

type optedOut string

func (o optedOut) Holds(_ context.Context, e164 string) (bool, error) { return e164 == string(o), nil }

// Two texts within the cooldown: the second caller hears that there is one.
func TestCallerInTheCooldownIsTold(t *testing.T) {
	change := func(_ *deflect.Config, c *freeswitch.Config) {
		p := talk()
		p.NoCooldown, p.Confirm = false, false
		c.Profiles = []freeswitch.Profile{p}
	}
	inBubble(t, change, func(t *testing.T, r *rig) {
		if res := r.run(caller(accept())); res.Vars["deflect_outcome"] != "sent" {
			t.Fatalf("%v", res.Vars)
		}
		want := func(name string, c fst.Call, played ...string) {
			t.Helper()
			res := r.run(c)
			if !res.HungUp && (res.Vars["deflect_outcome"] != "ineligible" || res.Vars["deflect_reason"] != "cooldown") {
				t.Errorf("%s: %v", name, res.Vars)
			}
			if diff := cmp.Diff(played, files(res.Played)); diff != "" {
				t.Errorf("%s: prompts (-want +got):\n%s", name, diff)
			}
		}
		want("the next call", caller(accept()), "already")
		menu := caller()
		menu.Answered, menu.Vars = true, map[string]string{"deflect_mode": "accepted"}
		want("after a menu", menu, "already")
		want("hangs up", caller(fst.HangUp().After(time.Second)), "already")
		// The number keyed in is that of the first caller.
		keyed := caller(accept(), fst.PressDuring(2, "4043438646#", time.Second))
		keyed.HideNumber = true
		want("by another phone", keyed, "offer", "number", "already")
		r.wantTexts(1)
		time.Sleep(15 * time.Minute)
		if res := r.run(caller(accept())); res.Vars["deflect_outcome"] != "sent" {
			t.Errorf("after the cooldown: %v", res.Vars)
		}
		r.drain()
		if got := outcomes(t, r.reg); got["ineligible cooldown"] != 4 || got["sent ok"] != 2 {
			t.Errorf("counted %v", got)
		}
	})
	// Without the prompt the call is not even answered.
	silent := func(d *deflect.Config, c *freeswitch.Config) {
		change(d, c)
		c.Profiles[0].Prompts.AlreadySent = freeswitch.None
	}
	inBubble(t, silent, func(t *testing.T, r *rig) {
		r.run(caller(accept()))
		if res := r.run(caller(accept())); res.Answered || len(res.Played) != 0 || res.Vars["deflect_reason"] != "cooldown" {
			t.Errorf("answered %t, %v", res.Answered, res.Vars)
		}
	})
}

// 1,000 calls at once, from 100 numbers, through the whole adapter.
func TestOneTextEach(t *testing.T) {
	change := func(_ *deflect.Config, c *freeswitch.Config) {
		p := talk()
		p.NoCooldown, p.Confirm = false, false
		c.Profiles = []freeswitch.Profile{p}
	}
	inBubble(t, change, func(t *testing.T, r *rig) {
		var mu sync.Mutex
		got := map[string]int{}
		var calls sync.WaitGroup
		for i := range 1000 {
			c := caller(accept())
			c.UUID, c.ANI = fmt.Sprintf("call-%d", i), fmt.Sprintf("+1404343%04d", 1000+i%100)
			calls.Go(func() {
				res := r.run(c)
				mu.Lock()
				defer mu.Unlock()
				got[res.Vars["deflect_outcome"]+" "+res.Vars["deflect_reason"]]++
			})
		}
		calls.Wait()
		if diff := cmp.Diff(map[string]int{"sent ok": 100, "ineligible cooldown": 900}, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		r.wantTexts(100)
	})
}

// Callers hear and get their language, or the one that stands in for it.
func TestCallersHearTheirLanguage(t *testing.T) {
	change := func(_ *deflect.Config, c *freeswitch.Config) {
		p := talk()
		p.NoCooldown, p.Confirm, p.AskNumber = true, false, true
		p.Text = "Thanks, {{.FirstName}}."
		es := spanish()
		es.Text = "Gracias, {{.FirstName}}."
		es.Prompts.Number, es.Prompts.NumberConfirm, es.Prompts.NumberInvalid = "es/number", "es/right", "es/invalid"
		p.Languages = map[string]freeswitch.Translation{
			"es":    es,
			"es-MX": {Prompts: freeswitch.Prompts{Offer: "mx/offer"}},
			"fr": {Text: freeswitch.None, Prompts: freeswitch.Prompts{
				Offer: "fr/offer", Wait: freeswitch.None, Sent: freeswitch.None, Failed: freeswitch.None, Uncertain: freeswitch.None,
				Number: "fr/number", NumberConfirm: "fr/right", NumberInvalid: freeswitch.None,
			}},
		}
		c.Profiles = []freeswitch.Profile{p}
	}
	for _, tt := range []struct {
		language string
		played   []string
		text     string
	}{
		{"", []string{"offer", "sent"}, "Thanks, Jane."},
		{"en", []string{"offer", "sent"}, "Thanks, Jane."},
		{"es", []string{"es/offer.wav", "es/sent.wav"}, "Gracias, Jane."},
		{"ES", []string{"es/offer.wav", "es/sent.wav"}, "Gracias, Jane."},
		{"es-ES", []string{"es/offer.wav", "es/sent.wav"}, "Gracias, Jane."},
		{"es_MX", []string{"mx/offer", "es/sent.wav"}, "Gracias, Jane."},
		{"es-AR", []string{"es/offer.wav", "es/sent.wav"}, "Gracias, Jane."},
		{"fr-CA", []string{"fr/offer"}, ""},
		{"de", []string{"offer", "sent"}, "Thanks, Jane."},
		{"xx-invalid-language-tag-that-is-long", []string{"offer", "sent"}, "Thanks, Jane."},
		{"../../etc", []string{"offer", "sent"}, "Thanks, Jane."},
		{"${system(id)}", []string{"offer", "sent"}, "Thanks, Jane."},
	} {
		t.Run(tt.language, func(t *testing.T) {
			inBubble(t, change, func(t *testing.T, r *rig) {
				c := caller(accept())
				c.Vars = map[string]string{"deflect_language": tt.language, "deflect_first_name": "Jane"}
				res := r.run(c)
				r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
				if diff := cmp.Diff(tt.played, files(res.Played)); diff != "" {
					t.Errorf("prompts (-want +got):\n%s", diff)
				}
				if got := r.api.Sent()[0].DeflectionText; got != tt.text {
					t.Errorf("text %q, want %q", got, tt.text)
				}
			})
		})
	}
	t.Run("a number is read back in it", func(t *testing.T) {
		inBubble(t, change, func(t *testing.T, r *rig) {
			c := caller(accept(), fst.PressDuring(2, "4043438699#", time.Second), fst.PressDuring(4, "1", time.Second))
			c.HideNumber, c.Vars = true, map[string]string{"deflect_language": "es-MX"}
			want := []string{"mx/offer", "es/number", "say es number iterated 4043438699", "es/right", "es/sent.wav"}
			if diff := cmp.Diff(want, files(r.run(c).Played)); diff != "" {
				t.Errorf("prompts (-want +got):\n%s", diff)
			}
		})
	})
}

// The variables that the rules look at.
func TestRulesSeeWhatTheDialplanSays(t *testing.T) {
	change := func(_ *deflect.Config, c *freeswitch.Config) {
		c.Profiles[0].MinWait, c.Profiles[0].Consent = time.Minute, deflect.ConsentRequired
	}
	for _, tt := range []struct {
		consent, wait string
		reason        deflect.Reason
	}{
		{"true", "60", ""}, {"true", "60.0", ""}, {"true", "", ""}, {"true", "soon", ""}, {"true", "NaN", ""}, {"true", "1e400", ""}, {"true", "Inf", ""},
		{"true", "59.9", deflect.ReasonWaitTooShort}, {"true", "0", deflect.ReasonWaitTooShort}, {"true", "-5", deflect.ReasonWaitTooShort},
		{"", "60", deflect.ReasonNoConsent}, {"false", "60", deflect.ReasonNoConsent}, {"TRUE", "60", deflect.ReasonNoConsent}, {"yes", "60", deflect.ReasonNoConsent},
	} {
		inBubble(t, change, func(t *testing.T, r *rig) {
			c := caller(fst.Press("2").After(time.Second))
			c.Vars = map[string]string{"deflect_consent": tt.consent, "deflect_wait_seconds": tt.wait}
			res := r.run(c)
			if tt.reason == "" {
				r.wantOutcome(res, deflect.Declined, deflect.ReasonDeclineKey)
			} else {
				r.wantOutcome(res, deflect.Ineligible, tt.reason)
				if res.Answered {
					t.Error("the call was answered")
				}
			}
		})
	}
}

// A text that cannot be made for a call is not offered.
func TestTextThatCannotBeMadeIsNotOffered(t *testing.T) {
	change := func(d *deflect.Config, c *freeswitch.Config) {
		d.MaxTextLength = 20
		c.Profiles[0].Text = "Hi {{.FirstName}}" + strings.Repeat("{{.Info.x}}", 20)
	}
	inBubble(t, change, func(t *testing.T, r *rig) {
		c := caller(accept())
		c.Vars = map[string]string{"deflect_first_name": strings.Repeat("x", 30)}
		r.wantOutcome(r.run(c), deflect.Ineligible, deflect.ReasonInvalidCall)
	})
	inBubble(t, change, func(t *testing.T, r *rig) {
		c := caller(accept())
		c.Vars = map[string]string{"deflect_info_x": strings.Repeat("x", 1000)}
		r.wantOutcome(r.run(c), deflect.Ineligible, deflect.ReasonInvalidCall)
	})
}

// Another configuration is for the calls that come; those in progress keep theirs.
func TestReloadIsForCallsThatCome(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		old := make(chan fst.Result)
		go func() { old <- r.run(caller(fst.PressDuring(1, "1", 1500*time.Millisecond))) }()
		time.Sleep(time.Second)
		next := sales()
		next.Skill, next.Prompts.Offer, next.Prompts.Sent = "new", "new-offer", "new-sent"
		if err := r.srv.Reload(freeswitch.Config{Profiles: []freeswitch.Profile{next}}); err != nil {
			t.Fatal(err)
		}
		res := <-old
		if diff := cmp.Diff([]string{"offer.wav", "sent.wav"}, files(res.Played)); diff != "" || r.api.Sent()[0].Skill != "sales" {
			t.Errorf("the call in progress (-want +got):\n%s%+v", diff, r.api.Sent()[0])
		}
		res = r.run(caller(accept()))
		if diff := cmp.Diff([]string{"new-offer", "new-sent"}, files(res.Played)); diff != "" || r.api.Sent()[1].Skill != "new" {
			t.Errorf("the next call (-want +got):\n%s%+v", diff, r.api.Sent()[1])
		}
		next.Name = "no name"
		if err := r.srv.Reload(freeswitch.Config{Profiles: []freeswitch.Profile{next}}); err == nil {
			t.Error("a bad configuration was taken")
		}
		if res := r.run(caller(accept())); files(res.Played)[0] != "new-offer" {
			t.Errorf("after a refused reload: %v", files(res.Played))
		}
	})
}

// The process stops while a caller keys in a number, or says whether the text came.
func TestCutInTheDialogueHasAnOutcome(t *testing.T) {
	change := func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles = []freeswitch.Profile{talk()} }
	for _, tt := range []struct {
		name      string
		hide      bool
		at        time.Duration
		outcome   deflect.Outcome
		reason    deflect.Reason
		confirmed string
		script    []fst.Action
	}{
		{"number", true, 2 * time.Second, deflect.Failed, deflect.ReasonShutdown, "", nil},
		{"invalid", true, 3 * time.Second, deflect.Failed, deflect.ReasonShutdown, "", []fst.Action{fst.PressDuring(2, "123#", time.Second)}},
		{"read back", true, 3 * time.Second, deflect.Failed, deflect.ReasonShutdown, "", []fst.Action{fst.PressDuring(2, "4043438699#", time.Second)}},
		{"right?", true, 6500 * time.Millisecond, deflect.Failed, deflect.ReasonShutdown, "", []fst.Action{fst.PressDuring(2, "4043438699#", time.Second)}},
		{"sent", false, 2 * time.Second, deflect.Sent, deflect.ReasonOK, "false", nil},
		{"confirm", false, 3500 * time.Millisecond, deflect.Sent, deflect.ReasonOK, "false", nil},
		{"confirm, later", false, 9 * time.Second, deflect.Sent, deflect.ReasonOK, "false", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, change, func(t *testing.T, r *rig) {
				c := caller(append([]fst.Action{accept()}, tt.script...)...)
				c.HideNumber = tt.hide
				time.AfterFunc(tt.at, r.srv.Cut)
				res := r.run(c)
				r.wantOutcome(res, tt.outcome, tt.reason)
				if res.Vars["deflect_confirmed"] != tt.confirmed || res.ContinuedAfter > tt.at+100*time.Millisecond {
					t.Errorf("went on after %s: %v", res.ContinuedAfter, res.Vars)
				}
			})
		})
	}
}

// A caller who comes from a menu while the API is down, and whose text cannot wait.
func TestMenuIsToldThatTheBreakerIsOpen(t *testing.T) {
	change := func(d *deflect.Config, c *freeswitch.Config) {
		d.Breaker.Failures, c.Profiles = 1, []freeswitch.Profile{talk()}
	}
	inBubble(t, change, func(t *testing.T, r *rig) {
		r.api.Inject(livedeflecttest.Fault{Status: 500})
		r.run(caller(accept()))
		for name, change := range map[string]func(*fst.Call){"hidden": hidden, "shown": func(*fst.Call) {}} {
			c := caller()
			change(&c)
			c.Answered, c.Vars = true, map[string]string{"deflect_mode": "accepted"}
			res := r.run(c)
			if res.Vars["deflect_outcome"] != "failed" || res.Vars["deflect_reason"] != "breaker_open" {
				t.Errorf("%s: %v", name, res.Vars)
			}
			if diff := cmp.Diff([]string{"failed"}, files(res.Played)); diff != "" {
				t.Errorf("%s: prompts (-want +got):\n%s", name, diff)
			}
			if said := strings.Join(res.Commands, "\n"); strings.Contains(said, "uncertain") {
				t.Errorf("%s: a text was asked for:\n%s", name, said)
			}
		}
	})
}

// What is known of a text outlives a pass that cannot even look at the rules.
func TestLaterPassKeepsTheText(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		for _, mode := range []string{"offer", "nonsense"} {
			c := caller()
			c.Vars = map[string]string{"deflect_mode": mode, "deflect_asked": "sent", "deflect_call_id": "473513", "deflect_confirmed": "true"}
			res := r.run(c)
			for _, line := range res.Timeline {
				if strings.Contains(line.Text, "deflect_call_id") || strings.Contains(line.Text, "deflect_confirmed") {
					t.Errorf("%s: %s", mode, line)
				}
			}
		}
	})
}
