package livedeflecttest

// Oddity makes reports differ from the vendor's example: what the page
// contradicts, and what servers are known to do. Any of them go together.
type Oddity struct {
	// Numbers: times, country codes and phone numbers are JSON numbers, not
	// strings. What starts with a 0 stays a string.
	Numbers bool

	// CustomerIDName is under which name a report has the externalCustomerId of
	// the request.
	CustomerIDName CustomerIDName

	// CallerInfoObject: callerInfo is an object, not a string with the JSON of
	// one.
	CallerInfoObject bool

	// CallerInfoBroken: callerInfo is a string that is not JSON. It goes before
	// CallerInfoObject.
	CallerInfoBroken bool

	// TrunkZero: customerPhoneNumber has a leading 0, as in the vendor's
	// example, also if the request had none.
	TrunkZero bool

	// Shuffled: the events of a call are in another order, always the same one.
	Shuffled bool

	// Repeated: each event comes twice.
	Repeated bool

	// UnknownEvents: each call has one more event, of a type that is not on the
	// vendor's page.
	UnknownEvents bool

	// UnknownFields: each event has one more field, which holds an object.
	UnknownFields bool

	// DataNull: if there is nothing to report, data is null and not {}.
	DataNull bool

	// DataList: if there is nothing to report, data is [] and not {}. DataNull
	// goes before it.
	DataList bool

	// SuccessLast: success comes after data.
	SuccessLast bool

	// BadEvery, if it is not 0, replaces the first event of every nth call
	// by something that is none: by turns a string, a number, null, and an event
	// whose time is not one.
	BadEvery int
}

// CustomerIDName is a name of the customer's id in a report. The vendor's
// example and the vendor's table differ.
type CustomerIDName int

const (
	ExternalConsumerID CustomerIDName = iota // externalConsumerId, the example's
	ExternalCustomerID                       // externalCustomerId, the table's
	BothCustomerIDs                          // both, with the same value
)

var customerIDKeys = [...][]string{
	ExternalConsumerID: {`,"externalConsumerId":`},
	ExternalCustomerID: {`,"externalCustomerId":`},
	BothCustomerIDs:    {`,"externalConsumerId":`, `,"externalCustomerId":`},
}

const (
	unknownField = `,"routing":{"node":"lo-7","hops":[1,{"conversationId":null}]}`
	brokenInfo   = `{userdefinedvar=50, "tshirtsize":`
)

// badEvents replace an event. The empty one stands for an event with a bad
// time.
var badEvents = [...]string{`"callstart"`, `1528932953300`, `null`, ``}

const badTime = `"soon"`

// rearrangements are the oddities of a call's events, in the order in which
// they are applied.
var rearrangements = [...]struct {
	on func(Oddity) bool
	do func([]event) []event
}{
	{func(o Oddity) bool { return o.UnknownEvents }, func(events []event) []event {
		return append(events, event{"optout", "N", events[len(events)-1].at})
	}},
	// From three events on neither the right order nor its reverse.
	{func(o Oddity) bool { return o.Shuffled }, func(events []event) []event {
		var odd, even []event
		for i, ev := range events {
			if i%2 == 1 {
				odd = append(odd, ev)
			} else {
				even = append(even, ev)
			}
		}
		return append(odd, even...)
	}},
	{func(o Oddity) bool { return o.Repeated }, func(events []event) []event {
		twice := make([]event, 0, 2*len(events))
		for _, ev := range events {
			twice = append(twice, ev, ev)
		}
		return twice
	}},
}

func (o Oddity) rearrange(events []event) []event {
	for _, r := range rearrangements {
		if r.on(o) {
			events = r.do(events)
		}
	}
	return events
}

// nothing is the data of a report without calls.
func (o Oddity) nothing() string {
	switch {
	case o.DataNull:
		return "null"
	case o.DataList:
		return "[]"
	}
	return "{}"
}

// bad tells what replaces the first event of a call, the first call being 1.
func (o Oddity) bad(call int) (replacement string, replaced bool) {
	if o.BadEvery == 0 || call%o.BadEvery != 0 {
		return "", false
	}
	return badEvents[(call/o.BadEvery-1)%len(badEvents)], true
}
