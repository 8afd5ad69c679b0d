package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// reportResult is what there is to print.
type reportResult struct {
	From, To    time.Time
	By          string
	Zone        *time.Location
	ShowNumbers bool

	Calls  []deflect.Journey
	Total  deflect.Funnel
	Groups []deflect.Group
	Gaps   []error // parts that are missing
	Bad    []error // malformed entries
}

// reportFormats writes each format.
var reportFormats = map[string]func(io.Writer, *reportResult) error{
	"table": writeTable, "json": writeReportJSON, "ndjson": writeNDJSON, "csv": writeCSV, "html": writeHTML,
}

// Partial reports whether something is missing.
func (r *reportResult) Partial() bool { return len(r.Gaps) > 0 }

// collectReport reads the report, with a progress bar for a person who waits.
func collectReport(a *app, client *deflect.Client, from, to time.Time) *reportResult {
	r := &reportResult{From: from, To: to}
	q := deflect.ReportQuery{From: from, To: to}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var bar *progressbar.ProgressBar
		q.Progress = func(done, total int) {
			if bar == nil {
				bar = progressbar.NewOptions(total,
					progressbar.OptionSetWriter(f), progressbar.OptionSetDescription("reading the report"),
					progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
					progressbar.OptionThrottle(100*time.Millisecond))
			}
			bar.Set(done)
		}
		defer func() {
			if bar != nil {
				bar.Exit() // leaves the line when it was interrupted
				bar.Clear()
			}
		}()
	}
	r.Calls = deflect.Journeys(deflect.Events(client.Report(a.ctx, q), func(err error) {
		if malformed := (*deflect.EventError)(nil); errors.As(err, &malformed) {
			r.Bad = append(r.Bad, err)
		} else {
			r.Gaps = append(r.Gaps, err)
		}
	}))
	return r
}

var groupings = map[string]deflect.Grouping{
	"skill": deflect.BySkill, "hour": deflect.ByHour, "day": deflect.ByDay, "dialed": deflect.ByDialed,
}

func (r *reportResult) count() {
	r.Total = deflect.FunnelOf(r.Calls)
	r.Groups = deflect.FunnelBy(r.Calls, groupings[r.By], r.Zone)
}

// maxComplaints is how many of one kind a person is told.
const maxComplaints = 5

// complain says on stderr what is missing and what was skipped.
func (r *reportResult) complain(w io.Writer) {
	list := func(errs []error) {
		for i, err := range errs {
			if i == maxComplaints {
				fmt.Fprintf(w, "... and %d more\n", len(errs)-i)
				return
			}
			fmt.Fprintln(w, "deflectctl:", strings.TrimPrefix(err.Error(), "deflect: "))
		}
	}
	list(r.Bad)
	list(r.Gaps)
	if r.Partial() {
		fmt.Fprintln(w, "deflectctl: this report is partial")
	}
}

// number shows a telephone number, masked unless it may be seen.
func (r *reportResult) number(n deflect.PhoneNumber) string {
	if r.ShowNumbers {
		return visible(string(n), 40)
	}
	return n.String()
}

// key shows the key of a group.
func (r *reportResult) key(g deflect.Group) string {
	switch {
	case g.Key == "":
		return ""
	case r.By == "dialed":
		return r.number(deflect.PhoneNumber(g.Key))
	}
	return visible(g.Key, 60)
}

// visible makes a stranger's text fit for a terminal and a page: no controls, no
// invisible or turning characters, not endless.
func visible(s string, length int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, s)
	if runes := []rune(s); len(runes) > length {
		return string(runes[:length-1]) + "…"
	}
	return s
}

// percent is a share of a whole.
func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(n)/float64(of))
}

// roughly shows a time as a person would say it.
func roughly(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Round(time.Minute).Hours()), int(d.Round(time.Minute).Minutes())%60)
}
