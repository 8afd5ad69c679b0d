package main

import (
	"fmt"
	"slices"
	"time"
)

// beside is a comparison of deflectd with more to deflectd without: at saturation, at --rate
// and at twice that.
type beside struct {
	*lab
	with    string
	names   []string
	rates   []*besideAt
	request waits // from the key, at --rate
	offer   waits // from the call, at --rate

	// other is the CPU time of a program that works for the one with more, nil for none.
	other func() (time.Duration, error)
}

type besideAt struct {
	name            string
	rate            int    // 0 is saturation
	file            string // how the name of its profile ends
	cpu, got, other map[string]figures
}

func (l *lab) beside(with string) *beside {
	b := &beside{lab: l, with: with, names: []string{deflectd, with}, request: newWaits(), offer: newWaits(), other: func() (time.Duration, error) { return 0, nil }}
	for _, rate := range []int{0, l.Rate, 2 * l.Rate} {
		at := &besideAt{
			name: thousands(int64(rate)) + " calls/s", rate: rate, file: fmt.Sprint(".", rate),
			cpu: map[string]figures{}, got: map[string]figures{}, other: map[string]figures{},
		}
		if rate == 0 {
			at.name, at.file = "saturation", ""
		}
		b.rates = append(b.rates, at)
	}
	return b
}

// measure measures one of them.
func (b *beside) measure(c *child, run int) error {
	for _, at := range b.rates {
		err := b.profiled(c, run, at.file, func() error {
			before, err := b.other()
			if err != nil {
				return err
			}
			p, used, err := c.spend(func() (*phase, error) {
				if at.rate == 0 {
					return c.closed(b.Calls, parallel)
				}
				return c.open(at.rate, b.Time)
			})
			if err != nil {
				return err
			}
			after, err := b.other()
			if err != nil {
				return err
			}
			calls := float64(len(p.marks))
			at.cpu[c.subject] = append(at.cpu[c.subject], float64(used)/calls)
			at.got[c.subject] = append(at.got[c.subject], p.rate())
			at.other[c.subject] = append(at.other[c.subject], float64(after-before)/calls)
			if at.rate == b.Rate {
				requests, _ := p.since()
				b.request.add(c.subject, requests)
				b.offer.add(c.subject, p.untilOffered())
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// latency is the table of a wait. reference is a row of what the other subject waits for, ""
// for none; inThese is the name of a column that counts in them, "" for none.
func (b *beside) latency(w waits, reference, inThese string) *table {
	more50 := w.p50[b.with].less(w.p50[deflectd])
	more99 := w.p99[b.with].less(w.p99[deflectd])
	t := newTable("", "p50", "more", "p90", "p99", "more")
	if inThese != "" {
		t.head = append(t.head, inThese)
	}
	names := slices.Clone(b.names)
	if reference != "" {
		names = append(names, reference)
	}
	for _, name := range names {
		row := []string{name, w.p50[name].show(ms), "", w.p90[name].show(ms), w.p99[name].show(ms), "", ""}
		if name == b.with {
			row[2], row[5], row[6] = more50.spread(ms), more99.spread(ms), more99.over(w.p50[reference]).spread(digits)
		}
		t.add(row[:len(t.head)]...)
	}
	return t
}

// cost is the table of CPU and calls; other is the name of the other program's column, "" for
// none.
func (b *beside) cost(other string) *table {
	t := newTable("", "without: CPU a call", "calls/s", "with: CPU a call", "ratio", "calls/s")
	if other != "" {
		t.head = append(t.head, other)
	}
	for _, at := range b.rates {
		row := []string{at.name, at.cpu[deflectd].show(ms), at.got[deflectd].show(digits),
			at.cpu[b.with].show(ms), at.cpu[b.with].over(at.cpu[deflectd]).spread(ratio), at.got[b.with].show(digits), at.other[b.with].show(micro)}
		t.add(row[:len(t.head)]...)
	}
	return t
}
