package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// reportJSON is what programs read of the format json.
type reportJSON struct {
	From, To                    time.Time
	Partial                     bool
	Calls, Texts, Conversations int
	Groups                      []struct{ Key string }
	Bad                         int
	Errors                      []string
}

func newYork(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// steps are the events of one call, the nth stage after so many seconds.
func steps(id, skill string, begin time.Time, seconds ...int) (events []livedeflect.Event) {
	for i, s := range seconds {
		events = append(events, livedeflect.Event{
			CallID: id, ExternalCallID: "ext-" + id, Skill: skill, Begin: begin,
			Type: funnel.Stages()[i], Time: begin.Add(time.Duration(s) * time.Second),
			CustomerCountryCode: "1", CustomerPhoneNumber: "4043438646", DialedCountryCode: "1", DialedPhoneNumber: "8005550100",
		})
	}
	return events
}

// evil is a skill that LivePerson would not have made up.
const evil = "=cmd()</svg><script>alert(1)</script>\x1b[31m\"' +14043438646"

// sampleReport is a report of five calls in two hours.
func sampleReport(t *testing.T) *reportResult {
	t.Helper()
	zone := newYork(t)
	begin := time.Date(2026, 11, 20, 9, 10, 0, 0, zone)
	events := slices.Concat(
		steps("473513", "sales", begin, 0, 10, 10, 10, 11, 131),
		steps("473514", "sales", begin.Add(time.Minute), 0, 10, 10, 10, 13),
		steps("473515", "service", begin.Add(time.Hour), 0, 10, 10, 10),
		steps("473516", "service", begin.Add(time.Hour), 0, 10, 10, 10, 11, 4000),
		[]livedeflect.Event{{CallID: "14043438646", ExternalCallID: "x +14043438646", Skill: evil, ConversationID: "5e6ac3a2-0f3c-4a6b-9d51-2c7c1d6f2b11"}},
	)
	r := &reportResult{
		From: time.Date(2026, 11, 20, 8, 0, 0, 0, zone), To: time.Date(2026, 11, 20, 12, 0, 0, 0, zone),
		By: "skill", Zone: zone, Calls: journeys(events),
	}
	r.count()
	return r
}

func written(t *testing.T, format string, r *reportResult) string {
	t.Helper()
	var out bytes.Buffer
	for _, f := range reportFormats {
		if f.name == format {
			if err := f.write(&out, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out.String()
}

func TestReportFormats(t *testing.T) {
	for _, format := range []string{"table", "json", "ndjson", "csv"} {
		golden(t, "report."+format, written(t, format, sampleReport(t)))
	}
}

// A new column is one row: every format that tells of groups has it then.
func TestReportColumnIsOneRow(t *testing.T) {
	before := reportColumns
	defer func() { reportColumns = before }()
	reportColumns = append(slices.Clone(before), column{name: "doubles", count: func(f funnel.Funnel) int { return 2 * f.Calls }})
	for format, want := range map[string][]string{
		"table": {"10 doubles (200 %)", "to conversation  doubles", "4  200 %\n"},
		"json":  {`"doubles": 10`, `"doubles": 4`},
		"csv":   {",doubles\n", ",4\n"},
		"html":  {"<b>10</b><span>doubles</span>", `<th scope="col">doubles</th>`, "texts, conversations and doubles by hour"},
	} {
		text := written(t, format, sampleReport(t))
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%s does not have %q:\n%s", format, part, text)
			}
		}
	}
}

// TestReportGroups shows the keys of every grouping.
func TestReportGroups(t *testing.T) {
	for by, want := range map[string][]string{
		"hour":   {"", "2026-11-20T09:00:00-05:00", "2026-11-20T10:00:00-05:00"},
		"day":    {"", "2026-11-20"},
		"dialed": {"***00", ""},
		"skill":  {"sales", "service", strings.Replace(evil, "+14043438646", "***46", 1)},
	} {
		r := sampleReport(t)
		r.By = by
		r.count()
		var got []string
		for _, g := range r.Groups {
			got = append(got, r.key(g))
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %s: %q, want %q", by, got, want)
		}
		for _, f := range reportFormats {
			if text := written(t, f.name, r); text == "" {
				t.Errorf("%s by %s is empty", f.name, by)
			}
		}
	}
}

// TestReportShowsNoStranger looks for what must not get out of a report as it
// came in: numbers, markup, controls, formulas.
func TestReportShowsNoStranger(t *testing.T) {
	r := sampleReport(t)
	r.Bad, r.BadOf = 1, []error{errors.New("bad")}
	r.Gaps = []error{fmt.Errorf("gap <b>")}
	for _, f := range reportFormats {
		format := f.name
		text := written(t, format, r)
		shows(t, text)
		if strings.Contains(text, "\x1b") {
			t.Errorf("%s has a control character", format)
		}
		if format == "html" && (strings.Contains(text, "<script") || strings.Contains(text, "gap <b>")) {
			t.Errorf("%s is not escaped", format)
		}
	}
	if text := written(t, "csv", r); !strings.Contains(text, `"'=cmd()`) {
		t.Errorf("a formula in the CSV:\n%s", text)
	}
	r.ShowNumbers, r.By = true, "dialed"
	r.count()
	for _, format := range []string{"table", "json", "csv", "html"} {
		if !strings.Contains(strings.ReplaceAll(written(t, format, r), "&#43;", "+"), "+18005550100") {
			t.Errorf("%s does not show the dialled number", format)
		}
	}
	if text := written(t, "ndjson", r); !strings.Contains(text, "+14043438646") || !strings.Contains(text, "+18005550100") {
		t.Errorf("ndjson does not show the numbers:\n%s", text)
	}
}

func TestReportPage(t *testing.T) {
	r := sampleReport(t)
	page := written(t, "html", r)
	for _, part := range []string{
		"<title>3 of 5 callers got their text, 3 opened a conversation</title>", `aria-label="Calls by stage"`,
		`aria-label="Calls, texts and conversations by hour"`, "default-src 'none'", "2026-11-20 08:00:00 EST to 2026-11-20 12:00:00 EST",
		`<th scope="row">sales</th><td>2</td>`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not have %s", part)
		}
	}
	offline := strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, "")
	for _, link := range []string{"http:", "https:", "src=", "href=", "url(", "@import"} {
		if strings.Contains(offline, link) {
			t.Errorf("the page is not by itself: it has %s", link)
		}
	}
	if strings.Contains(page, "Partial") {
		t.Error("the page says that it is partial")
	}
	r.Gaps = []error{errors.New("hole"), errors.New("h2"), errors.New("h3"), errors.New("h4"), errors.New("h5"), errors.New("h6")}
	if page = written(t, "html", r); !strings.Contains(page, "Partial") || !strings.Contains(page, "<li>hole</li>") || !strings.Contains(page, "and 1 more") {
		t.Error("the page does not say what is missing")
	}
	r.Bad = 7
	if page = written(t, "html", r); !strings.Contains(page, "7 malformed entries") {
		t.Error("the page does not say what was skipped")
	}
	none := &reportResult{From: r.From, To: r.To, By: "skill", Zone: r.Zone}
	none.count()
	if page = written(t, "html", none); !strings.Contains(page, "No calls in this time") || strings.Contains(page, "<svg") {
		t.Error("the page without calls")
	}
}

