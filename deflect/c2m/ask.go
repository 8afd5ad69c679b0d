package c2m

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// ticket is what an eligibility gave: the right to one invite.
type ticket struct {
	asked  time.Time
	skill  string
	rest   []byte // of the request
	answer eligible
	spent  bool // an invite may have been processed
}

var (
	errNotRead   = errors.New("the text was not read by this backend")
	errNotAsked  = errors.New("the API was not asked for this text, or too long ago")
	errNoChannel = errors.New("the caller can be reached by none of the channels that are to be used")
)

// Ask implements [deflect.Asker]: one eligibility. It sends nobody a text, so it may be
// repeated.
func (c *Client) Ask(ctx context.Context, t *deflect.Text) deflect.Attempt {
	t.Ticket, t.CallID = nil, ""
	r, ok := t.Request.(*request)
	if !ok {
		return deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonInternal, Err: errNotRead}
	}
	at, err := r.setup.endpoints(ctx)
	if err != nil {
		return wire.NoAddress(ctx, err)
	}
	if no, ok := c.takeQuestion(ctx, r.setup, t.Live); !ok {
		return no
	}
	r.encode(t)
	c.left.tell(r.setup.Logger, r.left)
	k := &ticket{asked: time.Now(), skill: t.Call.Skill, rest: r.body[r.rest:]}
	a := r.setup.link.Send(ctx, at.eligibility, r.body, func(status int, header http.Header, body []byte, err error) deflect.Attempt {
		return judgeEligibility(status, header, body, err, &k.answer)
	})
	if a.Outcome != deflect.Sent {
		return a
	}
	if _, ok := r.setup.choose(k.answer); !ok {
		a.Outcome, a.Reason, a.Err = deflect.Ineligible, deflect.ReasonNotEligible, errNoChannel
		return a
	}
	t.Ticket, t.CallID = k, k.answer.callID
	return a
}

// Fresh implements [deflect.Asker]: a ticket is for what was asked then. Agents are shown
// what was known then, so a caller who has keyed in more since is asked for again; another
// skill is told in the invite.
func (c *Client) Fresh(t *deflect.Text) bool {
	r, ok := t.Request.(*request)
	k, is := t.Ticket.(*ticket)
	if !ok || !is || k.spent || time.Since(k.asked) >= r.setup.TicketAge {
		return false
	}
	r.encode(t)
	return bytes.Equal(k.rest, r.body[r.rest:])
}

// choose returns the channel of an invite: "" leaves it to the handoff. It reports false
// when none can be used.
func (s *setup) choose(e eligible) (Channel, bool) {
	for _, ch := range s.Channels {
		for _, available := range e.available {
			if ch == available {
				return ch, true
			}
		}
	}
	return "", len(s.Channels) == 0
}
