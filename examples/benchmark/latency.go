package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// latency measures how long after the key the request comes, and the next command.
func (l *lab) latency(ctx context.Context) error {
	request50, request99 := map[string]figures{}, map[string]figures{}
	command50, command99 := map[string]figures{}, map[string]figures{}
	reached := map[string]figures{}
	err := l.each(ctx, "latency", serving, l.warm(func(c *child, _ int) error {
		p, err := c.open(l.Rate, l.Time)
		if err != nil {
			return c.wrap(err)
		}
		requests, commands := p.since()
		s := c.subject
		request50[s] = append(request50[s], percentile(requests, 50))
		request99[s] = append(request99[s], percentile(requests, 99))
		command50[s] = append(command50[s], percentile(commands, 50))
		command99[s] = append(command99[s], percentile(commands, 99))
		reached[s] = append(reached[s], p.rate())
		return nil
	}))
	if err != nil {
		return err
	}
	l.title("Latency: from the DTMF event to the request at the API, at %d calls/s, %s a run.", l.Rate, l.Time)
	compare(serving, deflectdTo, column{name: "median", unit: ms, value: request50}, column{name: "p99", unit: ms, value: request99}).print(l.out)
	l.title("Latency: from the DTMF event to the next command at the switch, in the same runs.")
	compare(serving, deflectdTo, column{name: "median", unit: ms, value: command50}, column{name: "p99", unit: ms, value: command99}).print(l.out)
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

// since returns how long after the key the requests and commands of the calls came,
// sorted.
func (p *phase) since() (requests, commands []time.Duration) {
	for i := range p.marks {
		m := &p.marks[i]
		pressed := m.pressed.Load()
		requests = append(requests, time.Duration(m.request.Load()-pressed))
		commands = append(commands, time.Duration(m.command.Load()-pressed))
	}
	slices.Sort(requests)
	slices.Sort(commands)
	return requests, commands
}
