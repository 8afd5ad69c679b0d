package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
)

// column is one thing that a report tells of some calls. Every format goes by it: the
// count, the stages or the time that it is, whichever it has.
type column struct {
	name  string // for programs: API. A count has no other
	head  string // in the table
	title string // on the page
	tells string // in a sentence

	count  func(funnel.Funnel) int
	note   string // beside the count on the page; "" for its share of the calls
	stages bool
	took   func(funnel.Funnel) funnel.Durations
}

var reportColumns = []column{
	{name: "calls", count: func(f funnel.Funnel) int { return f.Calls }, note: "asked for a text"},
	{name: "texts", count: func(f funnel.Funnel) int { return f.Texts }},
	{name: "conversations", count: func(f funnel.Funnel) int { return f.Conversations }},
	{name: "stages", stages: true},
	{name: "accept_to_text", head: "to text", title: "to the text", tells: "from accepting to the text",
		took: func(f funnel.Funnel) funnel.Durations { return f.AcceptToText }},
	{name: "text_to_conversation", head: "to conversation", title: "to the conversation", tells: "from the text to the conversation",
		took: func(f funnel.Funnel) funnel.Durations { return f.TextToConversation }},
}

// counts are the columns that are a number of calls.
func counts() (list []column) {
	for _, c := range reportColumns {
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
func shownColumns() (list []shownColumn) {
	for _, c := range reportColumns {
		switch {
		case c.count != nil:
			list = append(list, shownColumn{c.name, c.name, max(6, len(c.name)), func(f funnel.Funnel) string { return strconv.Itoa(c.count(f)) }})
			if c.note == "" {
				list = append(list, shownColumn{"", "of calls", 5, c.share})
			}
		case c.took != nil:
			list = append(list, shownColumn{c.head, c.title, len(c.head), func(f funnel.Funnel) string { return half(c.took(f)) }})
		}
	}
	return list
}

func (c column) share(f funnel.Funnel) string { return percent(c.count(f), f.Calls) }

// inWords is a count with its share: "3 texts (60 %)".
func (c column) inWords(f funnel.Funnel) string {
	words := fmt.Sprintf("%d %s", c.count(f), c.name)
	if c.note == "" {
		words += " (" + c.share(f) + ")"
	}
	return words
}

// tile is what a column is at the top of the page.
func (c column) tile(f funnel.Funnel) pageTile {
	switch {
	case c.took != nil:
		return pageTile{half(c.took(f)), c.title, "half of them within"}
	case c.note != "":
		return pageTile{strconv.Itoa(c.count(f)), c.name, c.note}
	}
	return pageTile{strconv.Itoa(c.count(f)), c.name, c.share(f) + " of the calls"}
}

// csv are the names and the cells of a row: a stage each, and two of a time.
func (c column) csv(f funnel.Funnel) (names, cells []string) {
	switch {
	case c.count != nil:
		return []string{c.name}, []string{strconv.Itoa(c.count(f))}
	case c.stages:
		for _, s := range f.Stages {
			names, cells = append(names, string(s.Stage)), append(cells, strconv.Itoa(s.Calls))
		}
		return names, cells
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

// json is a member of an object.
func (c column) json(f funnel.Funnel) member {
	switch {
	case c.count != nil:
		return member{c.name, c.count(f)}
	case c.stages:
		stages := []object{}
		for _, s := range f.Stages {
			stages = append(stages, object{{"stage", s.Stage}, {"calls", s.Calls}, {"lost", s.Lost}})
		}
		return member{c.name, stages}
	}
	d := c.took(f)
	told := object{{"calls", d.Calls}, {"median", d.Median.Seconds()}, {"p90", d.P90.Seconds()}}
	if d.Calls == 0 { // null is what no call tells
		told[1].value, told[2].value = nil, nil
	}
	return member{c.name + "_seconds", told}
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
