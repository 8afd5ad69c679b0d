package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

// Link posts requests to an API: each with credentials of its own, and at most once. It is
// safe for concurrent use.
type Link struct {
	base  http.RoundTripper
	rt    http.RoundTripper // base below the credentials
	clock *Clock
}

// NewLink returns a Link over base. What auth returns hands each request to the transport
// that it is given, as liveperson.Authenticator says; clock is told what answers tell.
func NewLink(auth interface {
	Transport(base http.RoundTripper) http.RoundTripper
}, base http.RoundTripper, clock *Clock) *Link {
	return &Link{base: base, rt: auth.Transport(handoff{base}), clock: clock}
}

// Post sends one request of JSON, with fresh credentials, and once more when these were
// refused and others can be had. The Trip says where the last one got to, also beside an
// answer.
func (l *Link) Post(ctx context.Context, url string, body []byte) (*http.Response, *Trip, error) {
	return l.ask(ctx, http.MethodPost, url, body)
}

// Get is Post for a request without a body. It changes nothing, so that Broken never says of
// it that something may have left.
func (l *Link) Get(ctx context.Context, url string) (*http.Response, *Trip, error) {
	return l.ask(ctx, http.MethodGet, url, nil)
}

func (l *Link) ask(ctx context.Context, method, url string, body []byte) (*http.Response, *Trip, error) {
	resp, t, err := l.once(ctx, method, url, body)
	if err != nil || !t.renewable(ctx, resp.StatusCode) {
		return resp, t, err
	}
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	_, _ = ReadAnswer(resp.Body) // to its end, so that the connection can be used again
	stop()
	resp.Body.Close()
	return l.once(ctx, method, url, body)
}

// once sends one request, and no other.
func (l *Link) once(ctx context.Context, method, url string, body []byte) (*http.Response, *Trip, error) {
	t := &Trip{}
	req, err := http.NewRequestWithContext(context.WithValue(ctx, tripKey{}, t), method, url, nil)
	if err != nil {
		return nil, t, err
	}
	t.load(req, body)
	// Four values in one piece of memory. An answer is a hundred bytes: as it is, there
	// is nothing to inflate.
	values := []string{"application/json", "application/json", "ivrdeflect", "identity"}
	if body != nil {
		req.Header["Content-Type"] = values[0:1:1]
	}
	req.Header["Accept"], req.Header["User-Agent"] = values[1:2:2], values[2:3:3]
	req.Header["Accept-Encoding"] = values[3:4:4]

	// RoundTrip, not http.Client: it follows no redirect, and a redirect would
	// replay the nonce at an address of the answer's choice.
	asked := time.Now()
	resp, err := l.rt.RoundTrip(req)
	if err == nil {
		l.clock.Hear(resp.Header, asked, time.Now())
	}
	return resp, t, err
}

// Judge says what an answer means; err is why its body is incomplete.
type Judge func(status int, header http.Header, body []byte, err error) deflect.Attempt

// Send posts a request and returns what came of it. When it was refused for its credentials,
// so that nothing came of it, and others can be had, that is what came of it with those.
func (l *Link) Send(ctx context.Context, url string, body []byte, judge Judge) deflect.Attempt {
	a, t := l.sendOnce(ctx, url, body, judge)
	// judge may know better than the status: what is in doubt is not sent again.
	if a.Outcome == deflect.Failed && a.Reason == deflect.ReasonUnauthorized && t.renewable(ctx, a.Status) {
		a, _ = l.sendOnce(ctx, url, body, judge)
	}
	return a
}

func (l *Link) sendOnce(ctx context.Context, url string, body []byte, judge Judge) (deflect.Attempt, *Trip) {
	resp, t, err := l.once(ctx, http.MethodPost, url, body)
	if err != nil {
		a := Broken(ctx, t, err)
		// The end of one stream of HTTP/2 is that of one request.
		a.NoSign = a.NoSign || !strings.Contains(err.Error(), "stream error") && l.lose(t, a.Reason)
		return a, t
	}
	defer resp.Body.Close()
	// net/http forgets the context after a 101, and another transport may too:
	// the read must end in any case.
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	defer stop()
	answer, err := ReadAnswer(Plain(resp.Header, resp.Body))
	a := judge(resp.StatusCode, resp.Header, answer, err)
	if a.Reason == deflect.ReasonBadResponse && ctx.Err() != nil {
		a.Reason, a.Err = Waiting(ctx), cutoff.Error(ctx, cutoff.BeforeAnswer, a.Err)
	}
	return a, t
}

// lose takes care that a connection which died, or fell silent, is not used again. It
// reports whether another request has told so before: many share one connection
// of HTTP/2, and its end is one failure, not as many as there were.
func (l *Link) lose(t *Trip, reason deflect.Reason) (known bool) {
	var conn *Conn
	switch reason {
	case deflect.ReasonTimeout:
		if conn = t.silent(); conn == nil {
			return false
		}
		if r, ok := l.base.(*Renewing); ok {
			r.Retire(conn.made)
		}
	case deflect.ReasonConnectionLost:
		conn = t.shared()
	}
	return conn != nil && !conn.lost.CompareAndSwap(false, true)
}

