package freeswitch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// keepLearning keeps what we know of a switch's calls true, until the link breaks: at its
// beginning it finds those that were announced without us, and checks those that we know,
// then checks again every learnEvery, in case that the end of one was missed.
func (sw *watched) keepLearning(l *link) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-l.broken:
			cancel()
		case <-ctx.Done():
		}
	}()
	sw.pay(l)
	targets := map[string]bool{}
	for learned := false; ; {
		err := sw.check(ctx, l)
		if !learned {
			err = errors.Join(err, sw.learn(ctx, l))
			learned = err == nil
		}
		sw.w.forgetEnded()
		sw.checkTargets(ctx, l, targets)
		next := time.After(learnEvery)
		if err != nil && ctx.Err() == nil {
			sw.w.srv.log.Warn("cannot learn about all calls of a switch", "switch", sw.Name, "err", err)
			next = time.After(learnAgain)
		}
		select {
		case <-next:
		case <-ctx.Done():
			return
		}
	}
}

// check asks the switch about every call that was announced. One of which nothing can be
// learned does not hold up the others.
func (sw *watched) check(ctx context.Context, l *link) error {
	return each(sw.w.from(sw), func(key callKey) error {
		round := sw.w.roundOf(key)
		data, err := sw.dump(ctx, l, key.uuid)
		switch {
		case isGone(err) || err == nil && keyOfCall(data) != key: // or the switch has restarted
			sw.w.hungUp(l, key, nil)
		case isRefused(err) || errors.Is(err, errUnreadable):
			sw.w.unchecked(l, key)
			return err
		case err != nil:
			return err
		default:
			sw.w.checked(l, key, round, data)
		}
		return nil
	})
}

