package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// The password of the demo's switch. It opens nothing.
const demoPassword = "demo-password"

// openQueue starts a switch with a queue and has deflectd watch it.
func (s *stage) openQueue(c *freeswitch.Config) error {
	s.queue = &freeswitchtest.Switch{Password: demoPassword}
	if err := s.queue.Start(); err != nil {
		return err
	}
	c.Inbound = []freeswitch.Switch{{Name: "demo", Address: s.queue.Addr(), Password: deflect.NewSecret(demoPassword)}}
	c.Profiles[0].OnSent.Transfer = inboundScenes[0].transfer
	return nil
}

// wait lets a caller wait in the queue, until deflectd has dealt with the key.
func (s *stage) wait(ctx context.Context, sc scene) (sighting, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	w := s.queue.Park(demoCall(sc))
	defer w.HangUp()
	w.Announce()
	if !pause(ctx, time.Second) { // the announcement
		return sighting{}, ctx.Err()
	}
	w.Press("1")
	if _, err := s.log.await(ctx, "call ended"); err != nil {
		return sighting{}, err
	}
	// The transfer follows, or nothing does.
	for range 50 {
		if w.Result().Transferred != "" || !pause(ctx, 20*time.Millisecond) {
			break
		}
	}
	r := w.Result()
	seen := sighting{timeline: r.Timeline, played: r.Played, vars: r.Vars, violations: s.queue.Violations()}
	seen.stays = r.Transferred == "" && !r.HungUp
	switch {
	case r.HungUp:
		seen.lost = "the caller is gone"
	case r.Transferred != sc.transfer:
		seen.lost = fmt.Sprintf("the caller is at %q, not at %q", cmp.Or(r.Transferred, "the queue"), cmp.Or(sc.transfer, "the queue"))
	}
	return seen, ctx.Err()
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
