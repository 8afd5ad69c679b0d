package c2m

import (
	"context"
	"fmt"

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
	root, err := s.Domains.Root(ctx, service)
	if err != nil {
		return nil, err
	}
	if at := s.at.Load(); at != nil && at.root == root {
		return at, nil
	}
	at := newEndpoints(root, s.Account)
	s.at.Store(at)
	return at, nil
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
