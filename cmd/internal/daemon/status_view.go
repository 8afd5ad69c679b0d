package daemon

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// view is what the page shows, in words.
type view struct {
	Verdict  verdict
	At, Up   string
	Tiles    []statusLine
	Bars     []bars
	Tallest  uint64
	Minutes  template.HTML     // rows of the table with the chart's numbers
	Outcomes []deflect.Outcome // its columns
	Reasons  []reasonRow
	Profiles []profileRow
	ByName   bool // outcomes are known by profile
	Sections []statusSection
	Config   string // "" for who may not see it
}

// statusLine is a value with its name, and what it means.
type statusLine struct {
	Name, Value, Note string
	Mark              statusMark
}

type statusSection struct {
	ID, Title string
	Lines     []statusLine
}

type bars struct {
	Outcome      deflect.Outcome
	Kind, Words  string
	Path         string // of SVG
	Lately, Hour uint64
	Share        string
}

type reasonRow struct {
	Outcome      deflect.Outcome
	Reason       deflect.Reason
	Kind, Words  string
	Lately, Hour uint64
}

type profileRow struct {
	Name, Hours          string
	Calls, Text, Trouble uint64
}

const clock = "15:04:05 MST"

// inHour says of when counts are: a daemon knows nothing of before its start.
func (f *facts) inHour() string {
	if f.at.Sub(f.start) < time.Hour {
		return "since the start at " + f.start.Format("15:04")
	}
	return "in the last hour"
}

// view makes one. Addresses, folders and the configuration are for who is on the machine.
func (f *facts) view(here bool) view {
	v := view{Verdict: f.verdict(), At: f.at.Format(clock), Up: f.build.Version + ", runs for " + howLong(f.at.Sub(f.start))}
	v.Tiles = f.tiles()
	v.chart(f)
	v.Reasons = f.reasons()
	v.profiles(f)
	v.Sections = []statusSection{
		{"api", "API of LivePerson", f.api()},
		{"switches", "FreeSWITCH", f.phone(here)},
		{"texts", "Texts that wait, or are in doubt", f.texts()},
		{"stores", "Journal and Redis", f.stores(here)},
		{"program", "This deflectd", f.program()},
	}
	if here {
		v.Config = f.effective()
	}
	return v
}

func (f *facts) tiles() []statusLine {
	sent := f.all.outcomes(deflect.Sent)
	tiles := []statusLine{
		{Name: "calls in progress", Value: thousands(uint64(f.calls)), Note: "of " + thousands(uint64(f.most)) + " at most"},
		{Name: "calls ended", Value: thousands(f.all.sum("deflect_outcomes_total", nil)), Note: f.inHour()},
		{Name: "texts sent", Value: thousands(sent), Note: f.inHour()},
		{Name: "failed or uncertain", Value: thousands(f.all.outcomes(deflect.Failed, deflect.Uncertain)), Note: f.inHour()},
		{Name: "texts wait", Value: thousands(uint64(f.gauge("deflect_waiting_texts", ""))), Note: "to be sent later"},
		{Name: "texts in doubt", Value: thousands(uint64(f.gauge("deflect_settle_open", ""))), Note: "looked up in the report"},
	}
	return tiles
}

// The chart of an outcome is drawn in units of its own: a minute is barStep wide, and the
// tallest bar of all barTop high.
const (
	barStep = 4
	barTop  = 28
)

