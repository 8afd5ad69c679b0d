package freeswitch_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

type panickingStore struct{ deflect.Cooldowns }

func (panickingStore) Held(context.Context, string) (bool, error) { panic("defect of a store") }

// A defect in what an embedder brings, asked while the call is judged.
func TestPanicWhileJudgingLosesNoCall(t *testing.T) {
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

// A server that is cut while a store is asked about a caller judges nobody: the call goes
// on, as after any other stop, and is counted as one.
func TestCutWhileJudgedLosesNoCall(t *testing.T) {
	inBubble(t, func(dc *deflect.Config, fc *freeswitch.Config) {
		dc.Cooldowns = silentStore{}
		for i := range fc.Profiles {
			fc.Profiles[i].Rules.NoCooldown = false
		}
	}, func(t *testing.T, r *rig) {
		ours, theirs := net.Pipe()
		ended := make(chan deflect.Result, 1)
		go func() {
			res, _ := r.srv.Bridge(context.Background(), newGlueConn(theirs))
			ended <- res
		}()
		time.AfterFunc(time.Second, r.srv.Cut)
		res, err := caller().Run(context.Background(), ours)
		if err != nil || !res.Continued || res.Vars["deflect_outcome"] != "failed" || res.Vars["deflect_reason"] != "shutdown" {
			t.Errorf("%v, %+v", err, res)
		}
		if e := <-ended; e.Outcome != deflect.Failed || e.Reason != deflect.ReasonShutdown {
			t.Errorf("%+v", e)
		}
		sendsGiveUp()
	})
}

// silentStore answers when nobody waits any more.
type silentStore struct{ deflect.Cooldowns }

func (silentStore) Held(ctx context.Context, _ string) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}
