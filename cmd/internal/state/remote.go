package state

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Remote is the Keeper of a deflectd that runs on this machine.
type Remote struct {
	Client *http.Client // see Client
	Base   string
	Why    error // why it is asked, and not the journal
}

// The paths of the HTTP port.
const (
	PathList    = "/state"
	PathAbout   = "/state/about"
	PathForget  = "/state/forget"
	PathCancel  = "/state/cancel"
	PathRelease = "/state/release"
)

// PathAPI tells of the API that a deflectd asks, see [API].
const PathAPI = "/-/api"

// API is what deflectd says of the API that it has texts sent by.
type API struct {
	Simulated bool   `json:"simulated"` // it has just proved to be a simulator, which texts nobody
	Why       string `json:"why,omitempty"`
	Outbound  string `json:"outbound"` // where this deflectd takes calls
}

// List asks for all.
func (r Remote) List(ctx context.Context) (Listing, error) {
	return ask[Listing](ctx, r, http.MethodGet, PathList, nil)
}

// About asks for one number.
func (r Remote) About(ctx context.Context, number string) (Listing, error) {
	return ask[Listing](ctx, r, http.MethodPost, PathAbout, Request{Number: number})
}

// Forget has a number erased.
func (r Remote) Forget(ctx context.Context, number string) (Forgotten, error) {
	return ask[Forgotten](ctx, r, http.MethodPost, PathForget, Request{Number: number})
}

// Cancel has a text dropped.
func (r Remote) Cancel(ctx context.Context, externalID string) (Cancelled, error) {
	return ask[Cancelled](ctx, r, http.MethodPost, PathCancel, Request{ExternalID: externalID})
}

// Release has cooldowns ended.
func (r Remote) Release(ctx context.Context, number string) (Released, error) {
	return ask[Released](ctx, r, http.MethodPost, PathRelease, Request{Number: number})
}

const (
	mostAnswered = 16 << 20
	askTimeout   = 40 * time.Second // longer than a daemon takes to answer
)

// ErrAway is that nobody listens where deflectd should.
var ErrAway = errors.New("deflectd cannot be reached")

func ask[T any](ctx context.Context, r Remote, method, path string, of any) (T, error) {
	var out T
	var body io.Reader
	if method == http.MethodPost {
		data, err := json.Marshal(of)
		if err != nil {
			return out, err
		}
		body = bytes.NewReader(data)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, r.Base+path, body)
	if err != nil {
		return out, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return out, fmt.Errorf("%w at %s (http.listen): %w", ErrAway, r.Base, cause(err))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswered))
	if err != nil {
		return out, fmt.Errorf("read the answer of %s: %w", r.Base, err)
	}
	if resp.StatusCode != http.StatusOK {
		e := &Error{Status: resp.StatusCode}
		if json.Unmarshal(data, e) != nil || e.Text == "" {
			e.Text = fmt.Sprintf("what listens on %s is no deflectd that keeps a state (status %d)", r.Base, resp.StatusCode)
		}
		return out, e
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("what listens on %s is no deflectd: its answer cannot be read", r.Base)
	}
	return out, nil
}

// cause leaves out the address that an error of the network repeats.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return cmp.Or(op.Err, err)
	}
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return asked.Err
	}
	return err
}
