package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// statusMark says how it is, in one word that is also a form on the page.
type statusMark string

const (
	good statusMark = "good"
	idle statusMark = "idle" // as it should be, and nobody is offered a text
	warn statusMark = "warn"
	bad  statusMark = "bad"
)

// verdict is what the page says first: whether callers get texts, and why not.
type verdict struct {
	Mark  statusMark
	Title string // of the window
	Head  string
	Why   string
	Notes []statusNote // the worst first
}

// statusNote is something that is not as it should be.
type statusNote struct {
	Mark statusMark
	Text string
	Do   string
}

// Shares of texts that came to nothing from which on that is said. One of ten callers is
// more than a bad number now and then, and fewer than three are no share. Ten callers in a
// row who can get none, as one with a landline, are.
const (
	troubleShare = 0.1
	troubleLeast = 3
	noOfferLeast = 10
)

// offering is what callers of a profile are offered.
type offering int

const (
	offersNow    offering = iota
	offersLater           // closed: a text for when the team is back
	offersClosed          // closed: nothing
	offersOff             // nothing, as it is configured
	offersHit             // nothing, while Redis is away
)

func (f *facts) offering(p statusProfile) offering {
	open := p.policy.Open(f.at)
	_, later := p.policy.Reopens(f.at)
	switch {
	case p.off:
		return offersOff
	case !open && !later:
		return offersClosed
	case f.redis != "" && p.redis:
		return offersHit
	case !open:
		return offersLater
	}
	return offersNow
}

