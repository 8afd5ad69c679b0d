package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

func TestTimelineTellsWhatChanged(t *testing.T) {
	const ms = time.Millisecond
	type entries = []freeswitchtest.Entry
	got := tidied(entries{
		{At: 0, Text: "answered"},
		{At: 10 * ms, Text: "sets deflect_outcome=uncertain"},
		{At: 11 * ms, Text: "unsets deflect_digits"},
		{At: 12 * ms, Text: "sets deflect_outcome=sent"},
		{At: 13 * ms, Text: "sets deflect_text=a b"},
		{At: 14 * ms, Text: "plays sent.wav"},
		{At: 40 * ms, Text: "unsets socket_resume"},
		{At: 41 * ms, Text: "sets deflect_outcome=sent"},
		{At: 90 * ms, Text: "sets deflect_outcome=sent"},
		{At: 91 * ms, Text: "unsets deflect_text"},
		{At: 120 * ms, Text: "sets deflect_heard=true"},
	}, freeswitchtest.Call{SocketResume: true, Vars: map[string]string{"plan": "Gold"}})
	want := entries{
		{At: 0, Text: "answered"},
		{At: 10 * ms, Text: "sets deflect_outcome=sent deflect_text=a b"},
		{At: 14 * ms, Text: "plays sent.wav"},
		{At: 40 * ms, Text: "unsets socket_resume"},
		{At: 90 * ms, Text: "unsets deflect_text"},
		{At: 120 * ms, Text: "sets deflect_heard=true"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}
