package funnel

import (
	"cmp"
	"slices"
	"time"
)

// Funnel counts how far calls got. A call counts once in each stage that it
// reached, and is lost after the last of them.
type Funnel struct {
	Calls         int
	Texts         int // calls that reached livedeflect.EventSendText, or Sent
	Conversations int // calls that reached livedeflect.EventConversation, or Conversation
	Stages        []StageCount

	AcceptToText       Durations // from livedeflect.EventDeflResponse to livedeflect.EventSendText, or from Invited to Sent
	TextToConversation Durations // from livedeflect.EventSendText to livedeflect.EventConversation, or from Sent to Conversation

	// Only Connect to Messaging tells the rest, see Journey.
	Skipped, Failed, OptOuts int
	Errors                   []ErrorCount // the most frequent first
}

// ErrorCount is how many calls met an error.
type ErrorCount struct {
	Code  string // such as "twilio_30003", see c2m.Meaning
	Calls int
}

// Reached returns how many calls reached a stage; false when none of them could have told.
func (f Funnel) Reached(stage Stage) (calls int, told bool) {
	for _, s := range f.Stages {
		if s.Stage == stage {
			return s.Calls, !s.Untold
		}
	}
	return 0, false
}

// StageCount is one stage of a funnel.
type StageCount struct {
	Stage  Stage
	Calls  int  // calls that reached it
	Lost   int  // calls that got no further; 0 for the last stage, which is the goal
	Untold bool // none of the calls could have told: texts of SMS are never seen to be read
}

// Durations sums up how long something took. Calls of which the report does not
// tell both times, or tells them in the wrong order, are left out.
type Durations struct {
	Calls       int
	Median, P90 time.Duration // nearest rank; 0 without calls
}

// Grouping is what calls are grouped by.
type Grouping int

// The groupings.
const (
	BySkill  Grouping = iota
	ByDialed          // the number that was dialled
	ByHour            // the hour that the call began in, of one day
	ByDay             // the day that the call began on
)

// Group is the funnel of some of the calls.
type Group struct {
	// Key is the skill, the dialled number in full, the begin of the hour as
	// RFC 3339, or the date; empty for calls of which the report does not say.
	Key string
	// Start is the begin of the hour or of the day; zero for other groups.
	Start time.Time
	Funnel
}

// Of counts calls, all of them of one report.
func Of(calls []Journey) Funnel {
	if len(calls) > 0 {
		return count(calls[0].steps(), calls)
	}
	return count(&ofLiveDeflect, nil)
}

func count(of *scale, calls []Journey) Funnel {
	t := tally{scale: of}
	for i := range calls {
		t.add(&calls[i])
	}
	return t.funnel()
}

// tally is a funnel that is being counted.
type tally struct {
	scale                    *scale
	calls                    int
	reached, lost            [maxStages]int
	toText, toConversation   []time.Duration
	skipped, failed, optOuts int
	tellsRead                bool
	errors                   map[string]int
}

func (t *tally) add(j *Journey) {
	t.calls++
	for i, yes := range j.reached {
		if yes {
			t.reached[i]++
		}
	}
	if last := j.furthest(); last >= 0 && last < t.scale.conversation {
		t.lost[last]++
	}
	if d, ok := lapse(j.at[t.scale.accept], j.at[t.scale.text]); ok {
		t.toText = append(t.toText, d)
	}
	if d, ok := lapse(j.at[t.scale.text], j.at[t.scale.conversation]); ok {
		t.toConversation = append(t.toConversation, d)
	}
	for _, is := range []struct {
		so bool
		n  *int
	}{{j.Skipped, &t.skipped}, {j.Failed, &t.failed}, {j.OptedOut, &t.optOuts}} {
		if is.so {
			*is.n++
		}
	}
	t.tellsRead = t.tellsRead || j.tellsRead()
	if j.Error != "" {
		if t.errors == nil {
			t.errors = map[string]int{}
		}
		t.errors[j.Error]++
	}
}

func (t *tally) funnel() Funnel {
	f := Funnel{
		Calls: t.calls, Texts: t.reached[t.scale.text], Conversations: t.reached[t.scale.conversation],
		Stages:       make([]StageCount, len(t.scale.stages)),
		AcceptToText: sumUp(t.toText), TextToConversation: sumUp(t.toConversation),
		Skipped: t.skipped, Failed: t.failed, OptOuts: t.optOuts,
	}
	for i, s := range t.scale.stages {
		f.Stages[i] = StageCount{Stage: s, Calls: t.reached[i], Lost: t.lost[i], Untold: s == Read && t.calls > 0 && !t.tellsRead}
	}
	for code, calls := range t.errors {
		f.Errors = append(f.Errors, ErrorCount{code, calls})
	}
	slices.SortFunc(f.Errors, func(a, b ErrorCount) int { return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Code, b.Code)) })
	return f
}

// lapse is the time from one stage to another, if both are known and in order.
func lapse(from, till time.Time) (time.Duration, bool) {
	if from.IsZero() || till.IsZero() || till.Before(from) {
		return 0, false
	}
	return till.Sub(from), true
}

func sumUp(all []time.Duration) Durations {
	if len(all) == 0 {
		return Durations{}
	}
	slices.Sort(all)
	rank := func(percent int) time.Duration { return all[(len(all)*percent+99)/100-1] }
	return Durations{Calls: len(all), Median: rank(50), P90: rank(90)}
}

// By counts calls in groups. Hours and days are those of the zone (nil is
// UTC), in their order; other groups come by their number of calls, the largest first.
// Groups without calls are not there.
func By(calls []Journey, by Grouping, zone *time.Location) []Group {
	type key struct {
		text  string
		start time.Time
	}
	if zone == nil {
		zone = time.UTC
	}
	tallies := map[key]*tally{}
	for i := range calls {
		var k key
		k.text, k.start = by.key(&calls[i], zone)
		t := tallies[k]
		if t == nil {
			t = &tally{scale: calls[i].steps()}
			tallies[k] = t
		}
		t.add(&calls[i])
	}
	groups := make([]Group, 0, len(tallies))
	for k, t := range tallies {
		groups = append(groups, Group{Key: k.text, Start: k.start, Funnel: t.funnel()})
	}
	slices.SortFunc(groups, func(a, b Group) int {
		if by == ByHour || by == ByDay {
			return a.Start.Compare(b.Start)
		}
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Key, b.Key))
	})
	return groups
}

func (by Grouping) key(j *Journey, zone *time.Location) (text string, start time.Time) {
	switch by {
	case BySkill:
		return j.Skill, start
	case ByDialed:
		return string(j.Dialed), start
	}
	t := j.When()
	if t.IsZero() {
		return "", start
	}
	t = t.In(zone)
	start = by.Start(t)
	if by == ByDay {
		return t.Format(time.DateOnly), start
	}
	return start.Format(time.RFC3339), start
}

// Start returns when the hour or the day began that t is in, in the zone of t:
// the Start of its group. It is zero for other groupings.
func (by Grouping) Start(t time.Time) time.Time {
	switch by {
	case ByHour:
		// Not Truncate: zones differ by half hours too. Nor time.Date: one hour
		// comes twice when summer time ends.
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case ByDay:
		start := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
		// Where summer time begins at midnight, the day begins at one.
		if start.Day() != t.Day() {
			start = start.Add(time.Hour)
		}
		return start
	}
	return time.Time{}
}
