package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// proved is how many of the held calls are played to their end, to show that they live.
const proved = 100

// memory measures what a call costs that waits in the offer.
func (l *lab) memory(ctx context.Context) error {
	type held struct{ each, whole, goroutines map[string]figures }
	all := make([]held, len(l.Held))
	for i := range all {
		all[i] = held{map[string]figures{}, map[string]figures{}, map[string]figures{}}
	}
	idle := map[string]figures{}
	err := l.each(ctx, "memory", handlers, l.warm(func(c *child, _ int) error {
		before, err := c.ask(question{Do: "memory"})
		if err != nil {
			return err
		}
		idle[c.subject] = append(idle[c.subject], float64(before.Resident))
		var legs []*leg
		if len(l.Held) == 0 {
			return nil
		}
		p := c.begin(l.Held[len(l.Held)-1])
		defer func() {
			for _, l := range legs {
				if l != nil {
					l.close()
				}
			}
		}()
		for i, calls := range l.Held {
			more, err := c.hold(p, len(legs), calls)
			legs = append(legs, more...)
			if err != nil {
				return c.wrap(err)
			}
			now, err := c.ask(question{Do: "memory"})
			if err != nil {
				return err
			}
			h, s := all[i], c.subject
			h.whole[s] = append(h.whole[s], float64(now.Resident))
			h.each[s] = append(h.each[s], float64(now.Resident-before.Resident)/float64(calls))
			h.goroutines[s] = append(h.goroutines[s], float64(now.Goroutines-before.Goroutines)/float64(calls))
		}
		return c.wrap(errors.Join(prove(legs), p.err()))
	}))
	if err != nil {
		return err
	}
	for i, calls := range l.Held {
		l.title("Memory: %s calls that wait in the offer.", thousands(int64(calls)))
		compare(handlers, deflectdTo,
			column{name: "a call", unit: kb, value: all[i].each},
			column{name: "goroutines a call", unit: digits, value: all[i].goroutines, noRatio: true},
			column{name: "whole process", unit: mb, value: all[i].whole, noRatio: true},
			column{name: "before", unit: mb, value: idle, noRatio: true},
		).print(l.out)
	}
	return nil
}

// prove plays some of the held calls to their end.
func prove(legs []*leg) error {
	for i := 0; i < len(legs); i += max(1, len(legs)/proved) {
		l := legs[i]
		err := l.conn.SetDeadline(time.Now().Add(legTimeout))
		if err == nil {
			err = l.finish(0)
		}
		if err != nil {
			return fmt.Errorf("a call that was held, %s: %w", l.id.uuid, err)
		}
	}
	return nil
}
