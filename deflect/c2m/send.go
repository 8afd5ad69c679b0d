package c2m

import (
	"context"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// Send implements [deflect.Backend]: one invite with the ticket of [Client.Ask].
func (c *Client) Send(ctx context.Context, t *deflect.Text) deflect.Attempt {
	r, ok := t.Request.(*request)
	if !ok {
		return deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonInternal, Err: errNotRead}
	}
	k, ok := t.Ticket.(*ticket)
	if !ok {
		return deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonInternal, Err: errNotAsked}
	}
	if k.spent { // nobody knows what a second invite would do
		return deflect.Attempt{Outcome: deflect.Uncertain, Reason: deflect.ReasonInternal, Err: errNotAsked, CallID: k.answer.callID}
	}
	channel, ok := r.setup.choose(k.answer)
	if !ok {
		return deflect.Attempt{Outcome: deflect.Ineligible, Reason: deflect.ReasonNotEligible, Err: errNoChannel}
	}
	at, err := r.setup.endpoints(ctx)
	if err != nil {
		return wire.NoAddress(ctx, err)
	}
	if no, ok := c.takeTurn(ctx, r.setup, &c.invites); !ok {
		return no
	}
	k.spent = true
	a := r.setup.link.Send(ctx, at.invite, r.setup.invite(t, k, channel), judgeInvite)
	if k.spent = a.Outcome != deflect.Failed; k.spent {
		a.CallID = k.answer.callID // the answer may have another one, which nobody else knows
	}
	return a
}

// invite makes the body of an invite.
func (s *setup) invite(t *deflect.Text, k *ticket, channel Channel) []byte {
	o := make(wire.Object, 0, 128+len(t.Call.Text))
	o = o.Text("callId", k.answer.callID)
	message := t.Call.Text
	if channel == "" && message != "" {
		// Only SMS can carry a text of our own: it is held to the channel that the handoff
		// would take anyway, or left out.
		channel = k.answer.recommended
		if channel == "" && len(k.answer.available) == 1 {
			channel = k.answer.available[0]
		}
		if channel != SMS {
			channel = ""
		}
	}
	o = o.Optional("overrideChannel", string(channel))
	if channel == SMS {
		o = o.Optional("overrideMessage", message)
	}
	if t.Call.Skill != k.skill {
		o = o.Text("overrideSkill", t.Call.Skill)
	}
	return append(o, '}')
}
