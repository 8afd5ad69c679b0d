package livedeflect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
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
	return r.setup.roundTrip(ctx, r.body)
}

var errNotRead = errors.New("the text was not read by this backend")

// post signs and sends one request.
func (s *setup) post(ctx context.Context, path string, body []byte) (*http.Response, *wire, error) {
	w := &wire{}
	req, err := http.NewRequestWithContext(context.WithValue(ctx, wireKey{}, w), http.MethodPost, s.root+path, nil)
	if err != nil {
		return nil, w, err
	}
	w.load(req, body)
	// Four values in one piece of memory. An answer is a hundred bytes: as it is, there
	// is nothing to inflate.
	values := []string{"application/json", "application/json", "ivrdeflect", "identity"}
	req.Header["Content-Type"], req.Header["Accept"], req.Header["User-Agent"] = values[0:1:1], values[1:2:2], values[2:3:3]
	req.Header["Accept-Encoding"] = values[3:4:4]

	// RoundTrip, not http.Client: it follows no redirect, and a redirect would
	// replay the nonce at an address of the answer's choice.
	asked := time.Now()
	resp, err := s.rt.RoundTrip(req)
	if err == nil {
		s.clock.hear(resp.Header, asked, time.Now())
	}
	return resp, w, err
}

func (s *setup) roundTrip(ctx context.Context, body []byte) deflect.Attempt {
	resp, w, err := s.post(ctx, contextAndInvite, body)
	if err != nil {
		a := broken(ctx, w, err)
		// The end of one stream of HTTP/2 is that of one request.
		a.NoSign = !strings.Contains(err.Error(), "stream error") && s.lose(w, a.Reason)
		return a
	}
	defer resp.Body.Close()
	// net/http forgets the context after a 101, and another transport may too:
	// the read must end in any case.
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	defer stop()
	answer, err := readAnswer(plain(resp.Header, resp.Body))
	a := judge(resp.StatusCode, resp.Header, answer, err)
	if a.Reason == deflect.ReasonBadResponse && ctx.Err() != nil {
		a.Reason, a.Err = waiting(ctx), cutoff.Error(ctx, cutoff.BeforeAnswer, a.Err)
	}
	return a
}

// lose takes care that a connection which died, or fell silent, is not used again. It
// reports whether another request has told so before: many share one connection
// of HTTP/2, and its end is one failure, not as many as there were.
func (s *setup) lose(w *wire, reason deflect.Reason) (known bool) {
	var conn *countingConn
	switch reason {
	case deflect.ReasonTimeout:
		if conn = w.silent(); conn == nil {
			return false
		}
		if r, ok := s.Transport.(*renewing); ok {
			r.retire(conn.made)
		}
	case deflect.ReasonConnectionLost:
		conn = w.shared()
	}
	return conn != nil && !conn.lost.CompareAndSwap(false, true)
}

// broken is what an attempt without an answer came to.
func broken(ctx context.Context, w *wire, err error) deflect.Attempt {
	a := deflect.Attempt{Err: clean.BeyondNetwork(err)}
	switch left := w.left(); {
	case !left && ctx.Err() != nil:
		a.Outcome, a.Reason, a.Err = deflect.Failed, waiting(ctx), cutoff.Error(ctx, cutoff.BeforeSent, a.Err)
		if a.Reason == deflect.ReasonTimeout {
			a.Reason = deflect.ReasonDeadline
		}
	case !w.handedOver() && !left && !w.tokenLost(err):
		a.Outcome, a.Reason = deflect.Failed, deflect.ReasonUnauthorized
		a.Err = fmt.Errorf("the request got no credentials: %w", a.Err)
	case !left:
		a.Outcome, a.Reason = deflect.Failed, deflect.ReasonUnreachable
		if limit := ownLimit(err); limit != nil {
			a.Reason, a.Err = deflect.ReasonInternal, limit
		}
	case ctx.Err() != nil:
		a.Outcome, a.Reason, a.Err = deflect.Uncertain, waiting(ctx), cutoff.Error(ctx, cutoff.BeforeAnswer, a.Err)
	default:
		a.Outcome, a.Reason = deflect.Uncertain, deflect.ReasonConnectionLost
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			a.Reason = deflect.ReasonTimeout
		}
	}
	return a
}

// waiting says why a context that ended stopped the wait for an answer: a deadline is
// the API's fault, any other end a wish.
func waiting(ctx context.Context) deflect.Reason {
	if cutoff.Wish(ctx) {
		return deflect.ReasonCanceled
	}
	return deflect.ReasonTimeout
}
