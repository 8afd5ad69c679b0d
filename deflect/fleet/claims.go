package fleet

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/redis/go-redis/v9"
)

// Claims is who of the fleet does what only one of them may do, such as to serve a call
// that several of them see.
type Claims struct {
	f    *Fleet
	self string
}

// Claims are the claims of the fleet.
func (f *Fleet) Claims() *Claims { return &Claims{f, f.self()} }

// process tells processes apart that were given one name.
var process = rand.Text()

// self is how this Fleet signs what it leaves in Redis.
func (f *Fleet) self() string { return f.hashes.of("n", process+f.cfg.Name) }

const (
	claimScript = `local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

	unclaimScript = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`
)

// Claim reports whether something is this Fleet's alone, for so long as lasts from when it
// was asked for: nobody else had claimed it. One's own claim is one's own again, and lasts
// anew. After an error it may be claimed, by this Fleet or another. Replicas have it when
// Config.WaitReplicas says so.
func (c *Claims) Claim(ctx context.Context, id string, lasts time.Duration) (mine bool, err error) {
	k := c.f.key("k", id)
	err = c.f.do(ctx, "claim", func(ctx context.Context) error {
		cmd := redis.NewCmd(ctx, "eval", claimScript, 1, k, c.self, milliseconds(lasts))
		if err := c.f.write(ctx, k, cmd); err != nil {
			return err
		}
		mine, err = cmd.Bool()
		return err
	})
	return mine && err == nil, err
}

// Release ends a claim before its time, if it is this Fleet's. It may be used after a Claim
// that ended in an error.
func (c *Claims) Release(ctx context.Context, id string) error {
	return c.f.do(ctx, "claim_release", func(ctx context.Context) error {
		return c.f.rdb.Eval(ctx, unclaimScript, []string{c.f.key("k", id)}, c.self).Err()
	})
}
