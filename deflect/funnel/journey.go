package funnel

import (
	"iter"
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// Journey is what the report tells of one call: how far its deflection got.
// Printing and logging it shows no number.
type Journey struct {
	CallID         string       // the API's id
	ExternalCallID string       // Call.ExternalCallID; Connect to Messaging does not know it, nor the numbers
	Skill          string       // Call.Skill
	Customer       phone.Number // country code and number with a plus sign, as far as the report has them
	Dialed         phone.Number // likewise
	ConversationID string       // empty as long as there is no conversation
	Begin          time.Time    // when the call began; zero when the report does not say

	// Only Connect to Messaging tells the rest.
	Channel                   string // such as c2m.SMS
	HandoffID                 string
	Error                     string // such as "twilio_30003", see c2m.Meaning; "" for none
	Skipped, Failed, OptedOut bool   // no text, since the consumer has opted out before; could not be sent or delivered; opted out since

	scale   *scale // nil is that of LiveDeflect
	reached [maxStages]bool
	at      [maxStages]time.Time
}

func (j *Journey) steps() *scale {
	if j.scale == nil {
		return &ofLiveDeflect
	}
	return j.scale
}

// Reached reports whether the call got to a stage, and when; the time is zero
// when the report does not say.
func (j *Journey) Reached(stage Stage) (at time.Time, ok bool) {
	for i, s := range j.steps().stages {
		if s == stage {
			return j.at[i], j.reached[i]
		}
	}
	return time.Time{}, false
}

// furthest returns the index of the last stage reached, -1 for none.
func (j *Journey) furthest() int {
	for i := maxStages - 1; i >= 0; i-- {
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
		first = period.Earlier(first, t)
	}
	return first
}

// LogValue shows what may be logged of a journey.
func (j Journey) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("deflect_call_id", clean.CallID(j.CallID)),
		slog.String("call_id", deflect.LogID(j.ExternalCallID)),
	)
}

// String shows what LogValue shows.
func (j Journey) String() string {
	return "journey of callId " + clean.CallID(j.CallID) + ", call " + deflect.LogID(j.ExternalCallID)
}

// GoString is String for %#v.
func (j Journey) GoString() string { return "funnel.Journey{" + j.String() + "}" }

// Journeys folds the events of a report into calls, in the order of their first events.
// Events may come in any order and more than once: a stage is reached once, at the
// earliest of its times. A call whose conversation id is a UUID has reached
// [livedeflect.EventConversation], whether or not there is an event of that type. Types
// that are no stage count for nothing.
//
// The report's errors come first, as they come; see [livedeflect.Client.Report] for what is
// missing then. The calls follow when it was read.
func Journeys(report iter.Seq2[livedeflect.Event, error]) iter.Seq2[Journey, error] {
	return func(yield func(Journey, error) bool) {
		var f folding
		for e, err := range report {
			if err == nil {
				f.add(e)
			} else if !yield(Journey{}, err) {
				return
			}
		}
		for _, j := range f.journeys {
			if !yield(j, nil) {
				return
			}
		}
	}
}

// Collect returns all the calls of a report, and tells failed of its errors as they come,
// on the goroutine that iterates.
func Collect(report iter.Seq2[livedeflect.Event, error], failed func(error)) []Journey {
	var f folding
	for e, err := range report {
		if err != nil {
			failed(err)
		} else {
			f.add(e)
		}
	}
	return f.journeys
}

// folding is calls that are being folded of events.
type folding struct {
	journeys []Journey
	index    map[string]int
	shared   map[string]string // few skills and dialled numbers, many calls
}

func (f *folding) add(e livedeflect.Event) {
	f.of(e.CallID, e.CallID).add(e, f.share)
}

// of is the journey that goes by a key, until the next one is asked for.
func (f *folding) of(key, callID string) *Journey {
	if f.index == nil {
		f.index, f.shared = map[string]int{}, map[string]string{}
	}
	i, known := f.index[key]
	if !known {
		i = len(f.journeys)
		f.index[key] = i
		f.journeys = append(f.journeys, Journey{CallID: callID})
	}
	return &f.journeys[i]
}

func (f *folding) share(s string) string {
	if old, ok := f.shared[s]; ok {
		return old
	}
	f.shared[s] = s
	return s
}

func (j *Journey) add(e livedeflect.Event, share func(string) string) {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&j.ExternalCallID, e.ExternalCallID)
	// Another text, such as "null", is none.
	if j.ConversationID == "" && clean.IsUUID(e.ConversationID) {
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
	j.Begin = period.Earlier(j.Begin, e.Begin)
	for i, s := range ofLiveDeflect.stages {
		if s == e.Type {
			j.reached[i] = true
			j.at[i] = period.Earlier(j.at[i], e.Time)
		}
	}
	if j.ConversationID != "" {
		j.reached[ofLiveDeflect.conversation] = true
	}
}

func international(country string, national phone.Number) phone.Number {
	if national == "" {
		return ""
	}
	if country == "" {
		return national
	}
	return phone.Number("+" + country + string(national))
}
