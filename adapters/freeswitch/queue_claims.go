package freeswitch

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Claims are what the daemons that watch one switch have in common: who of them deals with
// a call. All of these daemons must have the same; see [Server.Watch]. It is safe for
// concurrent use.
//
// An id is claimed as long as it was asked for, whoever holds it lives or not: nothing but
// time, or Release, ends a claim. An error is "not known": the claim may be ours.
type Claims interface {
	// Claim reports whether an id is ours for so long from now on: nobody else has it.
	// What is ours already is ours again, and lasts anew.
	Claim(ctx context.Context, id string, lasts time.Duration) (bool, error)
	// Release ends a claim of ours; that of another one stays.
	Release(ctx context.Context, id string) error
}

// A daemon that dies is missed after claimLasts and one claimAgain: in less than ten
// seconds. A store that is away for less than claimLasts-claimAgain costs nobody a claim.
const (
	claimLasts = 7 * time.Second
	claimAgain = 2 * time.Second // after which a claim is renewed, and a missing daemon looked for
	claimWait  = time.Second     // for the store
	// claimSure is how long a claim has to last on when a text is asked for.
	claimSure = time.Second
	// decidedLasts is how long a decision is kept from a daemon that learns of its key, or of
	// the end of its call, late: a link that is that late has long been ended.
	decidedLasts = time.Hour
	needFor      = 5 * time.Second // at most, until it is known who answers a key
	needAgain    = 250 * time.Millisecond
	settleTries  = 5 // to learn who counts a call; then each daemon does
	// settleAtOnce is for how many calls that is asked at once: a switch that ends all of
	// its calls must not make the store too slow for callers.
	settleAtOnce = 16
)

// fleet is the claims of a watcher; nil when it is the only one of its switches.
type fleet struct {
	claims Claims
	turn   chan struct{} // of settleAtOnce
}

func newFleet(claims Claims) *fleet {
	if claims == nil {
		return nil
	}
	return &fleet{claims, make(chan struct{}, settleAtOnce)}
}

func (f *fleet) claim(id string, lasts time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), claimWait)
	defer cancel()
	return f.claims.Claim(ctx, id, lasts)
}

// need is claim as an error, unless the claim is ours. A caller who waits has time for a
// store that does not answer at once; again says that it did not, and may have forgotten
// meanwhile who had the claim.
func (f *fleet) need(cut context.Context, id string, lasts time.Duration) (again bool, err error) {
	for began := time.Now(); ; again = true {
		mine, err := f.claim(id, lasts)
		switch {
		case err == nil && mine:
			return again, nil
		case err == nil:
			return again, errTaken
		case time.Since(began) >= needFor || cut.Err() != nil:
			return again, errClaimUnknown
		}
		select {
		case <-time.After(needAgain):
		case <-cut.Done():
		}
	}
}

// release ends a claim. One that cannot be ended ends by itself.
func (f *fleet) release(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), claimWait)
	defer cancel()
	_ = f.claims.Release(ctx, id)
}

// The three claims. Of a call, while a daemon deals with a key of it. Of a round, which is
// what one announcement comes to, by whoever has answered it: its place and the number
// of the key that was answered before make it another one than all others of the call. And
// of the end of a round that nobody has answered, by whoever counts it.
func (k callKey) claimed() string { return "call " + k.core + " " + k.uuid }

func (k callKey) roundClaimed(at place, answered uint64) string {
	return "round " + k.core + " " + k.uuid + " " + at.profile + " " + strconv.FormatUint(answered, 10)
}

func endClaimed(round string) string { return "end of " + round }

// hold is our claim of a call whose caller has pressed a key.
type hold struct {
	f     *fleet
	id    string // its claims
	round string
	at    place
	hand  string // the mark while a key is being answered
	seq   uint64 // number of the key
	stop  chan struct{}
	done  chan struct{} // closed when nobody renews it any more
	lose  func()        // told when it is lost

	mu    sync.Mutex
	until time.Time // it was confirmed to last so long, by our clock
	lost  bool      // another daemon has it
}

var (
	errTaken        = errors.New("another deflectd deals with the call")
	errClaimUnknown = errors.New("whether another deflectd deals with the call is not known: the store of the claims does not answer")
)

