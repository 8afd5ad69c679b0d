package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// latency measures how long after the key the request comes, and the next command.
func (l *lab) latency(ctx context.Context) error {
	// At a rate below what they can do, subject, switch and API need not keep to
	// cores of their own, and would wait for one.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	names := append(slices.Clone(serving), echo)
	request, command := newWaits(), newWaits()
	reached := map[string]figures{}
	calls := l.warm(func(c *child, _ int) error {
		p, err := c.open(l.Rate, l.Time)
		if err != nil {
			return c.wrap(err)
		}
		requests, commands := p.since()
		request.add(c.subject, requests)
		command.add(c.subject, commands)
		reached[c.subject] = append(reached[c.subject], p.rate())
		return nil
	})
	err := l.each(ctx, "latency", names, func(c *child, run int) error {
		if c.subject != echo {
			return calls(c, run)
		}
		took, err := c.echoes(l.Rate, l.Time)
		request.add(echo, took)
		command.add(echo, took)
		return err
	})
	if err != nil {
		return err
	}
	l.title("Latency: from the DTMF event to the request at the API, at %d calls/s, %s a run.", l.Rate, l.Time)
	request.table(names).print(l.out)
	l.title("Latency: from the DTMF event to the next command at the switch, in the same runs.")
	command.table(append(slices.Clone(handlers), echo)).print(l.out)
	fmt.Fprintf(l.out, "\nAn echo answers the event with one byte, at once: what this machine takes itself, and lets vary.\n")
	var late []string
	for _, s := range serving {
		if reached[s].median() < keptUp*float64(l.Rate) {
			late = append(late, fmt.Sprintf("%s (%s calls/s)", s, reached[s].show(digits)))
		}
	}
	if len(late) > 0 {
		fmt.Fprintf(l.out, "\nDid not keep up, or the machine did not: %s.\n", strings.Join(late, ", "))
	}
	return nil
}

// keptUp is the share of a rate that counts as reached.
const keptUp = 0.95

// waits are the percentiles of one wait, by subject.
type waits struct{ p50, p90, p99 map[string]figures }

func newWaits() waits { return waits{map[string]figures{}, map[string]figures{}, map[string]figures{}} }

// add takes in the waits of a run.
func (w waits) add(subject string, took []time.Duration) {
	slices.Sort(took)
	w.p50[subject] = append(w.p50[subject], percentile(took, 50))
	w.p90[subject] = append(w.p90[subject], percentile(took, 90))
	w.p99[subject] = append(w.p99[subject], percentile(took, 99))
}

func (w waits) table(names []string) *table {
	return compare(names, deflectdTo,
		column{name: "p50", unit: ms, value: w.p50},
		column{name: "p90", unit: ms, value: w.p90, noRatio: true},
		column{name: "p99", unit: ms, value: w.p99},
	)
}

// since returns how long after the key the requests and commands of the calls came.
func (p *phase) since() (requests, commands []time.Duration) {
	for i := range p.marks {
		m := &p.marks[i]
		pressed := m.pressed.Load()
		requests = append(requests, time.Duration(m.request.Load()-pressed))
		commands = append(commands, time.Duration(m.command.Load()-pressed))
	}
	return requests, commands
}

// untilOffered returns how long after they came the calls were offered a text.
func (p *phase) untilOffered() (took []time.Duration) {
	for i := range p.marks {
		took = append(took, time.Duration(p.marks[i].offered-p.marks[i].rung))
	}
	return took
}

// during returns the same for the requests of calls whose key came in a time.
func (p *phase) during(from, to int64) (requests []time.Duration) {
	for i := range p.marks {
		m := &p.marks[i]
		if pressed := m.pressed.Load(); pressed >= from && pressed < to {
			requests = append(requests, time.Duration(m.request.Load()-pressed))
		}
	}
	return requests
}