func (v *view) chart(f *facts) {
	total := f.all.sum("deflect_outcomes_total", nil)
	counts := map[deflect.Outcome]*[60]uint64{}
	for _, o := range outcomeWords {
		counts[o.outcome] = new([60]uint64)
		v.Outcomes = append(v.Outcomes, o.outcome)
	}
	for i, minute := range f.minutes {
		for k, n := range minute {
			if c := counts[deflect.Outcome(k.outcome)]; c != nil && k.name == "deflect_outcomes_total" {
				c[i] += n
				v.Tallest = max(v.Tallest, c[i])
			}
		}
	}
	for _, o := range outcomeWords {
		var path strings.Builder
		for i, n := range counts[o.outcome] {
			if n == 0 {
				continue
			}
			high := max(1.5, barTop*float64(n)/float64(v.Tallest)) // one call is seen, too
			fmt.Fprintf(&path, "M%d %dv-%.1fh3v%.1fz", i*barStep, barTop, high, high)
		}
		hour := f.all.outcomes(o.outcome)
		v.Bars = append(v.Bars, bars{o.outcome, o.kind, o.words, path.String(), f.lately.outcomes(o.outcome), hour, shareOf(hour, total)})
	}
	v.Minutes = f.minuteRows(counts)
}

// minuteRows are those of minutes with a call, the last one first; the one that goes on is not
// over. A template would take longer for their many cells than for the rest of the page, and
// in numbers and times there is nothing to escape.
func (f *facts) minuteRows(counts map[deflect.Outcome]*[60]uint64) template.HTML {
	var rows, row strings.Builder
	for back := 1; back < len(f.minutes); back++ {
		row.Reset()
		row.WriteString("\n<tr><th scope=\"row\">" + f.at.Add(-time.Duration(back)*time.Minute).Format("15:04") + "</th>")
		called := false
		for _, o := range outcomeWords {
			cell := "·"
			if n := counts[o.outcome][len(f.minutes)-1-back]; n > 0 {
				cell, called = thousands(n), true
			}
			row.WriteString("<td class=\"n\">" + cell + "</td>")
		}
		if called {
			rows.WriteString(row.String() + "</tr>")
		}
	}
	return template.HTML(rows.String())
}