func (f *facts) verdict() verdict {
	sent, later := f.lately.outcomes(deflect.Sent), f.lately.outcomes(deflect.Deferred)
	trouble, waits := f.lately.outcomes(deflect.Failed, deflect.Uncertain), f.lately.waits()
	v, redisSaid := verdict{}, false
	set := func(m statusMark, title, head, why string, args ...any) {
		v.Mark, v.Title, v.Head, v.Why = m, title, head, fmt.Sprintf(why, args...)
	}
	text := strings.TrimPrefix(f.redis, "redis: ")
	profiles := map[offering]int{}
	for _, p := range f.profiles {
		profiles[f.offering(p)]++
	}
	now, forLater, hit := profiles[offersNow], profiles[offersLater], profiles[offersHit]
	switch state := f.breaker(); {
	case f.stopping:
		set(bad, "stopping", "No new texts: this deflectd is stopping.",
			"%s to end; new calls go to the next host of the dialplan, or go on in it without an offer.", howMany(uint64(f.calls), "call has", "calls have"))
	case f.unwritten != nil && !f.optional:
		set(bad, "NO TEXTS", "No texts: the journal cannot be written.",
			"%v. A text that is not written down before is not sent (state.required). Make room on the disk, or mend it: deflectd goes on by itself.", f.unwritten)
	case state == "open":
		set(bad, "NO TEXTS", "No texts: the API fails, and callers are not offered one.",
			"The breaker is open for %s at a time, then one caller tries. %s", howLong(f.openFor), f.lastWords())
	case hit > 0 && now+forLater == 0:
		redisSaid = true
		head := "No texts: Redis is away, and every profile needs it."
		if hit < len(f.profiles) {
			head = "No texts: Redis is away, and the other profiles offer none."
		}
		set(bad, "NO TEXTS", head, "While it is, %s. Calls go on without an offer.", text)
	case now+hit == 0 && forLater > 0:
		head := "It is closed: callers are offered a text for later."
		if forLater < len(f.profiles) {
			head = "It is closed: some callers are offered a text for later."
		}
		set(idle, "closed", head, "It is outside of the hours. %s for the hours to begin.", howMany(uint64(f.gauge("deflect_waiting_texts", "")), "text waits", "texts wait"))
	case now+hit == 0 && profiles[offersClosed] > 0:
		set(idle, "closed", "No texts: it is closed.",
			"It is outside of the hours of every profile that offers texts (hours); that is no fault. Calls go on without an offer.")
	case now+hit == 0:
		set(idle, "no offers", "No texts: they are switched off.", "Every profile has percent: 0. Calls go on without an offer.")
	case f.full:
		set(warn, "full", "Some callers get no offer: this deflectd is full.",
			"%s, as many as it takes. More go to the next host of the dialplan, or go on in it.", howMany(uint64(f.calls), "call is in progress", "calls are in progress"))
	case sent+later == 0 && trouble >= troubleLeast:
		set(bad, "NO TEXTS", "No texts: none of the last ones went out.", "%s %s", f.lately.counts(lastMinutes), f.lastWords())
	case state == "half_open":
		set(warn, "trying", "One caller at a time: the API failed, and is tried again.", "It failed here, or at another deflectd of the fleet. One text that goes out opens the offers to everybody. %s", f.lastWords())
	case sent == 0 && waits >= troubleLeast:
		set(warn, "texts wait", "Texts are promised, and wait: none of the last ones went out.", "%s %s", f.lately.counts(lastMinutes), f.lastWords())
	case trouble >= troubleLeast && float64(trouble) >= troubleShare*float64(sent+later+trouble):
		set(warn, "some fail", "Some texts do not go out.", "%s %s", f.lately.counts(lastMinutes), f.lastWords())
	case sent+later+trouble < troubleLeast && f.all.outcomes(deflect.Sent, deflect.Deferred) == 0 && f.all.outcomes(deflect.Failed, deflect.Uncertain) >= troubleLeast:
		set(bad, "none went out", "No texts: few callers asked, and none of their texts is known to have gone out.", "%s %s", f.all.counts(strings.ToUpper(f.inHour()[:1])+f.inHour()[1:]), f.lastWords())
	case sent+later == 0 && trouble > 0:
		set(warn, "some fail", "Callers can get texts, but none of the last ones is known to have gone out.", "%s %s", f.lately.counts(lastMinutes), f.lastWords())
	case hit > 0:
		redisSaid = true
		set(warn, "some callers", "Callers get texts, but not of every profile: Redis is away.", "While it is, %s.", text)
	case sent > 0:
		set(good, "texts go out", "Callers get texts.", "%s", f.lately.counts(lastMinutes))
	case later > 0:
		set(good, "ready", "Callers can get texts.", "%s", f.lately.counts(lastMinutes))
	case f.noOffers() >= noOfferLeast:
		set(warn, "no offers", "None of the last callers could be offered a text.", "%s and none of them got an offer. %s",
			lastMinutes+" "+howMany(f.lately.sum("deflect_outcomes_total", nil), "call ended,", "calls ended,"), mostly(f.lately, deflect.Ineligible))
	default:
		set(good, "ready", "Callers can get texts.", "Nothing is known to stand in the way. %s", f.quiet())
	}
	v.Why = strings.TrimSpace(v.Why)
	v.Notes = f.notes(redisSaid)
	if v.Mark == good && slices.ContainsFunc(v.Notes, func(n statusNote) bool { return n.Mark != idle }) {
		v.Mark = warn
		v.Head = strings.TrimSuffix(v.Head, ".") + ", and something needs a look."
	}
	return v
}

// closed counts the profiles outside of whose hours it is.
func (f *facts) closed() (n int) {
	for _, p := range f.profiles {
		if !p.policy.Open(f.at) {
			n++
		}
	}
	return n
}

// waits counts texts that wait because they could not be sent.
func (g grown) waits() uint64 {
	return g.sum("deflect_outcomes_total", func(k what) bool {
		return k.outcome == string(deflect.Deferred) && k.label != string(deflect.ReasonOutsideHours)
	})
}

// noOffers counts the last calls if none of them was offered a text, but those of before it
// opened.
func (f *facts) noOffers() uint64 {
	if f.lately.sum("deflect_outcomes_total", nil) > f.lately.outcomes(deflect.Ineligible) {
		return 0
	}
	return f.lately.sum("deflect_outcomes_total", func(k what) bool { return k.label != string(deflect.ReasonOutsideHours) })
}

