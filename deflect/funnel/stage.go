package funnel

import "github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"

// stages are the types that the funnel counts, in its order.
var stages = [...]livedeflect.EventType{
	livedeflect.EventCallStart, livedeflect.EventSkillChoice, livedeflect.EventOvrChan, livedeflect.EventDeflResponse, livedeflect.EventSendText, livedeflect.EventConversation,
}

// The stages that more is asked of than their count.
const acceptStage, textStage, conversationStage = 3, 4, 5

// Stages returns the stages of the funnel in their order.
func Stages() []livedeflect.EventType { return append([]livedeflect.EventType(nil), stages[:]...) }
