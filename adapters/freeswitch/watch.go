package freeswitch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

const (
	reconnectFirst = 250 * time.Millisecond
	reconnectMost  = 30 * time.Second
	stable         = 500 * time.Millisecond // what lives longer is worth an early attempt
	// sayAgain is after how long the log says again that a switch is away.
	sayAgain = time.Hour
	// learnEvery is how often the switch is asked which calls it has, for the case
	// that an end of one was missed.
	learnEvery = 5 * time.Minute
	learnAgain = 10 * time.Second // after it could not be learned
)

// Switch is a FreeSWITCH whose waiting callers are offered a text.
type Switch struct {
	Name     string         // for metrics and logs; letters, digits, '-' and '_'; required
	Address  string         // of its event socket, such as 127.0.0.1:8021; required
	Password deflect.Secret // of its event socket; required
}

// watched is one switch.
type watched struct {
	Switch
	w      *watcher
	probes probes
	up     bool               // these two with w.mu
	owed   map[callKey][]owed // what has to be said of calls
}

// owed is a command that could not be said.
type owed struct {
	command command
	still   func() bool // whether it is to be said, by then; nil is true
}

// Watch offers texts to the callers who wait in queues of the switches in
// Config.Inbound, until ctx ends. Then it takes no more key presses, lets the
// callers who have pressed the key get their answer, for at most
// Config.DrainTimeout, and returns nil. Calls that are still on offer just wait on.
// It may be called once.
func (s *Server) Watch(ctx context.Context) error {
	linked, unlink := context.WithCancel(context.WithoutCancel(ctx))
	defer unlink()
	var links sync.WaitGroup
	for _, sw := range s.watcher.switches {
		links.Go(func() { sw.keepUp(linked) })
	}
	<-ctx.Done()
	drain := time.AfterFunc(s.setup.Load().DrainTimeout, s.Cut)
	defer drain.Stop()
	s.watcher.stop()
	unlink()
	links.Wait()
	return nil
}

// Away returns the names of the watched switches that there is no connection to,
// in the order of the configuration. Their callers are not offered anything.
func (s *Server) Away() []string {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	var names []string
	for _, sw := range s.watcher.switches {
		if !sw.up {
			names = append(names, sw.Name)
		}
	}
	return names
}

// keepUp keeps a switch connected until ctx ends.
func (sw *watched) keepUp(ctx context.Context) {
	log := sw.w.srv.log
	d := &dialer{dial: sw.w.srv.dial, address: sw.Address, password: string(sw.Password)}
	defer d.close()
	pause, said, saidAt := reconnectFirst, "", time.Time{}
	for {
		l, err := d.link(ctx, sw.see)
		if err == nil {
			sw.set(true)
			log.Info("watching switch", "switch", sw.Name)
			began := time.Now()
			err = sw.work(ctx, l)
			if said = ""; time.Since(began) > stable {
				pause = reconnectFirst
			}
		}
		if ctx.Err() != nil {
			return
		}
		jittered := pause/2 + rand.N(pause/2)
		if now := err.Error(); now != said || time.Since(saidAt) > sayAgain { // not at every attempt
			log.Warn("switch is away: no offers there until it is back, its calls go on", "switch", sw.Name, "err", err)
			said, saidAt = now, time.Now()
		}
		pause = min(2*pause, reconnectMost)
		select {
		case <-time.After(jittered):
		case <-ctx.Done():
			return
		}
	}
}

// work uses a link until it breaks or ctx ends, and returns why it broke.
func (sw *watched) work(ctx context.Context, l *link) error {
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.Background(), replyTimeout)
		defer cancel()
		_, _ = l.do(last, "") // what was asked of it is said
		l.end(context.Cause(ctx))
	})
	defer stop()
	l.tasks.Go(func() { l.keepProbing(&sw.probes) })
	l.tasks.Go(func() { sw.keepLearning(l) })
	err := l.wait()
	sw.w.lost(sw, l)
	sw.set(false)
	return err
}

func (sw *watched) set(up bool) {
	sw.w.mu.Lock()
	defer sw.w.mu.Unlock()
	sw.up = up
	value := 0.0
	if up {
		value = 1
	}
	sw.w.srv.metrics.watchUp[sw.Name].Set(value)
}

