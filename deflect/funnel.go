package deflect

import (
	"cmp"
	"slices"
	"time"
)

// Funnel counts how far calls got. A call counts once in each stage that it
// reached, and is lost after the last of them.
type Funnel struct {
	Calls         int
	Texts         int // calls that reached EventSendText
	Conversations int // calls that reached EventConversation
	Stages        []StageCount

	AcceptToText       Durations // from EventDeflResponse to EventSendText
	TextToConversation Durations // from EventSendText to EventConversation
}

// StageCount is one stage of a funnel.
type StageCount struct {
	Stage EventType
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

// FunnelOf counts calls.
func FunnelOf(calls []Journey) Funnel {
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
	if last := j.furthest(); last >= 0 && last < len(stages)-1 {
		t.lost[last]++
	}
	t.toText = j.between(t.toText, EventDeflResponse, EventSendText)
	t.toConversation = j.between(t.toConversation, EventSendText, EventConversation)
}

func (t *tally) funnel() Funnel {
	f := Funnel{
		Calls: t.calls, Texts: t.reached[len(stages)-2], Conversations: t.reached[len(stages)-1],
		Stages:       make([]StageCount, len(stages)),
		AcceptToText: sumUp(t.toText), TextToConversation: sumUp(t.toConversation),
	}
	for i, s := range stages {
		f.Stages[i] = StageCount{Stage: s, Calls: t.reached[i], Lost: t.lost[i]}
	}
	return f
}

// between appends the time between two stages, if it is known.
func (j *Journey) between(to []time.Duration, from, till EventType) []time.Duration {
	a, _ := j.Reached(from)
	b, _ := j.Reached(till)
	if a.IsZero() || b.IsZero() || b.Before(a) {
		return to
	}
	return append(to, b.Sub(a))
}

func sumUp(all []time.Duration) Durations {
	if len(all) == 0 {
		return Durations{}
	}
	slices.Sort(all)
	rank := func(percent int) time.Duration { return all[(len(all)*percent+99)/100-1] }
	return Durations{Calls: len(all), Median: rank(50), P90: rank(90)}
}

// FunnelBy counts calls in groups. Hours and days are those of the zone (nil is
// UTC), in their order; other groups come by their number of calls, the largest first.
// Groups without calls are not there.
func FunnelBy(calls []Journey, by Grouping, zone *time.Location) []Group {
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
	if by == ByDay {
		// Where summer time begins at midnight, the day begins at one.
		start = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)
		if start.Day() != t.Day() {
			start = start.Add(time.Hour)
		}
		return t.Format(time.DateOnly), start
	}
	// Not Truncate: zones differ by half hours too. Nor time.Date: one hour
	// comes twice when summer time ends.
	start = t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	return start.Format(time.RFC3339), start
}
