package freeswitch_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// asking is a backend that has to be asked before an offer.
type asking struct {
	*livedeflect.Client
	mu      sync.Mutex
	answers []deflect.Attempt // the next ones; then yes
	asked   int
}

func (b *asking) Ask(context.Context, *deflect.Text) deflect.Attempt {
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
