package deflect

import (
	"context"
	"errors"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

// requestTurns lets so many requests be under way at a time; nil is as many as there are.
type requestTurns chan struct{}

func newRequestTurns(most int) requestTurns {
	if most == 0 {
		return nil
	}
	return make(requestTurns, most)
}

var errNoTurn = errors.New("as many requests as allowed are under way (Config.MaxRequests, which deflectd takes from its limit of open files): raise it, or have fewer calls at a time")

// take waits for a turn, which done ends. That there was none in time is our own lack,
// and no sign of the API's health.
func (t requestTurns) take(ctx context.Context) (done func(), no Attempt, ok bool) {
	if t == nil {
		return func() {}, Attempt{}, true
	}
	select {
	case t <- struct{}{}:
		return func() { <-t }, Attempt{}, true
	default:
	}
	no = failed(ReasonInternal, errNoTurn)
	select {
	case t <- struct{}{}:
		// What is left of the time could hardly end in anything but doubt.
		if deadline, is := ctx.Deadline(); is && time.Until(deadline) < minAttempt {
			<-t
			return nil, no, false
		}
		return func() { <-t }, Attempt{}, true
	case <-ctx.Done():
		if waiting(ctx) == ReasonCanceled {
			no.Reason, no.Err = ReasonCanceled, nil
		}
		no.Err = cutoff.Error(ctx, cutoff.InTurn, no.Err)
		return nil, no, false
	}
}
