package livedeflect

import (
	"context"
	"errors"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// Send implements [deflect.Backend]: one freshly signed contextAndInvite.
func (c *Client) Send(ctx context.Context, t *deflect.Text) deflect.Attempt {
	r, ok := t.Request.(*request)
	if !ok {
		return deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonInternal, Err: errNotRead}
	}
	if r.body == nil {
		r.body = r.setup.encode(t, r.info)
	}
	url, err := r.setup.at(ctx, contextAndInvite)
	if err != nil {
		return wire.NoAddress(ctx, err)
	}
	return r.setup.link.Send(ctx, url, r.body, judge)
}

var errNotRead = errors.New("the text was not read by this backend")
