package main

import (
	"context"
	"fmt"
	"strings"
)

// busyEnough is the share of its cores from which on a subject was the limit.
const busyEnough = 0.9

// saturation measures what a call costs, and how many a subject carries.
func (l *lab) saturation(ctx context.Context) error {
	cpu, rate, busy := map[string]figures{}, map[string]figures{}, map[string]figures{}
	err := l.each(ctx, "saturation", serving, l.warm(func(c *child, run int) error {
		return l.profiled(c, run, "", func() error {
			p, used, err := c.spend(func() (*phase, error) { return c.closed(l.Calls, parallel) })
			if err != nil {
				return err
			}
			cpu[c.subject] = append(cpu[c.subject], float64(used)/float64(l.Calls))
			rate[c.subject] = append(rate[c.subject], p.rate())
			busy[c.subject] = append(busy[c.subject], float64(used)/float64(p.took)/float64(l.Cores))
			return nil
		})
	}))
	if err != nil {
		return err
	}
	l.title("Saturation: %d calls of %d callers who call again at once, a run.", l.Calls, parallel)
	compare(serving, deflectdTo,
		column{name: "CPU a call", unit: ms, value: cpu},
		column{name: "calls/s", unit: digits, value: rate},
		column{name: "busy", unit: percent, value: busy, noRatio: true},
	).print(l.out)
	var idle []string
	for _, s := range serving {
		if busy[s].median() < busyEnough {
			idle = append(idle, s)
		}
	}
	if len(idle) > 0 {
		fmt.Fprintf(l.out, "\nNot busy all the time, so that its calls/s are the limit of the switch played here, or of the machine: %s.\n", strings.Join(idle, ", "))
	}
	return nil
}

// profiled profiles a measurement of the last run of deflectd, alone, with a journal, with
// Redis or with C2M, and of the floor, if that was asked for.
func (l *lab) profiled(c *child, run int, suffix string, measure func() error) error {
	ending, is := map[string]string{deflectd: "", floor: ".floor", withJournal: ".journal", withRedis: ".redis", withC2M: ".c2m"}[c.subject]
	if l.Profile == "" || !is || run != l.Runs-1 {
		return measure()
	}
	if _, err := c.ask(question{Do: "profile", What: l.Profile + suffix + ending}); err != nil {
		return err
	}
	if err := measure(); err != nil {
		return err
	}
	_, err := c.ask(question{Do: "profiled"})
	return err
}
