package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// reportJSON is the one object of the format json. Its names are API.
type reportJSON struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Partial bool      `json:"partial"`
	funnelJSON
	By     string      `json:"by"`
	Groups []groupJSON `json:"groups"`
	Bad    int         `json:"bad"`
	Errors []string    `json:"errors,omitempty"`
}

type groupJSON struct {
	Key string `json:"key"`
	funnelJSON
}

type funnelJSON struct {
	Calls              int           `json:"calls"`
	Texts              int           `json:"texts"`
	Conversations      int           `json:"conversations"`
	Stages             []stageJSON   `json:"stages"`
	AcceptToText       durationsJSON `json:"accept_to_text_seconds"`
	TextToConversation durationsJSON `json:"text_to_conversation_seconds"`
}

type stageJSON struct {
	Stage livedeflect.EventType `json:"stage"`
	Calls int                   `json:"calls"`
	Lost  int                   `json:"lost"`
}

// durationsJSON has null for what no call tells.
type durationsJSON struct {
	Calls  int      `json:"calls"`
	Median *float64 `json:"median"`
	P90    *float64 `json:"p90"`
}

func newFunnelJSON(f funnel.Funnel) funnelJSON {
	out := funnelJSON{
		Calls: f.Calls, Texts: f.Texts, Conversations: f.Conversations, Stages: []stageJSON{},
		AcceptToText: newDurationsJSON(f.AcceptToText), TextToConversation: newDurationsJSON(f.TextToConversation),
	}
	for _, s := range f.Stages {
		out.Stages = append(out.Stages, stageJSON(s))
	}
	return out
}

func newDurationsJSON(d funnel.Durations) durationsJSON {
	if d.Calls == 0 {
		return durationsJSON{}
	}
	median, p90 := d.Median.Seconds(), d.P90.Seconds()
	return durationsJSON{d.Calls, &median, &p90}
}

func writeReportJSON(w io.Writer, r *reportResult) error {
	out := reportJSON{
		From: r.From.In(r.Zone), To: r.To.In(r.Zone), Partial: r.Partial(), funnelJSON: newFunnelJSON(r.Total),
		By: r.By, Groups: []groupJSON{}, Bad: r.Bad,
	}
	for _, g := range r.Groups {
		out.Groups = append(out.Groups, groupJSON{r.key(g), newFunnelJSON(g.Funnel)})
	}
	out.Errors = firstOf(r.Gaps, len(r.Gaps))
	return printJSON(w, out)
}

// callJSON is one line of the format ndjson. Its names are API.
type callJSON struct {
	CallID         string                               `json:"call_id"`
	ExternalCallID string                               `json:"external_call_id"`
	Skill          string                               `json:"skill"`
	Dialed         string                               `json:"dialed"`
	Customer       string                               `json:"customer"`
	Begin          *time.Time                           `json:"begin"`
	ConversationID *string                              `json:"conversation_id"`
	Stages         map[livedeflect.EventType]*time.Time `json:"stages"` // null: reached at a time that is not told
}

func writeNDJSON(w io.Writer, r *reportResult) error {
	buffered := bufio.NewWriter(w)
	enc := json.NewEncoder(buffered)
	enc.SetEscapeHTML(false)
	told := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.In(r.Zone)
		return &t
	}
	for i := range r.Calls {
		j := &r.Calls[i]
		line := callJSON{
			CallID: r.words(j.CallID), ExternalCallID: r.words(j.ExternalCallID), Skill: r.words(j.Skill),
			Dialed: r.number(j.Dialed), Customer: r.number(j.Customer), Begin: told(j.Begin),
			Stages: map[livedeflect.EventType]*time.Time{},
		}
		if j.ConversationID != "" {
			line.ConversationID = &j.ConversationID
		}
		for _, s := range funnel.Stages() {
			if at, ok := j.Reached(s); ok {
				line.Stages[s] = told(at)
			}
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// writeCSV writes a row a group.
func writeCSV(w io.Writer, r *reportResult) error {
	out := csv.NewWriter(w)
	header := []string{"key", "calls", "texts", "conversations"}
	for _, s := range funnel.Stages() {
		header = append(header, string(s))
	}
	out.Write(append(header, "accept_to_text_median_s", "accept_to_text_p90_s", "text_to_conversation_median_s", "text_to_conversation_p90_s"))
	for _, g := range r.Groups {
		row := []string{spreadsheetText(visible(r.key(g), 1000)), strconv.Itoa(g.Calls), strconv.Itoa(g.Texts), strconv.Itoa(g.Conversations)}
		for _, s := range g.Stages {
			row = append(row, strconv.Itoa(s.Calls))
		}
		for _, d := range []funnel.Durations{g.AcceptToText, g.TextToConversation} {
			for _, t := range []time.Duration{d.Median, d.P90} {
				cell := ""
				if d.Calls > 0 {
					cell = strconv.FormatFloat(t.Seconds(), 'f', -1, 64)
				}
				row = append(row, cell)
			}
		}
		out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// spreadsheetText keeps a stranger's text from being run as a formula.
func spreadsheetText(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", first) {
		return "'" + s
	}
	return s
}
