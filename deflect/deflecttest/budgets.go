package deflecttest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// TestBudgets holds a store to the contract of [deflect.Budgets], a subtest a promise.
// newStore is called for each of them; its stores may share what they keep, and may hold
// names of others: the names used here are random. What has to be closed newStore closes with
// t.Cleanup; one that is an [io.Closer] is closed and asked after that.
//
// It takes about four seconds of waiting and some 500 requests to the store, of which each
// may take some ten milliseconds. Run it with the race detector.
func TestBudgets(t *testing.T, newStore func() deflect.Budgets) {
	for _, c := range budgetPromises {
		t.Run(c.name, func(t *testing.T) {
			s := budgets{store: newStore(), name: rand.Text(), of: deflect.Budget{Texts: 3, Per: time.Hour}}
			if err := soon(time.Minute, func() error { return c.check(t.Context(), s) }); err != nil {
				t.Error(err)
			}
		})
	}
}

var budgetPromises = []budgetPromise{
	{"there are so many places", soManyPlaces},
	{"names are apart", namesApart},
	{"a place is given back by its token alone", placeReleased},
	{"who is refused takes nothing", refusedTakesNothing},
	{"who has a place takes no other", takenAgain},
	{"a place is free after its time, and not before", placeFreeInTime},
	{"a late release takes nothing from the next one", latePlaceRelease},
	{"the budget is that of who asks", budgetOfWhoAsks},
	{"of many who ask at once so many get one", placesOfMany},
	{"never more have one", neverMore},
	{"who does not wait any more is let go", budgetContextEnded},
	{"what may have been taken can be given back", placeReleasedAfterError},
	{"after its end a store does not know", closedBudgets},
}

type budgetPromise struct {
	name  string
	check func(context.Context, budgets) error
}

// budgets is a store with a name of one's own in it.
type budgets struct {
	store deflect.Budgets
	name  string
	of    deflect.Budget
}

// take takes a place, and says whether that should succeed.
func (s budgets) take(ctx context.Context, token string, want bool) error {
	got, err := s.store.Take(ctx, s.name, token, s.of)
	if err != nil || got != want {
		return fmt.Errorf("its answer to Take is %t, %v; want %t", got, err, want)
	}
	return nil
}

func (s budgets) left(ctx context.Context, want bool) error {
	got, err := s.store.Left(ctx, s.name, s.of)
	if err != nil || got != want {
		return fmt.Errorf("its answer to Left is %t, %v; want %t", got, err, want)
	}
	return nil
}

func (s budgets) release(ctx context.Context, token string) error {
	if err := s.store.Release(ctx, s.name, token); err != nil {
		return fmt.Errorf("its answer to Release: %w", err)
	}
	return nil
}

// fill takes all places, with tokens that begin so.
func (s budgets) fill(ctx context.Context, token string) error {
	for i := range s.of.Texts {
		if err := errors.Join(s.left(ctx, true), s.take(ctx, fmt.Sprint(token, i), true)); err != nil {
			return fmt.Errorf("place %d of %d: %w", i+1, s.of.Texts, err)
		}
	}
	return nil
}

func soManyPlaces(ctx context.Context, s budgets) error {
	for _, n := range []int{1, 2, 50} {
		s := s
		s.name, s.of.Texts = s.name+fmt.Sprint(n), n
		err := inTurn(
			step{"all of them", func() error { return s.fill(ctx, "t") }},
			step{"when all are taken", func() error { return s.left(ctx, false) }},
			step{"one too many", func() error { return s.take(ctx, "more", false) }},
			step{"after one too many", func() error { return s.left(ctx, false) }},
		)
		if err != nil {
			return fmt.Errorf("of %d: %w", n, err)
		}
	}
	return nil
}

// namesApart has names that a store which is careless with text takes for one.
func namesApart(ctx context.Context, s budgets) error {
	s.of.Texts = 1
	names := []string{"", "sales", "Sales", "sales ", " sales", "sale", "sales:1", "säles", "söles", "sales\t", "sales%20"}
	at := func(i int) budgets {
		s := s
		s.name += names[i]
		return s
	}
	for i := range names {
		if err := at(i).take(ctx, "same", true); err != nil {
			return fmt.Errorf("%q, after others: %w", names[i], err)
		}
	}
	for i := range names {
		if err := at(i).release(ctx, "same"); err != nil {
			return fmt.Errorf("%q: %w", names[i], err)
		}
		for j := range names {
			if err := at(j).left(ctx, j <= i); err != nil {
				return fmt.Errorf("%q, after %q was given back: %w", names[j], names[i], err)
			}
		}
	}
	return nil
}

