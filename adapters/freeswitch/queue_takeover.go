package freeswitch

import (
	"context"
	"strconv"
	"time"
)

// keepMissing looks for daemons that have died, until the link ends: for the calls whose
// keys they were to answer.
func (sw *watched) keepMissing(l *link) {
	again := time.NewTicker(claimAgain)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-l.broken:
			return
		}
		_ = each(sw.w.elsewhereOn(sw), func(key callKey) error {
			sw.w.takeOver(sw, l, key)
			return nil
		})
	}
}

// elsewhereOn returns the calls of a switch that another daemon may deal with.
func (w *watcher) elsewhereOn(sw *watched) []callKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []callKey
	for key, c := range w.calls {
		if c.from == sw && c.elsewhere && !w.stopping {
			keys = append(keys, key)
		}
	}
	return keys
}

// takeOver looks at a call that another daemon may deal with. If nobody has it in hand any
// more and nobody has answered it, it is on offer again, for a key that is pressed from now
// on: the key of before may have led to a text. The mark that says so makes this a new round.
func (w *watcher) takeOver(sw *watched, l *link, key callKey) {
	round := w.roundOf(key)
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	data, err := sw.dump(ctx, l, key.uuid)
	switch {
	case isGone(err) || err == nil && keyOfCall(data) != key:
		w.hungUp(l, key, nil)
		return
	case err != nil:
		return
	}
	w.checked(l, key, round, data) // what needs no claim
	at, before := variableOf(data, placeVariable), answeredOf(data)
	w.mu.Lock()
	c := w.calls[key]
	left := c != nil && c.elsewhere && c.round == round && placeOf(data) == c.spot.place && (inHandHere(data) || onOfferHere(data))
	var fresh uint64
	if left {
		fresh = max(c.seen, before+1)
	}
	w.mu.Unlock()
	if !left {
		return
	}
	if mine, err := w.fleet.claim(key.claimed(), claimLasts); err != nil || !mine {
		return
	}
	cmd, ok := setVariables(key.uuid, onMark+placeOf(data).profile+";"+answeredVariable+"="+strconv.FormatUint(fresh, 10))
	if !ok {
		return
	}
	done := make(chan error, 1)
	j := job{call: key.uuid, command: cmd, done: func(_ string, err error) { done <- err }}
	j.only = func(now headers) bool {
		return variableOf(now, placeVariable) == at && answeredOf(now) == before && placeOf(now) == placeOf(data)
	}
	l.post(j)
	err = <-done
	w.mu.Lock()
	left = c.elsewhere && c.round == round
	w.mu.Unlock()
	if !left {
		return // the claim may be that of a session by now; else it ends by itself
	}
	w.fleet.release(key.claimed())
	if err != nil {
		return
	}
	ch := readChannel(data, time.Now(), w.srv.setup.Load().Variables)
	w.srv.log.Info("nobody has answered a caller's key: the call is on offer again, for another one", ch.ids()...)
	w.locked(func() unlocked {
		c := w.calls[key]
		if c == nil || !c.elsewhere || c.round != round {
			return nil
		}
		served := w.srv.setup.Load().profiles.serving(&ch) != nil
		return w.putOnLocked(l, key, c, spotOf(data), ch, served, told{answered: fresh, on: true})
	})
}

// anewLocked reports whether a call that is marked as on offer has to be put on offer: a
// fleet does not count one that nobody serves again and again, and takes one that was in hand
// over by a claim.
func (w *watcher) anewLocked(c *announced, at place, data headers) bool {
	switch {
	case at != c.spot.place:
		return true
	case w.fleet == nil:
		return c.phase != onOffer
	}
	return answeredOf(data) > c.answered
}

// elsewhereLocked takes a call off offer of which the channel says that another daemon has
// answered, or answers, a key that we have not seen. It reports whether that is so.
func (w *watcher) elsewhereLocked(c *announced, data headers) bool {
	hand := inHandHere(data)
	if w.fleet == nil || !hand && variableOf(data, placeVariable) != decidedPrefix+c.spot.place.profile {
		return false
	}
	if c.phase == onOffer {
		w.stepLocked(c, announcedInVain)
	}
	c.doubt.settle()
	c.elsewhere = hand
	if !hand {
		c.answered = max(c.answered, answeredOf(data))
	}
	return true
}

// adopt gets to know a call whose key another daemon was to answer before we were there.
func (w *watcher) adopt(sw *watched, data headers) {
	key := keyOfCall(data)
	if w.fleet == nil || !channelForm.MatchString(key.uuid) {
		return
	}
	ch := readChannel(data, time.Now(), w.srv.setup.Load().Variables)
	_, answered, _ := inHandOf(data)
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, was := w.ended[key]; w.calls[key] != nil || was && last.place == placeOf(data) {
		return
	}
	w.calls[key] = &announced{
		phase: listed, from: sw, began: time.Now(), who: identityOf(data), spot: spotOf(data), ch: ch,
		answered: answered, elsewhere: true,
	}
	w.nextRoundLocked(w.calls[key])
}

// freeElsewhere frees an agent of mod_fifo who has answered a call that another daemon deals
// with: that one may have died while it played a prompt.
func (w *watcher) freeElsewhere(l *link, key callKey, at spot) {
	w.counting.Go(func() {
		q := newQueueLine(l, key.uuid, at, longestCall, nil)
		defer q.close(errOver)
		q.freeAgent(w.srv.cut)
	})
}