// reasons are those of the last hour: of trouble before all others, then the most frequent.
func (f *facts) reasons() (rows []reasonRow) {
	for _, o := range outcomeWords {
		if o.outcome == deflect.Sent {
			continue // has one alone
		}
		for _, r := range deflect.Reasons(o.outcome) {
			is := func(k what) bool { return k.outcome == string(o.outcome) && k.label == string(r) }
			if n := f.all.sum("deflect_outcomes_total", is); n > 0 {
				rows = append(rows, reasonRow{o.outcome, r, o.kind, reasonWords[r], f.lately.sum("deflect_outcomes_total", is), n})
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b reasonRow) int {
		first := map[string]int{"trouble": -1}
		return cmp.Or(cmp.Compare(first[a.Kind], first[b.Kind]), cmp.Compare(b.Hour, a.Hour))
	})
	return rows
}

// profiles are those of the configuration, and others that calls were counted for.
func (v *view) profiles(f *facts) {
	seen, calls := map[string]bool{}, map[string]uint64{}
	for k, n := range f.all {
		if k.name == "deflect_outcomes_total" {
			calls[k.profile] += n
		}
	}
	text, trouble := f.all.byProfile()
	add := func(name, hours string) {
		seen[name] = true
		v.Profiles = append(v.Profiles, profileRow{name, hours, calls[name], text[name], trouble[name]})
	}
	for _, p := range f.profiles {
		add(p.name, map[offering]string{
			offersNow: "open", offersLater: "closed: a text for later is offered", offersClosed: "closed: no offer",
			offersOff: "no offer (percent: 0)", offersHit: "no offer: Redis is away",
		}[f.offering(p)])
	}
	var others []string
	for name := range calls {
		if name != "" {
			v.ByName = true
			if !seen[name] {
				others = append(others, name)
			}
		}
	}
	slices.Sort(others)
	for _, name := range others {
		add(name, "not in the configuration any more")
	}
	if v.ByName && calls[""] > 0 {
		add("", "no profile serves these calls")
	}
}

// apiNames are those of the APIs, for people.
var apiNames = map[string]string{config.LiveDeflect: "LiveDeflect", config.C2M: "Connect to Messaging"}

// breakerLines are the states of the breakers of all APIs.
func (f *facts) breakerLines() (lines []statusLine) {
	for _, api := range f.apis {
		state := map[string]statusLine{
			"closed":    {Value: "closed", Note: "the API is not known to fail: texts are offered", Mark: good},
			"half_open": {Value: "half open", Note: "one caller at a time is offered a text, until a request succeeds", Mark: warn},
			"open":      {Value: "open", Note: "the API fails: nobody is offered a text by it for " + howLong(f.openFor), Mark: bad},
		}[f.breakerOf(api)]
		state.Name = "breaker"
		if len(f.apis) > 1 {
			state.Name += " of " + apiNames[api]
		}
		lines = append(lines, state)
	}
	if n := f.all.sum("deflect_breaker_transitions_total", labelIs("open")); n > 0 {
		opened := "it opened "
		if len(f.apis) > 1 {
			opened = "they opened "
		}
		last := &lines[len(lines)-1]
		last.Note += "; " + opened + howMany(n, "time", "times") + " " + f.inHour()
	}
	return lines
}

func (f *facts) api() []statusLine {
	names := make([]string, len(f.apis))
	for i, api := range f.apis {
		names[i] = apiNames[api]
	}
	asks := slices.Contains(f.apis, config.C2M)
	lines := []statusLine{{Name: "texts go by", Value: strings.Join(names, " and "), Note: strings.Join(f.apis, ", ")}}
	lines = append(lines, f.breakerLines()...)
	requests := statusLine{
		Name: "requests", Value: thousands(f.all.sum("deflect_requests_total", nil)),
		Note: f.inHour() + "; " + thousands(uint64(f.gauge("deflect_requests_in_flight", ""))) + " in flight",
	}
	if asks {
		of := func(call string) string {
			return thousands(f.all.sum("deflect_requests_total", func(k what) bool { return k.outcome == call }))
		}
		requests.Note += "; whether a caller can be texted (eligibility): " + of("eligibility") + ", texts (invite): " + of("invite")
	}
	lines = append(lines, requests)
	const took = "deflect_request_duration_seconds"
	from, g := fmt.Sprintf("in the last %d minutes", recent), f.lately
	if g[what{name: took, label: "count"}] == 0 {
		from, g = f.inHour(), f.all
	}
	for _, q := range []struct {
		q    float64
		name string
		note string
	}{{.5, "latency, half of them", "within this time, estimated"}, {.95, "latency, 95 of 100", "within this time"}, {.99, "latency, 99 of 100", "within this time; callers wait for it, and live_deadline ends it"}} {
		l := statusLine{Name: q.name, Value: g.latency(took, q.q, f.bounds[took]), Note: q.note + ", " + from}
		if g[what{name: took, label: "count"}] == 0 {
			l.Note = "no request ended " + f.inHour()
		}
		lines = append(lines, l)
	}
	if asks {
		asked := byCall(took, "eligibility")
		g := f.lately
		if g[what{name: asked, label: "count"}] == 0 {
			g = f.all
		}
		l := statusLine{Name: "eligibility, 95 of 100", Value: g.latency(asked, .95, f.bounds[took]), Note: "within this time; callers wait for it unanswered, and eligibility_deadline ends it"}
		if f.all[what{name: asked, label: "count"}] == 0 {
			l.Note = "nobody was asked about " + f.inHour()
		}
		lines = append(lines, l)
	}
	ends := deflect.Reasons(deflect.Failed)
	for _, r := range deflect.Reasons(deflect.Uncertain) { // some are of both
		if !slices.Contains(ends, r) {
			ends = append(ends, r)
		}
	}
	for _, r := range ends {
		if n := f.all.sum("deflect_requests_total", labelIs(string(r))); n > 0 {
			lines = append(lines, statusLine{Name: "ended " + string(r), Value: thousands(n), Note: reasonWords[r], Mark: warn})
		}
	}
	return lines
}

// latency is a quantile in words.
func (g grown) latency(name string, q float64, bounds []float64) string {
	switch s, beyond, known := g.quantile(name, q, bounds); {
	case !known:
		return "none"
	case beyond:
		return "over " + milliseconds(s)
	default:
		return milliseconds(s)
	}
}

func (f *facts) phone(here bool) []statusLine {
	calls := statusLine{Name: "calls handed over", Value: "taken", Mark: good, Note: thousands(uint64(f.calls)) + " in progress"}
	switch {
	case f.stopping:
		calls.Value, calls.Mark = "not taken", bad
	case f.full:
		calls.Value, calls.Mark = "refused", warn
	}
	if here {
		calls.Note += ", on " + f.outbound
	}
	lines := []statusLine{calls}
	for _, sw := range f.switches {
		l := statusLine{Name: "switch " + sw.Name, Value: "watched", Mark: good, Note: "its callers in queues are offered a text"}
		if slices.Contains(f.away, sw.Name) {
			l.Value, l.Mark, l.Note = "away", bad, "its callers in queues are not offered a text"
		}
		if here {
			l.Note += ", " + sw.Address
		}
		lines = append(lines, l)
	}
	if len(f.switches) == 0 {
		lines = append(lines, statusLine{Name: "watched switches", Value: "none", Note: "callers in queues are not offered a text (freeswitch.inbound)"})
	} else {
		lines = append(lines, statusLine{Name: "on offer in queues", Value: thousands(uint64(f.gauge("deflect_freeswitch_offers", ""))), Note: "callers who can press the key now"})
	}
	for _, r := range []struct{ reason, note string }{
		{"max_calls", "came while it was full"}, {"not_allowed", "from an address that is not allowed"},
		{"shutdown", "came while it stopped"}, {"claim_unknown", "key presses: Redis did not say who answers"},
	} {
		if n := f.all.sum("deflect_freeswitch_rejected_connections_total", labelIs(r.reason)); n > 0 {
			lines = append(lines, statusLine{Name: "turned away", Value: thousands(n), Note: r.note + ", " + f.inHour(), Mark: warn})
		}
	}
	return lines
}

func (f *facts) texts() []statusLine {
	waiting := statusLine{Name: "wait", Value: thousands(uint64(f.gauge("deflect_waiting_texts", ""))), Note: "promised to callers, and not sent yet (later)"}
	if age := f.gauge("deflect_waiting_oldest_age_seconds", ""); age > 0 {
		waiting.Note += "; the oldest for " + howLong(time.Duration(age*float64(time.Second)))
	}
	dropped := f.all.sum("deflect_waiting_ended_total", nil) - f.all.sum("deflect_waiting_ended_total", outcomeIs(deflect.Sent)) - f.all.sum("deflect_waiting_ended_total", outcomeIs(deflect.Uncertain))
	lines := []statusLine{
		waiting,
		{Name: "of those, sent", Value: thousands(f.all.sum("deflect_waiting_ended_total", outcomeIs(deflect.Sent))), Note: f.inHour()},
		{Name: "of those, dropped", Value: thousands(dropped), Note: f.inHour() + ": they could not go out in time, or were not to"},
		{Name: "in doubt", Value: thousands(uint64(f.gauge("deflect_settle_open", ""))), Note: "a request left, and the report is asked whether there was a text"},
	}
	for _, r := range []struct {
		result deflect.SettleResult
		note   string
	}{
		{deflect.SettledSent, "the report shows the text"}, {deflect.SettledNotSent, "the report shows none"},
		{deflect.SettledUnknown, "the report did not tell"},
	} {
		lines = append(lines, statusLine{
			Name: "doubts that ended " + strings.ReplaceAll(string(r.result), "_", " "), Value: thousands(f.all.sum("deflect_settled_total", labelIs(string(r.result)))),
			Note: f.inHour() + ": " + r.note,
		})
	}
	return lines
}

func (f *facts) stores(here bool) (lines []statusLine) {
	j := statusLine{Name: "journal", Value: "written", Mark: good, Note: "texts are written down before they are sent"}
	switch {
	case f.dir == "":
		j = statusLine{Name: "journal", Value: "none", Note: "a restart forgets who was texted, and what waits (state.dir)"}
	case f.unwritten != nil && f.optional:
		j.Value, j.Mark, j.Note = "not written", warn, "texts go out all the same: "+f.unwritten.Error()
	case f.unwritten != nil:
		j.Value, j.Mark, j.Note = "not written", bad, "no text goes out: "+f.unwritten.Error()
	}
	if here && f.dir != "" {
		j.Note += "; in " + f.dir
	}
	lines = append(lines, j)
	if n := f.all.sum("deflect_journal_failures_total", nil); n > 0 {
		lines = append(lines, statusLine{Name: "journal failed", Value: thousands(n), Note: "texts " + f.inHour(), Mark: warn})
	}
	r := statusLine{Name: "Redis", Value: "up", Mark: good, Note: "shared with the other deflectd of the fleet"}
	switch {
	case len(f.redisAt) == 0:
		r = statusLine{Name: "Redis", Value: "none", Note: "this deflectd shares nothing (redis)"}
	case f.redis != "":
		r.Value, r.Mark, r.Note = "away", bad, strings.TrimPrefix(f.redis, "redis: ")
	}
	if here && len(f.redisAt) > 0 {
		r.Note += "; at " + strings.Join(f.redisAt, ", ")
	}
	lines = append(lines, r)
	if len(f.redisAt) > 0 {
		const took = "deflect_store_request_duration_seconds"
		all, ok := f.all.sum("deflect_store_requests_total", nil), f.all.sum("deflect_store_requests_total", labelIs("ok"))
		lines = append(lines,
			statusLine{Name: "requests to Redis", Value: thousands(all), Note: f.inHour() + "; " + thousands(all-ok) + " did not go well"},
			statusLine{Name: "Redis, 95 of 100", Value: f.all.latency(took, .95, f.bounds[took]), Note: "within this time, estimated, " + f.inHour()})
	}
	if n, known := f.gauges[what{name: "deflect_cooldowns"}]; known {
		lines = append(lines, statusLine{Name: "cooldowns", Value: thousands(uint64(n)), Note: "callers who were texted lately, and are not texted again yet"})
	}
	return lines
}

func (f *facts) program() []statusLine {
	lines := []statusLine{
		{Name: "version", Value: f.build.Version, Note: "revision " + f.build.Revision + ", " + f.build.GoVersion},
		{Name: "runs for", Value: howLong(f.at.Sub(f.start)), Note: "since " + f.start.Format("2006-01-02 15:04:05 MST")},
	}
	reloaded := statusLine{Name: "configuration", Value: "in use", Mark: good, Note: "as it is in the file"}
	if at := f.gauge("deflectd_config_last_reload_success_timestamp_seconds", ""); at > 0 {
		reloaded.Note = "loaded at " + time.Unix(int64(at), 0).Format("2006-01-02 15:04:05 MST")
	}
	if is, known := f.gauges[what{name: "deflectd_config_last_reload_successful"}]; known && is == 0 {
		reloaded.Value, reloaded.Mark = "refused", warn
		reloaded.Note = "the one before is in use, " + reloaded.Note
	}
	lists := statusLine{Name: "do-not-text lists", Value: "whole", Mark: good, Note: "those in files"}
	if f.gauge("deflectd_do_not_text_whole", "") == 0 {
		lists.Value, lists.Mark, lists.Note = "not whole", warn, "a file cannot be read as it is; what was known before is kept"
	}
	log := statusLine{Name: "log", Value: "whole", Mark: good, Note: "no line was lost " + f.inHour()}
	if n := f.all.sum("deflectd_log_dropped_total", nil); n > 0 {
		log.Value, log.Mark, log.Note = "with gaps", warn, howMany(n, "line was", "lines were")+" lost "+f.inHour()
	}
	return append(lines, reloaded, lists, log)
}
