package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table is a Markdown table that is aligned on a terminal too. The first column is
// text, the others are figures.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 3)
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				fmt.Fprintf(w, "| %s%s ", cell, space)
			} else {
				fmt.Fprintf(w, "| %s%s ", space, cell)
			}
		}
		fmt.Fprintln(w, "|")
	}
	line(t.head)
	for i := range t.head {
		if i == 0 {
			fmt.Fprintf(w, "|%s", strings.Repeat("-", width[i]+2))
		} else {
			fmt.Fprintf(w, "|%s:", strings.Repeat("-", width[i]+1))
		}
	}
	fmt.Fprintln(w, "|")
	for _, row := range t.rows {
		line(row)
	}
}

// column is a measurement of a comparison, by subject.
type column struct {
	name    string
	unit    func(float64) string
	value   map[string]figures
	noRatio bool
}

// compare is a table of subjects. A column is followed by ratios: divided tells which
// subject is divided by which in the row of one, "" for neither.
func compare(names []string, divided func(name string) (above, below string), columns ...column) *table {
	t := newTable("")
	for _, c := range columns {
		t.head = append(t.head, c.name)
		if !c.noRatio {
			t.head = append(t.head, "ratio")
		}
	}
	for _, name := range names {
		row := []string{name}
		for _, c := range columns {
			row = append(row, c.value[name].show(c.unit))
			if c.noRatio {
				continue
			}
			against := ""
			if above, below := divided(name); above != "" {
				against = c.value[above].over(c.value[below]).spread(ratio)
			}
			row = append(row, against)
		}
		t.add(row...)
	}
	return t
}

// deflectdTo divides deflectd by the others.
func deflectdTo(name string) (above, below string) {
	if name == deflectd {
		return "", ""
	}
	return deflectd, name
}

// toHand divides the others by what was written by hand.
func toHand(name string) (above, below string) {
	if name == byHand {
		return "", ""
	}
	return name, byHand
}