func placeReleased(ctx context.Context, s budgets) error {
	return inTurn(
		step{"a place of nobody", func() error { return s.release(ctx, "nobody") }},
		step{"after that of nobody", func() error { return s.fill(ctx, "t") }},
		step{"again, of nobody", func() error { return s.release(ctx, "nobody") }},
		step{"after that of nobody", func() error { return s.left(ctx, false) }},
		step{"one's own", func() error { return s.release(ctx, "t1") }},
		step{"after one's own", func() error { return s.left(ctx, true) }},
		step{"one's own again", func() error { return s.release(ctx, "t1") }},
		step{"the next one", func() error { return s.take(ctx, "next", true) }},
		step{"one's own for a third time", func() error { return s.release(ctx, "t1") }},
		step{"after it came again", func() error { return s.left(ctx, false) }},
		step{"one too many", func() error { return s.take(ctx, "more", false) }},
	)
}

func refusedTakesNothing(ctx context.Context, s budgets) error {
	if err := s.fill(ctx, "t"); err != nil {
		return err
	}
	for i := range 2 * s.of.Texts {
		if err := s.take(ctx, fmt.Sprint("refused", i), false); err != nil {
			return err
		}
	}
	return inTurn(
		step{"one who was refused", func() error { return s.release(ctx, "refused0") }},
		step{"after who was refused gave it back", func() error { return s.left(ctx, false) }},
		step{"one who has a place", func() error { return s.release(ctx, "t0") }},
		step{"the next one", func() error { return s.take(ctx, "refused1", true) }},
		step{"one too many", func() error { return s.take(ctx, "refused2", false) }},
	)
}

func takenAgain(ctx context.Context, s budgets) error {
	again := func() error {
		for range s.of.Texts {
			if err := s.take(ctx, "mine", true); err != nil {
				return err
			}
		}
		return nil
	}
	s.of.Texts = 2
	return inTurn(
		step{"one that asks again", again},
		step{"beside it", func() error { return s.left(ctx, true) }},
		step{"another one", func() error { return s.take(ctx, "other", true) }},
		step{"one that asks again when all are taken", again},
		step{"a third one", func() error { return s.take(ctx, "third", false) }},
		step{"it", func() error { return s.release(ctx, "mine") }},
		step{"after it was given back once", func() error { return s.take(ctx, "third", true) }},
		step{"one too many", func() error { return s.take(ctx, "mine", false) }},
	)
}

// shortBudget is the shortest that a policy can have.
const shortBudget = time.Second

// placeFreeInTime takes places at two times: they are free at two times, and not all at
// once, as where time is cut into pieces.
func placeFreeInTime(ctx context.Context, s budgets) error {
	s.of = deflect.Budget{Texts: 2, Per: shortBudget}
	var began [2]time.Time
	for i := range began {
		if i > 0 {
			time.Sleep(shortBudget / 2)
		}
		began[i] = time.Now()
		if err := s.take(ctx, fmt.Sprint("t", i), true); err != nil {
			return err
		}
	}
	for i := range began {
		for {
			asked := time.Now()
			took, err := s.store.Take(ctx, s.name, fmt.Sprint("next", i), s.of)
			passed := time.Since(began[i])
			switch {
			case err != nil:
				return err
			case took && passed < shortBudget-shortLeeway:
				return fmt.Errorf("a place of %s is free after %s", shortBudget, passed)
			case !took && asked.Sub(began[i]) > shortBudget+longEnough:
				return fmt.Errorf("a place of %s is taken after %s", shortBudget, passed)
			}
			if !took {
				time.Sleep(shortBudget / 50)
				continue
			}
			// Of a slow store the second one may be over meanwhile.
			if i == 0 && time.Since(began[1]) < shortBudget-shortLeeway {
				if err := s.take(ctx, "more", false); err != nil && time.Since(began[1]) < shortBudget-shortLeeway {
					return fmt.Errorf("when the first of two is over: %w", err)
				}
			}
			break
		}
	}
	return nil
}

func latePlaceRelease(ctx context.Context, s budgets) error {
	s.of = deflect.Budget{Texts: 1, Per: shortBudget}
	if err := s.take(ctx, "first", true); err != nil {
		return err
	}
	s.of.Per = time.Hour
	for start := time.Now(); ; time.Sleep(shortBudget / 50) {
		took, err := s.store.Take(ctx, s.name, "next", s.of)
		if err != nil {
			return err
		}
		if took {
			break
		}
		if time.Since(start) > shortBudget+longEnough {
			return fmt.Errorf("a place of %s is taken after %s", shortBudget, time.Since(start))
		}
	}
	return inTurn(
		step{"one whose time is over", func() error { return s.release(ctx, "first") }},
		step{"after it", func() error { return s.left(ctx, false) }},
		step{"one too many", func() error { return s.take(ctx, "more", false) }},
	)
}

