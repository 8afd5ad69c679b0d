package livedeflect

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// EventType is a step of a deflection, by the report's name for it. The vendor's
// page lists six types without explaining them; the comments below say what they
// are taken to mean. Other types occur, and are kept.
type EventType string

// The types of the vendor's page, in the order that a call goes through them.
const (
	EventCallStart    EventType = "callstart"      // the call reached LiveDeflect
	EventSkillChoice  EventType = "skillchoice"    // its skill was picked
	EventOvrChan      EventType = "ovrchan"        // its channel was picked
	EventDeflResponse EventType = "deflresponse"   // the caller accepted
	EventSendText     EventType = "sendtext"       // the text was sent
	EventConversation EventType = "conversationid" // the consumer answered: a conversation is open
)

// Event is one entry of the report (getLiveDeflectData/v2). Its fields hold what
// the API sent, which is what the vendor's page promises only as a rule: check
// before you use them in a place where a stranger's text does harm. Printing
// and logging an Event shows no number, name, digits or text.
type Event struct {
	CallID         string    // LiveDeflect's id of the call: Result.CallID
	SiteID         string    // LivePerson account id
	ExternalCallID string    // Call.ExternalCallID
	Skill          string    // Call.Skill
	Begin          time.Time // beginTimeStamp; zero when absent

	Type EventType // eventType
	Info string    // eventInfo: depends on the type; the text itself for sendtext
	Time time.Time // eventTime; zero when absent

	ConversationID string // empty as long as there is no conversation

	CustomerCountryCode string
	CustomerPhoneNumber phone.Number // national part; the vendor shows it with a trunk prefix
	DialedCountryCode   string
	DialedPhoneNumber   phone.Number // national part
	CallerEnteredDigits string       // Call.Digits

	// ExternalCustomerID is in the page's table and ExternalConsumerID in its
	// example; see CustomerID.
	ExternalCustomerID           string
	ExternalConsumerID           string
	ExternalCustomerIDDescriptor string

	// CallerInfo is Call.CallerInfo, numbers as json.Number. Events of one call
	// share the map: do not change it.
	CallerInfo map[string]any
	// CallerInfoRaw is callerInfo as it came when that is no JSON object, or larger
	// than what can be sent.
	CallerInfoRaw string

	// Extra are the fields that the vendor's page does not list.
	Extra map[string]json.RawMessage
}

// CustomerID returns the brand's id of the customer under whichever of its two
// names it came.
func (e Event) CustomerID() string {
	if e.ExternalCustomerID != "" {
		return e.ExternalCustomerID
	}
	return e.ExternalConsumerID
}

// LogValue shows what may be logged of an event.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("deflect_call_id", clean.CallID(e.CallID)),
		slog.String("call_id", deflect.LogID(e.ExternalCallID)),
		slog.String("type", clean.Text(string(e.Type))),
		slog.Time("time", e.Time),
	)
}

// String shows what LogValue shows.
func (e Event) String() string {
	return "event " + clean.Text(string(e.Type)) + " of callId " + clean.CallID(e.CallID) + " at " + e.Time.Format(time.RFC3339)
}

// GoString is String for %#v.
func (e Event) GoString() string { return "livedeflect.Event{" + e.String() + "}" }

// EventError is an entry of the report that is none. The entries around it are
// not affected.
type EventError struct {
	CallID string // the call that it belongs to
	Index  int    // which entry of that call in its answer, from 0
	Err    error
}

func (e *EventError) Error() string {
	s := "deflect: report: skipped a malformed entry of callId " + clean.CallID(e.CallID)
	if e.Err == nil {
		return s
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns what is wrong with it.
func (e *EventError) Unwrap() error { return e.Err }

// Is makes every EventError an [deflect.ErrBadResponse].
func (e *EventError) Is(target error) bool { return target == deflect.ErrBadResponse }
