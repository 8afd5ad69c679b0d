package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
)

// redisTimeout is how long a command waits for each answer of Redis: nobody is on the line.
const redisTimeout = 1500 * time.Millisecond

// openFleet returns what the daemons of a configuration share, once it has answered.
func openFleet(ctx context.Context, file config.File) (*fleet.Fleet, error) {
	if file.FleetErr != nil {
		return nil, fmt.Errorf("redis cannot be asked: %w", file.FleetErr)
	}
	cfg := *file.Fleet
	cfg.Timeout = redisTimeout
	f, err := fleet.New(cfg)
	if err != nil {
		return nil, err
	}
	if _, err := f.Cooldowns().Held(ctx, "anybody"); err != nil {
		f.Close()
		return nil, fmt.Errorf("redis cannot be asked: %w", err)
	}
	return f, nil
}

// lists are the do-not-text lists of a fleet.
func lists(f *fleet.Fleet) func(set string) deflect.DoNotText {
	return func(set string) deflect.DoNotText { return f.OptOuts(set) }
}

// besides tells who shows what a state remembers where the cooldowns are that it has not.
func besides(file config.File) string {
	if file.Fleet == nil {
		return ""
	}
	return "; the cooldowns of a fleet are in Redis"
}

// inspectTime is how long check looks at Redis.
const inspectTime = 2 * time.Second

// checkFleet tells what of Redis endangers what a fleet promises. A server that cannot be
// reached from here may be reached from where deflectd runs.
func checkFleet(a *app, file config.File) {
	if file.Fleet == nil {
		fmt.Fprint(a.stdout, "# redis: is not set. This deflectd knows nothing of others: with two of them, a caller can get a text from each.\n")
		return
	}
	ctx, cancel := context.WithTimeout(a.ctx, inspectTime)
	defer cancel()
	cfg := *file.Fleet
	cfg.Timeout = inspectTime
	f, err := fleet.New(cfg)
	if err == nil {
		defer f.Close()
		var findings []fleet.Finding
		if findings, err = f.Inspect(ctx); err == nil && len(findings) == 0 {
			fmt.Fprint(a.stdout, "# redis: answers, and is as a fleet needs it\n")
		}
		for _, found := range findings {
			if text := visible(found.Text, 1000); found.Severity < slog.LevelWarn {
				fmt.Fprintf(a.stdout, "# redis: %s\n", text)
			} else {
				fmt.Fprintf(a.stderr, "warning: %s: redis: %s\n", file.Name, text)
			}
		}
	}
	if err != nil {
		if ctx.Err() != nil && a.ctx.Err() == nil {
			err = errors.New("it does not answer")
		}
		fmt.Fprintf(a.stderr, "warning: %s: redis: could not be looked at from here: %v\n", file.Name, visible(err.Error(), 1000))
	}
}
