package deflect

import (
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Call is one caller who wants a text: what the phone system knows about the
// call. It is plain data; build it by hand or from whatever phone system there is.
// Printing and logging one shows its id and masked numbers, but not as an unexported
// field of another struct, where no method of it is called.
//
// Start and Accepted may come from clocks of other machines: up to 10 minutes ahead of
// ours, or of each other, they are sent as now, and as the same moment. What is further
// ahead, or more than 31 days ago, is refused.
type Call struct {
	ANI            phone.Number // the caller's number; required unless NumberOverride is set
	DNIS           phone.Number // the number that the caller dialled; required
	NumberOverride phone.Number // text this number instead of ANI; optional
	Digits         string       // DTMF keyed in before the offer: 0-9, *, #, A-D; at most 64; optional
	Start          time.Time    // when the call began; required
	Accepted       time.Time    // when the caller asked for the text; zero means now
	// ExternalCallID is the phone system's id of this call, the key of the report, in logs as
	// [LogID] shows it; required, at most 255 characters. Calls with one id are one call:
	// they get one text in Config.Remember. It must not be what a caller can choose.
	ExternalCallID string

	Skill   string // skill that serves the conversation, by name; required
	Text    string // the text to send, at most Config.MaxTextLength characters; empty for the standard one of the backend
	TextTag string // tag of the text; optional

	FirstName, LastName  string // optional
	CustomerID           string // the brand's id of the customer; only together with CustomerIDDescriptor
	CustomerIDDescriptor string // what kind of id CustomerID is

	// HandoffID names the campaign that the text is of, where the API has such; at most 16
	// characters. A backend that has no use for it, or for the next two, ignores it.
	HandoffID string
	// TemplateVariables are the words for the placeholders of a text that the API keeps: at
	// most 32, by names of digits such as "1", each of at most 1024 characters; optional.
	TemplateVariables map[string]string
	ConsumerID        string // the caller's name as a user of the brand's app; at most 255 characters; optional

	// Policy has the rules of whoever serves the call; nil leaves only those of numbers.
	Policy  *Policy
	Wait    *time.Duration // how long the caller is expected to wait for an agent; nil when nobody knows
	Consent bool           // the caller agreed to be texted before the offer

	// CallerInfo is shown to the agent: names with any JSON value, as encoding/json
	// encodes it (but for names of maps that have a MarshalText: they are what it says). Optional, at most 16 KiB as JSON, 32 levels deep. Invalid UTF-8, control
	// characters but for line breaks and tabs, and names that come twice in one object are
	// refused, also in what methods such as MarshalJSON return.
	CallerInfo map[string]any
}

// customer returns the number to text, and the field it came from.
func (c Call) customer() (phone.Number, string) {
	if c.NumberOverride != "" {
		return c.NumberOverride, "NumberOverride"
	}
	return c.ANI, "ANI"
}

// LogValue shows what may be logged of a call: its id and masked numbers. Names,
// digits, texts and caller info stay out of logs.
func (c Call) LogValue() slog.Value {
	n, _ := c.customer()
	return slog.GroupValue(
		slog.String("call_id", LogID(c.ExternalCallID)),
		slog.String("ani", n.String()),
		slog.String("dnis", c.DNIS.String()),
	)
}

// String shows what LogValue shows.
func (c Call) String() string {
	n, _ := c.customer()
	return "call " + LogID(c.ExternalCallID) + " from " + n.String() + " to " + c.DNIS.String()
}

// GoString is String for %#v.
func (c Call) GoString() string { return "deflect.Call{" + c.String() + "}" }
