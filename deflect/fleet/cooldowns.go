package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

const (
	// pendingFor is how long it is waited for what becomes of another's text. Whoever takes
	// longer has died, and may have sent one.
	pendingFor = 30 * time.Second
	// takenFor is how long a key lasts that was not confirmed: who has died before that has
	// texted nobody.
	takenFor = 10 * time.Second
	// pollEvery is how often it is looked whether that is known.
	pollEvery = 25 * time.Millisecond
)

// cooldowns are those of all. A key holds who took it: while that one's text is under way
// "p", its hash, "@" and the time in milliseconds; from then on the hash alone, which is a
// number because Redis keeps numbers in less room. It lasts for takenFor until that text is
// about to leave.
type cooldowns struct {
	f     *Fleet
	local deflect.Cooldowns // nil: none
	old   atomic.Bool       // the server knows no SET with both NX and GET (before 7.0)
	ends  ends
}

func newCooldowns(f *Fleet) *cooldowns {
	return &cooldowns{f: f, local: f.cfg.Local, ends: newEnds()}
}

// Cooldowns are those of the fleet. What is taken of them is waited for by the others until
// Keep or Release says how it ended, or for 30 s. It ends after 10 s where its process died
// before Confirm.
func (f *Fleet) Cooldowns() deflect.Cooldowns {
	if local, ok := f.cfg.Local.(bounded); ok {
		return struct {
			*cooldowns
			bounded
		}{f.cooldowns, local}
	}
	return f.cooldowns
}

// bounded are the methods of a store that has room for so many, which a Client looks for.
type bounded interface {
	OnEvicted(func())
	Cooling() int
	SetMaxCooldowns(int)
}

func (c *cooldowns) key(key string) string { return c.f.key("c", key) }

// Held implements [deflect.Cooldowns].
func (c *cooldowns) Held(ctx context.Context, key string) (held bool, err error) {
	if c.local != nil {
		if held, err = c.local.Held(ctx, key); held || err != nil {
			return held, err
		}
	}
	k := c.key(key)
	err = c.f.do(ctx, "held", func(ctx context.Context) error {
		n, err := c.f.rdb.Exists(ctx, k).Result()
		held = n > 0
		return err
	})
	if err != nil && c.f.decidesLocally(ctx, "held", err) {
		return false, nil
	}
	return held, err
}

// decidesLocally reports whether this process decides, because Redis does not.
func (f *Fleet) decidesLocally(ctx context.Context, operation string, err error) bool {
	var ofRedis *redisError
	if f.cfg.Local == nil || ctx.Err() != nil || !errors.As(err, &ofRedis) {
		return false
	}
	f.metrics.of[operation].results[resultLocal].Inc()
	return true
}

// Take implements [deflect.Cooldowns].
func (c *cooldowns) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	if c.local != nil {
		if took, err := c.local.Take(ctx, key, token, lasts); !took || err != nil {
			return took, err
		}
	}
	took, err := c.take(ctx, c.key(key), token, lasts)
	switch {
	case err != nil && !errors.Is(err, errWaited) && c.f.decidesLocally(ctx, "take", err):
		return true, nil
	case c.local != nil && err == nil && !took:
		return false, c.local.Release(context.WithoutCancel(ctx), key, token)
	}
	return took, err
}

// errWaited is of a ctx that ended while another call of the caller was being texted.
var errWaited = errors.New("another call of the same caller was being texted")

// take asks until it is known how another's take ended.
func (c *cooldowns) take(ctx context.Context, k, token string, lasts time.Duration) (bool, error) {
	mine := holderOf(token)
	if err := c.ends.forget(ctx, k, mine); err != nil {
		return false, err
	}
	for waited := false; ; waited = true {
		now := time.Now()
		var before string
		err := c.f.do(ctx, "take", func(ctx context.Context) (err error) {
			before, err = c.set(ctx, k, mine.pending(now), min(lasts, takenFor))
			return err
		})
		holder, since, pending := readHolder(before)
		switch {
		case err != nil:
			c.ends.took(k, mine, now.Add(lasts), true)
			if waited { // somebody has it: nobody else may decide
				err = fmt.Errorf("%w: %w", errWaited, err)
			}
			return false, err
		case before == "", holder == mine:
			c.ends.took(k, mine, now.Add(lasts), false)
			return true, nil
		case !pending, now.Sub(since).Abs() > pendingFor:
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %w", errWaited, context.Cause(ctx))
		case <-c.f.ctx.Done():
			return false, ErrClosed
		case <-time.After(pollEvery + rand.N(pollEvery/5)):
		}
	}
}

// takeScript is SET with NX and GET, for servers that know only one of both.
const takeScript = `local v = redis.call('GET', KEYS[1])
if v then return v end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`

