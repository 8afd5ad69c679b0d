package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// movedPause is how long a Cluster is given to tell where a key has gone.
const movedPause = 10 * time.Millisecond

// write runs a command of one key, and waits until as many replicas as configured have what
// it wrote. The command and the wait go over one connection, together: WAIT is about what
// its own connection has written. A command wrote something when it
// answers with nil, or with written.
func (f *Fleet) write(ctx context.Context, key string, cmd *redis.Cmd) error {
	if f.cfg.WaitReplicas == 0 {
		return f.rdb.Process(ctx, cmd)
	}
	for {
		node := f.rdb
		nodes, isCluster := f.rdb.(*redis.ClusterClient)
		if isCluster {
			master, err := nodes.MasterForKey(ctx, key)
			if err != nil {
				return err
			}
			node = master
		}
		deadline, ok := ctx.Deadline()
		if !ok {
			deadline = time.Now().Add(f.cfg.Timeout)
		}
		pipe := node.Pipeline()
		_ = pipe.Process(ctx, cmd) // only noted
		wait := redis.NewIntCmd(ctx, "wait", f.cfg.WaitReplicas, max(1, (time.Until(deadline)*3/4).Milliseconds()))
		_ = pipe.Process(ctx, wait)
		_, _ = pipe.Exec(ctx) // each command has its error

		err := cmd.Err()
		_, moved := redis.IsMovedError(err)
		switch {
		case moved && isCluster:
			nodes.ReloadState(ctx)
			select {
			case <-ctx.Done():
				return err
			case <-time.After(movedPause):
			}
			cmd.SetErr(nil)
			continue
		case err != nil && !errors.Is(err, redis.Nil):
			return err
		case err == nil && cmd.Val() != written:
			return nil
		case wait.Err() != nil:
			return wait.Err()
		case wait.Val() < int64(f.cfg.WaitReplicas):
			return errFewReplicas
		}
		return err
	}
}
