package deflecttest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// TestCooldowns holds a store to the contract of [deflect.Cooldowns], a subtest a
// promise. newStore is called for each of them; its stores may share what they keep, and
// may hold keys of others: the keys used here are random. What has to be closed newStore
// closes with t.Cleanup; one that is an [io.Closer] is closed and asked after that. One that
// has a Keep, or a Confirm, is told of what is taken for good, as a Client does.
//
// It takes about a second of waiting, three for one with a Keep, and some 500 requests to
// the store, of which each may take some ten milliseconds. Run it with the race detector.
func TestCooldowns(t *testing.T, newStore func() deflect.Cooldowns) {
	for _, c := range cooldownPromises {
		t.Run(c.name, func(t *testing.T) {
			s := cooldowns{store: newStore(), key: rand.Text(), lasts: time.Hour}
			if err := soon(time.Minute, func() error { return c.check(t.Context(), s) }); err != nil {
				t.Error(err)
			}
		})
	}
}

const (
	shortCooldown = 300 * time.Millisecond
	// shortWait is how long somebody waits for another's end.
	shortWait = 400 * time.Millisecond
	// shortLeeway is for clocks of which one is coarse.
	shortLeeway = 20 * time.Millisecond
	// longEnough is how much later than promised a slow store may forget, and how long
	// it may take to see that nobody waits.
	longEnough = 10 * time.Second
)

type cooldownPromise struct {
	name  string
	check func(context.Context, cooldowns) error
}

var cooldownPromises = []cooldownPromise{
	{"a key is taken once", takenOnce},
	{"keys are apart", keysApart},
	{"a key is given back by its token alone", releasedByToken},
	{"a key is free after its time, and not before", freeInTime},
	{"a late release takes nothing from the next one", lateRelease},
	{"of many who ask at once one gets it", oneOfMany},
	{"nobody else holds it meanwhile", oneAtATime},
	{"who does not wait any more is let go", contextEnded},
	{"what may have been taken can be given back", releasedAfterError},
	{"who waits for another hears how it ended", heardOfTheEnd},
	{"a key is confirmed to who has it", confirmed},
	{"after its end a store does not know", closedStore},
}

// cooldowns is a store with a key of one's own in it.
type cooldowns struct {
	store deflect.Cooldowns
	key   string
	lasts time.Duration
}

// take takes the key, and says whether that should succeed.
func (s cooldowns) take(ctx context.Context, token string, want bool) error {
	got, err := s.store.Take(ctx, s.key, token, s.lasts)
	if err != nil || got != want {
		return fmt.Errorf("its answer to Take is %t, %v; want %t", got, err, want)
	}
	return nil
}

// keep says that the key is taken for good, to a store that wants to know.
func (s cooldowns) keep(token string) {
	_ = s.confirm(token)
	if store, is := s.store.(keeper); is {
		store.Keep(s.key, token)
	}
}

type keeper interface{ Keep(key, token string) }

// confirm says that the text goes out for which the key was taken.
func (s cooldowns) confirm(token string) error {
	if store, is := s.store.(confirmer); is {
		return store.Confirm(context.Background(), s.key, token)
	}
	return nil
}

type confirmer interface {
	Confirm(ctx context.Context, key, token string) error
}

func (s cooldowns) held(ctx context.Context, want bool) error {
	got, err := s.store.Held(ctx, s.key)
	if err != nil || got != want {
		return fmt.Errorf("its answer to Held is %t, %v; want %t", got, err, want)
	}
	return nil
}

func (s cooldowns) release(ctx context.Context, token string) error {
	if err := s.store.Release(ctx, s.key, token); err != nil {
		return fmt.Errorf("its answer to Release: %w", err)
	}
	return nil
}

func takenOnce(ctx context.Context, s cooldowns) error {
	return inTurn(
		step{"a key of nobody", func() error { return s.held(ctx, false) }},
		step{"the first one", func() error { return s.take(ctx, "first", true) }},
		step{"a key that is taken, and not for good yet", func() error { return s.held(ctx, true) }},
		step{"the first one's text", func() error { s.keep("first"); return nil }},
		step{"a key that is taken", func() error { return s.held(ctx, true) }},
		step{"the second one", func() error { return s.take(ctx, "second", false) }},
		step{"after the second one", func() error { return s.held(ctx, true) }},
	)
}

// keysApart has keys that a store which is careless with text takes for one.
func keysApart(ctx context.Context, s cooldowns) error {
	keys := []string{"sales +14043438646", "sales +1404343864", "sales  +14043438646", "sales +14043438646 ", "Sales +14043438646", "säles +14043438646", "söles +14043438646", "sales\t+14043438646", "sales:+14043438646", "sales%20+14043438646"}
	at := func(i int) cooldowns {
		s := s
		s.key += keys[i]
		return s
	}
	for i := range keys {
		if err := at(i).take(ctx, fmt.Sprint(i), true); err != nil {
			return fmt.Errorf("%q, after others: %w", keys[i], err)
		}
	}
	for i := range keys {
		if err := at(i).release(ctx, fmt.Sprint(i)); err != nil {
			return fmt.Errorf("%q: %w", keys[i], err)
		}
		for j := range keys {
			if err := at(j).held(ctx, j > i); err != nil {
				return fmt.Errorf("%q, after %q was given back: %w", keys[j], keys[i], err)
			}
		}
	}
	return nil
}