// set sets a key that is free, and returns "", or returns what it holds. A command that is
// repeated, because its answer was lost, finds what it has set itself.
func (c *cooldowns) set(ctx context.Context, k, value string, lasts time.Duration) (string, error) {
	cmd := c.setCmd(ctx, k, value, lasts)
	err := c.f.write(ctx, k, cmd)
	if !c.old.Load() && redis.HasErrorPrefix(err, "syntax error") {
		c.old.Store(true)
		cmd = c.setCmd(ctx, k, value, lasts)
		err = c.f.write(ctx, k, cmd)
	}
	before, _ := cmd.Val().(string)
	switch {
	case isNil(err):
		return "", nil
	case err == nil && c.f.cfg.WaitReplicas > 0 && before == value:
		// Its replicas are to have it, and the repeated command wrote nothing to wait for.
		again := keepCmd(ctx, k, value, value, lasts)
		if err = c.f.write(ctx, k, again); err == nil && again.Val() != written {
			err = errFewReplicas
		}
	case err == nil && before == "":
		before = "?" // a stranger's
	}
	return before, err
}

func (c *cooldowns) setCmd(ctx context.Context, k, value string, lasts time.Duration) *redis.Cmd {
	if c.old.Load() {
		return redis.NewCmd(ctx, "eval", takeScript, 1, k, value, milliseconds(lasts))
	}
	return redis.NewCmd(ctx, "set", k, value, "px", milliseconds(lasts), "nx", "get")
}

func milliseconds(d time.Duration) int64 {
	return max(1, int64((d+time.Millisecond-1)/time.Millisecond))
}

// Confirm lets a key last as long as was said when it was taken: until then it ends with a
// process that dies. It is an error that somebody else has it, who found it after that.
func (c *cooldowns) Confirm(ctx context.Context, key, token string) error {
	k, mine := c.key(key), holderOf(token)
	until := c.ends.until(k, mine)
	cmd := keepCmd(ctx, k, mine.pendingBegin(), mine.pending(time.Now()), time.Until(until))
	err := c.f.do(ctx, "confirm", func(ctx context.Context) error { return c.f.write(ctx, k, cmd) })
	switch {
	case err != nil:
		c.ends.took(k, mine, until, true) // it may yet lie before a server that stands still
		if c.f.decidesLocally(ctx, "confirm", err) {
			return nil
		}
	case cmd.Val() != written:
		return errStoodStill
	}
	return err
}

// errStoodStill is of a process that did not run between Take and Confirm.
var errStoodStill = errors.New("it took so long until the text could be asked for that another call of the same caller may be texted")

// Release implements [deflect.Cooldowns]. What Redis does not give back at once is given
// back later.
func (c *cooldowns) Release(ctx context.Context, key, token string) error {
	if c.local != nil {
		if err := c.local.Release(ctx, key, token); err != nil {
			return err
		}
	}
	k, mine := c.key(key), holderOf(token)
	until, doubtful := c.ends.ended(k, mine)
	_ = c.ends.forget(ctx, k, mine) // who does not wait for it any more is told by what follows
	err := c.f.do(ctx, "release", func(ctx context.Context) error {
		return c.f.rdb.Process(ctx, releaseCmd(ctx, k, mine))
	})
	// A take of which nobody heard may yet lie before a server that stands still.
	if (err != nil && !errors.Is(err, ErrClosed) || doubtful) && c.ends.add(end{key: k, holder: mine, until: until, not: time.Now().Add(releaseAgain)}) {
		return nil
	}
	return err
}

// Keep tells that the text of who took a key went out, or may have: nobody waits for how
// that ends any more. It never waits.
func (c *cooldowns) Keep(key, token string) {
	if keeper, ok := c.local.(interface{ Keep(key, token string) }); ok {
		keeper.Keep(key, token)
	}
	k, mine := c.key(key), holderOf(token)
	until, _ := c.ends.ended(k, mine)
	c.ends.add(end{key: k, holder: mine, keep: true, until: until})
}

// EndCooldown ends a cooldown before its time, whoever holds it, and reports whether there
// was one. The key is that of [deflect.Cooldowns].
func (f *Fleet) EndCooldown(ctx context.Context, key string) (ended bool, err error) {
	err = f.do(ctx, "release", func(ctx context.Context) error {
		n, err := f.rdb.Del(ctx, f.cooldowns.key(key)).Result()
		ended = n > 0
		return err
	})
	return ended, err
}

// holder is who took a key: a hash of its token, which is a number of 63 bits.
type holder uint64

func holderOf(token string) holder {
	sum := sha256.Sum256([]byte(token))
	return holder(binary.BigEndian.Uint64(sum[:]) >> 1)
}

// kept is what a key holds once the text of its holder went out.
func (h holder) kept() string { return strconv.FormatUint(uint64(h), 10) }

// pending is what it holds before.
func (h holder) pending(now time.Time) string {
	return h.pendingBegin() + strconv.FormatInt(now.UnixMilli(), 10)
}

func (h holder) pendingBegin() string { return "p" + h.kept() + "@" }

// readHolder reads what a key holds. That of a stranger is nobody's, and kept.
func readHolder(value string) (h holder, since time.Time, pending bool) {
	number := value
	if rest, ok := strings.CutPrefix(value, "p"); ok {
		id, at, _ := strings.Cut(rest, "@")
		ms, err := strconv.ParseInt(at, 10, 64)
		number, since, pending = id, time.UnixMilli(ms), err == nil
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return 1 << 63, time.Time{}, false
	}
	return holder(n), since, pending
}
