package main

import (
	"encoding/json"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// TestTimeSlotsWithoutMidnight has days that begin at one: those after them must
// not be counted on the day before.
func TestTimeSlotsWithoutMidnight(t *testing.T) {
	for name, day := range map[string]time.Time{
		"America/Santiago": time.Date(2023, 9, 3, 0, 0, 0, 0, time.UTC),
		"Africa/Cairo":     time.Date(2023, 4, 28, 0, 0, 0, 0, time.UTC),
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		at := func(d, hour int) time.Time {
			return time.Date(day.Year(), day.Month(), day.Day()+d, hour, 0, 0, 0, zone)
		}
		var events []livedeflect.Event
		var want []string
		for d := -2; d <= 2; d++ {
			for n := range d + 3 { // another number each day
				events = append(events, steps(fmt.Sprint(d, "-", n), "sales", at(d, 13), 0)...)
			}
			want = append(want, fmt.Sprintf("%s %d", at(d, 12).Format("Jan 2"), d+3))
		}
		slots, step := timeSlots(&reportResult{From: at(-2, 1), To: at(2, 23), Zone: zone, Calls: journeys(events)})
		var got []string
		for _, s := range slots {
			got = append(got, fmt.Sprintf("%s %d", s.start.Format("Jan 2"), s.counts[0]))
		}
		if step != "day" || !slices.Equal(got, want) {
			t.Errorf("%s: slots by %s: %q, want %q", name, step, got, want)
		}
	}
}

// TestReportFunnelLabels looks for each stage's count beside its own name: the
// chart is drawn from below.
func TestReportFunnelLabels(t *testing.T) {
	f := sampleReport(t).Total
	for i := range f.Stages {
		f.Stages[i].Calls = 100 - 10*i
	}
	f.Calls = 100
	svg, err := funnelChart(f)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`<text [^>]*x="\d+" y="(\d+)"[^>]*>([^<]*)</text>`)
	heights := map[string]int{}
	for _, m := range row.FindAllStringSubmatch(string(svg), -1) {
		heights[m[2]], _ = strconv.Atoi(m[1])
	}
	above := 0
	for _, s := range f.Stages {
		name, ok := heights[stageNames[s.Stage]]
		count, counted := heights[fmt.Sprintf("%d (%d %%)", s.Calls, s.Calls)]
		if !ok || !counted || max(name-count, count-name) > 10 || name <= above {
			t.Errorf("%s: the name is at %d, the count at %d, the stage before at %d", s.Stage, name, count, above)
		}
		above = name
	}
}

// Whatever font a browser has, a text in a chart has the room that it takes: it is told
// how wide to be, is inside of the chart, and ends before the next one begins.
func TestReportTextFits(t *testing.T) {
	drawings := map[string]template.HTML{}
	for _, calls := range []int{1, 99, 12_345, 1_234_567, 1_000_000_000} {
		f := sampleReport(t).Total
		f.Calls = calls
		for i := range f.Stages {
			f.Stages[i].Calls = calls
		}
		svg, err := funnelChart(f)
		if err != nil {
			t.Fatal(err)
		}
		drawings[fmt.Sprint(calls, " calls")] = svg
	}
	begin := time.Date(2026, 9, 1, 0, 0, 0, 0, newYork(t))
	for _, span := range []time.Duration{
		2 * time.Hour, 5 * time.Hour, 8 * time.Hour, 9 * time.Hour, 20 * time.Hour, 21 * time.Hour, 24 * time.Hour, 47 * time.Hour, hourlyAtMost,
		4 * 24 * time.Hour, 8 * 24 * time.Hour, 31 * 24 * time.Hour, 119 * 24 * time.Hour, 400 * 24 * time.Hour, livedeflect.LongestReport,
	} {
		r := sampleReport(t)
		r.From, r.To = begin, begin.Add(span)
		svg, _, err := timeLine(r)
		if err != nil {
			t.Fatal(err)
		}
		drawings[span.String()] = svg
	}
	chart := regexp.MustCompile(`(?s)<svg class="(\w+)" [^>]*viewBox="0 0 (\d+) (\d+)".*?</svg>`)
	for of, svg := range drawings {
		var sizes []string
		for _, c := range chart.FindAllStringSubmatch(string(svg), -1) {
			sizes = append(sizes, c[1])
			checkTexts(t, c[1]+", "+of, c[0], number(t, c[2]), number(t, c[3]))
		}
		if !slices.Equal(sizes, []string{"wide", "narrow"}) {
			t.Errorf("%s: charts %v", of, sizes)
		}
	}
}

