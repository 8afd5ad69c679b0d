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
	Rows           []pageRow
	Stages         []pageStage
}

type pageTile struct{ Value, Name, Note string }

type pageStage struct {
	Name        string
	Type        livedeflect.EventType
	Calls, Lost int
	Share       string
}

type pageRow struct {
	Key                         string
	Calls, Texts, Conversations int
	TextShare, ConvShare        string
	ToText, ToConversation      string
}

// writeHTML writes one page that needs nothing else.
func writeHTML(w io.Writer, r *reportResult) error {
	f := r.Total
	page := reportPage{
		Headline: headline(r),
		Span:     r.From.In(r.Zone).Format(shownTime) + " to " + r.To.In(r.Zone).Format(shownTime),
		Partial:  r.Partial(), Bad: r.Bad, Missing: firstOf(r.Gaps, len(r.Gaps)), By: r.By,
		Tiles: []pageTile{
			{fmt.Sprint(f.Calls), "calls", "asked for a text"},
			{fmt.Sprint(f.Texts), "texts", percent(f.Texts, f.Calls) + " of the calls"},
			{fmt.Sprint(f.Conversations), "conversations", percent(f.Conversations, f.Calls) + " of the calls"},
			{half(f.AcceptToText), "to the text", "half of them within"},
			{half(f.TextToConversation), "to the conversation", "half of them within"},
		},
	}
	for _, s := range f.Stages {
		page.Stages = append(page.Stages, pageStage{stageNames[s.Stage], s.Stage, s.Calls, s.Lost, percent(s.Calls, f.Calls)})
	}
	for _, g := range r.Groups {
		page.Rows = append(page.Rows, pageRow{
			r.label(g), g.Calls, g.Texts, g.Conversations, percent(g.Texts, g.Calls), percent(g.Conversations, g.Calls),
			half(g.AcceptToText), half(g.TextToConversation),
		})
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
