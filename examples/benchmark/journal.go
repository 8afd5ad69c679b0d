package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// aSync is the row of what the disk takes.
const aSync = "a sync of the disk"

// journal measures what a journal in a file adds to a call.
func (l *lab) journal(ctx context.Context) error {
	// As for latency: nobody has to wait for a core of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	type at struct {
		name     string
		rate     int    // 0 is saturation
		file     string // how the name of its profile ends
		cpu, got map[string]figures
	}
	rates := []*at{{name: "saturation"}}
	for _, rate := range []int{l.Rate, 2 * l.Rate} {
		rates = append(rates, &at{name: thousands(int64(rate)) + " calls/s", rate: rate, file: fmt.Sprint(".", rate)})
	}
	for _, r := range rates {
		r.cpu, r.got = map[string]figures{}, map[string]figures{}
	}
	request := newWaits()
	names := []string{deflectd, withJournal}
	err := l.each(ctx, "journal", names, l.warm(func(c *child, run int) error {
		for _, r := range rates {
			err := l.profiled(c, run, r.file, func() error {
				p, used, err := c.spend(func() (*phase, error) {
					if r.rate == 0 {
						return c.closed(l.Calls, parallel)
					}
					return c.open(r.rate, l.Time)
				})
				if err != nil {
					return err
				}
				r.cpu[c.subject] = append(r.cpu[c.subject], float64(used)/float64(len(p.marks)))
				r.got[c.subject] = append(r.got[c.subject], p.rate())
				if r.rate == l.Rate {
					requests, _ := p.since()
					request.add(c.subject, requests)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if c.subject == withJournal {
			took, err := syncs(l.Disk, l.Time/4)
			request.add(aSync, took)
			return err
		}
		return nil
	}))
	if err != nil {
		return err
	}
	l.title("Journal: from the DTMF event to the request at the API, at %d calls/s, %s a run; and what is more with a journal.", l.Rate, l.Time)
	more50 := request.p50[withJournal].less(request.p50[deflectd])
	more99 := request.p99[withJournal].less(request.p99[deflectd])
	t := newTable("", "p50", "more", "p90", "p99", "more", "in syncs")
	for _, name := range append(slices.Clone(names), aSync) {
		row := []string{name, request.p50[name].show(ms), "", request.p90[name].show(ms), request.p99[name].show(ms), "", ""}
		if name == withJournal {
			row[2], row[5], row[6] = more50.spread(ms), more99.spread(ms), more99.over(request.p50[aSync]).spread(digits)
		}
		t.add(row...)
	}
	t.print(l.out)
	l.title("Journal: CPU and calls, of %d callers who call again at once, and at a rate. A ratio is that with a journal to that without.", parallel)
	t = newTable("", "without: CPU a call", "calls/s", "with: CPU a call", "ratio", "calls/s")
	for _, r := range rates {
		t.add(r.name, r.cpu[deflectd].show(ms), r.got[deflectd].show(digits),
			r.cpu[withJournal].show(ms), r.cpu[withJournal].over(r.cpu[deflectd]).spread(ratio), r.got[withJournal].show(digits))
	}
	t.print(l.out)
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
