package deflect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// steps are events of one call, a second apart, in the funnel's order.
func steps(callID, skill string, begin time.Time, types ...deflect.EventType) []deflect.Event {
	var events []deflect.Event
	for i, typ := range types {
		events = append(events, deflect.Event{
			CallID: callID, ExternalCallID: "ext-" + callID, Skill: skill, Begin: begin, Type: typ, Time: begin.Add(time.Duration(i) * time.Second),
			CustomerCountryCode: "1", CustomerPhoneNumber: "4043438646", DialedCountryCode: "1", DialedPhoneNumber: "8005550100",
		})
	}
	return events
}

func all() []deflect.EventType { return deflect.Stages() }

// TestFunnel counts four calls that got differently far. Neither the order of
// the events nor how often they come makes a difference.
func TestFunnel(t *testing.T) {
	events := slices.Concat(
		steps("1", "sales", noon, all()...),
		steps("2", "sales", noon, all()[:5]...),
		steps("3", "care", noon, all()[:4]...),
		// An answer without its other events, and types that are no stage.
		steps("4", "care", noon, deflect.EventConversation, "optout", ""),
	)
	want := deflect.Funnel{
		Calls: 4, Texts: 2, Conversations: 2,
		Stages: []deflect.StageCount{
			{Stage: deflect.EventCallStart, Calls: 3},
			{Stage: deflect.EventSkillChoice, Calls: 3},
			{Stage: deflect.EventOvrChan, Calls: 3},
			{Stage: deflect.EventDeflResponse, Calls: 3, Lost: 1},
			{Stage: deflect.EventSendText, Calls: 2, Lost: 1},
			{Stage: deflect.EventConversation, Calls: 2},
		},
		AcceptToText:       deflect.Durations{Calls: 2, Median: time.Second, P90: time.Second},
		TextToConversation: deflect.Durations{Calls: 1, Median: time.Second, P90: time.Second},
	}
	for seed := range uint64(50) {
		mixed := slices.Concat(events, events[:seed%uint64(len(events))])
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if diff := cmp.Diff(want, deflect.FunnelOf(deflect.Journeys(slices.Values(mixed)))); diff != "" {
			t.Fatalf("seed %d: funnel (-want +got):\n%s", seed, diff)
		}
	}
}

