package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
)

// column is one thing that a report tells of some calls. Every format goes by it: the
// count, the detail, the stages, the errors or the time that it is, whichever it has.
type column struct {
	api   string // whose report alone tells it; "" for all
	name  string // for programs: API. A count has no other
	head  string // in the table
	title string // on the page
	tells string // in a sentence

	count  func(funnel.Funnel) int
	whole  bool                    // it is all of the calls, so that it has no share of them
	detail func(funnel.Funnel) int // a count for the groups alone
	stage  funnel.Stage            // one of the stages, for people, in the groups
	stages bool
	errors bool
	took   func(funnel.Funnel) funnel.Durations
}

var reportColumns = []column{
	{name: "calls", count: func(f funnel.Funnel) int { return f.Calls }, whole: true},
	{name: "texts", count: func(f funnel.Funnel) int { return f.Texts }},
	{name: "conversations", count: func(f funnel.Funnel) int { return f.Conversations }},
	{api: config.C2M, head: "delivered", stage: funnel.Delivered},
	{api: config.C2M, head: "read", stage: funnel.Read},
	{api: config.C2M, name: "skipped", head: "skipped", detail: func(f funnel.Funnel) int { return f.Skipped }},
	{api: config.C2M, name: "failed", head: "failed", detail: func(f funnel.Funnel) int { return f.Failed }},
	{api: config.C2M, name: "opted_out", head: "opted out", detail: func(f funnel.Funnel) int { return f.OptOuts }},
	{name: "stages", stages: true},
	{api: config.C2M, name: "errors_by_code", errors: true},
	{name: "accept_to_text", head: "to text", title: "to the text", tells: "from accepting to the text",
		took: func(f funnel.Funnel) funnel.Durations { return f.AcceptToText }},
	{name: "text_to_conversation", head: "to conversation", title: "to the conversation", tells: "from the text to the conversation",
		took: func(f funnel.Funnel) funnel.Durations { return f.TextToConversation }},
}

// columns are those of the API.
func (r *reportResult) columns() (list []column) {
	for _, c := range reportColumns {
		if c.api == "" || c.api == r.api().name {
			list = append(list, c)
		}
	}
	return list
}

// counts are the columns that are a number of calls.
func (r *reportResult) counts() (list []column) {
	for _, c := range r.columns() {
		if c.count != nil {
			list = append(list, c)
		}
	}
	return list
}

// shownColumn is a column of the table and of the page, for people.
type shownColumn struct {
	head, title string
	width       int // at least, in the table
	text        func(funnel.Funnel) string
}

// shownColumns are the columns for people: shares of the calls stand beside their counts.
func (r *reportResult) shownColumns() (list []shownColumn) {
	for _, c := range r.columns() {
		switch {
		case c.count != nil:
			list = append(list, shownColumn{c.name, c.name, max(6, len(c.name)), func(f funnel.Funnel) string { return strconv.Itoa(c.count(f)) }})
			if !c.whole {
				list = append(list, shownColumn{"", "of calls", 5, c.share})
			}
		case c.detail != nil:
			list = append(list, shownColumn{c.head, c.head, max(6, len(c.head)), func(f funnel.Funnel) string { return strconv.Itoa(c.detail(f)) }})
		case c.stage != "":
			list = append(list, shownColumn{c.head, c.head, max(6, len(c.head)), func(f funnel.Funnel) string {
				calls, told := f.Reached(c.stage)
				return shownCount(calls, told)
			}})
		case c.took != nil:
			list = append(list, shownColumn{c.head, c.title, len(c.head), func(f funnel.Funnel) string { return half(c.took(f)) }})
		}
	}
	return list
}

// shownCount is a count that the API may not be able to tell.
func shownCount(calls int, told bool) string {
	if !told {
		return "-"
	}
	return strconv.Itoa(calls)
}

func (c column) share(f funnel.Funnel) string { return percent(c.count(f), f.Calls) }

// inWords is a count with its share: "3 texts (60 %)".
func (c column) inWords(f funnel.Funnel) string {
	words := fmt.Sprintf("%d %s", c.count(f), c.name)
	if !c.whole {
		words += " (" + c.share(f) + ")"
	}
	return words
}

// tiles are the columns that stand at the top of the page.
func (r *reportResult) tiles() (tiles []pageTile) {
	for _, c := range r.columns() {
		switch f := r.Total; {
		case c.took != nil:
			tiles = append(tiles, pageTile{half(c.took(f)), c.title, "half of them within"})
		case c.count != nil && c.whole:
			tiles = append(tiles, pageTile{strconv.Itoa(c.count(f)), c.name, r.api().calls})
		case c.count != nil:
			tiles = append(tiles, pageTile{strconv.Itoa(c.count(f)), c.name, c.share(f) + " of the calls"})
		}
	}
	return tiles
}

// csv are the names and the cells of a row: a stage each, and two of a time. What cannot be
// told is empty.
func (c column) csv(r *reportResult, f funnel.Funnel) (names, cells []string) {
	switch {
	case c.count != nil:
		return []string{c.name}, []string{strconv.Itoa(c.count(f))}
	case c.detail != nil:
		return []string{c.name}, []string{strconv.Itoa(c.detail(f))}
	case c.stage != "":
		return nil, nil
	case c.stages:
		for _, s := range f.Stages {
			cell := strconv.Itoa(s.Calls)
			if s.Untold {
				cell = ""
			}
			names, cells = append(names, string(s.Stage)), append(cells, cell)
		}
		return names, cells
	case c.errors:
		var all []string
		for _, e := range f.Errors {
			all = append(all, fmt.Sprintf("%s=%d", visible(r.words(e.Code), 40), e.Calls))
		}
		return []string{c.name}, []string{spreadsheetText(strings.Join(all, " "))}
	}
	d := c.took(f)
	seconds := func(t time.Duration) string {
		if d.Calls == 0 {
			return ""
		}
		return strconv.FormatFloat(t.Seconds(), 'f', -1, 64)
	}
	return []string{c.name + "_median_s", c.name + "_p90_s"}, []string{seconds(d.Median), seconds(d.P90)}
}

// json is a member of an object, or none. Null is what cannot be told.
func (c column) json(r *reportResult, f funnel.Funnel) object {
	switch {
	case c.count != nil:
		return object{{c.name, c.count(f)}}
	case c.detail != nil:
		return object{{c.name, c.detail(f)}}
	case c.stage != "":
		return nil
	case c.stages:
		stages := []object{}
		for _, s := range f.Stages {
			o := object{{"stage", s.Stage}, {"calls", s.Calls}, {"lost", s.Lost}}
			if s.Untold {
				o[1].value = nil
			}
			stages = append(stages, o)
		}
		return object{{c.name, stages}}
	case c.errors:
		errors := []object{}
		for _, e := range f.Errors {
			errors = append(errors, object{{"code", r.words(e.Code)}, {"calls", e.Calls}, {"meaning", orNull(c2m.Meaning(e.Code))}})
		}
		return object{{c.name, errors}}
	}
	d := c.took(f)
	told := object{{"calls", d.Calls}, {"median", d.Median.Seconds()}, {"p90", d.P90.Seconds()}}
	if d.Calls == 0 { // null is what no call tells
		told[1].value, told[2].value = nil, nil
	}
	return object{{c.name + "_seconds", told}}
}

// orNull is a text of JSON, null where there is none.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// object is one of JSON whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements [json.Marshaler].
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i, m := range o {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		if err := enc.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteString(":")
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteString("}")
	return b.Bytes(), nil
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// list is words as a person lists them, with "and" or "or" before the last.
func list(words []string, before string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " " + before + " " + words[last]
}
