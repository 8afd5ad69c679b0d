package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// keepEvery is how long ends are gathered before they are written together.
	keepEvery = 20 * time.Millisecond
	// endsAtOnce is how many are written together.
	endsAtOnce = 256
	// maxEnds is how many are remembered while Redis is away. Without them, keys end by
	// themselves: a caller who got no text is not texted until then.
	maxEnds = 10_000
	// releaseAgain is after how long a key is given back that could not be, or for the
	// second time when nobody knows what became of its take.
	releaseAgain = time.Second
	// endRetry is how long is waited before what failed is written again, longer each time
	// up to longestRetry while Redis answers, and refuses.
	endRetry     = probeAway
	longestRetry = 5 * time.Second
	// maxEndTries is of one that Redis never takes, such as of a key of another kind.
	maxEndTries = 20
	// takeForgotten is after how long a take ends of which nobody said how.
	takeForgotten = 2 * time.Minute
)

// written is what a script answers with that wrote something.
const written = int64(1)

// keepScript lets a pending key last for the time that is left of it, and says so of its
// text. It sets one again that has been lost, as in a failover, or that has ended.
const keepScript = `local v = redis.call('GET', KEYS[1])
if v and string.sub(v, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
if tonumber(ARGV[3]) > 0 then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 end
if v then redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') return 1 end
return 0`

// releaseScript deletes a key that its holder has.
const releaseScript = `local v = redis.call('GET', KEYS[1])
if v and (v == ARGV[2] or string.sub(v, 1, #ARGV[1]) == ARGV[1]) then redis.call('DEL', KEYS[1]) return 1 end
return 0`

// keepCmd changes a value that begins so. left is for a key that is gone.
func keepCmd(ctx context.Context, key, begins, value string, left time.Duration) *redis.Cmd {
	return redis.NewCmd(ctx, "eval", keepScript, 1, key, begins, value, max(0, left.Milliseconds()))
}

func releaseCmd(ctx context.Context, key string, h holder) *redis.Cmd {
	return redis.NewCmd(ctx, "eval", releaseScript, 1, key, h.pendingBegin(), h.kept())
}

// ends are how takes ended, as far as Redis is to hear of that yet.
type ends struct {
	mu    sync.Mutex
	open  map[taking]taken
	sweep int // how many open ones are too many
	todo  []end
	wake  chan struct{} // holds one while there is something to do

	writing []end         // those that are being written
	wrote   chan struct{} // closed when they are
}

type taking struct {
	key    string
	holder holder
}

type taken struct {
	at, until time.Time
	doubtful  bool // nobody knows whether Redis has it
}

// end is one that is to be written.
type end struct {
	key    string
	holder holder
	keep   bool
	place  bool      // of a budget
	until  time.Time // what was taken is over; zero when nobody knows
	not    time.Time // before
	tries  int
}

func newEnds() ends {
	return ends{open: map[taking]taken{}, sweep: 1024, wake: make(chan struct{}, 1)}
}

func (e *ends) took(key string, h holder, until time.Time, doubtful bool) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.open) >= e.sweep {
		for t, of := range e.open {
			if now.Sub(of.at) > takeForgotten {
				delete(e.open, t)
			}
		}
		e.sweep = max(1024, 2*len(e.open))
	}
	e.open[taking{key, h}] = taken{now, until, doubtful}
}

// ended returns what is known of a take, once.
func (e *ends) ended(key string, h holder) (until time.Time, doubtful bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.open[taking{key, h}]
	delete(e.open, taking{key, h})
	return t.until, t.doubtful
}

// until returns until when something is taken, zero when nobody knows.
func (e *ends) until(key string, h holder) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open[taking{key, h}].until
}

// cancel ends what is to be written of a take, and returns what to wait for when it is
// being written; else nil.
func (e *ends) cancel(key string, h holder) (wrote <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	same := func(one end) bool { return one.key == key && one.holder == h }
	e.todo = slices.DeleteFunc(e.todo, same)
	if slices.ContainsFunc(e.writing, same) {
		return e.wrote
	}
	return nil
}

