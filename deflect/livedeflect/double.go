package livedeflect

import (
	"context"
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// ProveDouble has the API prove that it is a livedeflecttest.Server, which texts nobody:
// nil is proof, for now, and the error is a [liveperson.ErrNoDouble]. It is for load tests,
// which had better reach no people. Of an API in LivePerson's domain nothing is asked, unless
// the Domain API has to tell where it is. The request is not signed and tells nothing.
func (c *Client) ProveDouble(ctx context.Context) error {
	if err := c.refuses(); err != nil {
		return err
	}
	s := c.setup.Load()
	if s.Domain != "" {
		return fmt.Errorf("%w: it is LivePerson's", liveperson.ErrNoDouble)
	}
	root, err := s.at(ctx, "")
	if err != nil {
		return fmt.Errorf("%w: %w", liveperson.ErrNoDouble, err)
	}
	return liveperson.ProveDouble(ctx, s.Transport, root, "livedeflecttest")
}