// checkTexts looks at the texts of one chart.
func checkTexts(t *testing.T, of, svg string, width, height float64) {
	t.Helper()
	label := regexp.MustCompile(`<text textLength="(\d+)" lengthAdjust="spacingAndGlyphs" x="(-?\d+)" y="(-?\d+)" style="[^"]*font-size:([0-9.]+)px[^"]*">([^<]*)</text>`)
	texts := label.FindAllStringSubmatch(svg, -1)
	if n := strings.Count(svg, "<text"); n != len(texts) || n < 6 {
		t.Fatalf("%s: %d of %d texts are told how wide to be: %s", of, len(texts), n, svg)
	}
	type box struct{ from, to, y float64 }
	var before []box
	for _, m := range texts {
		wide, size, letters := number(t, m[1]), number(t, m[4]), float64(len(m[5]))
		b := box{from: number(t, m[2]), to: number(t, m[2]) + wide, y: number(t, m[3])}
		if wide < 0.35*size*letters || wide > 0.7*size*letters { // most fonts are between, and hardly squeezed
			t.Errorf("%s: %q is %v wide, at a size of %v", of, m[5], wide, size)
		}
		if b.from < 0 || b.to > width || b.y < size/2 || b.y > height {
			t.Errorf("%s: %q is cut off: %v in %v x %v", of, m[5], b, width, height)
		}
		for _, o := range before {
			if o.y-size < b.y && b.y < o.y+size && o.from < b.to+2 && b.from < o.to+2 {
				t.Errorf("%s: %q runs into another: %v and %v", of, m[5], b, o)
			}
		}
		before = append(before, b)
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReportFlags sees to it that the flags get to the report.
func TestReportFlags(t *testing.T) {
	api := runAPI(t)
	config := configFile(t, api.URL())
	if code, _, stderr := invoke(t, "send", "--config", config, "--from", caller, "--to", dialed, "--external-id", "c1"); code != 0 {
		t.Fatalf("exit code %d, stderr %s", code, stderr)
	}
	for _, tt := range []struct {
		by, zone, key string
		show          bool
	}{
		{by: "skill", key: "^sales$"}, {by: "dialed", key: `^\*+00$`}, {by: "dialed", key: `^\+18005550100$`, show: true},
		{by: "day", key: `^\d{4}-\d\d-\d\d$`}, {by: "hour", zone: "Asia/Tokyo", key: `:00:00\+09:00$`},
	} {
		args := []string{"report", "--config", config, "--format", "json", "--by", tt.by}
		if tt.zone != "" {
			args = append(args, "--zone", tt.zone)
		}
		if tt.show {
			args = append(args, "--show-numbers")
		}
		var out, errOut strings.Builder
		code := run(args, app{t.Context(), &out, &errOut, secretEnv})
		var got reportJSON
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil || code != 0 || errOut.String() != "" {
			t.Fatalf("%q: exit code %d, stderr %q: %v", args, code, errOut.String(), err)
		}
		if len(got.Groups) != 1 || !regexp.MustCompile(tt.key).MatchString(got.Groups[0].Key) {
			t.Errorf("%q: groups %+v, want the key %s", args, got.Groups, tt.key)
		}
		if !tt.show {
			shows(t, out.String())
		}
	}
}
