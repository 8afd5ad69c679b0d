package deflect

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// Budget is how many texts the agents of a policy can take. A text counts from when its
// caller was offered it, and one that waits, or had no offer, from when it goes out: at most
// Texts of them in any time that is as long as Per. The zero value is no budget.
type Budget struct {
	Texts int           // 1 to 100000
	Per   time.Duration // 1 s to 24 h
}

// Budgets counts the texts of policies that have a [Budget], by the policy's name: a place
// each. A Client has a store in memory; several processes whose texts go to the same agents
// bring a shared one. The budget is that of the call that asks, which may have changed.
//
// The methods are safe for concurrent use and return soon after ctx ends; a call
// waits for Left and Take. An error means that the store does not know, and the caller is
// not texted then.
type Budgets interface {
	// Left reports whether there is room: fewer than Texts places are taken.
	Left(ctx context.Context, name string, b Budget) (bool, error)
	// Take takes a place for as long as Per and reports true, or reports false when Texts of
	// them are taken. However many ask at the same moment, no more get one than there are.
	// The token, which is not used for two texts, says who took it: for one that has a place
	// already it takes no other one, and reports true.
	Take(ctx context.Context, name, token string, b Budget) (bool, error)
	// Release gives back the place of a token before its time, if it has one. It also comes
	// after a Take that ended in an error, which may have taken it.
	Release(ctx context.Context, name, token string) error
}

const (
	maxBudgetTexts = 100_000
	maxBudgetPer   = 24 * time.Hour
)

func (b Budget) validate(bad func(field, format string, args ...any)) {
	if b == (Budget{}) {
		return
	}
	if b.Texts < 1 || b.Texts > maxBudgetTexts {
		bad("Budget.Texts", "is %d; must be between 1 and %d: so many texts go out within the time", b.Texts, maxBudgetTexts)
	}
	if b.Per < time.Second || b.Per > maxBudgetPer {
		bad("Budget.Per", "is %s; must be between 1s and 24h: within which so many texts go out", b.Per)
	}
}

func (b Budget) words() string { return fmt.Sprintf("%d texts in %s", b.Texts, b.Per) }

// place is that of a text in the budget of its policy; the zero value is none.
type place struct{ name, token string }

// budget only looks: a place is taken when the offer stands.
func (q *inquiry) budget() Verdict {
	b := q.policy.rules.Budget
	switch {
	case b == (Budget{}):
		return q.pass("there is none")
	case !q.opens.IsZero():
		return q.pass("the text waits, and counts when it goes out")
	}
	ctx, cancel := q.bound(q.ctx)
	defer cancel()
	left, err := q.client.budgets.Left(ctx, q.policy.sharedName(), b)
	switch {
	case err != nil:
		return q.unknown(ctx, theBudgets, ReasonBudgetUnknown, err)
	case !left:
		return q.overBudget()
	}
	return q.pass("there is room: at most %s", b.words())
}

func (q *inquiry) overBudget() Verdict {
	return refuse(ReasonBudget, "the budget is used up: %s were sent, or are being offered", q.policy.rules.Budget.words())
}

// takePlace takes a place for the text where there is a budget and it has none.
func (q *inquiry) takePlace(ctx context.Context) Verdict {
	b := q.policy.rules.Budget
	if b == (Budget{}) || q.place.token != "" {
		return Verdict{Answer: RulePass}
	}
	ctx, cancel := q.bound(ctx)
	defer cancel()
	mine := place{q.policy.sharedName(), cmp.Or(q.hadPlace.token, rand.Text())}
	ok, err := q.client.budgets.Take(ctx, mine.name, mine.token, b)
	switch {
	case err != nil:
		q.client.vacate(mine) // it may have been taken
		return q.unknown(ctx, theBudgets, ReasonBudgetUnknown, err)
	case !ok:
		return q.overBudget()
	}
	q.place = mine
	return Verdict{Answer: RulePass}
}

// vacating is the places that are being given back.
type vacating struct {
	mu   sync.Mutex
	idle *sync.Cond // out changed
	out  int
}

func newVacating() *vacating {
	v := &vacating{}
	v.idle = sync.NewCond(&v.mu)
	return v
}

// vacateWithin is how long a store may take to take back a place.
const vacateWithin = time.Second

// vacate gives back a place, if there is one. A caller does not wait for another's store.
func (c *Client) vacate(p place) {
	if p.token == "" {
		return
	}
	if own, is := c.budgets.(*memoryBudgets); is {
		own.release(p.name, p.token)
		return
	}
	v := c.vacating
	v.mu.Lock()
	v.out++
	v.mu.Unlock()
	go func() {
		defer func() {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.out--
			v.idle.Broadcast()
		}()
		defer func() {
			// On this goroutine it would end the process, and every call with it.
			if p := recover(); p != nil {
				c.log.Error(theBudgets+" panicked", "panic", clean.Panic(p))
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), vacateWithin)
		defer cancel()
		if err := c.budgets.Release(ctx, p.name, p.token); err != nil {
			c.log.Warn("place in a budget not given back: nobody else has it until its time is over", "policy", p.name, "err", clean.Error{Err: err})
		}
	}()
}

// close waits for what is being given back.
func (v *vacating) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.out > 0 {
		v.idle.Wait()
	}
}
