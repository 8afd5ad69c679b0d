package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
)

// reportResult is what there is to print.
type reportResult struct {
	API         *reportAPI // nil is LiveDeflect
	From, To    time.Time
	By          string
	Zone        *time.Location
	ShowNumbers bool

	Calls  []funnel.Journey
	Total  funnel.Funnel
	Groups []funnel.Group
	Gaps   []error // parts that are missing
	Bad    int     // malformed entries ...
	BadOf  []error // ... and the first of them
}

// reportFormat is a format that a report is printed in.
type reportFormat struct {
	name, help string
	write      func(io.Writer, *reportResult) error
}

var reportFormats = []reportFormat{
	{"table", "for people", writeTable},
	{"json", "one object: totals, stages, groups", writeReportJSON},
	{"ndjson", "a line for each call", writeNDJSON},
	{"csv", "a row for each group", writeCSV},
	{"html", "one page that opens offline, with charts", writeHTML},
}

// Partial reports whether something is missing.
func (r *reportResult) Partial() bool { return len(r.Gaps) > 0 }

// collectReport reads the report, with a progress bar for a person who waits.
func collectReport(a *app, source reportSource, from, to time.Time) *reportResult {
	r := &reportResult{From: from, To: to}
	var progress func(done, total int)
	if a.watched() {
		bar, done := progressBar(a.stderr)
		defer done()
		progress = bar
	}
	r.Calls = source(a.ctx, from, to, progress, func(err error) {
		if malformed(err) {
			if r.Bad++; r.Bad <= maxComplaints {
				r.BadOf = append(r.BadOf, err)
			}
		} else {
			r.Gaps = append(r.Gaps, err)
		}
	})
	return r
}

// progressBar draws on a terminal, and leaves nothing there when it is done.
func progressBar(w io.Writer) (progress func(done, total int), done func()) {
	var bar *progressbar.ProgressBar
	progress = func(done, total int) {
		if bar == nil {
			bar = progressbar.NewOptions(total,
				progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("reading the report"),
				progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
				progressbar.OptionThrottle(100*time.Millisecond))
		}
		bar.Set(done)
	}
	return progress, func() {
		if bar != nil {
			bar.Exit() // leaves the line when it was interrupted
			bar.Clear()
		}
	}
}

// grouping is what the calls of a report are grouped by.
type grouping struct {
	name, words string
	by          funnel.Grouping
}

var groupings = []grouping{
	{"skill", "skill", funnel.BySkill},
	{"hour", "hour", funnel.ByHour},
	{"day", "day", funnel.ByDay},
	{"dialed", "dialed number", funnel.ByDialed},
}

func (r *reportResult) api() *reportAPI {
	if r.API == nil {
		return reportAPIs[0]
	}
	return r.API
}

func (r *reportResult) count() {
	r.Total = r.api().of(r.Calls)
	for _, g := range groupings {
		if g.name == r.By {
			r.Groups = funnel.By(r.Calls, g.by, r.Zone)
		}
	}
}

// maxComplaints is how many of one kind a person is told.
const maxComplaints = 5

// complain says on stderr what is missing and what was skipped.
func (r *reportResult) complain(w io.Writer) {
	for _, text := range append(firstOf(r.BadOf, r.Bad), firstOf(r.Gaps, len(r.Gaps))...) {
		fmt.Fprintln(w, "deflectctl:", strings.TrimPrefix(text, "deflect: "))
	}
	if r.Partial() {
		fmt.Fprintln(w, "deflectctl: this report is partial")
	}
}

// firstOf returns the first errors of so many.
func firstOf(errs []error, of int) (texts []string) {
	for _, err := range errs[:min(len(errs), maxComplaints)] {
		texts = append(texts, err.Error())
	}
	if of > maxComplaints {
		texts = append(texts, fmt.Sprintf("... and %d more", of-maxComplaints))
	}
	return texts
}
