package freeswitch

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
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

// watched is one switch, what connects us to it, and what we have to tell it.
type watched struct {
	Switch
	w      *watcher
	probes probes
	link   *link             // nil while it is away; these three with w.mu
	owed   map[callKey][]job // commands that did not reach it
	oddAt  time.Time         // when the log told of an odd id

	unreadable seldom // warns of calls of which nothing can be learned
	unclaimed  seldom // warns of keys that nobody answers
}

// Watch offers texts to the callers who wait in queues of the switches in
// Config.Inbound, until ctx ends. Then it takes no more key presses, lets the
// callers who have pressed the key get their answer, for at most
// Config.DrainTimeout, and returns nil. Calls that are still on offer just wait on.
// It may be called once.
//
// Servers of several processes may watch the same switches if they share Config.Claims.
// Each of them sees every key; the one that gets the claim answers it, before anything is
// said to the caller, and renews the claim until it is done. When it dies, the claim ends, and
// within ten seconds another one puts the call on offer again, for a key that is pressed from
// then on. It does not text for the first one: whoever has died may have. So that the next
// press does not lead to a second text either, a server marks the call as perhaps texted,
// before it asks for the text; the next press is then told that a text was sent. What
// cannot be marked, because the connection is gone, or is not surely claimed any more, is
// not texted. While the claims cannot be asked, presses come to nothing; the callers wait on
// and can press again.
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
	close(s.watcher.hurry)
	s.watcher.counting.Wait()
	return nil
}

// Away returns the names of the watched switches that there is no connection to,
// in the order of the configuration. Their callers are not offered anything.
func (s *Server) Away() []string {
	s.watcher.mu.Lock()
	defer s.watcher.mu.Unlock()
	var names []string
	for _, sw := range s.watcher.switches {
		if sw.link == nil {
			names = append(names, sw.Name)
		}
	}
	return names
}

// keepUp keeps a switch connected until ctx ends.
func (sw *watched) keepUp(ctx context.Context) {
	log := sw.w.srv.log
	d := &dialer{dial: sw.w.srv.dial, address: sw.Address, password: sw.Password.Reveal()}
	defer d.close()
	pause, said, saidAt := reconnectFirst, "", time.Time{}
	for {
		l, err := d.link(ctx, sw.see)
		if err == nil {
			sw.set(l)
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
		l.drain(last) // what was asked of it is said
		l.end(context.Cause(ctx))
	})
	defer stop()
	l.tasks.Go(func() { l.keepProbing(&sw.probes) })
	l.tasks.Go(func() { sw.keepLearning(l) })
	if sw.w.fleet != nil {
		l.tasks.Go(func() { sw.keepMissing(l) })
	}
	err := l.wait()
	sw.w.lost(sw, l)
	sw.set(nil)
	return err
}

func (sw *watched) set(l *link) {
	sw.w.mu.Lock()
	defer sw.w.mu.Unlock()
	sw.link = l
	value := 0.0
	if l != nil {
		value = 1
	}
	sw.w.srv.metrics.watchUp[sw.Name].Set(value)
}

// odd warns that a call is not on offer because of its id. It does not tell the id, which
// the caller has chosen.
func (sw *watched) odd() {
	sw.w.mu.Lock()
	again := time.Since(sw.oddAt) > sayAgain
	if again {
		sw.oddAt = time.Now()
	}
	sw.w.mu.Unlock()
	if again {
		sw.w.srv.log.Warn("a call is not on offer: its id is not safe in commands (inbound-use-callid-as-uuid?); said once an hour", "switch", sw.Name)
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
		case eventFifo:
			// The agent has answered. The two are connected, and a bridge is told of, when
			// the caller's music has ended.
			if n.Get("FIFO-Action") == "caller_pop" {
				sw.w.bridged(l, keyOfCall(n), n)
			}
		}
	case "DTMF":
		sw.w.key(l, n)
	case "CHANNEL_BRIDGE":
		// The event of a queue can be the agent's.
		for _, leg := range []string{n.Get("Bridge-A-Unique-ID"), n.Get("Bridge-B-Unique-ID")} {
			sw.w.bridged(l, callKey{n.Get("Core-UUID"), leg}, n)
		}
	case "CHANNEL_HANGUP":
		sw.w.hungUp(l, keyOfCall(n), n)
	case "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_PARK":
		sw.w.pass(l, n)
	}
}

// sequence is the number that the switch has given an event: the same over every
// connection.
func sequence(n notice) uint64 {
	seq, _ := strconv.ParseUint(n.Get("Event-Sequence"), 10, 64)
	return seq
}