// keepLearning asks the switch what has become of its calls: at once, for what happened
// while there was no connection, and now and then.
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
	for learned := false; ; {
		err := sw.check(ctx, l)
		if !learned {
			err = errors.Join(err, sw.learn(ctx, l))
			learned = err == nil
		}
		sw.w.forgetEnded()
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

// check asks what has become of the calls that were announced. One of which nothing can
// be learned does not hold up the others.
func (sw *watched) check(ctx context.Context, l *link) (failed error) {
	for key, at := range sw.w.from(sw) {
		data, err := sw.dump(ctx, l, key.uuid)
		switch {
		case isGone(err) || err == nil && keyOfCall(data) != key: // or the switch has restarted
			sw.w.hungUp(l, key, 0)
		case isRefused(err) || errors.Is(err, errUnreadable):
			failed = err
			sw.w.unchecked(l, key)
		case err != nil:
			return err
		default:
			sw.w.checked(l, key, at, data)
		}
	}
	return failed
}

func (sw *watched) dump(ctx context.Context, l *link, uuid string) (esl.Event, error) {
	text, err := l.do(ctx, dump(uuid))
	if err != nil {
		return esl.Event{}, fmt.Errorf("uuid_dump: %w", err)
	}
	data, err := esl.ParseChannelData(text)
	if err != nil {
		return esl.Event{}, fmt.Errorf("uuid_dump: %w: %w", errUnreadable, err)
	}
	return data, nil
}

var errUnreadable = errors.New("cannot be read")

// learn finds the calls that were announced while there was no connection.
func (sw *watched) learn(ctx context.Context, l *link) (failed error) {
	text, err := l.do(ctx, showChannels)
	if err != nil {
		return fmt.Errorf("show channels: %w", err)
	}
	var list struct {
		Rows []struct {
			UUID string `json:"uuid"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("show channels: %w", err)
	}
	known := map[string]bool{}
	for key := range sw.w.from(sw) {
		known[key.uuid] = true
	}
	for _, row := range list.Rows {
		if !channelForm.MatchString(row.UUID) || known[row.UUID] {
			continue
		}
		data, err := sw.dump(ctx, l, row.UUID)
		switch {
		case isGone(err): // it has just ended
		case isRefused(err) || errors.Is(err, errUnreadable):
			failed = err
		case err != nil:
			return err
		case onOfferHere(data): // else nobody knows whether it is on offer still
			sw.w.announce(sw, l, data, 0)
		}
	}
	return failed
}

// owe keeps what has to be said of a call, for when the switch is back.
func (sw *watched) owe(key callKey, o owed) {
	sw.w.mu.Lock()
	defer sw.w.mu.Unlock()
	if !slices.ContainsFunc(sw.owed[key], func(x owed) bool { return x.command == o.command }) {
		sw.owed[key] = append(sw.owed[key], o)
	}
}

// pay says what is owed; what cannot be said because the switch is away again is owed
// again.
func (sw *watched) pay(l *link) {
	sw.w.mu.Lock()
	debts := sw.owed
	sw.owed = map[callKey][]owed{}
	sw.w.mu.Unlock()
	for key, list := range debts {
		for _, o := range list {
			l.postJob(job{command: o.command, still: o.still, done: func(_ string, err error) {
				if err != nil && !isRefused(err) && !errors.Is(err, errMoved) {
					sw.owe(key, o)
				}
			}}, false)
		}
	}
}

// see takes in an event of a switch. It waits for nothing.
func (sw *watched) see(l *link, n notice) {
	switch n.name() {
	case "CUSTOM":
		switch n.Get("Event-Subclass") {
		case eventOffer:
			sw.w.announce(sw, l, n, sequence(n))
		case eventWithdraw:
			sw.w.withdraw(l, n)
		case eventProbe:
			sw.probes.came(n.Get(probeHeader))
		}
	case "DTMF":
		sw.w.key(l, n)
	case "CHANNEL_BRIDGE":
		// The event of a queue can be the agent's.
		for _, leg := range []string{n.Get("Bridge-A-Unique-ID"), n.Get("Bridge-B-Unique-ID")} {
			sw.w.bridged(l, callKey{n.Get("Core-UUID"), leg}, n)
		}
	case "CHANNEL_HANGUP":
		sw.w.hungUp(l, keyOfCall(n), sequence(n))
	case "CHANNEL_EXECUTE_COMPLETE":
		sw.w.pass(l, n)
	}
}

// sequence is the number of an event of a switch, which it has whatever connection
// it comes over.
func sequence(n notice) uint64 {
	seq, _ := strconv.ParseUint(n.Get("Event-Sequence"), 10, 64)
	return seq
}
