package freeswitch_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// asking is a backend that has to be asked before an offer.
type asking struct {
	*livedeflect.Client
	mu      sync.Mutex
	answers []deflect.Attempt // the next ones; then yes
	asked   int
	takes   time.Duration
}

func (b *asking) Ask(context.Context, *deflect.Text) deflect.Attempt {
	time.Sleep(b.takes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if len(b.answers) == 0 {
		return deflect.Attempt{Outcome: deflect.Sent, Reason: deflect.ReasonOK}
	}
	a := b.answers[0]
	b.answers = b.answers[1:]
	return a
}

func (b *asking) Fresh(*deflect.Text) bool { return true }

// Who the API does not let be texted is not answered. Whoever has asked for a text already is
// not turned away because the API could not be asked in the short time of an offer.
func TestAskedBeforeTheOffer(t *testing.T) {
	no := func(o deflect.Outcome, r deflect.Reason) deflect.Attempt {
		return deflect.Attempt{Outcome: o, Reason: r}
	}
	broken, busy := no(deflect.Uncertain, deflect.ReasonServerError), no(deflect.Failed, deflect.ReasonRateLimited)
	for _, tt := range []struct {
		name, ends string
		accepted   bool
		answers    []deflect.Attempt
		asked      int
		texts      int
		played     []string
	}{
		{"eligible", "sent ok", false, nil, 1, 1, []string{"offer.wav", "sent.wav"}},
		{"not eligible", "ineligible not_eligible", false, []deflect.Attempt{no(deflect.Ineligible, deflect.ReasonNotEligible)}, 1, 0, nil},
		{"an open conversation", "ineligible open_conversation", false, []deflect.Attempt{no(deflect.Ineligible, deflect.ReasonOpenConversation)}, 1, 0, nil},
		{"not asked", "ineligible eligibility_unknown", false, []deflect.Attempt{broken}, 1, 0, nil},
		{"too many", "ineligible rate_limited", false, []deflect.Attempt{busy}, 1, 0, nil},
		{"refused", "failed unauthorized", false, []deflect.Attempt{no(deflect.Failed, deflect.ReasonUnauthorized)}, 1, 0, nil},
		{"from a menu", "sent ok", true, nil, 1, 1, []string{"sent.wav"}},
		{"from a menu, not eligible", "ineligible not_eligible", true, []deflect.Attempt{no(deflect.Ineligible, deflect.ReasonNotEligible)}, 1, 0, []string{"failed.wav"}},
		{"from a menu, asked again", "sent ok", true, []deflect.Attempt{broken}, 2, 1, []string{"sent.wav"}},
		{"from a menu, too many", "failed rate_limited", true, []deflect.Attempt{busy}, 1, 0, []string{"failed.wav"}},
		{"from a menu, asked in vain", "failed eligibility_unknown", true, []deflect.Attempt{broken, broken, broken}, 3, 0, []string{"failed.wav"}},
		{"from a menu, not eligible after all", "ineligible not_eligible", true, []deflect.Attempt{broken, no(deflect.Ineligible, deflect.ReasonNotEligible)}, 2, 0, []string{"failed.wav"}},
	} {
		b := &asking{answers: slices.Clone(tt.answers)}
		change := func(d *deflect.Config, c *freeswitch.Config) {
			b.Client = d.Backend.(*livedeflect.Client)
			d.Backend = b
			c.Profiles[0].Confirm = false
		}
		inBubble(t, change, func(t *testing.T, r *rig) {
			c := caller(accept())
			if tt.accepted {
				c.Script, c.Answered, c.Vars = nil, true, map[string]string{"deflect_mode": "accepted"}
			}
			res := r.run(c)
			if got := res.Vars["deflect_outcome"] + " " + res.Vars["deflect_reason"]; got != tt.ends || b.asked != tt.asked {
				t.Errorf("%s: %s after %d questions, want %s after %d", tt.name, got, b.asked, tt.ends, tt.asked)
			}
			if diff := cmp.Diff(tt.played, files(res.Played)); diff != "" {
				t.Errorf("%s: prompts (-want +got):\n%s", tt.name, diff)
			}
			if res.Answered != (tt.accepted || tt.texts > 0) {
				t.Errorf("%s: answered %v", tt.name, res.Answered)
			}
			r.wantTexts(tt.texts)
			if diff := cmp.Diff(map[string]int{tt.ends: 1}, outcomes(t, r.reg)); diff != "" {
				t.Errorf("%s: counted (-want +got):\n%s", tt.name, diff)
			}
		})
	}
}

// Whoever moves the call away while the API is asked, or hangs up: what is said of the caller
// comes too late to be told to the call, which goes on where it is.
func TestMovedWhileTheAPIIsAsked(t *testing.T) {
	moves := map[string]fst.Action{
		"to an extension":     fst.Transfer("3001"),
		"to a park":           fst.TransferToPark("3002"),
		"by another resume":   fst.OtherSocket(true),
		"by the end of other": fst.OtherSocket(false),
		"hung up":             fst.HangUp(),
	}
	for move, action := range moves {
		for name, answer := range map[string]deflect.Attempt{
			"offered":     {Outcome: deflect.Sent, Reason: deflect.ReasonOK},
			"not offered": {Outcome: deflect.Ineligible, Reason: deflect.ReasonNotEligible},
		} {
			for _, dies := range []bool{false, true} {
				if move == "to a park" && dies {
					continue // the end of any socket ends a park
				}
				t.Run(fmt.Sprintf("%s %s, dies %t", move, name, dies), func(t *testing.T) {
					b := &asking{answers: []deflect.Attempt{answer}, takes: 600 * time.Millisecond}
					change := func(d *deflect.Config, _ *freeswitch.Config) {
						b.Client = d.Backend.(*livedeflect.Client)
						d.Backend = b
					}
					inBubble(t, change, func(t *testing.T, r *rig) {
						conn := r.ln.dial(t)
						if dies {
							conn = &dyingConn{Conn: conn}
						}
						res, err := caller(action.SinceConnect(300*time.Millisecond)).Run(context.Background(), conn)
						if err != nil {
							t.Fatal(err)
						}
						r.clean(res)
						if len(res.Played) > 0 || res.Answered && !res.Transferred {
							t.Errorf("answered, or played %v: %v", res.Played, res.Timeline)
						}
						r.drain()
						r.wantTexts(0)
						r.wantSum(1)
					})
				})
			}
		}
	}
}

// Keys of the menu before that arrive while the API is asked are no answers to an offer that
// nobody has heard.
func TestKeysWhileTheAPIIsAskedAreNoAnswers(t *testing.T) {
	b := &asking{takes: 600 * time.Millisecond}
	change := func(d *deflect.Config, _ *freeswitch.Config) {
		b.Client = d.Backend.(*livedeflect.Client)
		d.Backend = b
	}
	inBubble(t, change, func(t *testing.T, r *rig) {
		c := caller(fst.Press("1").SinceConnect(300 * time.Millisecond))
		c.Answered, c.Queued = true, "147"
		res := r.run(c)
		r.wantOutcome(res, deflect.NoInput, deflect.ReasonNoKey)
		r.wantTexts(0)
		if res.Vars["deflect_digits"] != "" {
			t.Errorf("digits %q", res.Vars["deflect_digits"])
		}
	})
}
