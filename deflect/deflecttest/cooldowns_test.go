package deflecttest

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// model is a store as it should be, and the ways in which one can be wrong.
type model struct {
	mu     sync.Mutex
	keys   map[string]entry
	closed bool
	fault  string
}

type entry struct {
	token string
	until time.Time
	lasts time.Time // until when, once it is confirmed
	kept  bool
}

var errClosed = errors.New("the store is closed")

func (m *model) is(fault string) bool { return m.fault == fault }

func (m *model) key(key string) string {
	switch {
	case m.is("keys without case"):
		return strings.ToLower(key)
	case m.is("keys without blanks around"):
		return strings.TrimSpace(key)
	case m.is("keys in ASCII"):
		return strings.Map(func(r rune) rune {
			if r > 127 {
				return '?'
			}
			return r
		}, key)
	}
	return key
}

func (m *model) heldNow(key string) bool {
	e, ok := m.keys[key]
	return ok && (m.is("never free") || time.Now().Before(e.until))
}

func (m *model) Held(ctx context.Context, key string) (bool, error) {
	if m.is("deaf to contexts") && ctx.Err() != nil {
		time.Sleep(time.Hour)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed && !m.is("knows after its end") {
		return false, errClosed
	}
	if m.closed {
		return false, nil
	}
	if m.is("held for nobody") && ctx.Err() != nil {
		return true, nil
	}
	return m.heldNow(m.key(key)), nil
}

func (m *model) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	key = m.key(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		if m.is("takes after its end") {
			return true, nil
		}
		return false, errClosed
	}
	if ctx.Err() != nil && m.is("takes for nobody and keeps nothing") {
		return true, nil
	}
	if m.heldNow(key) && !m.is("taken twice") {
		return false, nil
	}
	if m.is("looks, then takes") {
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
		m.mu.Lock()
	}
	switch m.fault {
	case "whole seconds":
		lasts = lasts.Truncate(time.Second)
	case "free too early":
		lasts /= 2
	case "gone at once":
		return true, nil
	}
	m.keys[key] = entry{token: token, until: time.Now().Add(lasts)}
	if ctx.Err() != nil {
		return true, ctx.Err() // it may have been taken
	}
	return true, nil
}

func (m *model) Release(ctx context.Context, key, token string) error {
	key = m.key(key)
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.keys[key]
	switch {
	case m.closed:
		return errClosed
	case m.is("release of nothing fails") && !ok:
		return errors.New("no such key")
	case m.is("no release"):
		return nil
	case m.is("release of all"):
		clear(m.keys)
		return nil
	case e.token == token || m.is("release by anybody"):
		delete(m.keys, key)
	}
	return nil
}

func (m *model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// keeping is a model whose Take waits for how another's ends.
type keeping struct{ *model }

func newKeeping(fault string) deflect.Cooldowns {
	return keeping{&model{keys: map[string]entry{}, fault: fault}}
}

func (k keeping) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	for {
		took, err := k.model.Take(ctx, key, token, lasts)
		k.mu.Lock()
		kept := k.keys[k.key(key)].kept
		k.mu.Unlock()
		if took || err != nil || kept || k.is("does not wait") {
			return took, err
		}
		wait := time.After(10 * time.Millisecond)
		if k.is("waits for nobody") {
			<-wait
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			if k.is("takes when nobody waits any more") {
				return true, nil
			}
			return false, ctx.Err()
		}
	}
}

func (k keeping) Keep(key, token string) {
	key = k.key(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.keys[key]
	switch {
	case k.is("does not hear"), !ok, e.token != token && !k.is("kept by anybody"):
		return
	case k.is("kept is given back"):
		delete(k.keys, key)
		return
	case k.is("kept for ever"):
		e.until = e.until.Add(24 * time.Hour)
	case k.is("kept is over"):
		e.until = time.Now()
	}
	e.kept = true
	k.keys[key] = e
}

// confirming is a keeping of which keys end soon that are not confirmed.
type confirming struct{ keeping }

func newConfirming(fault string) deflect.Cooldowns {
	return confirming{keeping{&model{keys: map[string]entry{}, fault: fault}}}
}

func (c confirming) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	took, err := c.keeping.Take(ctx, key, token, lasts)
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.keys[c.key(key)]; took && ok {
		e.lasts = e.until
		e.until = time.Now().Add(min(lasts, 10*time.Second))
		c.keys[c.key(key)] = e
	}
	return took, err
}