// TestTimeSlotsCoverTheSpan fills the hours and days without calls.
func TestTimeSlotsCoverTheSpan(t *testing.T) {
	r := sampleReport(t)
	slots, step := timeSlots(r)
	var got []string
	for _, s := range slots {
		got = append(got, fmt.Sprintf("%s %d/%d/%d", s.start.Format("15:04"), s.counts[0], s.counts[1], s.counts[2]))
	}
	if want := []string{"08:00 0/0/0", "09:00 2/2/1", "10:00 2/1/1", "11:00 0/0/0"}; step != "hour" || !slices.Equal(got, want) {
		t.Errorf("slots by %s: %q, want %q", step, got, want)
	}
	r.From, r.To = r.From.AddDate(0, 0, -25), r.To.AddDate(0, 0, 5) // over the end of summer time
	slots, step = timeSlots(r)
	total := 0
	for _, s := range slots {
		total += s.counts[0]
		if s.start.Hour() != 0 {
			t.Errorf("a day begins at %s", s.start)
		}
	}
	if step != "day" || len(slots) != 31 || total != 4 {
		t.Errorf("%d slots by %s with %d calls", len(slots), step, total)
	}
	for length := range 20 { // also where the days come out even
		span := *r
		span.From = r.To.AddDate(0, 0, -235-length)
		slots, _ := timeSlots(&span)
		if first := slots[0].start; span.From.Before(first) || !span.From.Before(slots[1].start) {
			t.Errorf("%d days: the first slots begin at %s and %s, the span at %s", 235+length, first, slots[1].start, span.From)
		}
	}
	r.From = r.From.AddDate(-2, 0, 0)
	slots, step = timeSlots(r)
	total = 0
	for _, s := range slots {
		total += s.counts[0]
	}
	if last := slots[len(slots)-1].start; step != "7 days" || len(slots) > timeLineSlots || total != 4 || !startOfDay(last, 6).Before(r.To) || startOfDay(last, 7).Before(r.To) {
		t.Errorf("two years: %d slots by %s with %d calls", len(slots), step, total)
	}
}

