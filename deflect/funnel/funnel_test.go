package funnel_test

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/funnel"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// noon is when the calls of these tests begin.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fold folds events of which none is malformed.
func fold(t testing.TB, events []livedeflect.Event) []funnel.Journey {
	t.Helper()
	return funnel.Collect(complete(events), func(err error) { t.Error(err) })
}

// complete is a report of which nothing is missing.
func complete(events []livedeflect.Event) iter.Seq2[livedeflect.Event, error] {
	return func(yield func(livedeflect.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// steps are events of one call, a second apart, in the funnel's order.
func steps(callID, skill string, begin time.Time, types ...livedeflect.EventType) []livedeflect.Event {
	var events []livedeflect.Event
	for i, typ := range types {
		events = append(events, livedeflect.Event{
			CallID: callID, ExternalCallID: "ext-" + callID, Skill: skill, Begin: begin, Type: typ, Time: begin.Add(time.Duration(i) * time.Second),
			CustomerCountryCode: "1", CustomerPhoneNumber: "4043438646", DialedCountryCode: "1", DialedPhoneNumber: "8005550100",
		})
	}
	return events
}

func all() []livedeflect.EventType { return funnel.Stages() }

// TestFunnel counts four calls that got differently far. Neither the order of
// the events nor how often they come makes a difference.
func TestFunnel(t *testing.T) {
	events := slices.Concat(
		steps("1", "sales", noon, all()...),
		steps("2", "sales", noon, all()[:5]...),
		steps("3", "care", noon, all()[:4]...),
		// An answer without its other events, and types that are no stage.
		steps("4", "care", noon, livedeflect.EventConversation, "optout", ""),
	)
	want := funnel.Funnel{
		Calls: 4, Texts: 2, Conversations: 2,
		Stages: []funnel.StageCount{
			{Stage: livedeflect.EventCallStart, Calls: 3},
			{Stage: livedeflect.EventSkillChoice, Calls: 3},
			{Stage: livedeflect.EventOvrChan, Calls: 3},
			{Stage: livedeflect.EventDeflResponse, Calls: 3, Lost: 1},
			{Stage: livedeflect.EventSendText, Calls: 2, Lost: 1},
			{Stage: livedeflect.EventConversation, Calls: 2},
		},
		AcceptToText:       funnel.Durations{Calls: 2, Median: time.Second, P90: time.Second},
		TextToConversation: funnel.Durations{Calls: 1, Median: time.Second, P90: time.Second},
	}
	for seed := range uint64(50) {
		mixed := slices.Concat(events, events[:seed%uint64(len(events))])
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if diff := cmp.Diff(want, funnel.Of(fold(t, mixed))); diff != "" {
			t.Fatalf("seed %d: funnel (-want +got):\n%s", seed, diff)
		}
	}
}

// TestFunnelAddsUp shows that every call is either lost once or a conversation.
func TestFunnelAddsUp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var events []livedeflect.Event
	for i := range 500 {
		for _, s := range all() {
			if r.IntN(2) == 0 {
				events = append(events, steps(fmt.Sprint(i), "sales", noon, s)...)
			}
		}
	}
	f := funnel.Of(fold(t, events))
	lost := 0
	for _, s := range f.Stages {
		lost += s.Lost
	}
	if lost+f.Conversations != f.Calls {
		t.Errorf("%d lost and %d conversations of %d calls", lost, f.Conversations, f.Calls)
	}
}

func TestJourney(t *testing.T) {
	const uuid = "5e6ac3a2-0f3c-4a6b-9d51-2c7c1d6f2b11"
	events := []livedeflect.Event{
		{CallID: "1", Type: livedeflect.EventSendText, Time: noon.Add(time.Minute)},
		{CallID: "1", Type: livedeflect.EventSendText, Time: noon.Add(time.Second), Skill: "sales", ExternalCallID: "x"},
		{CallID: "1", ConversationID: "null"},
		{CallID: "1", Type: livedeflect.EventDeflResponse, ConversationID: uuid, DialedPhoneNumber: "8005550100", CustomerCountryCode: "44"},
	}
	journeys := fold(t, events)
	if len(journeys) != 1 {
		t.Fatalf("%d journeys, want one", len(journeys))
	}
	j := journeys[0]
	if j.CallID != "1" || j.Skill != "sales" || j.ExternalCallID != "x" || j.ConversationID != uuid || string(j.Dialed) != "8005550100" || j.Customer != "" {
		t.Errorf("journey %#v of skill %q, conversation %q", j, j.Skill, j.ConversationID)
	}
	for stage, want := range map[livedeflect.EventType]time.Time{
		livedeflect.EventSendText: noon.Add(time.Second), livedeflect.EventDeflResponse: {}, livedeflect.EventConversation: {},
	} {
		if at, ok := j.Reached(stage); !ok || !at.Equal(want) {
			t.Errorf("Reached(%s) = %v, %v", stage, at, ok)
		}
	}
	if _, ok := j.Reached(livedeflect.EventCallStart); ok {
		t.Error("Reached(callstart) without such an event")
	}
	if _, ok := j.Reached("optout"); ok {
		t.Error("Reached() of what is no stage")
	}
	if !j.When().Equal(noon.Add(time.Second)) {
		t.Errorf("When() = %v", j.When())
	}
}

// What is missing of a report is told as it comes, and the calls follow: whoever ranges
// over them may stop at either.
func TestJourneysAfterErrors(t *testing.T) {
	events, lost := steps("1", "sales", noon, all()...), errors.New("lost")
	report := func(yield func(livedeflect.Event, error) bool) {
		_ = yield(events[0], nil) && yield(livedeflect.Event{}, lost) && yield(events[1], nil) && yield(livedeflect.Event{CallID: "2"}, nil) && yield(livedeflect.Event{}, lost)
	}
	all := func(most int) (got []string) {
		for j, err := range funnel.Journeys(report) {
			if err != nil {
				got = append(got, err.Error())
			} else {
				_, skill := j.Reached(livedeflect.EventSkillChoice)
				got = append(got, fmt.Sprint(j.CallID, " ", skill))
			}
			if len(got) == most {
				break
			}
		}
		return got
	}
	want := []string{"lost", "lost", "1 true", "2 false"}
	for most := 1; most <= len(want); most++ {
		if diff := cmp.Diff(want[:most], all(most)); diff != "" {
			t.Errorf("the first %d (-want +got):\n%s", most, diff)
		}
	}
	var errs []error
	calls := funnel.Collect(report, func(err error) { errs = append(errs, err) })
	if len(calls) != 2 || len(errs) != 2 || calls[0].CallID != "1" {
		t.Errorf("Collect = %v, with %v", calls, errs)
	}
}

func TestFunnelBy(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	kolkata, err := time.LoadLocation("Asia/Kolkata") // half an hour off
	if err != nil {
		t.Fatal(err)
	}
	santiago, err := time.LoadLocation("America/Santiago") // summer time begins at midnight
	if err != nil {
		t.Fatal(err)
	}
	spring := funnel.By(fold(t, steps("1", "sales", time.Date(2026, 9, 6, 12, 0, 0, 0, santiago), all()...)), funnel.ByDay, santiago)
	if len(spring) != 1 || spring[0].Key != "2026-09-06" || spring[0].Start.Day() != 6 {
		t.Errorf("a day that begins at one: %+v", spring)
	}
	// The night in which summer time ends: 2:30 comes twice.
	night := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	events := slices.Concat(
		steps("1", "sales", night, all()...),
		steps("2", "sales", night.Add(time.Hour), all()[:5]...),
		steps("3", "care", night.Add(24*time.Hour), all()[:5]...),
		[]livedeflect.Event{{CallID: "4"}},
	)
	journeys := fold(t, events)
	tests := []struct {
		name string
		by   funnel.Grouping
		zone *time.Location
		want []string
	}{
		{"skill", funnel.BySkill, time.UTC, []string{"sales 2/2/1", " 1/0/0", "care 1/1/0"}},
		{"dialled number", funnel.ByDialed, time.UTC, []string{"+18005550100 3/3/1", " 1/0/0"}},
		{"hour", funnel.ByHour, berlin, []string{" 1/0/0", "2026-10-25T02:00:00+02:00 1/1/1", "2026-10-25T02:00:00+01:00 1/1/0", "2026-10-26T01:00:00+01:00 1/1/0"}},
		{"hour, half an hour off", funnel.ByHour, kolkata, []string{" 1/0/0", "2026-10-25T06:00:00+05:30 1/1/1", "2026-10-25T07:00:00+05:30 1/1/0", "2026-10-26T06:00:00+05:30 1/1/0"}},
		{"hour without a zone", funnel.ByHour, nil, []string{" 1/0/0", "2026-10-25T00:00:00Z 1/1/1", "2026-10-25T01:00:00Z 1/1/0", "2026-10-26T00:00:00Z 1/1/0"}},
		{"day", funnel.ByDay, berlin, []string{" 1/0/0", "2026-10-25 2/2/1", "2026-10-26 1/1/0"}},
	}
	for _, tt := range tests {
		var got []string
		for _, g := range funnel.By(journeys, tt.by, tt.zone) {
			got = append(got, fmt.Sprintf("%s %d/%d/%d", g.Key, g.Calls, g.Texts, g.Conversations))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestFunnelDurations checks the ranks, and leaves out what cannot be.
func TestFunnelDurations(t *testing.T) {
	var events []livedeflect.Event
	for i := range 10 {
		id := fmt.Sprint(i)
		events = append(events,
			livedeflect.Event{CallID: id, Type: livedeflect.EventDeflResponse, Time: noon},
			livedeflect.Event{CallID: id, Type: livedeflect.EventSendText, Time: noon.Add(time.Duration(i+1) * time.Second)},
		)
	}
	events = append(events,
		livedeflect.Event{CallID: "backwards", Type: livedeflect.EventDeflResponse, Time: noon},
		livedeflect.Event{CallID: "backwards", Type: livedeflect.EventSendText, Time: noon.Add(-time.Second)},
		livedeflect.Event{CallID: "no time", Type: livedeflect.EventDeflResponse, Time: noon},
		livedeflect.Event{CallID: "no time", Type: livedeflect.EventSendText},
	)
	got := funnel.Of(fold(t, events))
	want := funnel.Durations{Calls: 10, Median: 5 * time.Second, P90: 9 * time.Second}
	if got.AcceptToText != want || got.Texts != 12 {
		t.Errorf("accept to text %+v, %d texts, want %+v", got.AcceptToText, got.Texts, want)
	}
	if (got.TextToConversation != funnel.Durations{}) {
		t.Errorf("text to conversation %+v, want nothing", got.TextToConversation)
	}
}