func releasedByToken(ctx context.Context, s cooldowns) error {
	return inTurn(
		step{"a key of nobody", func() error { return s.release(ctx, "nobody") }},
		step{"it", func() error { return s.take(ctx, "mine", true) }},
		step{"another's", func() error { return s.release(ctx, "other") }},
		step{"after another's release", func() error { return s.held(ctx, true) }},
		step{"one's own", func() error { return s.release(ctx, "mine") }},
		step{"after one's own", func() error { return s.held(ctx, false) }},
		step{"the next one", func() error { return s.take(ctx, "next", true) }},
		step{"one's own again", func() error { return s.release(ctx, "mine") }},
		step{"after it came again", func() error { return s.held(ctx, true) }},
	)
}

func freeInTime(ctx context.Context, s cooldowns) error {
	s.lasts = shortCooldown
	before := time.Now()
	if err := s.take(ctx, "first", true); err != nil {
		return err
	}
	s.keep("first")
	for {
		held, err := s.store.Held(ctx, s.key)
		passed := time.Since(before)
		switch {
		case err != nil:
			return err
		case !held && passed < s.lasts-shortLeeway:
			return fmt.Errorf("a key of %s is free after %s", s.lasts, passed)
		case held && passed > s.lasts+longEnough:
			return fmt.Errorf("a key of %s is held after %s", s.lasts, passed)
		case !held:
			return s.take(ctx, "next", true)
		}
		time.Sleep(s.lasts / 20)
	}
}

func lateRelease(ctx context.Context, s cooldowns) error {
	s.lasts = shortCooldown
	if err := s.take(ctx, "first", true); err != nil {
		return err
	}
	s.keep("first")
	s.lasts = time.Hour
	for start := time.Now(); ; time.Sleep(shortCooldown / 20) {
		took, err := s.store.Take(ctx, s.key, "next", s.lasts)
		switch {
		case err != nil:
			return err
		case !took && time.Since(start) > shortCooldown+longEnough:
			return errors.New("a key cannot be taken after its time")
		case !took:
			continue
		}
		return inTurn(
			step{"one whose time is over", func() error { return s.release(ctx, "first") }},
			step{"after it", func() error { return s.held(ctx, true) }},
		)
	}
}

const (
	many   = 16
	rounds = 4
)

func oneOfMany(ctx context.Context, s cooldowns) error {
	for round := range rounds {
		s := s
		s.key += fmt.Sprint(round)
		var got atomic.Int32
		err := atOnce(func(i int) error {
			took, err := s.store.Take(ctx, s.key, fmt.Sprint(i), s.lasts)
			if took {
				got.Add(1)
				s.keep(fmt.Sprint(i))
			}
			return err
		})
		if err != nil {
			return err
		}
		if n := got.Load(); n != 1 {
			return fmt.Errorf("%d of %d got it", n, many)
		}
	}
	return nil
}

