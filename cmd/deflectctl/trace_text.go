package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

// tracesText lists calls.
func tracesText(all state.Traces, base string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (from deflectd at %s). ", plural(len(all.Calls), "traced call"), base)
	switch {
	case len(all.Profiles)+all.Next == 0:
		b.WriteString("No more are traced: --next N traces the next ones, and 'trace: true' all of a profile.\n")
	case len(all.Profiles) == 0:
		fmt.Fprintf(&b, "The next %s traced.\n", are(all.Next))
	default:
		names := make([]string, len(all.Profiles))
		for i, name := range all.Profiles {
			names[i] = cell(name)
		}
		fmt.Fprintf(&b, "Those of %s are traced", list(names, "and"))
		if all.Next > 0 {
			fmt.Fprintf(&b, ", and the next %s, whatever their profile", are(all.Next))
		}
		b.WriteString(".\n")
	}
	if len(all.Calls) == 0 {
		return b.String()
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\ncall\tnumber\tdialed\tprofile\tbegan\tended as\n")
	for _, c := range all.Calls {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", cell(c.CallID), cell(c.Number), cell(c.Dialed), cell(c.Profile), when(&c.Began), cell(endedAs(c)))
	}
	w.Flush()
	return b.String()
}

func are(n int) string {
	if n == 1 {
		return "call is"
	}
	return fmt.Sprintf("%d calls are", n)
}

func endedAs(c state.Trace) string {
	if c.Ended == nil {
		return "in progress"
	}
	return c.Outcome + " " + c.Reason
}

// longestStep is what is shown of one.
const longestStep = 2100

// traceText tells of calls step by step.
func traceText(all state.Traces) string {
	var b strings.Builder
	for i, c := range all.Calls {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "call %s", cell(c.CallID))
		if c.UUID != "" {
			fmt.Fprintf(&b, " (uuid %s)", cell(c.UUID))
		}
		fmt.Fprintf(&b, " of %s to %s, profile %s\n", cell(c.Number), cell(c.Dialed), cell(c.Profile))
		fmt.Fprintf(&b, "began %s, %s\n\n", c.Began.Local().Format("2006-01-02T15:04:05.000Z07:00"), cell(endedAs(c)))
		for _, s := range c.Steps {
			fmt.Fprintf(&b, "%10s  %-8s %s\n", since(c.Began, s.At), cell(s.Kind), cmp.Or(visible(s.Text, longestStep), "-"))
		}
		if c.LeftOut > 0 {
			fmt.Fprintf(&b, "%s of this call were too many to be kept\n", plural(c.LeftOut, "step"))
		}
	}
	return b.String()
}

// since is how long after the beginning something was.
func since(began, at time.Time) string {
	d := at.Sub(began)
	if d >= time.Hour {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.3fs", d.Seconds())
}
