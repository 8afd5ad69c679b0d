package livedeflect

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// ErrNoDouble is that an API did not prove to be a double.
var ErrNoDouble = errors.New("it does not prove to be a simulator")

// ProveDouble has the API prove that it is a livedeflecttest.Server, which texts nobody:
// nil is proof, for now. It is for load tests, which had better reach no people. Of an API
// in LivePerson's domain nothing is asked. The request is not signed and tells nothing.
func (c *Client) ProveDouble(ctx context.Context) error {
	if err := c.refuses(); err != nil {
		return err
	}
	s := c.setup.Load()
	at, err := url.Parse(s.root)
	if err != nil || s.Domain != "" || strings.HasSuffix(strings.ToLower("."+strings.TrimSuffix(at.Hostname(), ".")), ".liveperson.net") {
		return fmt.Errorf("%w: it is LivePerson's", ErrNoDouble)
	}
	challenge := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.root+"/livedeflecttest?challenge="+challenge, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoDouble, err)
	}
	resp, err := s.Transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%w: it cannot be reached", ErrNoDouble)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	proof := sha256.Sum256([]byte("livedeflecttest " + challenge))
	if err != nil || resp.StatusCode != http.StatusOK || string(answer) != hex.EncodeToString(proof[:]) {
		return fmt.Errorf("%w (status %d)", ErrNoDouble, resp.StatusCode)
	}
	return nil
}
