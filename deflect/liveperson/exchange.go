package liveperson

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// meter tells who counts of requests.
type meter struct {
	hook atomic.Pointer[func(call string, r deflect.Reason)]
}

// OnRequest sets who hears of each request with what it ended with, in place of who did
// before, as [deflect.Meter] has it.
func (m *meter) OnRequest(f func(call string, r deflect.Reason)) { m.hook.Store(&f) }

func (m *meter) count(call string, r deflect.Reason) {
	if f := m.hook.Load(); f != nil && *f != nil {
		(*f)(call, r)
	}
}

// answerError is why the body of an answer is incomplete.
type answerError struct{ err error }

func (e *answerError) Error() string { return "the answer cannot be read: " + e.err.Error() }

func (e *answerError) Unwrap() error { return e.err }

// exchange sends a request, which may be sent again by whoever is on the way, and reads the
// answer. A redirect is not followed. An error beside a status is an answerError.
func exchange(rt http.RoundTripper, req *http.Request) (status int, body []byte, err error) {
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "ivrdeflect")
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	return readAll(req.Context(), resp)
}

// readAll reads an answer, until its context ends.
func readAll(ctx context.Context, resp *http.Response) (status int, body []byte, err error) {
	defer resp.Body.Close()
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	defer stop()
	body, err = wire.ReadAnswer(wire.Plain(resp.Header, resp.Body))
	if err != nil {
		err = &answerError{clean.BeyondNetwork(err)}
	}
	return resp.StatusCode, body, err
}

// unanswered says why there is no answer of who was asked; "" when there is one.
func unanswered(ctx context.Context, who string, err error) (deflect.Reason, error) {
	var half *answerError
	switch {
	case err == nil, errors.As(err, &half) && ctx.Err() == nil:
		return "", nil
	case ctx.Err() != nil:
		return deflect.ReasonTimeout, fmt.Errorf("%s has not answered within %s; look at what is on the way to it", who, fetchWithin)
	}
	return deflect.ReasonUnreachable, fmt.Errorf("%s cannot be reached; look at name servers, firewalls and proxies on the way to it: %w", who, clean.BeyondNetwork(err))
}

// unasked says what a status other than a 2xx means that is not about what was asked; "" for
// others.
func unasked(status int, who string) (deflect.Reason, error) {
	switch {
	case status >= 300 && status < 400:
		return deflect.ReasonRedirected, fmt.Errorf("%s redirects (HTTP %d), which is not followed: check its address", who, status)
	case status == http.StatusTooManyRequests:
		return deflect.ReasonRateLimited, fmt.Errorf("%s is asked too often (HTTP %d): look for what else asks it", who, status)
	case status < 200 || status >= 500:
		return deflect.ReasonServerError, fmt.Errorf("%s has a fault (HTTP %d): it may pass", who, status)
	}
	return "", nil
}
