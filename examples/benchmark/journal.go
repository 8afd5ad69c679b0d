package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// aSync is the row of what the disk takes.
const aSync = "a sync of the disk"

// journal measures what a journal in a file adds to a call.
func (l *lab) journal(ctx context.Context) error {
	// As for latency: nobody has to wait for a core of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	b := l.beside(withJournal)
	err := l.each(ctx, "journal", b.names, l.warm(func(c *child, run int) error {
		if err := b.measure(c, run); err != nil || c.subject != withJournal {
			return err
		}
		took, err := syncs(l.Disk, l.Time/4)
		b.request.add(aSync, took)
		return err
	}))
	if err != nil {
		return err
	}
	l.title("Journal: from the DTMF event to the request at the API, at %d calls/s, %s a run; and what is more with a journal.", l.Rate, l.Time)
	b.latency(b.request, aSync, "in syncs").print(l.out)
	l.title("Journal: CPU and calls, of %d callers who call again at once, and at a rate. A ratio is that with a journal to that without.", parallel)
	b.cost("").print(l.out)
	return nil
}

// leastSyncs is how many there are at least, for a p99.
const leastSyncs = 100

// syncs appends 4 KB to a file and syncs it, one after the other, and tells how long each
// took.
func syncs(dir string, length time.Duration) (took []time.Duration, err error) {
	f, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	page := make([]byte, 4<<10)
	for start := time.Now(); time.Since(start) < length || len(took) < leastSyncs; {
		before := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, fmt.Errorf("the disk: %w", err)
		}
		took = append(took, time.Since(before))
	}
	return took, nil
}