func TestStrangersTextIsFitForATerminal(t *testing.T) {
	for s, want := range map[string]string{
		"sales": "sales", "\x1b[31;1mred\x1b[0m": "red", "a\x1b]0;title\x07b": "ab", "a\x1b": "a", "a\x1b(Bb": "aBb", "a\nb\tc\x00": "abc",
		"\u202eevil\u2066": "evil", "\xff": "", "äöü 日本": "äöü 日本", "123456789012": "123456789…",
	} {
		if got := visible(s, 10); got != want {
			t.Errorf("visible(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestProgressBar(t *testing.T) {
	var drawn bytes.Buffer
	progress, done := progressBar(&drawn)
	progress(0, 24)
	progress(1, 24)
	done()
	text := drawn.String()
	if !strings.Contains(text, "reading the report") || !strings.Contains(text, "(0/24)") {
		t.Errorf("drawn %q", text)
	}
	if last := text[strings.LastIndex(strings.TrimRight(text, "\r"), "\r")+1:]; strings.TrimSpace(last) != "" {
		t.Errorf("the line is left with %q", last)
	}
	_, done = progressBar(&drawn)
	done() // nothing was drawn
}

func TestSpreadsheetRunsNoFormula(t *testing.T) {
	for _, formula := range []string{"=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1"} {
		if got := spreadsheetText(formula); got != "'"+formula {
			t.Errorf("spreadsheetText(%q) = %q", formula, got)
		}
	}
	for _, text := range []string{"", "sales", "a=1"} {
		if got := spreadsheetText(text); got != text {
			t.Errorf("spreadsheetText(%q) = %q", text, got)
		}
	}
}

func TestPercentRoundsNothingAway(t *testing.T) {
	for _, tt := range []struct {
		n, of int
		want  string
	}{{0, 0, "-"}, {0, 5, "0 %"}, {1, 1000, "<1 %"}, {999, 1000, ">99 %"}, {1000, 1000, "100 %"}, {1, 3, "33 %"}} {
		if got := percent(tt.n, tt.of); got != tt.want {
			t.Errorf("percent(%d, %d) = %q, want %q", tt.n, tt.of, got, tt.want)
		}
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0s", 1250 * time.Millisecond: "1.3s", 9960 * time.Millisecond: "10s", 59700 * time.Millisecond: "1m00s", 42 * time.Second: "42s", 130 * time.Second: "2m10s", 26*time.Hour + 5*time.Minute: "26h05m",
	} {
		if got := roughly(d); got != want {
			t.Errorf("roughly(%s) = %s, want %s", d, got, want)
		}
	}
}

// TestReportTellsWhatBecameOfTexts reads the report of three texts over the double.
func TestReportTellsWhatBecameOfTexts(t *testing.T) {
	api := runAPI(t)
	api.SetReport(livedeflecttest.Report{Conversation: func(d livedeflecttest.Deflection) (time.Duration, bool) { return 0, d.ExternalCallID == "c1" }})
	config := configFile(t, api.URL())
	for _, id := range []string{"c1", "c2", "c3"} {
		if code, _, stderr := invoke(t, "send", "--config", config, "--from", caller, "--to", dialed, "--external-id", id); code != 0 {
			t.Fatalf("exit code %d, stderr %s", code, stderr)
		}
	}
	read := func(wantCode int, args ...string) (reportJSON, string) {
		t.Helper()
		code, stdout, stderr := invoke(t, append([]string{"report", "--config", config, "--format", "json"}, args...)...)
		var out reportJSON
		if err := json.Unmarshal([]byte(stdout), &out); err != nil || code != wantCode {
			t.Fatalf("exit code %d, stdout %s, stderr %s: %v", code, stdout, stderr, err)
		}
		return out, stderr
	}
	out, stderr := read(0)
	if out.Partial || out.Calls != 3 || out.Texts != 3 || out.Conversations != 1 || out.Bad != 0 || stderr != "" ||
		len(out.Groups) != 1 || out.Groups[0].Key != "sales" || out.To.Sub(out.From) != 24*time.Hour {
		t.Errorf("%+v, stderr %q", out, stderr)
	}

	// A file is no terminal: no progress bar.
	messages, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Close()
	var table strings.Builder
	if code := run([]string{"report", "--config", config}, app{t.Context(), &table, messages, secretEnv}); code != 0 || !strings.Contains(table.String(), "3 calls, 3 texts") {
		t.Errorf("exit code %d, table\n%s", code, table.String())
	}
	if said, err := os.ReadFile(messages.Name()); err != nil || len(said) != 0 {
		t.Errorf("stderr %q, %v", said, err)
	}

	api.SetReport(livedeflecttest.Report{Oddity: livedeflecttest.Oddity{BadEvery: 1}})
	if out, stderr = read(0); out.Partial || out.Bad != 3 || !strings.Contains(stderr, "skipped a malformed entry of callId 473513") {
		t.Errorf("malformed entries: %+v, stderr %q", out, stderr)
	}

	api.SetReportFault(&livedeflecttest.Fault{Status: 401})
	if out, stderr = read(exitFailed, "--since", "1h"); !out.Partial || len(out.Errors) != 1 || out.Groups == nil || !strings.Contains(stderr, "this report is partial") {
		t.Errorf("refused: %+v, stderr %q", out, stderr)
	}
	code, stdout, _ := invoke(t, "report", "--config", config)
	if code != exitFailed || !strings.Contains(stdout, "PARTIAL") {
		t.Errorf("refused: exit code %d, table\n%s", code, stdout)
	}
}

// TestReportInterrupted presses ctrl-C while the second window is on its way.
func TestReportInterrupted(t *testing.T) {
	for format, want := range map[string]string{
		"table": "PARTIAL", "json": `"partial": true`, "ndjson": `"call_id":"1"`, "csv": "sales,1", "html": "Partial: not all",
	} {
		ctx, stop := context.WithCancel(t.Context())
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // or the server does not notice that the client is gone
			if requests++; requests == 2 {
				stop()
				<-r.Context().Done()
				return
			}
			fmt.Fprint(w, `{"success":"true","data":{"1":[{"skill":"sales","eventType":"callstart","eventTime":"1795000000000"}]}}`)
		}))
		config := configFile(t, server.URL)
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		config = filepath.Join(t.TempDir(), "one.yaml")
		if err := os.WriteFile(config, append(text, "report: {parallel: 1}\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errOut strings.Builder
		code := run([]string{"report", "--config", config, "--format", format, "--from", "1794999000", "--to", "1795006200"}, app{ctx, &out, &errOut, secretEnv})
		if code != exitFailed || !strings.Contains(out.String(), want) || !strings.Contains(errOut.String(), "this report is partial") {
			t.Errorf("%s: exit code %d, stderr %s, stdout\n%s", format, code, errOut.String(), out.String())
		}
		server.Close()
	}
}

func TestReportUsage(t *testing.T) {
	config := configFile(t, "http://127.0.0.1:1")
	for args, want := range map[string]string{
		"--since tomorrow":            `--since "tomorrow" is no length of time: write 90m, 24h or 7d`,
		"--since -1h":                 `is no length of time`,
		"--since 0d":                  `is no length of time`,
		"--since 24h --from 5":        `--since goes without --from: keep one of them`,
		"--since 5000d":               `the span is longer than ten years`,
		"--from 2999-01-01T00:00:00Z": `the span is still to come: it begins at 2999-01-01T00:00:00Z`,
		"--to 4000000000":             `the span is still to come`,
		"--from 1969-12-31T00:00:00Z --to 1970-02-01T00:00:00Z":        `the span begins before 1970`,
		"--from 2026-01-01T00:00:00.5Z --to 2026-01-01T00:00:00.5009Z": `the span ends before it begins`,
		"--zone=":                     `write an IANA name such as Europe/Berlin`,
		"--from noon":                 `--from "noon" is no time: write 2026-11-21T09:30:00Z`,
		"--from 1795000000 --to soon": `--to "soon" is no time`,
		"--from 1795000000 --to 1794": `the span ends before it begins`,
		"--zone Nowhere/City":         `--zone Nowhere/City is not known: write an IANA name such as Europe/Berlin`,
		"--by name":                   `--by must be one of`,
		"--format pdf":                `--format must be one of`,
	} {
		code, _, stderr := invoke(t, append([]string{"report", "--config", config}, strings.Fields(strings.Replace(args, "--since -1h", "--since=-1h", 1))...)...)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q, want %q", args, code, stderr, want)
		}
	}
}

func TestReportSpan(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		cmd      reportCmd
		from, to time.Time
	}{
		{reportCmd{}, now.Add(-24 * time.Hour), now},
		{reportCmd{Since: "90m"}, now.Add(-90 * time.Minute), now},
		{reportCmd{Since: "7d"}, now.Add(-7 * 24 * time.Hour), now},
		{reportCmd{From: "2026-11-20T00:00:00+01:00"}, time.Date(2026, 11, 19, 23, 0, 0, 0, time.UTC), now},
		{reportCmd{From: "1795000000", To: "1795000060000"}, time.Unix(1795000000, 0), time.Unix(1795000060, 0)},
		{reportCmd{Since: "1h", To: "1795000000"}, time.Unix(1794996400, 0), time.Unix(1795000000, 0)},
		{reportCmd{To: "1795000000"}, time.Unix(1795000000, 0).Add(-24 * time.Hour), time.Unix(1795000000, 0)},
	} {
		from, to, err := tt.cmd.span(now)
		if err != nil || !from.Equal(tt.from) || !to.Equal(tt.to) {
			t.Errorf("%+v: %s to %s, %v, want %s to %s", tt.cmd, from, to, err, tt.from, tt.to)
		}
	}
}
