package freeswitch_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

type panickingStore struct{ deflect.Cooldowns }

func (panickingStore) Held(context.Context, string) (bool, error) { panic("defect of a store") }

// A defect in what an embedder brings, asked while the call is judged.
func TestPanicWhileJudging(t *testing.T) {
	broken := func(dc *deflect.Config, c *freeswitch.Config) {
		dc.Cooldowns = panickingStore{}
		c.Profiles[0].Rules.NoCooldown = false
		c.Profiles[0].Rules.Cooldown = time.Hour
	}
	inBubble(t, broken, func(t *testing.T, r *rig) {
		res := r.run(caller())
		if !res.Continued {
			t.Errorf("the caller is stuck: %v", res.Timeline)
		}
		r.wantSum(1)
		if !strings.Contains(r.log.String(), "panickingStore") {
			t.Errorf("the log does not say where:\n%s", r.log.String())
		}
	})
}
