package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Budgets are the budgets of the fleet: what its processes take, all of them together have
// no more of than a [deflect.Budget] says. They go by the clock of the server. A place that
// was not given back because its process died ends with Per.
//
// With Config.Local, places are those of this process while Redis does not answer.
func (f *Fleet) Budgets() deflect.Budgets {
	b := &budgets{f: f}
	if f.cfg.Local != nil {
		b.local = deflect.NewBudgets()
	}
	return b
}

// longestPlace is how long a place is taken at most.
const longestPlace = 24 * time.Hour

type budgets struct {
	f     *Fleet
	local deflect.Budgets // nil: none
}

// The places of a name are a sorted set of their holders by when each ends, in microseconds.
// What a budget is now is not in it: that of the call that asks counts.
var (
	budgetLeft = redis.NewScript(`
local time = redis.call('TIME')
local now = string.format('(%.0f', time[1] * 1000000 + time[2])
if redis.call('ZCOUNT', KEYS[1], now, '+inf') < tonumber(ARGV[1]) then return 1 end
return 0`)

	// A clock that was set back could keep places for ever: none lasts longer than a day.
	budgetTake = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local longest = string.format('%.0f', now + 86400000000)
for _, holder in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. longest, '+inf', 'LIMIT', 0, 1000)) do
	redis.call('ZADD', KEYS[1], longest, holder)
end
if redis.call('ZSCORE', KEYS[1], ARGV[2]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1`)
)

// Left implements [deflect.Budgets].
func (b *budgets) Left(ctx context.Context, name string, of deflect.Budget) (left bool, err error) {
	if b.local != nil {
		if left, err = b.local.Left(ctx, name, of); !left || err != nil {
			return false, err
		}
	}
	left, err = b.run(ctx, "budget_left", budgetLeft, name, of.Texts)
	if err != nil && b.f.decidesLocally(ctx, "budget_left", err) {
		return true, nil
	}
	return left, err
}

// Take implements [deflect.Budgets].
func (b *budgets) Take(ctx context.Context, name, token string, of deflect.Budget) (took bool, err error) {
	if b.local != nil {
		if took, err = b.local.Take(ctx, name, token, of); !took || err != nil {
			return false, err
		}
	}
	k, mine, ends := b.key(name), holderOf(token), &b.f.cooldowns.ends
	if err := ends.forget(ctx, k, mine); err != nil {
		return false, err
	}
	took, err = b.run(ctx, "budget_take", budgetTake, name, of.Texts, mine.kept(), of.Per.Microseconds(), milliseconds(of.Per))
	if err != nil {
		ends.took(k, mine, time.Time{}, true)
	}
	switch {
	case err != nil && b.f.decidesLocally(ctx, "budget_take", err):
		return true, nil
	case err == nil && !took && b.local != nil:
		return false, b.local.Release(context.WithoutCancel(ctx), name, token)
	}
	return took, err
}

// Release implements [deflect.Budgets]. What Redis does not give back at once is given
// back later.
func (b *budgets) Release(ctx context.Context, name, token string) error {
	if b.local != nil {
		if err := b.local.Release(ctx, name, token); err != nil {
			return err
		}
	}
	k, mine, ends := b.key(name), holderOf(token), &b.f.cooldowns.ends
	_, doubtful := ends.ended(k, mine)
	err := b.f.do(ctx, "budget_release", func(ctx context.Context) error {
		return b.f.rdb.Process(ctx, unplaceCmd(ctx, k, mine))
	})
	// A take of which nobody heard may yet lie before a server that stands still.
	now := time.Now()
	if (err != nil && !errors.Is(err, ErrClosed) || doubtful) && ends.add(end{key: k, holder: mine, place: true, until: now.Add(longestPlace), not: now.Add(releaseAgain)}) {
		return nil
	}
	return err
}

func (b *budgets) run(ctx context.Context, operation string, script *redis.Script, name string, args ...any) (yes bool, err error) {
	err = b.f.do(ctx, operation, func(ctx context.Context) error {
		yes, err = script.Run(ctx, b.f.rdb, []string{b.key(name)}, args...).Bool()
		return err
	})
	return yes && err == nil, err
}

func (b *budgets) key(name string) string { return b.f.key("b", name) }

func unplaceCmd(ctx context.Context, key string, h holder) *redis.Cmd {
	return redis.NewCmd(ctx, "zrem", key, h.kept())
}
