package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"
)

// parallel is how many callers there are at saturation.
const parallel = 64

// lab is where the measurements are made.
type lab struct {
	options
	rec  *recording
	api  *api
	out  io.Writer
	news io.Writer // what is being done

	redis string // its address, for those that need one
}

// bench prints the tables that were asked for.
func bench(ctx context.Context, o options, stdout, stderr io.Writer) error {
	about, err := machine()
	if err != nil {
		return err
	}
	l := &lab{options: o, out: stdout, news: stderr}
	if l.rec, err = readRecording(o.Recording); err != nil {
		return err
	}
	if l.api, err = newAPI(); err != nil {
		return err
	}
	defer l.api.close()
	if l.Disk, err = os.MkdirTemp(o.Disk, "journals-*"); err != nil {
		return err
	}
	defer os.RemoveAll(l.Disk)

	others := watchOthers()
	fmt.Fprintf(l.out, "%s\n\n", about)
	fmt.Fprintf(l.out, "%s of each, in turns: medians, and in brackets the spread over the runs. A ratio is deflectd's figure\n", plural(o.Runs, "run"))
	fmt.Fprintf(l.out, "divided by the other's of the same run. Every subject has %s.\n", plural(o.Cores, "core"))
	for _, t := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"saturation", l.saturation}, {"latency", l.latency}, {"memory", l.memory}, {"load", l.load}, {"core", l.coreAlone}, {"journal", l.journal}, {"fleet", l.fleet},
		{"c2m", l.c2m}, {"status", l.status},
	} {
		if len(o.Only) > 0 && !slices.Contains(o.Only, t.name) {
			continue
		}
		if err := t.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if share := others(); share > tooMuch {
		fmt.Fprintf(l.out, "\nOthers had the machine for %s of the time: programs to be closed, or the host of a virtual machine.\n", percent(share))
	}
	return nil
}

// tooMuch is the share of the machine above which others spoil the figures.
const tooMuch = 0.05

// watchOthers returns a function that tells which share of the machine other programs have
// had since.
func watchOthers() func() float64 {
	start, own := time.Now(), familyTime()
	busy, all := machineTime()
	return func() float64 {
		busyNow, allNow := machineTime()
		ours := (familyTime() - own).Seconds() / time.Since(start).Seconds() / float64(runtime.NumCPU())
		return (busyNow-busy)/max(allNow-all, 1) - ours
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// each runs a measurement on a new child of each subject in turn, as often as there are
// runs.
func (l *lab) each(ctx context.Context, table string, names []string, measure func(c *child, run int) error) error {
	for run := range l.Runs {
		for i := range names {
			name := names[(run+i)%len(names)] // whoever is first has no advantage of it
			fmt.Fprintf(l.news, "%s: run %d of %d, %s\n", table, run+1, l.Runs, name)
			if err := l.with(ctx, name, func(c *child) error { return measure(c, run) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// with runs something on a new child.
func (l *lab) with(ctx context.Context, name string, something func(*child) error) error {
	store := l.Disk
	if name == withRedis {
		store = l.redis
	}
	c, err := start(ctx, name, l.Cores, l.rec, l.api, store)
	if err != nil {
		return err
	}
	return errors.Join(something(c), c.stop())
}

// warm runs something on a new child that has served calls already.
func (l *lab) warm(measure func(c *child, run int) error) func(*child, int) error {
	return func(c *child, run int) error {
		if err := c.warmUp(l.WarmUp); err != nil {
			return err
		}
		return measure(c, run)
	}
}

// title begins a table.
func (l *lab) title(format string, args ...any) {
	fmt.Fprintf(l.out, "\n"+format+"\n\n", args...)
}