var lastMinutes = fmt.Sprintf("In the last %d minutes", recent)

// counts says in words what became of texts.
func (g grown) counts(when string) string {
	parts := []string{when + " " + howMany(g.outcomes(deflect.Sent), "text was sent", "texts were sent")}
	for _, o := range []deflect.Outcome{deflect.Deferred, deflect.Failed, deflect.Uncertain} {
		if n := g.outcomes(o); n > 0 {
			parts = append(parts, thousands(n)+" "+map[deflect.Outcome]string{
				deflect.Deferred: "to be sent later", deflect.Failed: "failed", deflect.Uncertain: "uncertain",
			}[o])
		}
	}
	return strings.Join(parts, ", ") + "."
}

// quiet says why there was no text lately.
func (f *facts) quiet() string {
	switch calls, hour := f.lately.sum("deflect_outcomes_total", nil), f.all.sum("deflect_outcomes_total", nil); {
	case calls > 0:
		return fmt.Sprintf("In the last %d minutes %s, and nobody asked for a text.", recent, howMany(calls, "call ended", "calls ended"))
	case hour > 0:
		return fmt.Sprintf("No call ended in the last %d minutes, %s %s.", recent, thousands(hour), f.inHour())
	}
	return "No call has ended " + f.inHour() + "."
}

// lastWords are what most texts failed of, of late or in the hour.
func (f *facts) lastWords() string {
	of := []deflect.Outcome{deflect.Failed, deflect.Uncertain, deflect.Deferred}
	return cmp.Or(mostly(f.lately, of...), mostly(f.all, of...))
}

// mostly says which reason most outcomes had. An open breaker is no cause of a text's end,
// and hours no trouble.
func mostly(g grown, of ...deflect.Outcome) string {
	sums := map[deflect.Reason]uint64{}
	for k, n := range g {
		o, r := deflect.Outcome(k.outcome), deflect.Reason(k.label)
		if k.name == "deflect_outcomes_total" && slices.Contains(of, o) && r != deflect.ReasonOutsideHours && (r != deflect.ReasonBreakerOpen || o == deflect.Ineligible) {
			sums[r] += n
		}
	}
	var top deflect.Reason
	for r, n := range sums {
		if n > sums[top] || n == sums[top] && r < top {
			top = r
		}
	}
	if sums[top] == 0 {
		return ""
	}
	return fmt.Sprintf("Mostly %s: %s.", top, cmp.Or(reasonWords[top], "see the log"))
}

