package funnel

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
)

var began = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

func after(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }

// told is a report of these transactions.
func told(all ...c2m.Transaction) []Journey {
	return CollectC2M(func(yield func(c2m.Transaction, error) bool) {
		for _, t := range all {
			if !yield(t, nil) {
				return
			}
		}
	}, func(error) {})
}

var sampleC2M = []c2m.Transaction{
	{CallID: "a", Attempted: began, Skill: "sales", Channel: c2m.SMS, Status: c2m.StatusFailed, ErrorSource: "c2m", ErrorCode: "1001", Failed: after(1)},
	{CallID: "b", Attempted: began, Skill: "sales", Channel: c2m.SMS, Eligible: after(1)},
	{CallID: "c", Attempted: began, Skill: "sales", Channel: c2m.SMS, Invited: after(10), Skipped: after(10), Status: c2m.StatusSkipped},
	{CallID: "d", Attempted: began, Skill: "sales", Channel: c2m.SMS, Invited: after(10), Sent: after(12), Delivered: after(13), OptedOut: after(60)},
	{CallID: "e", Attempted: began, Skill: "sales", Channel: c2m.SMS, Status: c2m.StatusResponded},
	{CallID: "f", Attempted: began, InitialSkill: "service", Channel: c2m.WhatsApp, Invited: after(10), Sent: after(14), Read: after(20), Opened: after(114)},
	{CallID: "g", Attempted: began, InitialSkill: "service", InitialChannel: c2m.SMS, Sent: after(11), Failed: after(12), ErrorSource: "twilio", ErrorCode: "30003"},
}

func TestFunnelOfC2M(t *testing.T) {
	want := Funnel{
		Calls: 7, Texts: 4, Conversations: 2,
		Stages: []StageCount{
			{Attempted, 7, 1, false}, {Eligible, 6, 1, false}, {Invited, 5, 1, false}, {Sent, 4, 1, false},
			{Delivered, 3, 1, false}, {Read, 1, 0, false}, {Conversation, 2, 0, false},
		},
		AcceptToText:       Durations{Calls: 2, Median: 2 * time.Second, P90: 4 * time.Second},
		TextToConversation: Durations{Calls: 1, Median: 100 * time.Second, P90: 100 * time.Second},
		Skipped:            1, Failed: 2, OptOuts: 1, Errors: []ErrorCount{{"c2m_1001", 1}, {"twilio_30003", 1}},
	}
	if diff := cmp.Diff(want, Of(told(sampleC2M...))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// In any order, in parts, and with an id in capitals.
	var parts []c2m.Transaction
	for _, tr := range sampleC2M {
		whole, first := tr, tr
		first.Sent, first.Delivered, first.Read, first.Opened, first.Status = time.Time{}, time.Time{}, time.Time{}, time.Time{}, ""
		first.CallID = string(tr.CallID[0] - 'a' + 'A')
		parts = append([]c2m.Transaction{whole, first, whole}, parts...)
	}
	if diff := cmp.Diff(want, Of(told(parts...))); diff != "" {
		t.Errorf("in parts (-want +got):\n%s", diff)
	}
}

// That no text was read is known of channels that tell.
func TestReadIsUntoldOfSMS(t *testing.T) {
	groups := By(told(sampleC2M...), BySkill, nil)
	if len(groups) != 2 || groups[0].Key != "sales" || groups[1].Key != "service" {
		t.Fatalf("%+v", groups)
	}
	for i, want := range []struct {
		calls int
		told  bool
	}{{0, false}, {1, true}} {
		if calls, told := groups[i].Reached(Read); calls != want.calls || told != want.told {
			t.Errorf("%s: %d, %t", groups[i].Key, calls, told)
		}
	}
	if calls, told := groups[0].Reached("callstart"); calls != 0 || told {
		t.Errorf("another API's stage: %d, %t", calls, told)
	}
}

func TestFunnelOfC2MWithoutCalls(t *testing.T) {
	f := OfC2M(nil)
	if len(f.Stages) != len(StagesC2M()) || f.Stages[0] != (StageCount{Stage: Attempted}) || f.Stages[5] != (StageCount{Stage: Read}) {
		t.Errorf("%+v", f)
	}
}

func TestJourneyOfC2M(t *testing.T) {
	j := told(sampleC2M[5])[0]
	if j.Skill != "service" || j.Channel != "wa" || !j.Begin.Equal(began) || j.When() != began || j.Customer != "" || j.Dialed != "" {
		t.Errorf("%+v", j)
	}
	if at, ok := j.Reached(Read); !ok || !at.Equal(after(20)) {
		t.Errorf("read %t at %s", ok, at)
	}
	if at, ok := j.Reached(Delivered); !ok || !at.IsZero() {
		t.Errorf("delivered %t at %s", ok, at)
	}
	if _, ok := j.Reached("callstart"); ok {
		t.Error("it has reached a stage of another API")
	}
	bad := errors.New("bad")
	var failed []error
	all := CollectC2M(func(yield func(c2m.Transaction, error) bool) { yield(c2m.Transaction{}, bad) }, func(err error) { failed = append(failed, err) })
	if len(all) != 0 || len(failed) != 1 || failed[0] != bad {
		t.Errorf("%v, %v", all, failed)
	}
}