// each calls f for all and returns one of the errors. Several run at once, but not so many
// that the commands of callers have to wait.
func each[T any](all []T, f func(T) error) error {
	const atOnce = 8
	var running sync.WaitGroup
	failed, turn := make(chan error, 1), make(chan struct{}, atOnce)
	for _, one := range all {
		turn <- struct{}{}
		running.Go(func() {
			if err := f(one); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
			<-turn
		})
	}
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (sw *watched) dump(ctx context.Context, l *link, uuid string) (esl.Event, error) {
	text, err := l.do(ctx, uuid, dump(uuid))
	if err != nil {
		return esl.Event{}, fmt.Errorf("uuid_dump: %w", err)
	}
	return parseDump(text)
}

var errUnreadable = errors.New("uuid_dump: what the switch says of a call cannot be read")

// parseDump reads what the switch answers to dump: one object, each header once, in any
// case. A header of several values is left out.
func parseDump(text string) (esl.Event, error) {
	d := json.NewDecoder(strings.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return esl.Event{}, errUnreadable
	}
	headers, seen := map[string]string{}, map[string]bool{}
	for d.More() {
		var value any
		name, err := d.Token()
		key, ok := name.(string)
		if folded := strings.ToLower(key); err != nil || !ok || seen[folded] || d.Decode(&value) != nil {
			return esl.Event{}, errUnreadable
		} else {
			seen[folded] = true
		}
		switch v := value.(type) {
		case string:
			headers[key] = v
		case []any:
		default:
			return esl.Event{}, errUnreadable
		}
	}
	if _, err := d.Token(); err != nil || d.More() || headers["Event-Name"] != esl.ChannelData {
		return esl.Event{}, errUnreadable
	}
	if _, err := d.Token(); err != io.EOF {
		return esl.Event{}, errUnreadable
	}
	return esl.NewEvent(esl.ChannelData, headers), nil
}

// The switch's list of channels lags behind its events: it is asked for several times.
const (
	listAgain  = 250 * time.Millisecond
	listAtMost = 20
	listSettle = time.Second // what was announced before the connection is in the list by then
)

// learn finds the calls that were announced while there was no connection: it asks for
// the list until nothing new comes.
func (sw *watched) learn(ctx context.Context, l *link) (failed error) {
	known := map[string]bool{}
	found, began := 0, time.Now()
	for n := 1; ; n++ {
		more, err := sw.learnNew(ctx, l, known)
		failed = errors.Join(failed, err)
		if found += more; ctx.Err() != nil {
			return failed
		}
		if n == listAtMost || more == 0 && time.Since(began) >= listSettle {
			break
		}
		select {
		case <-time.After(listAgain):
		case <-ctx.Done():
			return failed
		}
	}
	if failed == nil {
		sw.w.srv.log.Info("asked a switch for calls that were announced before", "switch", sw.Name, "on_offer", found)
	}
	return failed
}

// learnNew asks for the list once. It returns how many calls that were not known are on
// offer, and makes all of the list known.
func (sw *watched) learnNew(ctx context.Context, l *link, known map[string]bool) (int, error) {
	text, err := l.do(ctx, "", showChannels)
	if err != nil {
		return 0, fmt.Errorf("show channels: %w", err)
	}
	var list struct {
		Rows []struct {
			UUID string `json:"uuid"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return 0, errors.New("show channels: the list cannot be read")
	}
	for _, key := range sw.w.from(sw) {
		known[key.uuid] = true
	}
	var fresh []string
	for _, row := range list.Rows {
		if channelForm.MatchString(row.UUID) && !known[row.UUID] { // of others, nobody knows whether they are on offer
			known[row.UUID] = true
			fresh = append(fresh, row.UUID)
		}
	}
	var offered atomic.Int64
	err = each(fresh, func(uuid string) error {
		data, err := sw.dump(ctx, l, uuid)
		switch {
		case isGone(err): // it has just ended
		case isRefused(err) || errors.Is(err, errUnreadable): // asking again would not help
			sw.unreadable.warn(sw.w.srv.log, "", "nothing can be learned about a call: it is not on offer, and goes on", "switch", sw.Name)
		case err != nil:
			return err
		case onOfferHere(data): // else nobody knows whether it is on offer still
			offered.Add(1)
			sw.w.announce(sw, l, data, 0)
		case inHandHere(data):
			sw.w.adopt(sw, data)
		}
		return nil
	})
	return int(offered.Load()), err
}

// owe keeps a command that did not reach the switch, for this call alone: not for a later
// one that has its id.
func (c *announced) owe(failed *link, key callKey, j job) {
	j.who = c.who
	c.from.owe(failed, key, j)
}

// owe keeps a command that failed for want of a link, and sends it when the switch is back,
// which may be now.
func (sw *watched) owe(failed *link, key callKey, j job) {
	j.done = nil
	sw.w.mu.Lock()
	if !slices.ContainsFunc(sw.owed[key], func(x job) bool { return x.command == j.command && x.who == j.who }) {
		sw.owed[key] = append(sw.owed[key], j)
	}
	l := sw.link
	sw.w.mu.Unlock()
	if l != nil && l != failed {
		sw.pay(l)
	}
}

// pay sends the commands that are owed. One that does not reach the switch either is owed
// on.
func (sw *watched) pay(l *link) {
	sw.w.mu.Lock()
	debts := sw.owed
	sw.owed = map[callKey][]job{}
	sw.w.mu.Unlock()
	for key, list := range debts {
		for _, j := range list {
			j.done = func(_ string, err error) {
				if unsaid(err) {
					sw.owe(l, key, j)
				}
			}
			l.post(j)
		}
	}
}

// trustLocked ends the doubt about a call. The keys that were held count if they were
// pressed where it was announced.
func (w *watcher) trustLocked(l *link, key callKey, c *announced) unlocked {
	var after unlocked
	for _, n := range c.doubt.settle() {
		switch {
		case c.phase.busy():
			c.session.see(n)
		case placeOf(n) == c.spot.place:
			after = append(after, w.pressLocked(l, key, c, n)...)
		}
	}
	return after
}

// checked compares what we know of a call with what the switch says of it: one that is
// where it was announced, and was not withdrawn, stays on offer; one that was announced
// somewhere else is on offer there; the others are taken off. What the switch was asked
// in an earlier round is too old to count.
func (w *watcher) checked(l *link, key callKey, round uint64, data headers) {
	p, offer := placeOf(data), variableOf(data, offerVariable)
	w.locked(func() unlocked {
		c := w.calls[key]
		if c == nil || c.phase.busy() || c.round != round {
			return nil
		}
		var after unlocked
		switch {
		case onOfferHere(data) && w.anewLocked(c, p, data):
			if c.phase == onOffer {
				old, began, at, answered := c.ch, c.began, c.spot.place, c.answered
				after = append(after, func() {
					w.unanswered(key, at, answered, func() { w.settle(old, began, end(deflect.NoInput, deflect.ReasonNoKey)) })
				})
			}
			ch := readChannel(data, time.Now(), w.srv.setup.Load().Variables)
			served := w.srv.setup.Load().profiles.serving(&ch) != nil
			return append(after, w.putOnLocked(l, key, c, spotOf(data), ch, served, toldBy(data))...)
		case p != c.spot.place && w.fleet != nil && answeredOf(data) > c.answered: // by another daemon, who counts it
			w.goneLocked(key, c, served)
			return nil
		case p != c.spot.place: // the keys were pressed before
			after = w.trustLocked(l, key, c)
			return append(after, w.dropLocked(l, key, c)...)
		case c.spot.agent(data): // who may have cut a prompt of ours
			after = append(w.trustLocked(l, key, c), func() { l.post(job{call: key.uuid, command: breakOff(key.uuid)}) })
			return append(after, w.dropLocked(l, key, c)...)
		case offer == "false", c.phase == onOffer && c.marked && offer != "true":
			return w.dropLocked(l, key, c)
		case w.elsewhereLocked(c, data):
		case c.phase == onOffer && !c.marked:
			m := w.onMark(p, c.answered)
			after = append(after, func() { w.mark(l, key, c, m) })
		}
		return append(after, w.trustLocked(l, key, c)...)
	})
}

// unchecked ends the doubt about a call of which the switch says nothing that can be read:
// it stays on offer, as it was.
func (w *watcher) unchecked(l *link, key callKey) {
	w.locked(func() unlocked {
		if c := w.calls[key]; c != nil {
			return w.trustLocked(l, key, c)
		}
		return nil
	})
}

// onOfferHere reports whether a channel is marked as on offer where it is.
func onOfferHere(data headers) bool {
	p := placeOf(data)
	return variableOf(data, offerVariable) == "true" && p.profile != "" && variableOf(data, placeVariable) == p.profile && p.leg == "" && !p.parked
}

// roundOf returns the round of a call, 0 for one that was not announced.
func (w *watcher) roundOf(key callKey) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.calls[key]; c != nil {
		return c.round
	}
	return 0
}

// from returns the calls that were announced on a switch.
func (w *watcher) from(sw *watched) []callKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	var keys []callKey
	for key, c := range w.calls {
		if c.from == sw {
			keys = append(keys, key)
		}
	}
	return keys
}
