package freeswitch

import (
	"context"
	"encoding/json"
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
	up     bool                 // these two with w.mu
	owed   map[string][]command // what has to be said of calls, by their id
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
	stop := context.AfterFunc(ctx, func() { l.end(context.Cause(ctx)) })
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
	ticks := time.NewTicker(learnEvery)
	defer ticks.Stop()
	for first := true; ; first = false {
		err := sw.check(ctx, l)
		if err == nil && first {
			err = sw.learn(ctx, l)
		}
		if err != nil && ctx.Err() == nil {
			sw.w.srv.log.Warn("cannot learn which calls a switch has", "switch", sw.Name, "err", err)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// check asks what has become of the calls that were announced.
func (sw *watched) check(ctx context.Context, l *link) (failed error) {
	for _, key := range sw.w.from(sw) {
		data, err := sw.dump(ctx, l, key.uuid)
		switch {
		case isGone(err):
			sw.w.hungUp(key, 0)
		case isRefused(err):
			failed = err // the others may do better
		case err != nil:
			return err
		default:
			sw.w.checked(l, key, data)
		}
	}
	return failed
}

func (sw *watched) dump(ctx context.Context, l *link, uuid string) (esl.Event, error) {
	text, err := l.do(ctx, dump(uuid))
	if err != nil {
		return esl.Event{}, fmt.Errorf("uuid_dump: %w", err)
	}
	return esl.ParseChannelData(text)
}

// learn finds the calls that were announced while there was no connection.
func (sw *watched) learn(ctx context.Context, l *link) error {
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
	for _, key := range sw.w.from(sw) {
		known[key.uuid] = true
	}
	for _, row := range list.Rows {
		if !channelForm.MatchString(row.UUID) || known[row.UUID] {
			continue
		}
		data, err := sw.dump(ctx, l, row.UUID)
		switch {
		case isGone(err):
			continue // it has just ended
		case err != nil:
			return err
		}
		// Without its place, or in another one, nobody knows whether it is on offer still.
		if p := placeOf(data); data.Get("variable_"+offerVariable) == "true" && p.profile != "" && data.Get("variable_"+placeVariable) == p.profile && p.leg == "" {
			sw.w.announce(sw, l, data, 0)
		}
	}
	return nil
}

// owe keeps what has to be said of a call, for when the switch is back.
func (sw *watched) owe(uuid string, c command) {
	sw.w.mu.Lock()
	defer sw.w.mu.Unlock()
	if !slices.Contains(sw.owed[uuid], c) {
		sw.owed[uuid] = append(sw.owed[uuid], c)
	}
}

// pay says what is owed; what cannot be said is owed again.
func (sw *watched) pay(l *link) {
	sw.w.mu.Lock()
	owed := sw.owed
	sw.owed = map[string][]command{}
	sw.w.mu.Unlock()
	for uuid, commands := range owed {
		for _, c := range commands {
			l.post(c, func(_ string, err error) {
				if err != nil && !isGone(err) {
					sw.owe(uuid, c)
				}
			})
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
		sw.w.hungUp(keyOfCall(n), sequence(n))
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