func (c confirming) Confirm(_ context.Context, key, token string) error {
	key = c.key(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.keys[key]
	switch {
	case c.is("confirms to anybody"):
	case !ok, e.token != token:
		return errors.New("another one has it")
	case c.is("confirms to nobody"):
		return errors.New("no")
	}
	if e.until = e.lasts; c.is("confirmed for ever") {
		e.until = e.until.Add(24 * time.Hour)
	}
	c.keys[key] = e
	return nil
}

// broken are the promises that a store with a fault does not keep.
func broken(fault string) (names []string) {
	for _, c := range cooldownPromises {
		ctx, cancel := context.WithCancel(context.Background())
		s := cooldowns{store: &model{keys: map[string]entry{}, fault: fault}, key: rand.Text(), lasts: time.Hour}
		if err := c.check(ctx, s); err != nil {
			names = append(names, c.name)
		}
		cancel()
	}
	return names
}

// Every fault is seen, by the promise that it breaks.
func TestCooldownsSeesFaults(t *testing.T) {
	for fault, want := range map[string]string{
		"taken twice":                        "a key is taken once",
		"gone at once":                       "a key is taken once",
		"keys without case":                  "keys are apart",
		"keys without blanks around":         "keys are apart",
		"keys in ASCII":                      "keys are apart",
		"release of all":                     "keys are apart",
		"release by anybody":                 "a key is given back by its token alone",
		"release of nothing fails":           "a key is given back by its token alone",
		"no release":                         "a key is given back by its token alone",
		"never free":                         "a key is free after its time, and not before",
		"free too early":                     "a key is free after its time, and not before",
		"whole seconds":                      "a key is free after its time, and not before",
		"looks, then takes":                  "of many who ask at once one gets it",
		"held for nobody":                    "who does not wait any more is let go",
		"deaf to contexts":                   "who does not wait any more is let go",
		"takes for nobody and keeps nothing": "who does not wait any more is let go",
		"knows after its end":                "after its end a store does not know",
		"takes after its end":                "after its end a store does not know",
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := broken(fault); !strings.Contains(strings.Join(got, "\n"), want) {
					t.Errorf("broken are %q, want %q among them", got, want)
				}
				time.Sleep(2 * time.Hour) // who was not waited for
			})
		})
	}
	for fault, want := range map[string]string{
		"does not hear":                    "who waits for another hears how it ended",
		"kept by anybody":                  "who waits for another hears how it ended",
		"waits for nobody":                 "who waits for another hears how it ended",
		"kept is given back":               "who waits for another hears how it ended",
		"takes when nobody waits any more": "who waits for another hears how it ended",
		"kept for ever":                    "a key is free after its time, and not before",
		"kept is over":                     "a key is free after its time, and not before",
		"taken twice":                      "a key is taken once",
	} {
		t.Run(fault+", where others wait", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := slices.IndexFunc(cooldownPromises, func(p cooldownPromise) bool { return p.name == want })
				s := cooldowns{store: newKeeping(fault), key: rand.Text(), lasts: time.Hour}
				if soon(time.Minute, func() error { return cooldownPromises[at].check(t.Context(), s) }) == nil {
					t.Errorf("%q holds", want)
				}
				time.Sleep(48 * time.Hour) // who was not waited for
			})
		})
	}
	for fault, want := range map[string]string{
		"confirms to anybody": "a key is confirmed to who has it",
		"confirms to nobody":  "a key is confirmed to who has it",
		"confirmed for ever":  "a key is free after its time, and not before",
	} {
		t.Run(fault+", where keys are confirmed", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := slices.IndexFunc(cooldownPromises, func(p cooldownPromise) bool { return p.name == want })
				s := cooldowns{store: newConfirming(fault), key: rand.Text(), lasts: time.Hour}
				if soon(time.Minute, func() error { return cooldownPromises[at].check(t.Context(), s) }) == nil {
					t.Errorf("%q holds", want)
				}
				time.Sleep(48 * time.Hour) // who was not waited for
			})
		})
	}
	t.Run("rarer ways", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for fault, check := range map[string]func(context.Context, cooldowns) error{
				"release by anybody": lateRelease,
				"no release":         releasedAfterError,
				"looks, then takes":  oneAtATime,
			} {
				s := cooldowns{store: &model{keys: map[string]entry{}, fault: fault}, key: "x", lasts: time.Hour}
				if check(t.Context(), s) == nil {
					t.Errorf("%s is fine", fault)
				}
			}
		})
	})
}

// A store as it should be passes, and so does a slow one.
func TestCooldownsOfAModel(t *testing.T) {
	TestCooldowns(t, func() deflect.Cooldowns { return &model{keys: map[string]entry{}} })
}

// So does one whose Take waits for how another's ends, and one that is told and does not.
func TestCooldownsThatAreKept(t *testing.T) {
	for _, fault := range []string{"", "does not wait"} {
		t.Run(fault, func(t *testing.T) {
			TestCooldowns(t, func() deflect.Cooldowns { return newKeeping(fault) })
		})
	}
}

// So does one of which keys end soon that are not confirmed.
func TestCooldownsThatAreConfirmed(t *testing.T) {
	TestCooldowns(t, func() deflect.Cooldowns { return newConfirming("") })
}

func TestCooldownsOfASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range cooldownPromises {
			s := cooldowns{store: slow{&model{keys: map[string]entry{}}}, key: "x", lasts: time.Hour}
			if err := c.check(t.Context(), s); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

// slow is a store at the other end of a network.
type slow struct{ *model }

const wayThere = 20 * time.Millisecond

func way(ctx context.Context) error {
	select {
	case <-time.After(wayThere):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slow) Held(ctx context.Context, key string) (bool, error) {
	if err := way(ctx); err != nil {
		return false, err
	}
	held, err := s.model.Held(ctx, key)
	return held, errors.Join(err, way(ctx))
}

func (s slow) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	if err := way(ctx); err != nil {
		return false, err
	}
	took, err := s.model.Take(ctx, key, token, lasts)
	return took, errors.Join(err, way(ctx))
}

func (s slow) Release(ctx context.Context, key, token string) error {
	if err := way(ctx); err != nil {
		return err
	}
	return errors.Join(s.model.Release(ctx, key, token), way(ctx))
}
