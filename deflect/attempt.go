package deflect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

const (
	maxAttempts = 3
	// An attempt with less time than this left could hardly end in anything but
	// doubt.
	minAttempt = 200 * time.Millisecond
	// The vendor: "retry after at least 1 s".
	minRetryAfter = time.Second
)

// attempts tries until an attempt may not be repeated or the next one would not
// fit the deadline.
func (c *Client) attempts(ctx context.Context, s *setup, externalID string, body []byte) (verdict, int) {
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return broken(ctx, &wire{}, err), n - 1
		}
		v := c.attempt(ctx, s, externalID, body)
		var wait time.Duration
		switch v.reason.row().again {
		case soon:
			wait = time.Duration(n*n)*100*time.Millisecond + rand.N(50*time.Millisecond)
		case whenAsked:
			if v.retryAfter < 0 {
				return v, n
			}
			wait = max(v.retryAfter, minRetryAfter)
		default:
			return v, n
		}
		if n == maxAttempts {
			return v, n
		}
		if !pause(ctx, wait) {
			if ctx.Err() != nil && waiting(ctx) == ReasonCanceled {
				v.told, v.reason, v.err = v.reason, ReasonCanceled, cutoff.Error(ctx, cutoff.BeforeNext, v.err)
			}
			return v, n
		}
	}
}

// pause waits, unless ctx would then have too little time left.
func pause(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline)-minAttempt < wait {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// attempt sends one freshly signed request.
func (c *Client) attempt(ctx context.Context, s *setup, externalID string, body []byte) verdict {
	done, no, ok := c.requests.take(ctx)
	if !ok {
		c.metrics.requests[no.reason].Inc()
		return no
	}
	defer done()
	start := time.Now()
	c.metrics.inFlight.Inc()
	defer c.metrics.inFlight.Dec()
	v := s.roundTrip(ctx, body)
	took := time.Since(start)
	c.metrics.duration.Observe(took.Seconds())
	c.metrics.requests[v.reason].Inc()
	if c.log.Enabled(ctx, slog.LevelDebug) {
		c.log.LogAttrs(ctx, slog.LevelDebug, "request ended",
			slog.String("call_id", LogID(externalID)), slog.String("outcome", string(v.outcome)), slog.String("reason", string(v.reason)),
			slog.Int("status", v.status), slog.Duration("duration", took), slog.Any("err", v.err))
	}
	return v
}

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

func (s *setup) roundTrip(ctx context.Context, body []byte) verdict {
	resp, w, err := s.post(ctx, contextAndInvite, body)
	if err != nil {
		v := broken(ctx, w, err)
		// The end of one stream of HTTP/2 is that of one request.
		v.known = !strings.Contains(err.Error(), "stream error") && s.lose(w, v.reason)
		return v
	}
	defer resp.Body.Close()
	// net/http forgets the context after a 101, and another transport may too:
	// the read must end in any case.
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	defer stop()
	answer, err := readAnswer(plain(resp.Header, resp.Body))
	v := judge(resp.StatusCode, resp.Header, answer, err)
	if v.reason == ReasonBadResponse && ctx.Err() != nil {
		v.reason, v.err = waiting(ctx), cutoff.Error(ctx, cutoff.BeforeAnswer, v.err)
	}
	return v
}

// lose takes care that a connection which died, or fell silent, is not used again. It
// reports whether another request has told so before: many share one connection
// of HTTP/2, and its end is one failure, not as many as there were.
func (s *setup) lose(w *wire, reason Reason) (known bool) {
	var conn *countingConn
	switch reason {
	case ReasonTimeout:
		if conn = w.silent(); conn == nil {
			return false
		}
		if r, ok := s.Transport.(*renewing); ok {
			r.retire(conn.made)
		}
	case ReasonConnectionLost:
		conn = w.shared()
	}
	return conn != nil && !conn.lost.CompareAndSwap(false, true)
}

// broken is the verdict of an attempt without an answer.
func broken(ctx context.Context, w *wire, err error) verdict {
	v := verdict{err: clean.BeyondNetwork(err)}
	switch left := w.left(); {
	case !left && ctx.Err() != nil:
		v.outcome, v.reason, v.err = Failed, waiting(ctx), cutoff.Error(ctx, cutoff.BeforeSent, v.err)
		if v.reason == ReasonTimeout {
			v.reason = ReasonDeadline
		}
	case !w.handedOver() && !left && !w.tokenLost(err):
		v.outcome, v.reason = Failed, ReasonUnauthorized
		v.err = fmt.Errorf("the request got no credentials: %w", v.err)
	case !left:
		v.outcome, v.reason = Failed, ReasonUnreachable
		if limit := ownLimit(err); limit != nil {
			v.reason, v.err = ReasonInternal, limit
		}
	case ctx.Err() != nil:
		v.outcome, v.reason, v.err = Uncertain, waiting(ctx), cutoff.Error(ctx, cutoff.BeforeAnswer, v.err)
	default:
		v.outcome, v.reason = Uncertain, ReasonConnectionLost
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			v.reason = ReasonTimeout
		}
	}
	return v
}
