package sms_test

import (
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect/sms"
)

func ExampleTemplate() {
	t, err := sms.ParseTemplate("Hi{{with .FirstName}} {{.}}{{end}}! Your plan is {{.Info.plan}}.")
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := t.Render(sms.Fields{FirstName: "Zoë", Info: map[string]any{"plan": "Gold"}})
	fmt.Println(text, err)
	fmt.Println(sms.SegmentsOf(text).Count)
	// Output:
	// Hi Zoë! Your plan is Gold. <nil>
	// 1
}

// One character that GSM-7 does not have makes a text more than twice as dear.
func ExampleSegmentsOf() {
	for _, text := range []string{
		"Don't wait on the line: answer this text, and an agent who knows what you keyed in goes on here.",
		"Don’t wait on the line: answer this text, and an agent who knows what you keyed in goes on here.",
	} {
		s := sms.SegmentsOf(text)
		fmt.Printf("%d of %d units, foreign %q\n", s.Count, s.Limit, s.Foreign)
	}
	// Output:
	// 1 of 160 units, foreign '\x00'
	// 2 of 70 units, foreign '’'
}
