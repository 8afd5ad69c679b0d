package c2m

import (
	"context"
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// endpoints are the URLs of the two calls below one root.
type endpoints struct{ root, eligibility, invite string }

func newEndpoints(root, account string) *endpoints {
	path := root + "/api/account/" + account
	return &endpoints{root: root, eligibility: path + "/eligibility?v=2.0", invite: path + "/invite?v=2.0"}
}

// endpoints returns where the API is. Domains has its answer ready, but for the first time.
func (s *setup) endpoints(ctx context.Context) (*endpoints, error) {
	if s.BaseURL != "" {
		return s.at.Load(), nil
	}
	host, err := s.Domains.Host(ctx, service)
	if err != nil {
		return nil, fmt.Errorf("the host of the API is not known yet: %w", clean.BeyondNetwork(err))
	}
	// A double is on this machine, without TLS.
	root, err := wire.Root("http://" + host)
	if err != nil {
		if root, err = wire.Root("https://" + host); err != nil {
			return nil, fmt.Errorf("the host that the Domain API named %w", err)
		}
	}
	if at := s.at.Load(); at != nil && at.root == root {
		return at, nil
	}
	at := newEndpoints(root, s.Account)
	s.at.Store(at)
	return at, nil
}

// nowhere is an attempt that was not made because nobody knows where the API is.
func nowhere(ctx context.Context, err error) deflect.Attempt {
	a := deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonUnreachable, Err: err}
	if ctx.Err() != nil {
		a.Reason, a.Err = beforeSent(ctx, err)
	}
	return a
}

// beforeSent says why a context that ended kept a request from being made.
func beforeSent(ctx context.Context, err error) (deflect.Reason, error) {
	reason := wire.Waiting(ctx)
	if reason == deflect.ReasonTimeout {
		reason = deflect.ReasonDeadline
	}
	return reason, cutoff.Error(ctx, cutoff.BeforeRequest, err)
}

// ProveDouble has the API prove that it is a c2mtest.Server, which texts nobody: nil is
// proof, for now, and the error is a [liveperson.ErrNoDouble]. It is for load tests, which
// had better reach no people. Of an API in LivePerson's domain nothing is asked. The request
// has no credentials and tells nothing.
func (c *Client) ProveDouble(ctx context.Context) error {
	if err := c.refuses(); err != nil {
		return err
	}
	s := c.setup.Load()
	at, err := s.endpoints(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", liveperson.ErrNoDouble, err)
	}
	return liveperson.ProveDouble(ctx, s.Transport, at.root, "c2mtest")
}
