package livedeflecttest

import (
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// welcomeText goes out when a request brings no text of its own.
const welcomeText = "Thank you for calling. Reply to this message to chat with us."

// call is what the platform knows of a request that it took.
type call struct {
	Deflection
	noText bool          // the text never went out
	ahead  time.Duration // of the API's clock, then
}

// event is a step of a call. Times are epoch milliseconds.
type event struct {
	kind string
	info string
	at   int64
}

// entry is what a report says about a call.
type entry struct {
	Deflection
	begin        int64
	conversation string // the UUID; empty: not open
	events       []event
}

// history gives the events of a call that can be seen by now, in the order in
// which they happened. What the request told is as it told it, the rest by the API's
// clock; when it can be seen goes by ours.
func (r Report) history(c *call, now time.Time) entry {
	e := entry{Deflection: c.Deflection, begin: milliseconds(c.CallBeginTime)}
	accept := milliseconds(c.DeflectionAcceptTime)
	add := func(kind, info string, at int64, happened time.Time) {
		if !happened.Add(r.Lag).After(now) {
			e.events = append(e.events, event{kind, info, at})
		}
	}
	told := func(kind, info string, at int64) {
		happened := time.UnixMilli(at)
		if happened.After(c.Time) {
			happened = c.Time
		}
		add(kind, info, at, happened)
	}
	told("callstart", "Y", e.begin)
	told("skillchoice", c.Skill, accept)
	told("ovrchan", c.DeflectionChannel, accept)
	told("deflresponse", "Y", accept)
	if !c.noText {
		text := c.DeflectionText
		if text == "" {
			text = welcomeText
		}
		here := func(kind, info string, happened time.Time) {
			add(kind, info, happened.Add(c.ahead).UnixMilli(), happened)
		}
		here("sendtext", text, c.Time)
		if after, opens := r.answered(c); opens {
			here("conversationid", double.UUIDOf(c.CallID), c.Time.Add(max(after, 0)))
		}
	}
	// The conversation is the current status of the call: every event shows it,
	// also those from before.
	for _, ev := range e.events {
		if ev.kind == "conversationid" {
			e.conversation = ev.info
		}
	}
	return e
}

func (r Report) answered(c *call) (after time.Duration, opens bool) {
	if r.Conversation == nil {
		return 0, false
	}
	return r.Conversation(c.clone())
}
