package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// askAgain is how long is waited before a command is repeated, because its connection broke
// or a Cluster has moved its key.
const askAgain = 5 * time.Millisecond

// once is a command after which nothing of its pipeline is repeated by itself: what came
// before it may have been answered.
type once struct{ *redis.IntCmd }

func (once) NoRetry() bool { return true }

// write runs a command of one key, and waits until as many replicas as configured have what
// it wrote. The command and the wait go over one connection, together: WAIT is about what
// its own connection has written. A command wrote something when it answers with nil, or
// with written.
func (f *Fleet) write(ctx context.Context, key string, cmd *redis.Cmd) error {
	if f.cfg.WaitReplicas == 0 {
		return f.rdb.Process(ctx, cmd)
	}
	for {
		err := f.writeOnce(ctx, key, cmd)
		_, moved := redis.IsMovedError(err)
		var said redis.Error
		if err == nil || err == errFewReplicas || !moved && errors.As(err, &said) || timedOut(err) || ctx.Err() != nil {
			return err
		}
		if nodes, ok := f.rdb.(*redis.ClusterClient); ok {
			nodes.ReloadState(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(askAgain):
		}
		cmd.SetErr(nil)
	}
}

func (f *Fleet) writeOnce(ctx context.Context, key string, cmd *redis.Cmd) error {
	node := f.rdb
	if nodes, ok := f.rdb.(*redis.ClusterClient); ok {
		master, err := nodes.MasterForKey(ctx, key)
		if err != nil {
			return err
		}
		node = master
	}
	within := f.cfg.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		within = time.Until(deadline)
	}
	pipe := node.Pipeline()
	wait := once{redis.NewIntCmd(ctx, "wait", f.cfg.WaitReplicas, max(1, (within*3/4).Milliseconds()))}
	_ = pipe.Process(ctx, cmd) // only noted
	_ = pipe.Process(ctx, wait)
	_, failed := pipe.Exec(ctx)

	err := cmd.Err()
	if err == nil && cmd.Val() == nil { // what a server says to a new connection is in no command
		return failed
	}
	wrote := isNil(err) || err == nil && cmd.Val() == written
	switch {
	case !wrote:
		return err
	case timedOut(wait.Err()): // a server with little to do is late by up to 0.1 s
		return errFewReplicas
	case wait.Err() != nil:
		return wait.Err()
	case wait.Val() < int64(f.cfg.WaitReplicas):
		return errFewReplicas
	}
	return err
}
