package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
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
		var events []deflect.Event
		var want []string
		for d := -2; d <= 2; d++ {
			for n := range d + 3 { // another number each day
				events = append(events, steps(fmt.Sprint(d, "-", n), "sales", at(d, 13), 0)...)
			}
			want = append(want, fmt.Sprintf("%s %d", at(d, 12).Format("Jan 2"), d+3))
		}
		slots, step := timeSlots(&reportResult{From: at(-2, 1), To: at(2, 23), Zone: zone, Calls: deflect.Journeys(slices.Values(events))})
		var got []string
		for _, s := range slots {
			got = append(got, fmt.Sprintf("%s %d", s.Start.Format("Jan 2"), s.Calls))
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
	row := regexp.MustCompile(`<text x="\d+" y="(\d+)"[^>]*>([^<]*)</text>`)
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
