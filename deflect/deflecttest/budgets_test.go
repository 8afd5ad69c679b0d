package deflecttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// counts is a store as it should be, and the ways in which one can be wrong.
type counts struct {
	mu     sync.Mutex
	byName map[string][]held
	first  int // budget that was asked for first
	closed bool
	fault  string
}

type held struct {
	token string
	until time.Time
}

func newCounts(fault string) *counts { return &counts{byName: map[string][]held{}, fault: fault} }

func (c *counts) is(fault string) bool { return c.fault == fault }

func (c *counts) name(name string) string {
	switch {
	case c.is("names without case"):
		return strings.ToLower(name)
	case c.is("one name"):
		return ""
	}
	return strings.TrimRight(name, map[bool]string{true: " \t"}[c.is("names without blanks")])
}

// roomLocked forgets what is over first.
func (c *counts) roomLocked(name string, b deflect.Budget) bool {
	now := time.Now()
	switch {
	case c.is("never free"):
	case c.is("pieces of time"):
		c.byName[name] = slices.DeleteFunc(c.byName[name], func(h held) bool { return h.until.Truncate(b.Per).Before(now) })
	default:
		c.byName[name] = slices.DeleteFunc(c.byName[name], func(h held) bool { return !now.Before(h.until) })
	}
	if c.first == 0 {
		c.first = b.Texts
	}
	most := b.Texts
	switch {
	case c.is("one too many"):
		most++
	case c.is("the budget of who asked first"):
		most = c.first
	}
	return len(c.byName[name]) < most
}

func (c *counts) Left(ctx context.Context, name string, b deflect.Budget) (bool, error) {
	if c.is("deaf to contexts") && ctx.Err() != nil {
		time.Sleep(time.Hour)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed && !c.is("knows after its end"):
		return false, errClosed
	case c.closed, c.is("always room"):
		return true, nil
	case ctx.Err() != nil && c.is("no room for nobody"):
		return false, nil
	}
	return c.roomLocked(c.name(name), b), nil
}

func (c *counts) Take(ctx context.Context, name, token string, b deflect.Budget) (bool, error) {
	name = c.name(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.is("takes after its end"), map[bool]error{false: errClosed}[c.is("takes after its end")]
	}
	if ctx.Err() != nil && c.is("takes for nobody and keeps nothing") {
		return true, nil
	}
	room := c.roomLocked(name, b)
	mine := slices.ContainsFunc(c.byName[name], func(h held) bool { return h.token == token })
	if mine && !c.is("a place each time") {
		return !c.is("no to who has one"), nil
	}
	if c.is("looks, then takes") {
		c.mu.Unlock()
		time.Sleep(time.Millisecond)
		c.mu.Lock()
	}
	per := b.Per
	if c.is("free too early") {
		per /= 2
	}
	if room || c.is("counts the refused") {
		c.byName[name] = append(c.byName[name], held{token, time.Now().Add(per)})
	}
	if ctx.Err() != nil {
		return true, ctx.Err() // it may have been taken
	}
	return room, nil
}

func (c *counts) Release(_ context.Context, name, token string) error {
	name = c.name(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.byName[name], func(h held) bool { return h.token == token })
	if at < 0 && c.is("release of any") && len(c.byName[name]) > 0 {
		at = 0
	}
	switch {
	case c.closed:
		return errClosed
	case c.is("release of nothing fails") && at < 0:
		return errors.New("no such place")
	case c.is("no release"), at < 0:
	case c.is("release of all"):
		clear(c.byName)
	default:
		c.byName[name] = slices.Delete(c.byName[name], at, at+1)
	}
	return nil
}

func (c *counts) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// Every fault is seen, by the promise that it breaks.
func TestBudgetsSeesFaults(t *testing.T) {
	for _, tt := range []struct{ fault, want string }{
		{"one too many", "there are so many places"},
		{"always room", "there are so many places"},
		{"names without case", "names are apart"},
		{"names without blanks", "names are apart"},
		{"one name", "names are apart"},
		{"release of all", "names are apart"},
		{"release of any", "a place is given back by its token alone"},
		{"release of any", "a late release takes nothing from the next one"},
		{"release of nothing fails", "a place is given back by its token alone"},
		{"no release", "a place is given back by its token alone"},
		{"no release", "never more have one"},
		{"no release", "what may have been taken can be given back"},
		{"counts the refused", "who is refused takes nothing"},
		{"a place each time", "who has a place takes no other"},
		{"no to who has one", "who has a place takes no other"},
		{"never free", "a place is free after its time, and not before"},
		{"free too early", "a place is free after its time, and not before"},
		{"pieces of time", "a place is free after its time, and not before"},
		{"the budget of who asked first", "the budget is that of who asks"},
		{"looks, then takes", "of many who ask at once so many get one"},
		{"looks, then takes", "never more have one"},
		{"no room for nobody", "who does not wait any more is let go"},
		{"deaf to contexts", "who does not wait any more is let go"},
		{"takes for nobody and keeps nothing", "who does not wait any more is let go"},
		{"knows after its end", "after its end a store does not know"},
		{"takes after its end", "after its end a store does not know"},
	} {
		t.Run(tt.fault+": "+tt.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := slices.IndexFunc(budgetPromises, func(p budgetPromise) bool { return p.name == tt.want })
				if budgetPromises[at].check(t.Context(), budgetsIn(newCounts(tt.fault))) == nil {
					t.Error("it holds")
				}
				time.Sleep(2 * time.Hour) // who was not waited for
			})
		})
	}
}

func budgetsIn(store deflect.Budgets) budgets {
	return budgets{store: store, name: "x", of: deflect.Budget{Texts: 3, Per: time.Hour}}
}

// A store as it should be passes, and so does a slow one.
func TestBudgetsOfAModel(t *testing.T) {
	TestBudgets(t, func() deflect.Budgets { return newCounts("") })
}

func TestBudgetsOfASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range budgetPromises {
			if err := c.check(t.Context(), budgetsIn(slowCounts{newCounts("")})); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

// slowCounts is a store at the other end of a network.
type slowCounts struct{ *counts }

func (s slowCounts) Left(ctx context.Context, name string, b deflect.Budget) (bool, error) {
	if err := way(ctx); err != nil {
		return false, err
	}
	left, err := s.counts.Left(ctx, name, b)
	return left, errors.Join(err, way(ctx))
}

func (s slowCounts) Take(ctx context.Context, name, token string, b deflect.Budget) (bool, error) {
	if err := way(ctx); err != nil {
		return false, err
	}
	took, err := s.counts.Take(ctx, name, token, b)
	return took, errors.Join(err, way(ctx))
}

func (s slowCounts) Release(ctx context.Context, name, token string) error {
	if err := way(ctx); err != nil {
		return err
	}
	return errors.Join(s.counts.Release(ctx, name, token), way(ctx))
}
