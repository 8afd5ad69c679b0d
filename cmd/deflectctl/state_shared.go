package main

import (
	"context"
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// sharedState is the state of a deflectd of a fleet: Redis has the cooldowns too, and alone
// where there is no journal.
type sharedState struct {
	state.Keeper // nil without a journal
	file         config.File
	fleet        *fleet.Fleet
}

// Forget erases a number, in Redis first: who has no journal there can do that at least.
func (s sharedState) Forget(ctx context.Context, number string) (state.Forgotten, error) {
	n, err := s.endCooldowns(ctx, number)
	all := state.Forgotten{Number: phone.Number(number).String()}
	if err == nil && s.Keeper != nil {
		all, err = s.Keeper.Forget(ctx, number)
	}
	all.Cooldowns += n
	return all, err
}

// Release ends the cooldowns of a number.
func (s sharedState) Release(ctx context.Context, number string) (state.Released, error) {
	n, err := s.endCooldowns(ctx, number)
	all := state.Released{Number: phone.Number(number).String()}
	if err == nil && s.Keeper != nil {
		all, err = s.Keeper.Release(ctx, number)
	}
	all.Cooldowns += n
	return all, err
}

// endCooldowns ends those that Redis has of a number, of each profile and spelling.
func (s sharedState) endCooldowns(ctx context.Context, number string) (n int, err error) {
	spellings, err := state.Spellings(number, s.file.Deflect.DefaultRegion)
	if err != nil {
		return 0, err
	}
	for _, p := range s.file.FreeSWITCH.Profiles {
		for _, e164 := range spellings {
			ended, err := s.fleet.EndCooldown(ctx, p.Name+" "+e164)
			if err != nil {
				return n, fmt.Errorf("the number may be in a cooldown of the fleet still: ask again: %w", err)
			}
			if ended {
				n++
			}
		}
	}
	return n, nil
}
