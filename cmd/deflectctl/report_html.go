package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

//go:embed report.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// reportPage is what the page shows, ready to print.
type reportPage struct {
	Headline, Span string
	Partial        bool
	Missing        []string
	Bad            int
	Tiles          []pageTile
	Funnel         template.HTML
	TimeLine       template.HTML
	Step           string
	By             string
	Heads          []string
	Rows           []pageRow
	Stages         []pageStage
	Errors         []shownError
	API            *reportAPI
}

type pageTile struct{ Value, Name, Note string }

type pageStage struct {
	Name  string
	Type  livedeflect.EventType
	Calls string
	Lost  int
	Share string
}

type pageRow struct {
	Key   string
	Cells []string
}

// writeHTML writes one page that needs nothing else.
func writeHTML(w io.Writer, r *reportResult) error {
	f := r.Total
	page := reportPage{
		Headline: headline(r),
		Span:     r.From.In(r.Zone).Format(shownTime) + " to " + r.To.In(r.Zone).Format(shownTime),
		Partial:  r.Partial(), Bad: r.Bad, Missing: firstOf(r.Gaps, len(r.Gaps)), By: r.By,
		Tiles: r.tiles(), Errors: r.errors(), API: r.api(),
	}
	for _, s := range f.Stages {
		share := percent(s.Calls, f.Calls)
		if s.Untold {
			share = "-"
		}
		page.Stages = append(page.Stages, pageStage{stageNames[s.Stage], s.Stage, shownCount(s.Calls, !s.Untold), s.Lost, share})
	}
	columns := r.shownColumns()
	for _, c := range columns {
		page.Heads = append(page.Heads, c.title)
	}
	for _, g := range r.Groups {
		row := pageRow{Key: r.label(g)}
		for _, c := range columns {
			row.Cells = append(row.Cells, c.text(g.Funnel))
		}
		page.Rows = append(page.Rows, row)
	}
	if f.Calls > 0 {
		var err error
		if page.Funnel, err = funnelChart(f); err != nil {
			return err
		}
		if page.TimeLine, page.Step, err = timeLine(r); err != nil {
			return err
		}
	}
	return pageTemplate.Execute(w, page)
}

// headline says it in one sentence.
func headline(r *reportResult) string {
	switch f := r.Total; {
	case f.Calls > 0:
		return fmt.Sprintf("%d of %d callers got their text, %d opened a conversation", f.Texts, f.Calls, f.Conversations)
	case r.Partial():
		return "No calls in what could be read"
	}
	return "No calls in this time"
}