// forget does so, and waits for what is being written: what came after a Take of the same
// token would take the key from it.
func (e *ends) forget(ctx context.Context, key string, h holder) error {
	for wrote := e.cancel(key, h); wrote != nil; wrote = e.cancel(key, h) {
		select {
		case <-wrote:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// add reports whether there is room for another one to be written.
func (e *ends) add(one end) bool {
	e.mu.Lock()
	room := len(e.todo) < maxEnds
	if room {
		e.todo = append(e.todo, one)
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return room
}

// due takes some that can be written now out of those that are to be, and says how long
// there is nothing more to do.
func (e *ends) due(now time.Time) (due []end, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	wait = time.Hour
	rest := e.todo[:0]
	for _, one := range e.todo {
		if len(due) < endsAtOnce && !one.not.After(now) {
			due = append(due, one)
			continue
		}
		wait = min(wait, max(0, one.not.Sub(now)))
		rest = append(rest, one)
	}
	clear(e.todo[len(rest):])
	e.todo = rest
	if e.writing = due; len(due) > 0 {
		e.wrote = make(chan struct{})
	}
	return due, wait
}

// done ends the writing of what was due.
func (e *ends) done() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.writing != nil {
		e.writing = nil
		close(e.wrote)
	}
}

// write writes ends for as long as the Fleet is there, and the last ones after that.
func (c *cooldowns) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.f.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.f.ctx), c.f.cfg.Timeout)
			defer cancel()
			for due, _ := c.ends.due(time.Now().Add(releaseAgain)); len(due) > 0; due, _ = c.ends.due(time.Now().Add(releaseAgain)) {
				_, err := c.f.rdb.Pipelined(ctx, pipeline(ctx, due))
				c.ends.done()
				if err != nil {
					return
				}
			}
			return
		case <-c.ends.wake:
			c.f.pause(keepEvery)
		case <-timer.C:
		}
		timer.Reset(c.writeDue())
	}
}

// writeDue writes what is due, and returns how long there is nothing more to do.
func (c *cooldowns) writeDue() time.Duration {
	now := time.Now()
	due, wait := c.ends.due(now)
	defer c.ends.done()
	if len(due) > 0 {
		var cmds []redis.Cmder
		err := c.f.do(c.f.ctx, "keep", func(ctx context.Context) (err error) {
			cmds, err = c.f.rdb.Pipelined(ctx, pipeline(ctx, due))
			return err
		})
		if err != nil {
			for i, one := range due {
				if len(cmds) == len(due) && answered(cmds[i]) {
					continue
				}
				if one.again(now, err) {
					c.ends.add(one)
				}
			}
		}
	}
	return wait
}

// answered reports whether Redis did what a command of pipeline says. One that met an error
// of its connection need not have it.
func answered(cmd redis.Cmder) bool {
	c, ok := cmd.(*redis.Cmd)
	return ok && c.Err() == nil && c.Val() != nil
}

// again says when one that failed is written again, and reports whether it is.
func (e *end) again(now time.Time, err error) bool {
	pause := endRetry
	var ofRedis *redisError
	if errors.As(err, &ofRedis) && ofRedis.class != away && ofRedis.class != loading {
		e.tries++
		pause = min(time.Duration(e.tries)*endRetry, longestRetry)
		if (ofRedis.class == stranger || ofRedis.class == odd) && e.tries >= maxEndTries {
			return false
		}
	}
	e.not = now.Add(pause)
	return e.until.IsZero() || e.until.After(now)
}

func pipeline(ctx context.Context, due []end) func(redis.Pipeliner) error {
	return func(p redis.Pipeliner) error {
		for _, one := range due {
			cmd := releaseCmd(ctx, one.key, one.holder)
			if one.place {
				cmd = unplaceCmd(ctx, one.key, one.holder)
			}
			if one.keep {
				left := time.Duration(0)
				if !one.until.IsZero() {
					left = time.Until(one.until)
				}
				cmd = keepCmd(ctx, one.key, one.holder.pendingBegin(), one.holder.kept(), left)
			}
			_ = p.Process(ctx, cmd) // only noted
		}
		return nil
	}
}
