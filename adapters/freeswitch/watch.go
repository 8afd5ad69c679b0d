package freeswitch

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/esl"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

const (
	reconnectFirst = 250 * time.Millisecond
	reconnectMost  = 30 * time.Second
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
	probes chan string // tokens of events that came back
	up     bool        // these two with w.mu
	owed   map[string]command
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
			pause, said = reconnectFirst, ""
			err = sw.work(ctx, l)
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
	l.tasks.Go(func() { l.keepProbing(sw.probes) })
	l.tasks.Go(func() { sw.keepLearning(l) })
	err := l.wait()
	sw.w.lost(l)
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

// keepLearning asks the switch which calls it has: at once, for what happened while
// there was no connection, and now and then.
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
	ticks := time.NewTicker(learnEvery)
	defer ticks.Stop()
	for {
		if err := sw.learn(ctx, l); err != nil && ctx.Err() == nil {
			sw.w.srv.log.Warn("cannot learn which calls a switch has", "switch", sw.Name, "err", err)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// learn brings the calls on offer in line with the calls that the switch has.
func (sw *watched) learn(ctx context.Context, l *link) error {
	// Known before the switch is asked: what is announced meanwhile is no news.
	known := sw.w.from(sw)
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
	present := map[string]bool{}
	for _, row := range list.Rows {
		present[row.UUID] = true
	}
	for _, uuid := range known {
		if present[uuid] {
			continue
		}
		// The list can be a little behind.
		if _, err := l.do(ctx, dump(uuid)); isRefused(err) {
			sw.w.hungUp(uuid)
		} else if err != nil {
			return fmt.Errorf("uuid_dump: %w", err)
		}
	}
	sw.pay(l)
	for _, row := range list.Rows {
		if !wordForm.MatchString(row.UUID) || sw.w.knows(row.UUID) {
			continue
		}
		text, err := l.do(ctx, dump(row.UUID))
		switch {
		case isRefused(err):
			continue // it has just ended
		case err != nil:
			return fmt.Errorf("uuid_dump: %w", err)
		}
		data, err := esl.ParseChannelData(text)
		if err != nil || data.Get("variable_"+offerVariable) != "true" || data.Get("Other-Leg-Unique-ID") != "" {
			continue
		}
		if data.Get("variable_"+placeVariable) != placeOf(data) {
			continue // announced somewhere else, or nobody knows where
		}
		sw.w.announce(sw, l, data, 0)
	}
	return nil
}

// owe keeps what sets variables, for when the switch is back.
func (sw *watched) owe(uuid string, c command) {
	sw.w.mu.Lock()
	defer sw.w.mu.Unlock()
	sw.owed[uuid] = c
}

// pay sets the variables that could not be set because the switch was away.
func (sw *watched) pay(l *link) {
	sw.w.mu.Lock()
	owed := maps.Clone(sw.owed)
	sw.w.mu.Unlock()
	for uuid, c := range owed {
		l.post(c, func(_ string, err error) {
			if err == nil || isRefused(err) {
				sw.w.mu.Lock()
				defer sw.w.mu.Unlock()
				delete(sw.owed, uuid)
			}
		})
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
			sw.w.withdraw(l, n.Get("Unique-ID"))
		case eventProbe:
			select {
			case sw.probes <- n.Get(probeHeader):
			default: // somebody else's
			}
		}
	case "DTMF":
		sw.w.key(sw, l, n)
	case "CHANNEL_BRIDGE":
		// The event of a queue can be the agent's.
		for _, leg := range []string{n.Get("Bridge-A-Unique-ID"), n.Get("Bridge-B-Unique-ID")} {
			sw.w.bridged(l, leg, n)
		}
	case "CHANNEL_HANGUP":
		sw.w.hungUp(n.Get("Unique-ID"))
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
