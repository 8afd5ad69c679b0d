package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
)

const (
	shownTime = "2006-01-02 15:04:05 MST"
	barWidth  = 30
)

// writeTable writes for a person at a terminal.
func writeTable(w io.Writer, r *reportResult) error {
	f := r.Total
	if r.Partial() {
		fmt.Fprint(w, "PARTIAL: not all of this span could be read; the messages say what is missing.\n\n")
	}
	fmt.Fprintf(w, "LiveDeflect report, %s to %s\n", r.From.In(r.Zone).Format(shownTime), r.To.In(r.Zone).Format(shownTime))
	if r.Bad > 0 {
		fmt.Fprintf(w, "\n%d malformed entries were skipped.\n", r.Bad)
	}
	if f.Calls == 0 && r.Partial() {
		_, err := fmt.Fprintln(w, "\nNo calls in what could be read.")
		return err
	}
	if f.Calls == 0 {
		_, err := fmt.Fprintln(w, "\nNo calls. Check the span, and site_id in the configuration: a report is of one account.")
		return err
	}
	var words []string
	for _, c := range counts() {
		words = append(words, c.inWords(f))
	}
	fmt.Fprintf(w, "\n%s\n\n", strings.Join(words, ", "))
	if err := writeStages(w, f); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, c := range reportColumns {
		if c.took == nil {
			continue
		}
		if d := c.took(f); d.Calls > 0 {
			fmt.Fprintf(w, "%s: half within %s, 90 %% within %s\n", c.tells, roughly(d.Median), roughly(d.P90))
		}
	}
	fmt.Fprintln(w)
	return writeGroups(w, r)
}

// writeStages draws the funnel.
func writeStages(w io.Writer, f funnel.Funnel) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "stage\t\t calls\t\t  lost")
	for _, s := range f.Stages {
		fmt.Fprintf(tw, "%s\t%s\t%6d\t%5s\t%6d\t%s\n", s.Stage, stageNames[s.Stage], s.Calls, percent(s.Calls, f.Calls), s.Lost, bar(s.Calls, f.Calls, barWidth))
	}
	return tw.Flush()
}

func bar(n, of, width int) string {
	if of == 0 {
		return ""
	}
	return strings.Repeat("#", (n*width+of-1)/of)
}

func writeGroups(w io.Writer, r *reportResult) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	columns := shownColumns()
	row := func(first string, cell func(shownColumn) string) {
		fmt.Fprint(tw, first)
		for _, c := range columns {
			fmt.Fprintf(tw, "\t%*s", c.width, cell(c))
		}
		fmt.Fprintln(tw)
	}
	row(r.By, func(c shownColumn) string { return c.head })
	for _, g := range r.Groups {
		row(r.label(g), func(c shownColumn) string { return c.text(g.Funnel) })
	}
	return tw.Flush()
}