// budgetOfWhoAsks changes the budget of a name, as a reload does.
func budgetOfWhoAsks(ctx context.Context, s budgets) error {
	of := func(texts int) budgets {
		s := s
		s.of.Texts = texts
		return s
	}
	return inTurn(
		step{"all places", func() error { return of(2).fill(ctx, "t") }},
		step{"of a larger budget", func() error { return of(3).left(ctx, true) }},
		step{"of a larger budget", func() error { return of(3).take(ctx, "third", true) }},
		step{"of the smaller one", func() error { return of(2).left(ctx, false) }},
		step{"one of three", func() error { return of(2).release(ctx, "t0") }},
		step{"after one of three was given back", func() error { return of(2).take(ctx, "more", false) }},
		step{"of the larger one again", func() error { return of(3).take(ctx, "more", true) }},
	)
}

func placesOfMany(ctx context.Context, s budgets) error {
	for round := range rounds {
		s := s
		s.name += fmt.Sprint(round)
		s.of.Texts = many/2 + round
		var got atomic.Int32
		err := atOnce(func(i int) error {
			took, err := s.store.Take(ctx, s.name, fmt.Sprint(i), s.of)
			if took {
				got.Add(1)
			}
			return err
		})
		if err != nil {
			return err
		}
		if n := int(got.Load()); n != s.of.Texts {
			return fmt.Errorf("%d of %d got a place, of %d", n, many, s.of.Texts)
		}
	}
	return nil
}

func neverMore(ctx context.Context, s budgets) error {
	var holders, got atomic.Int32
	err := atOnce(func(i int) error {
		for round := range rounds {
			token := fmt.Sprint(i, ".", round)
			took, err := s.store.Take(ctx, s.name, token, s.of)
			if err != nil {
				return err
			}
			if !took {
				continue
			}
			got.Add(1)
			if n := int(holders.Add(1)); n > s.of.Texts {
				err = fmt.Errorf("%d have a place, of %d", n, s.of.Texts)
			}
			time.Sleep(time.Millisecond) // so that others would meet it
			holders.Add(-1)
			if err := errors.Join(err, s.release(ctx, token)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && int(got.Load()) < s.of.Texts {
		err = fmt.Errorf("%d got a place, of %d", got.Load(), s.of.Texts)
	}
	if err != nil {
		return err
	}
	if err := s.fill(ctx, "after"); err != nil {
		return fmt.Errorf("after all were given back: %w", err)
	}
	return s.left(ctx, false)
}

// budgetContextEnded asks for nobody any more. A store that need not wait may answer, and
// what it says has to be so.
func budgetContextEnded(ctx context.Context, s budgets) error {
	s.of.Texts = 1
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return soon(longEnough, func() error {
		if left, err := s.store.Left(ended, s.name, s.of); err == nil && !left {
			return errors.New("asked by nobody, Left says that there is no room, and nobody has any")
		}
		took, err := s.store.Take(ended, s.name, "nobody", s.of)
		switch {
		case err == nil && !took:
			return errors.New("asked by nobody, Take says that there is no room, and nobody has any")
		case err == nil:
			if err := s.left(ctx, false); err != nil {
				return fmt.Errorf("asked by nobody, Take says that it took: %w", err)
			}
		}
		_ = s.store.Release(ended, s.name, "nobody")
		return nil
	})
}

func placeReleasedAfterError(ctx context.Context, s budgets) error {
	s.of.Texts = 1
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, _ = s.store.Take(ended, s.name, "nobody", s.of) // whatever came of it
	return inTurn(
		step{"what may have been taken", func() error { return s.release(ctx, "nobody") }},
		step{"after it", func() error { return s.left(ctx, true) }},
		step{"the next one", func() error { return s.take(ctx, "next", true) }},
	)
}

// closedBudgets is a matter of stores that can end: who does not know means no text.
func closedBudgets(ctx context.Context, s budgets) error {
	closer, ok := s.store.(io.Closer)
	if !ok {
		return nil
	}
	if err := s.fill(ctx, "t"); err != nil {
		return err
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("its answer to Close: %w", err)
	}
	return soon(longEnough, func() error {
		if left, err := s.store.Left(ctx, s.name, s.of); err == nil && left {
			return errors.New("after Close, Left says that there is room, and there is none")
		}
		if took, err := s.store.Take(ctx, s.name, "next", s.of); err == nil && took {
			return errors.New("after Close, Take takes a place when all are taken")
		}
		if took, err := s.store.Take(ctx, s.name+"other", "next", s.of); err == nil && took {
			return errors.New("after Close, Take takes a place that nobody counts")
		}
		return nil
	})
}
