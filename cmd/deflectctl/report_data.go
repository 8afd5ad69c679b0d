package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// writeReportJSON writes one object. Its names are API.
func writeReportJSON(w io.Writer, r *reportResult) error {
	counted := func(o object, f funnel.Funnel) object {
		for _, c := range r.columns() {
			o = append(o, c.json(r, f)...)
		}
		return o
	}
	groups := []object{}
	for _, g := range r.Groups {
		groups = append(groups, counted(object{{"key", r.key(g)}}, g.Funnel))
	}
	out := counted(object{{"from", r.From.In(r.Zone)}, {"to", r.To.In(r.Zone)}, {"partial", r.Partial()}}, r.Total)
	out = append(out, object{{"by", r.By}, {"groups", groups}, {"bad", r.Bad}}...)
	if len(r.Gaps) > 0 {
		out = append(out, member{"errors", firstOf(r.Gaps, len(r.Gaps))})
	}
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
		if r.api().name == config.C2M {
			if err := enc.Encode(r.transaction(j, told)); err != nil {
				return err
			}
			continue
		}
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

// transaction is one line of the format ndjson of Connect to Messaging. Its names are API.
func (r *reportResult) transaction(j *funnel.Journey, told func(time.Time) *time.Time) object {
	stages := object{}
	for _, s := range funnel.StagesC2M() {
		if at, ok := j.Reached(s); ok {
			stages = append(stages, member{string(s), told(at)})
		}
	}
	return object{
		{"call_id", r.words(j.CallID)}, {"skill", r.words(j.Skill)}, {"channel", r.words(j.Channel)}, {"handoff_id", r.words(j.HandoffID)},
		{"begin", told(j.Begin)}, {"conversation_id", orNull(j.ConversationID)}, {"stages", stages},
		{"skipped", j.Skipped}, {"failed", j.Failed}, {"opted_out", j.OptedOut},
		{"error", orNull(r.words(j.Error))}, {"meaning", orNull(c2m.Meaning(j.Error))},
	}
}

// writeCSV writes a row a group.
func writeCSV(w io.Writer, r *reportResult) error {
	out := csv.NewWriter(w)
	row := func(first string, cells func(c column) []string) {
		row := []string{first}
		for _, c := range r.columns() {
			row = append(row, cells(c)...)
		}
		out.Write(row)
	}
	row("key", func(c column) []string { names, _ := c.csv(r, r.Total); return names })
	for _, g := range r.Groups {
		row(spreadsheetText(visible(r.key(g), 1000)), func(c column) []string { _, cells := c.csv(r, g.Funnel); return cells })
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