func oneAtATime(ctx context.Context, s cooldowns) error {
	var holders, got atomic.Int32
	err := atOnce(func(i int) error {
		for round := range rounds {
			token := fmt.Sprint(i, ".", round)
			took, err := s.store.Take(ctx, s.key, token, s.lasts)
			if err != nil {
				return err
			}
			if !took {
				continue
			}
			got.Add(1)
			if n := holders.Add(1); n != 1 {
				err = fmt.Errorf("%d hold it", n)
			}
			time.Sleep(time.Millisecond) // so that others would meet it
			holders.Add(-1)
			if err := errors.Join(err, s.release(ctx, token)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && got.Load() == 0 {
		err = errors.New("nobody got it")
	}
	return errors.Join(err, s.held(ctx, false))
}

// contextEnded asks for nobody any more. A store that need not wait may answer, and
// what it says has to be so.
func contextEnded(ctx context.Context, s cooldowns) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return soon(longEnough, func() error {
		if held, err := s.store.Held(ended, s.key); err == nil && held {
			return errors.New("asked by nobody, Held says that a key of nobody is held")
		}
		took, err := s.store.Take(ended, s.key, "nobody", s.lasts)
		switch {
		case err == nil && !took:
			return errors.New("asked by nobody, Take says that a key of nobody is taken")
		case err == nil:
			if err := s.held(ctx, true); err != nil {
				return fmt.Errorf("asked by nobody, Take says that it took: %w", err)
			}
		}
		_ = s.store.Release(ended, s.key, "nobody")
		return nil
	})
}

func releasedAfterError(ctx context.Context, s cooldowns) error {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, _ = s.store.Take(ended, s.key, "nobody", s.lasts) // whatever came of it
	return inTurn(
		step{"what may have been taken", func() error { return s.release(ctx, "nobody") }},
		step{"after it", func() error { return s.held(ctx, false) }},
		step{"the next one", func() error { return s.take(ctx, "next", true) }},
	)
}

// heardOfTheEnd is a matter of stores that are told of it, and wait.
func heardOfTheEnd(ctx context.Context, s cooldowns) error {
	if _, is := s.store.(keeper); !is {
		return nil
	}
	// waits asks for a key that is taken and not for good yet, and reports whether the
	// store waits for that.
	waits := func() (bool, error) {
		short, cancel := context.WithTimeout(ctx, shortWait)
		defer cancel()
		var took bool
		var err error
		late := soon(longEnough, func() error { took, err = s.store.Take(short, s.key, "other", s.lasts); return nil })
		switch {
		case late != nil:
			return false, late
		case took:
			return false, errors.New("it takes a key that another one has")
		}
		return err != nil, nil
	}
	if err := s.take(ctx, "first", true); err != nil {
		return err
	}
	if wait, err := waits(); err != nil || !wait {
		return err
	}
	s.keep("nobody")
	if wait, err := waits(); err != nil || !wait {
		return errors.Join(err, errors.New("it was kept by another's token"))
	}
	// meets is what the next one hears, who waits while the first ends.
	meets := func(end func() error, want bool) error {
		heard := make(chan error, 1)
		go func() { heard <- s.take(ctx, "next", want) }()
		time.Sleep(shortWait / 4)
		if err := end(); err != nil {
			return err
		}
		return soon(longEnough, func() error { return <-heard })
	}
	if err := meets(func() error { return s.release(ctx, "first") }, true); err != nil {
		return fmt.Errorf("after the first one gave it back: %w", err)
	}
	s.keep("first") // is late
	if wait, err := waits(); err != nil || !wait {
		return errors.Join(err, errors.New("it was kept by one who has it no more"))
	}
	s.keep("next")
	return inTurn(
		step{"after it was kept", func() error { return soon(longEnough, func() error { return s.take(ctx, "last", false) }) }},
		step{"after it was kept", func() error { return s.held(ctx, true) }},
		step{"another key, of which it is heard while somebody waits", func() error {
			s.key += "other"
			if err := s.take(ctx, "first", true); err != nil {
				return err
			}
			return meets(func() error { s.keep("first"); return nil }, false)
		}},
	)
}

// confirmed is a matter of stores in which a key may end with a process that dies.
func confirmed(ctx context.Context, s cooldowns) error {
	if _, is := s.store.(confirmer); !is {
		return nil
	}
	refuses := func(token string) error {
		if s.confirm(token) == nil {
			return errors.New("its answer to Confirm is no error")
		}
		return nil
	}
	return inTurn(
		step{"it", func() error { return s.take(ctx, "mine", true) }},
		step{"one's own", func() error { return s.confirm("mine") }},
		step{"one's own again", func() error { return s.confirm("mine") }},
		step{"another's", func() error { return refuses("other") }},
		step{"after it was confirmed", func() error { return s.held(ctx, true) }},
		step{"one's own end", func() error { return s.release(ctx, "mine") }},
		step{"after it was given back", func() error { return s.held(ctx, false) }},
		step{"the next one", func() error { return s.take(ctx, "next", true) }},
		step{"one's own, which the next one has", func() error { return refuses("mine") }},
		step{"the next one's own", func() error { return s.confirm("next") }},
	)
}

// closedStore is a matter of stores that can end: who does not know means no text.
func closedStore(ctx context.Context, s cooldowns) error {
	closer, ok := s.store.(io.Closer)
	if !ok {
		return nil
	}
	if err := s.take(ctx, "mine", true); err != nil {
		return err
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("its answer to Close: %w", err)
	}
	return soon(longEnough, func() error {
		if held, err := s.store.Held(ctx, s.key); err == nil && !held {
			return errors.New("after Close, Held says that a key is free that is taken")
		}
		if took, err := s.store.Take(ctx, s.key, "next", s.lasts); err == nil && took {
			return errors.New("after Close, Take takes a key that is taken")
		}
		if took, err := s.store.Take(ctx, s.key+"other", "next", s.lasts); err == nil && took {
			return errors.New("after Close, Take takes a key that nobody keeps")
		}
		return nil
	})
}

// step is one of what is done in turn.
type step struct {
	what string
	do   func() error
}

func inTurn(steps ...step) error {
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// atOnce runs something many times at the same moment.
func atOnce(do func(i int) error) error {
	var all sync.WaitGroup
	errs := make([]error, many)
	begin := make(chan struct{})
	for i := range many {
		all.Go(func() {
			<-begin
			errs[i] = do(i)
		})
	}
	close(begin)
	all.Wait()
	return errors.Join(errs...)
}

// soon is an error when something has not come to an end in time. It goes on then.
func soon(within time.Duration, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(within):
		return fmt.Errorf("no answer within %s", within)
	}
}
