package funnel

import "github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"

// Stage is a step of a call: one of the types of events of LiveDeflect's report, or one of
// Connect to Messaging's, which are below.
type Stage = livedeflect.EventType

// The stages of a transaction of Connect to Messaging. Its report tells them by their times
// and by a status; what cannot be without the stage before has reached that too.
const (
	Attempted    Stage = "attempted"    // eligibility was asked for
	Eligible     Stage = "eligible"     // the caller can be texted
	Invited      Stage = "invited"      // the text was asked for
	Sent         Stage = "sent"         // it was handed to the gateway
	Delivered    Stage = "delivered"    // it arrived
	Read         Stage = "read"         // it was read, which SMS does not tell
	Conversation Stage = "conversation" // the consumer answered: a conversation was opened
)

// maxStages is how many a report has at most.
const maxStages = 7

// scale is the stages of one API's report in their order, and those that more is asked of
// than their count.
type scale struct {
	stages                     []Stage
	accept, text, conversation int
}

var (
	ofLiveDeflect = scale{[]Stage{
		livedeflect.EventCallStart, livedeflect.EventSkillChoice, livedeflect.EventOvrChan, livedeflect.EventDeflResponse, livedeflect.EventSendText, livedeflect.EventConversation,
	}, 3, 4, 5}
	ofC2M = scale{[]Stage{Attempted, Eligible, Invited, Sent, Delivered, Read, Conversation}, 2, 3, 6}
)

// Stages returns the stages of LiveDeflect's funnel in their order.
func Stages() []Stage { return append([]Stage(nil), ofLiveDeflect.stages...) }

// StagesC2M returns those of Connect to Messaging's.
func StagesC2M() []Stage { return append([]Stage(nil), ofC2M.stages...) }
