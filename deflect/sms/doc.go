// Package sms is the words of a text, and what they cost.
//
//	t, err := sms.ParseTemplate("Hi{{with .FirstName}} {{.}}{{end}}! Your plan is {{.Info.plan}}.")
//	...
//	text, err := t.Render(sms.Fields{FirstName: "Zoë", Info: map[string]any{"plan": "Gold"}})
//	fmt.Println(text)                       // Hi Zoë! Your plan is Gold.
//	fmt.Println(sms.SegmentsOf(text).Count) // 1
//
// [ParseTemplate] refuses what could fail or take long when a caller waits, so that the
// one error of [Template.Render] is a text that comes to more than 16 KiB. Errors quote
// the template, and nothing of a call. Everything is safe for concurrent use.
package sms
