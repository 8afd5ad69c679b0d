package c2m

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// Rate bounds how many requests are made in a second. It is safe for concurrent use.
type Rate interface {
	// Take takes the place of one request, if there is one now: it waits for its own
	// answer at most, and that no longer than ctx lets it. With an error nobody knows, and
	// the Client keeps to its own count.
	Take(ctx context.Context) (ok bool, err error)
}

// bucket is the Rate of one Client: each place is free again a while after it was taken, so
// that no second has more of them, wherever it begins.
type bucket struct {
	mu    sync.Mutex
	taken []time.Time // the last of each place
	next  int         // the one that was taken first
}

// window is a little longer than a second, since requests arrive less evenly than they
// leave, and the API's no to one too many counts as a failure.
const window = time.Second + 50*time.Millisecond

func newBucket(places int) *bucket { return &bucket{taken: make([]time.Time, places)} }

// Take implements [Rate].
func (b *bucket) Take(context.Context) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if last := b.taken[b.next]; !last.IsZero() && now.Sub(last) < window {
		return false, nil
	}
	b.taken[b.next] = now
	b.next = (b.next + 1) % len(b.taken)
	return true, nil
}

var (
	errRate = errors.New("as many requests as the rate allows were made in the last second")
	errTurn = errors.New("there was no place among the requests of a second in time")
)

// limited is an attempt that was not made because there is no place for it. It says nothing
// about the API's health.
func limited(err error) deflect.Attempt {
	return deflect.Attempt{Outcome: deflect.Failed, Reason: deflect.ReasonRateLimited, Err: err, NoSign: true}
}

// take takes a place, if there is one now.
func (s *setup) take(ctx context.Context) bool {
	if s.Rate != nil {
		if ok, err := s.Rate.Take(ctx); err == nil {
			return ok
		}
	}
	ok, _ := s.own.Take(ctx)
	return ok
}

// takeQuestion takes a place for an eligibility. Texts that were promised go first: while one
// of them waits nobody is offered another, and who has asked for one waits for a place too.
func (c *Client) takeQuestion(ctx context.Context, s *setup, live bool) (no deflect.Attempt, ok bool) {
	if live {
		return c.takeTurn(ctx, s, &c.questions)
	}
	if c.invites.Load() > 0 || c.questions.Load() > 0 || !s.take(ctx) {
		return limited(errRate), false
	}
	return no, true
}

// takeTurn waits in a queue for a place, as long as the deadline leaves time for the request
// itself. Invites go before questions, which are in vain without them.
func (c *Client) takeTurn(ctx context.Context, s *setup, queue *atomic.Int64) (no deflect.Attempt, ok bool) {
	turn := func() bool { return (queue == &c.invites || c.invites.Load() == 0) && s.take(ctx) }
	if turn() {
		return no, true
	}
	queue.Add(1)
	defer queue.Add(-1)
	pause := time.Second / time.Duration(s.RatePerSecond)
	for {
		wait := pause/2 + rand.N(pause)
		if deadline, has := ctx.Deadline(); has && time.Until(deadline)-wire.LeastTime < wait {
			return limited(errTurn), false
		}
		select {
		case <-ctx.Done():
			a := limited(cutoff.Error(ctx, cutoff.BeforeRequest, errTurn))
			if cutoff.Wish(ctx) {
				a.Reason = deflect.ReasonCanceled
			}
			return a, false
		case <-time.After(wait):
		}
		if turn() {
			return no, true
		}
	}
}
