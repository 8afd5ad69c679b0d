package funnel

import (
	"cmp"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// Funnel counts how far calls got. A call counts once in each stage that it
// reached, and is lost after the last of them.
type Funnel struct {
	Calls         int
	Texts         int // calls that reached livedeflect.EventSendText
	Conversations int // calls that reached livedeflect.EventConversation
	Stages        []StageCount

	AcceptToText       Durations // from livedeflect.EventDeflResponse to livedeflect.EventSendText
	TextToConversation Durations // from livedeflect.EventSendText to livedeflect.EventConversation
}

// StageCount is one stage of a funnel.
type StageCount struct {
	Stage livedeflect.EventType
	Calls int // calls that reached it
	Lost  int // calls that got no further; 0 for the last stage, which is the goal
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

// Of counts calls.
func Of(calls []Journey) Funnel {
	var t tally
	for i := range calls {
		t.add(&calls[i])
	}
	return t.funnel()
}

// tally is a funnel that is being counted.
type tally struct {
	calls                  int
	reached, lost          [len(stages)]int
	toText, toConversation []time.Duration
}

func (t *tally) add(j *Journey) {
	t.calls++
	for i, yes := range j.reached {
		if yes {
			t.reached[i]++
		}
	}
	if last := j.furthest(); last >= 0 && last < conversationStage {
		t.lost[last]++
	}
	if d, ok := lapse(j.at[acceptStage], j.at[textStage]); ok {
		t.toText = append(t.toText, d)
	}
	if d, ok := lapse(j.at[textStage], j.at[conversationStage]); ok {
		t.toConversation = append(t.toConversation, d)
	}
}

func (t *tally) funnel() Funnel {
	f := Funnel{
		Calls: t.calls, Texts: t.reached[textStage], Conversations: t.reached[conversationStage],
		Stages:       make([]StageCount, len(stages)),
		AcceptToText: sumUp(t.toText), TextToConversation: sumUp(t.toConversation),
	}
	for i, s := range stages {
		f.Stages[i] = StageCount{Stage: s, Calls: t.reached[i], Lost: t.lost[i]}
	}
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
			t = &tally{}
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
