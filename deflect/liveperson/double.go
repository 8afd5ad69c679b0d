package liveperson

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
)

// ErrNoDouble is that an API did not prove to be a double.
var ErrNoDouble = errors.New("it does not prove to be a simulator")

// ProveDouble has what is at the URL root prove that it is the double of that name, such as
// livedeflecttest, which texts nobody. Of a host of LivePerson's nothing is asked. The
// request has no credentials and tells nothing. The error is an [ErrNoDouble].
func ProveDouble(ctx context.Context, rt http.RoundTripper, root, name string) error {
	at, err := url.Parse(root)
	if err != nil || ofVendor(at.Hostname()) {
		return fmt.Errorf("%w: it is LivePerson's", ErrNoDouble)
	}
	challenge := rand.Text()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, root+"/"+name+"?challenge="+challenge, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoDouble, err)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%w: it cannot be reached", ErrNoDouble)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	proof := sha256.Sum256([]byte(name + " " + challenge))
	if err != nil || resp.StatusCode != http.StatusOK || string(answer) != hex.EncodeToString(proof[:]) {
		return fmt.Errorf("%w (status %d)", ErrNoDouble, resp.StatusCode)
	}
	return nil
}