// take claims a key press: its round, the call, and the mark on the channel, in that order.
// The claims alone would do in a fleet where no daemon is late and no store forgets. The
// number of the key on the channel is what a store that lost a claim cannot lose: a key
// that is not younger was answered. A call that has hung up has only the claims: they have
// to be had at once.
func (w *watcher) take(key callKey, conn *queueLine, answered, seq uint64) (*hold, error) {
	at, l := conn.spot.place, conn.link
	h := &hold{
		f: w.fleet, id: key.claimed(), round: key.roundClaimed(at, answered), at: at, hand: inHandAt(at, answered), seq: seq,
		stop: make(chan struct{}), done: make(chan struct{}), lose: func() { conn.leave(served) },
	}
	again, err := h.f.need(w.srv.cut, h.round, decidedLasts)
	if err != nil {
		return nil, err
	}
	h.until = time.Now().Add(claimLasts)
	if _, err := h.f.need(w.srv.cut, h.id, claimLasts); err != nil {
		h.f.release(h.round)
		return nil, err
	}
	go h.renew()
	cmd, ok := setVariables(key.uuid, placeVariable+"="+h.hand+";"+answeredVariable+"="+strconv.FormatUint(seq, 10))
	if !ok {
		cmd = "" // of a place that cannot be named
	}
	done := make(chan error, 1)
	j := job{call: key.uuid, command: cmd, done: func(_ string, err error) { done <- err }}
	j.only = func(data headers) bool {
		return answeredOf(data) < seq && variableOf(data, placeVariable) != decidedPrefix+at.profile
	}
	l.post(j)
	if err = <-done; isGone(err) {
		if err = nil; again {
			err = errClaimUnknown
		}
	}
	if err != nil {
		h.f.release(h.round)
		h.end()
		return nil, err
	}
	return h, nil
}

// renew keeps a hold until it is ended or lost.
func (h *hold) renew() {
	defer close(h.done)
	again := time.NewTicker(claimAgain)
	defer again.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-again.C:
			h.again()
		}
	}
}

// again makes a hold last, unless it is lost.
func (h *hold) again() {
	if _, lost := h.lasts(); lost {
		return
	}
	until := time.Now().Add(claimLasts)
	mine, err := h.f.claim(h.id, claimLasts)
	if err != nil {
		return
	}
	h.mu.Lock()
	if h.lost = !mine; mine {
		h.until = until
	}
	h.mu.Unlock()
	if !mine {
		h.lose() // who has the call speaks to its caller
	}
}

func (h *hold) lasts() (still time.Duration, lost bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Until(h.until), h.lost
}

// sure returns an ending unless the call is ours for a while.
func (h *hold) sure() ending {
	still, lost := h.lasts()
	if still < claimSure && !lost {
		h.again()
		still, lost = h.lasts()
	}
	switch {
	case lost:
		return endFor(deflect.Abandoned, deflect.ReasonTransferred, errTaken)
	case still < claimSure:
		return endFor(deflect.Ineligible, deflect.ReasonCooldownUnknown, errClaimUnknown)
	}
	return ending{}
}

// end gives the call back to all daemons.
func (h *hold) end() {
	close(h.stop)
	<-h.done
	h.f.release(h.id)
}

// answer has one of the daemons do what a key asks for: us, or the one that has the call.
func (w *watcher) answer(key callKey, c *announced, conn *queueLine, seq uint64, do func(*hold)) {
	defer w.over(key, c)
	if w.fleet == nil {
		do(nil)
		return
	}
	w.mu.Lock()
	before := c.answered
	w.mu.Unlock()
	h, err := w.take(key, conn, before, seq)
	switch {
	case errors.Is(err, errClaimUnknown):
		w.srv.metrics.rejected[rejectedClaimUnknown].Inc()
		c.from.unclaimed.warn(w.srv.log, "", "a key of a caller who waits comes to nothing: which deflectd answers it is not known, for the store does not answer", "switch", c.from.Name)
	case err != nil && !errors.Is(err, errTaken):
		w.srv.log.Info("a key of a caller who waits comes to nothing: the call could not be marked as in hand", "switch", c.from.Name, "err", err)
	}
	w.mu.Lock()
	if c.notOurs = err != nil; err == nil {
		c.answered = max(c.answered, seq)
	}
	w.mu.Unlock()
	if err != nil {
		conn.close(errOver)
		return
	}
	defer h.end()
	do(h)
}

// ready is asked before a text is: the channel says by now that it may have been sent, so
// that no other daemon sends one if this one dies, and the call is ours.
func (h *hold) ready(l *link, uuid string) ending {
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	if _, err := l.do(ctx, uuid, ""); err != nil {
		return endFor(deflect.Failed, deflect.ReasonSwitch, err)
	}
	return h.sure()
}

// counts reports whether the end of a round is ours to count: it was not answered, and no
// other daemon counts it.
func (f *fleet) counts(round string) (bool, error) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	mine, err := f.claim(round, claimLasts)
	if err == nil && mine {
		mine, err = f.claim(endClaimed(round), decidedLasts)
		f.release(round)
	}
	return mine, err
}

// unanswered counts the end of a round that nobody has answered, by f, on one of the daemons.
// When nobody knows which, for long, each of them does: no call is left out.
func (w *watcher) unanswered(key callKey, at place, answered uint64, f func()) {
	if w.fleet == nil {
		f()
		return
	}
	w.counting.Go(func() {
		round := key.roundClaimed(at, answered)
		for n := 1; ; n++ {
			mine, err := w.fleet.counts(round)
			switch {
			case err == nil && !mine:
				return
			case err == nil || n == settleTries:
				f()
				return
			}
			select {
			case <-time.After(claimAgain):
			case <-w.hurry:
				n = settleTries - 1
			}
		}
	})
}
