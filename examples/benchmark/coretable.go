package main

import "context"

// pieces is how often the ways take turns in a run.
const pieces = 10

// coreAlone measures Client.Deflect against the request written by hand.
func (l *lab) coreAlone(ctx context.Context) error {
	took, cpu := map[string]figures{}, map[string]figures{}
	mallocs, bytes := map[string]figures{}, map[string]figures{}
	err := l.each(ctx, "core", []string{coreSubject}, func(c *child, _ int) error {
		for _, way := range ways { // connections, caches
			if _, err := c.ask(question{Do: "block", What: way, Calls: l.WarmUp}); err != nil {
				return err
			}
		}
		sum := map[string]answer{}
		for range pieces {
			for _, way := range ways {
				a, err := c.ask(question{Do: "block", What: way, Calls: max(1, l.Block/pieces)})
				if err != nil {
					return err
				}
				so := sum[way]
				sum[way] = answer{Took: so.Took + a.Took, CPU: so.CPU + a.CPU, Mallocs: so.Mallocs + a.Mallocs, Bytes: so.Bytes + a.Bytes}
			}
		}
		for way, a := range sum {
			calls := float64(pieces * max(1, l.Block/pieces))
			took[way] = append(took[way], float64(a.Took)/calls)
			cpu[way] = append(cpu[way], float64(a.CPU)/calls)
			mallocs[way] = append(mallocs[way], float64(a.Mallocs)/calls)
			bytes[way] = append(bytes[way], float64(a.Bytes)/calls)
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.title("Core: one text after the other over a kept connection, %d a run. Ratios are to the request written by hand.", l.Block)
	compare(ways, toHand, column{name: "time", unit: micro, value: took}, column{name: "CPU", unit: micro, value: cpu}).print(l.out)
	l.title("Core: what the same allocated.")
	compare(ways, toHand, column{name: "allocations", unit: count, value: mallocs}, column{name: "bytes", unit: kb, value: bytes}).print(l.out)
	return nil
}