// TestFunnelAddsUp shows that every call is either lost once or a conversation.
func TestFunnelAddsUp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var events []deflect.Event
	for i := range 500 {
		for _, s := range all() {
			if r.IntN(2) == 0 {
				events = append(events, steps(fmt.Sprint(i), "sales", noon, s)...)
			}
		}
	}
	f := deflect.FunnelOf(deflect.Journeys(slices.Values(events)))
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
	events := []deflect.Event{
		{CallID: "1", Type: deflect.EventSendText, Time: noon.Add(time.Minute)},
		{CallID: "1", Type: deflect.EventSendText, Time: noon.Add(time.Second), Skill: "sales", ExternalCallID: "x"},
		{CallID: "1", ConversationID: "null"},
		{CallID: "1", Type: deflect.EventDeflResponse, ConversationID: uuid, DialedPhoneNumber: "8005550100", CustomerCountryCode: "44"},
	}
	journeys := deflect.Journeys(slices.Values(events))
	if len(journeys) != 1 {
		t.Fatalf("%d journeys, want one", len(journeys))
	}
	j := journeys[0]
	if j.CallID != "1" || j.Skill != "sales" || j.ExternalCallID != "x" || j.ConversationID != uuid || string(j.Dialed) != "8005550100" || j.Customer != "" {
		t.Errorf("journey %#v of skill %q, conversation %q", j, j.Skill, j.ConversationID)
	}
	for stage, want := range map[deflect.EventType]time.Time{
		deflect.EventSendText: noon.Add(time.Second), deflect.EventDeflResponse: {}, deflect.EventConversation: {},
	} {
		if at, ok := j.Reached(stage); !ok || !at.Equal(want) {
			t.Errorf("Reached(%s) = %v, %v", stage, at, ok)
		}
	}
	if _, ok := j.Reached(deflect.EventCallStart); ok {
		t.Error("Reached(callstart) without such an event")
	}
	if _, ok := j.Reached("optout"); ok {
		t.Error("Reached() of what is no stage")
	}
	if !j.When().Equal(noon.Add(time.Second)) {
		t.Errorf("When() = %v", j.When())
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
	spring := deflect.FunnelBy(deflect.Journeys(slices.Values(steps("1", "sales", time.Date(2026, 9, 6, 12, 0, 0, 0, santiago), all()...))), deflect.ByDay, santiago)
	if len(spring) != 1 || spring[0].Key != "2026-09-06" || spring[0].Start.Day() != 6 {
		t.Errorf("a day that begins at one: %+v", spring)
	}
	// The night in which summer time ends: 2:30 comes twice.
	night := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	events := slices.Concat(
		steps("1", "sales", night, all()...),
		steps("2", "sales", night.Add(time.Hour), all()[:5]...),
		steps("3", "care", night.Add(24*time.Hour), all()[:5]...),
		[]deflect.Event{{CallID: "4"}},
	)
	journeys := deflect.Journeys(slices.Values(events))
	tests := []struct {
		name string
		by   deflect.Grouping
		zone *time.Location
		want []string
	}{
		{"skill", deflect.BySkill, time.UTC, []string{"sales 2/2/1", " 1/0/0", "care 1/1/0"}},
		{"dialled number", deflect.ByDialed, time.UTC, []string{"+18005550100 3/3/1", " 1/0/0"}},
		{"hour", deflect.ByHour, berlin, []string{" 1/0/0", "2026-10-25T02:00:00+02:00 1/1/1", "2026-10-25T02:00:00+01:00 1/1/0", "2026-10-26T01:00:00+01:00 1/1/0"}},
		{"hour, half an hour off", deflect.ByHour, kolkata, []string{" 1/0/0", "2026-10-25T06:00:00+05:30 1/1/1", "2026-10-25T07:00:00+05:30 1/1/0", "2026-10-26T06:00:00+05:30 1/1/0"}},
		{"hour without a zone", deflect.ByHour, nil, []string{" 1/0/0", "2026-10-25T00:00:00Z 1/1/1", "2026-10-25T01:00:00Z 1/1/0", "2026-10-26T00:00:00Z 1/1/0"}},
		{"day", deflect.ByDay, berlin, []string{" 1/0/0", "2026-10-25 2/2/1", "2026-10-26 1/1/0"}},
	}
	for _, tt := range tests {
		var got []string
		for _, g := range deflect.FunnelBy(journeys, tt.by, tt.zone) {
			got = append(got, fmt.Sprintf("%s %d/%d/%d", g.Key, g.Calls, g.Texts, g.Conversations))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestFunnelDurations checks the ranks, and leaves out what cannot be.
func TestFunnelDurations(t *testing.T) {
	var events []deflect.Event
	for i := range 10 {
		id := fmt.Sprint(i)
		events = append(events,
			deflect.Event{CallID: id, Type: deflect.EventDeflResponse, Time: noon},
			deflect.Event{CallID: id, Type: deflect.EventSendText, Time: noon.Add(time.Duration(i+1) * time.Second)},
		)
	}
	events = append(events,
		deflect.Event{CallID: "backwards", Type: deflect.EventDeflResponse, Time: noon},
		deflect.Event{CallID: "backwards", Type: deflect.EventSendText, Time: noon.Add(-time.Second)},
		deflect.Event{CallID: "no time", Type: deflect.EventDeflResponse, Time: noon},
		deflect.Event{CallID: "no time", Type: deflect.EventSendText},
	)
	got := deflect.FunnelOf(deflect.Journeys(slices.Values(events)))
	want := deflect.Durations{Calls: 10, Median: 5 * time.Second, P90: 9 * time.Second}
	if got.AcceptToText != want || got.Texts != 12 {
		t.Errorf("accept to text %+v, %d texts, want %+v", got.AcceptToText, got.Texts, want)
	}
	if (got.TextToConversation != deflect.Durations{}) {
		t.Errorf("text to conversation %+v, want nothing", got.TextToConversation)
	}
}
