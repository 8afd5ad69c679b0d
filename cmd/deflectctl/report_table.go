package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
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
	fmt.Fprintf(w, "%s report, %s to %s\n", r.api().title, r.From.In(r.Zone).Format(shownTime), r.To.In(r.Zone).Format(shownTime))
	if r.Bad > 0 {
		fmt.Fprintf(w, "\n%d malformed entries were skipped.\n", r.Bad)
	}
	if f.Calls == 0 && r.Partial() {
		_, err := fmt.Fprintln(w, "\nNo calls in what could be read.")
		return err
	}
	if f.Calls == 0 {
		_, err := fmt.Fprintf(w, "\nNo calls. Check the span, and %s in the configuration: a report is of one account.\n", r.api().account)
		return err
	}
	var words []string
	for _, c := range r.counts() {
		words = append(words, c.inWords(f))
	}
	fmt.Fprintf(w, "\n%s\n\n", strings.Join(words, ", "))
	if err := writeStages(w, f); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, c := range r.columns() {
		if c.took == nil {
			continue
		}
		if d := c.took(f); d.Calls > 0 {
			fmt.Fprintf(w, "%s: half within %s, 90 %% within %s\n", c.tells, roughly(d.Median), roughly(d.P90))
		}
	}
	fmt.Fprintln(w)
	if errors := r.errors(); len(errors) > 0 {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "error\t calls")
		for _, e := range errors {
			fmt.Fprintf(tw, "%s\t%6d\t%s\n", e.Code, e.Calls, e.Meaning)
		}
		fmt.Fprintln(tw)
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	return writeGroups(w, r)
}

// shownError is an error by its code, for people.
type shownError struct {
	Code, Meaning string
	Calls         int
}

func (r *reportResult) errors() (list []shownError) {
	for _, c := range r.columns() {
		if !c.errors {
			continue
		}
		for _, e := range r.Total.Errors {
			list = append(list, shownError{visible(r.words(e.Code), 40), cmp.Or(c2m.Meaning(e.Code), "not in the vendor's dictionary"), e.Calls})
		}
	}
	return list
}

// writeStages draws the funnel.
func writeStages(w io.Writer, f funnel.Funnel) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "stage\t\t calls\t\t  lost")
	for _, s := range f.Stages {
		share := percent(s.Calls, f.Calls)
		if s.Untold {
			share = "-"
		}
		row := fmt.Sprintf("%s\t%s\t%6s\t%5s\t%6d", s.Stage, stageNames[s.Stage], shownCount(s.Calls, !s.Untold), share, s.Lost)
		if drawn := bar(s.Calls, f.Calls, barWidth); drawn != "" {
			row += "\t" + drawn
		}
		fmt.Fprintln(tw, row)
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
	columns := r.shownColumns()
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
