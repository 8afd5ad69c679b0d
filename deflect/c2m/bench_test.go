package c2m

import (
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// BenchmarkAskAndSend is what a call costs beside the network: it is read before the offer
// and again at the press, asked for, and invited.
func BenchmarkAskAndSend(b *testing.B) {
	c := testClient(b, &silentStub{}, func(c *Config) { c.Rate = endless{} })
	call := testCall()
	call.FirstName, call.CallerInfo = "Ann", map[string]any{"userName": "ann", "balance": "12.50"}
	b.ReportAllocs()
	for b.Loop() {
		text := read(b, c, call)
		want(b, c.Ask(b.Context(), text), deflect.Sent, deflect.ReasonOK)
		pressed := read(b, c, call)
		pressed.Ticket = text.Ticket
		if !c.Fresh(pressed) {
			b.Fatal("the ticket is not fresh")
		}
		want(b, c.Send(b.Context(), pressed), deflect.Sent, deflect.ReasonOK)
	}
}
