package main

import (
	"context"
	"strconv"
)

// load measures what a call costs deflectd at different rates.
func (l *lab) load(ctx context.Context) error {
	cpu, reached := map[int]figures{}, map[int]figures{}
	err := l.each(ctx, "load", []string{deflectd}, l.warm(func(c *child, run int) error {
		for _, rate := range l.Rates {
			err := l.profiled(c, run, "."+strconv.Itoa(rate), func() error {
				p, used, err := c.spend(func() (*phase, error) { return c.open(rate, l.Time) })
				if err != nil {
					return err
				}
				cpu[rate] = append(cpu[rate], float64(used)/float64(len(p.marks)))
				reached[rate] = append(reached[rate], p.rate())
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	if err != nil {
		return err
	}
	l.title("Load: deflectd, %s at each rate, a run.", l.Time)
	t := newTable("calls/s", "reached", "CPU a call", "of one core")
	for _, rate := range l.Rates {
		t.add(count(float64(rate)), reached[rate].show(digits), cpu[rate].spread(ms), percent(cpu[rate].median()*reached[rate].median()/1e9))
	}
	t.print(l.out)
	return nil
}
