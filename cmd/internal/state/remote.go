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
	"net/netip"
	"time"
)

// Remote is the Keeper of a deflectd that runs on this machine.
type Remote struct {
	Addr string // of its HTTP port, see Reach
	Why  error  // why it is asked, and not the journal
}

// Reach returns where a daemon on this machine that listens on an address is asked: the
// state is told to nobody else.
func Reach(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "", err == nil && ip.IsUnspecified() && ip.Unmap().Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// The paths of the HTTP port.
const (
	PathList    = "/state"
	PathAbout   = "/state/about"
	PathForget  = "/state/forget"
	PathCancel  = "/state/cancel"
	PathRelease = "/state/release"
)

// List asks for all.
func (r Remote) List(ctx context.Context) (Listing, error) {
	return ask[Listing](ctx, r, http.MethodGet, PathList, Request{})
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

func ask[T any](ctx context.Context, r Remote, method, path string, of Request) (T, error) {
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
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.Addr+path, body)
	if err != nil {
		return out, err
	}
	req.Close = true
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// Not through a proxy of the environment, which deflectd refuses.
	transport := &http.Transport{DisableCompression: true}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return out, fmt.Errorf("%w at http://%s (http.listen): %w", ErrAway, r.Addr, cause(err))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswered))
	if err != nil {
		return out, fmt.Errorf("read the answer of http://%s: %w", r.Addr, err)
	}
	if resp.StatusCode != http.StatusOK {
		e := &Error{Status: resp.StatusCode}
		if json.Unmarshal(data, e) != nil || e.Text == "" {
			e.Text = fmt.Sprintf("what listens on http://%s is no deflectd that keeps a state (status %d)", r.Addr, resp.StatusCode)
		}
		return out, e
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("what listens on http://%s is no deflectd: its answer cannot be read", r.Addr)
	}
	return out, nil
}

// cause leaves out the address that an error of the network repeats.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return cmp.Or(op.Err, err)
	}
	return err
}