// notes are what else is not as it should be.
func (f *facts) notes(redisSaid bool) []statusNote {
	var all []statusNote
	add := func(m statusMark, text, do string) { all = append(all, statusNote{m, text, do}) }
	if len(f.away) > 0 {
		add(bad, fmt.Sprintf("Callers who wait in queues of %s are not offered a text: there is no connection.", strings.Join(f.away, ", ")),
			"Check that FreeSWITCH runs, its event socket listens, and lets deflectd in (event_socket.conf: password, acl). It is tried again all the time.")
	}
	for _, api := range f.apis {
		var of []string
		for _, p := range f.profiles {
			if p.api == api {
				of = append(of, p.name)
			}
		}
		if state := f.breakerOf(api); state != "closed" && f.breaker() == "closed" && len(of) > 0 {
			add(bad, fmt.Sprintf("Callers of %s are not offered a text, but for one who tries: %s fails.", strings.Join(of, ", "), apiNames[api]),
				"Calls go on without an offer, and it is tried again all the time; the log has the cause.")
		}
	}
	if f.unwritten != nil && f.optional {
		add(bad, fmt.Sprintf("Texts go out without being written down: %v.", f.unwritten),
			"Make room on the disk, or mend it. Until then a crash can lead to a second text.")
	}
	if f.redis != "" && !redisSaid {
		add(bad, "Redis is away: "+strings.TrimPrefix(f.redis, "redis: ")+".", "Calls are served meanwhile, and Redis is tried again all the time.")
	}
	if f.lately.outcomes(deflect.Sent) > 0 { // or the verdict says it
		well, trouble := f.lately.byProfile()
		for _, p := range f.profiles {
			if well[p.name] == 0 && trouble[p.name] >= troubleLeast {
				add(warn, fmt.Sprintf("No text of the profile %s is known to have gone out in the last %d minutes, of %s.", p.name, recent, thousands(trouble[p.name])),
					"The log lines of its calls have the cause: what it has of its own (skill, text) may be refused.")
			}
		}
	}
	if n := f.all.sum("deflect_freeswitch_rejected_connections_total", labelIs("not_allowed")); n > 0 {
		add(warn, howMany(n, "connection", "connections")+" came in the last hour from an address that is not allowed, and went without an offer.",
			"If it is a switch of yours, put its address on freeswitch.outbound.allow; the log names it. If not, close the port to it.")
	}
	if n := f.all.sum("deflect_freeswitch_prompt_errors_total", nil); n > 0 {
		add(warn, howMany(n, "prompt", "prompts")+" could not be played in the last hour: the callers heard nothing.",
			"Check that the files are on the machine of FreeSWITCH (prompts, sounds); the log names them.")
	}
	if n := f.all.sum("deflect_freeswitch_protocol_errors_total", nil); n > 0 {
		add(warn, howMany(n, "connection", "connections")+" broke a rule or a limit of the event socket in the last hour.",
			"The log has the cause. A switch does not do that; a scanner of ports does.")
	}
	if n := f.all.sum("deflect_cooldowns_evicted_total", nil); n > 0 {
		add(warn, howMany(n, "cooldown", "cooldowns")+" ended early in the last hour, for lack of room: those callers can be texted again too soon.",
			"Raise max_cooldowns.")
	}
	if n := f.all.sum("deflect_settled_total", labelIs(string(deflect.SettledUnknown))); n > 0 {
		add(warn, howMany(n, "text", "texts")+" stayed in doubt in the last hour: the report did not tell.",
			"Check whether the report can be read: deflectctl report --last 1h.")
	}
	if is, known := f.gauges[what{name: "deflectd_do_not_text_whole"}]; known && is == 0 {
		add(warn, "A do-not-text list cannot be read as it is: the entries known before are kept, new ones are not.",
			"Mend the file; the log says what is wrong. It is read again by itself.")
	}
	if is, known := f.gauges[what{name: "deflectd_config_last_reload_successful"}]; known && is == 0 {
		add(warn, "The configuration file was refused at the last reload: the one before is in use, and a restart would fail.",
			"deflectctl check FILE says what is wrong. Then reload.")
	}
	if n := f.all.sum("deflectd_log_dropped_total", nil); n > 0 {
		add(warn, howMany(n, "log line", "log lines")+" were lost in the last hour: calls were served, but the record has gaps.",
			"Look for what reads the log too slowly, or a full disk.")
	}
	if n := f.all.sum("deflect_freeswitch_full_total", nil); n > 0 && !f.full {
		add(warn, fmt.Sprintf("It was full %s in the last hour, and more calls went on without an offer.", howMany(n, "time", "times")),
			"Raise max_calls and the limit of open files, or add a deflectd.")
	}
	if n := f.closed(); n > 0 && n < len(f.profiles) {
		add(idle, fmt.Sprintf("It is closed for %d of %d profiles.", n, len(f.profiles)), "That is by their hours, and no fault.")
	}
	slices.SortStableFunc(all, func(a, b statusNote) int { return cmp.Compare(weight(a.Mark), weight(b.Mark)) })
	return all
}

func weight(m statusMark) int { return slices.Index([]statusMark{bad, warn, idle, good}, m) }
