package deflect

import (
	"iter"
	"log/slog"
	"regexp"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Journey is what the report tells of one call: how far its deflection got.
// Printing and logging it shows no number.
type Journey struct {
	CallID         string       // LiveDeflect's id
	ExternalCallID string       // Call.ExternalCallID
	Skill          string       // Call.Skill
	Customer       phone.Number // country code and number with a plus sign, as far as the report has them
	Dialed         phone.Number // likewise
	ConversationID string       // empty as long as there is no conversation
	Begin          time.Time    // when the call began; zero when the report does not say

	reached [len(stages)]bool
	at      [len(stages)]time.Time
}

// Reached reports whether the call got to a stage, and when; the time is zero
// when the report does not say.
func (j *Journey) Reached(stage EventType) (at time.Time, ok bool) {
	for i, s := range stages {
		if s == stage {
			return j.at[i], j.reached[i]
		}
	}
	return time.Time{}, false
}

// furthest returns the index of the last stage reached, -1 for none.
func (j *Journey) furthest() int {
	for i := len(stages) - 1; i >= 0; i-- {
		if j.reached[i] {
			return i
		}
	}
	return -1
}

// When is the time that places the call on a time-line: its begin, else the
// first of its stages with a time.
func (j *Journey) When() time.Time {
	if !j.Begin.IsZero() {
		return j.Begin
	}
	var first time.Time
	for _, t := range j.at {
		first = earlier(first, t)
	}
	return first
}

// LogValue shows what may be logged of a journey.
func (j Journey) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("deflect_call_id", idText(j.CallID)),
		slog.String("call_id", LogID(j.ExternalCallID)),
	)
}

// String shows what LogValue shows.
func (j Journey) String() string {
	return "journey of callId " + idText(j.CallID) + ", call " + LogID(j.ExternalCallID)
}

// GoString is String for %#v.
func (j Journey) GoString() string { return "deflect.Journey{" + j.String() + "}" }

// Journeys folds events into calls, in the order of their first events. Events
// may come in any order and more than once: a stage is reached once, at the
// earliest of its times. A call whose conversation id is a UUID has reached
// [EventConversation], whether or not there is an event of that type. Types
// that are no stage count for nothing.
func Journeys(events iter.Seq[Event]) []Journey {
	var journeys []Journey
	index := map[string]int{}
	shared := map[string]string{} // few skills and dialled numbers, many calls
	share := func(s string) string {
		if old, ok := shared[s]; ok {
			return old
		}
		shared[s] = s
		return s
	}
	for e := range events {
		i, known := index[e.CallID]
		if !known {
			i = len(journeys)
			index[e.CallID] = i
			journeys = append(journeys, Journey{CallID: e.CallID})
		}
		journeys[i].add(e, share)
	}
	return journeys
}

func (j *Journey) add(e Event, share func(string) string) {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&j.ExternalCallID, e.ExternalCallID)
	if j.ConversationID == "" && uuidForm.MatchString(e.ConversationID) {
		j.ConversationID = e.ConversationID
	}
	if j.Skill == "" {
		j.Skill = share(e.Skill)
	}
	if j.Customer == "" {
		j.Customer = international(e.CustomerCountryCode, e.CustomerPhoneNumber)
	}
	if j.Dialed == "" {
		j.Dialed = phone.Number(share(string(international(e.DialedCountryCode, e.DialedPhoneNumber))))
	}
	j.Begin = earlier(j.Begin, e.Begin)
	for i, s := range stages {
		if s == e.Type {
			j.reached[i] = true
			j.at[i] = earlier(j.at[i], e.Time)
		}
	}
	if j.ConversationID != "" {
		j.reached[conversationStage] = true
	}
}

// uuidForm is what a conversation's id looks like. Another text, such as "null",
// is none.
var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func international(country string, national phone.Number) phone.Number {
	if national == "" {
		return ""
	}
	if country == "" {
		return national
	}
	return phone.Number("+" + country + string(national))
}