// Broken is what a request without an answer came to.
func Broken(ctx context.Context, t *Trip, err error) deflect.Attempt {
	a := deflect.Attempt{Err: clean.BeyondNetwork(err)}
	var none *NoCredentials
	switch left := t.left(); {
	case !left && !t.handedOver() && errors.Is(err, cutoff.ErrNoTime) && (ctx.Err() == nil || !cutoff.Wish(ctx)):
		// Its time was gone before the API, or who gives credentials, was asked for anything.
		a.Outcome, a.Reason, a.Err, a.NoSign = deflect.Failed, deflect.ReasonDeadline, cutoff.Error(ctx, cutoff.BeforeSent, cutoff.ErrNoTime), true
	case !left && !t.handedOver() && errors.As(err, &none) && (ctx.Err() == nil || !cutoff.Wish(ctx)):
		a.Outcome, a.Reason, a.Err = deflect.Failed, deflect.ReasonUnauthorized, cutoff.Error(ctx, cutoff.BeforeSent, none)
	case !left && ctx.Err() != nil:
		a.Outcome, a.Reason, a.Err = deflect.Failed, Waiting(ctx), cutoff.Error(ctx, cutoff.BeforeSent, a.Err)
		if a.Reason == deflect.ReasonTimeout {
			a.Reason = deflect.ReasonDeadline
		}
	case !t.handedOver() && !left && !t.tokenLost(err):
		a.Outcome, a.Reason = deflect.Failed, deflect.ReasonUnauthorized
		a.Err = fmt.Errorf("the request got no credentials: %w", a.Err)
	case !left:
		a.Outcome, a.Reason = deflect.Failed, deflect.ReasonUnreachable
		if limit := ownLimit(err); limit != nil {
			a.Reason, a.Err = deflect.ReasonInternal, limit
		}
	case ctx.Err() != nil:
		a.Outcome, a.Reason, a.Err = deflect.Uncertain, Waiting(ctx), cutoff.Error(ctx, cutoff.BeforeAnswer, a.Err)
	default:
		a.Outcome, a.Reason = deflect.Uncertain, deflect.ReasonConnectionLost
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			a.Reason = deflect.ReasonTimeout
		}
	}
	return a
}

// NoAddress is what a request came to whose address nobody could tell; err is fit to be shown.
func NoAddress(ctx context.Context, err error) deflect.Attempt {
	a := deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonUnreachable, Err: cutoff.Error(ctx, cutoff.BeforeSent, err)}
	if ctx.Err() != nil && cutoff.Wish(ctx) {
		a.Reason = deflect.ReasonCanceled
	}
	return a
}

// Waiting says why a context that ended stopped the wait for an answer: a deadline is
// the API's fault, any other end a wish.
func Waiting(ctx context.Context) deflect.Reason {
	if cutoff.Wish(ctx) {
		return deflect.ReasonCanceled
	}
	return deflect.ReasonTimeout
}

// MaxAnswer is how many bytes of an answer are read.
const MaxAnswer = 64 << 10

// ErrLargeAnswer is that of an answer with more than [MaxAnswer] bytes.
var ErrLargeAnswer = errors.New("the answer is larger than 64 KiB")

// ReadAnswer reads an answer through a limit.
func ReadAnswer(r io.Reader) ([]byte, error) {
	body := make([]byte, 0, 512) // more than an answer has
	for {
		n, err := r.Read(body[len(body):min(cap(body), MaxAnswer+1)])
		body = body[:len(body)+n]
		switch {
		case len(body) > MaxAnswer:
			return body, ErrLargeAnswer
		case err == io.EOF:
			return body, nil
		case err != nil:
			return body, err
		case len(body) == cap(body):
			body = slices.Grow(body, len(body))
		}
	}
}

// Unfinished reports whether what is no JSON may have been: it is cut off, or still compressed.
func Unfinished(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || bytes.HasPrefix(body, []byte("\x1f\x8b"))
}

// The vendor: "retry after at least 1 s".
const minRetryAfter = time.Second

// RetryAfter is when an answer wants to be asked again, at least a second; 0 when it does
// not say.
func RetryAfter(h http.Header) time.Duration {
	if after := retryAfter(h.Get("Retry-After")); after >= 0 {
		return max(after, minRetryAfter)
	}
	return 0
}

// retryAfter reads a Retry-After header; negative when there is none to use.
func retryAfter(h string) time.Duration {
	h = strings.TrimSpace(h)
	if s, err := strconv.ParseUint(h, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(0, time.Until(t))
	}
	return -1
}
