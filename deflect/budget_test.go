package deflect

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// budgeted is a policy with a budget and no cooldown.
func budgeted(t testing.TB, texts int, change func(*Rules)) *Policy {
	t.Helper()
	rules := Rules{NoCooldown: true, Budget: Budget{Texts: texts, Per: 10 * time.Minute}}
	if change != nil {
		change(&rules)
	}
	return salesPolicy(t, rules)
}

// callers makes a call of somebody else each time.
type callers struct {
	policy *Policy
	n      int
}

func (c *callers) next() Call {
	c.n++
	call := callNow(fmt.Sprint("call-", c.n), c.n%1000)
	call.Policy = c.policy
	return call
}

// room is how many more offers a client makes; they are ended again.
func (c *callers) room(t *testing.T, client *Client) (n int) {
	t.Helper()
	for {
		o, err := client.Offer(t.Context(), c.next())
		if err != nil {
			if ReasonOf(err) != ReasonBudget || !errors.Is(err, ErrIneligible) || !NotSent(err) {
				t.Errorf("no offer: %v", err)
			}
			return n
		}
		defer o.Release()
		n++
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &told{}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Breaker.Failures = api, 1000 })
		from := &callers{policy: budgeted(t, 5, nil)}
		room := func(want int, when string) {
			t.Helper()
			if n := from.room(t, c); n != want {
				t.Errorf("%s: room for %d, want %d", when, n, want)
			}
		}
		offer := func() *Offer {
			t.Helper()
			o, err := c.Offer(t.Context(), from.next())
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		room(5, "at first")
		room(5, "after all of them went")
		declined, left, texted := offer(), offer(), offer()
		room(2, "beside three offers")
		declined.End(Declined, ReasonDeclineKey)
		left.Release()
		left.Release()
		room(4, "after two went")
		if _, err := texted.Deflect(t.Context()); err != nil {
			t.Fatal(err)
		}
		texted.End(Declined, ReasonDeclineKey)
		room(4, "after a text")
		time.Sleep(5 * time.Minute)

		api.tell(always(Failed, ReasonRejected))
		if res, _ := offer().Deflect(t.Context()); res.Outcome != Failed {
			t.Fatalf("%+v", res)
		}
		room(4, "after a text that failed")
		api.tell(always(Uncertain, ReasonServerError))
		if res, _ := offer().Deflect(t.Context()); res.Outcome != Uncertain {
			t.Fatalf("%+v", res)
		}
		room(3, "after one that may have been sent")
		api.tell(func(context.Context, *Text) Attempt { panic("a defect of a backend") })
		func() {
			defer func() { _ = recover() }()
			offer().Deflect(t.Context()) //nolint:errcheck // panics
		}()
		room(2, "after a panic")
		api.tell(nil)

		// Without an offer a text takes a place of its own, and with one no second.
		call := from.next()
		if _, err := c.Deflect(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		room(1, "after a text without an offer")
		if res, _ := c.Deflect(t.Context(), call); !res.Repeated {
			t.Fatalf("%+v", res)
		}
		room(1, "after the same call again")
		last := offer()
		room(0, "beside the last one")
		if err := c.Check(t.Context(), last.Call); err != nil {
			t.Errorf("the caller who has the last place is refused: %v", err)
		}
		res, err := c.Deflect(t.Context(), from.next())
		if res.Outcome != Ineligible || res.Reason != ReasonBudget || !strings.Contains(err.Error(), "5 texts in 10m0s") {
			t.Errorf("without an offer, and without room: %+v, %v", res, err)
		}
		var why Verdict
		for _, v := range c.Explain(t.Context(), from.next(), time.Now()) {
			if v.Answer == RuleRefuse {
				why = v
			}
		}
		if why.Rule != "budget" || why.Reason != ReasonBudget {
			t.Errorf("explained by %+v", why)
		}
		last.Call.ExternalCallID = call.ExternalCallID // which has its text
		if res, _ := last.Deflect(t.Context()); !res.Repeated {
			t.Fatalf("%+v", res)
		}
		room(1, "after an offer to a call that has its text")

		other := &callers{policy: must(NewPolicy("other", Rules{NoCooldown: true, Budget: Budget{Texts: 3, Per: time.Minute}})), n: 500}
		if n := other.room(t, c); n != 3 {
			t.Errorf("another policy has room for %d", n)
		}
		time.Sleep(5*time.Minute - time.Millisecond)
		room(1, "shortly before the time of the first text is over")
		time.Sleep(time.Millisecond)
		room(2, "after it")
		time.Sleep(5 * time.Minute)
		room(5, "after that of all")
	})
}

// must is for what cannot fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// However many ask at the same moment, and go again, there is never a text too many, and
// none too few.
func TestBudgetIsExact(t *testing.T) {
	c := testClient(t, nil)
	from := &callers{policy: budgeted(t, 100, nil)}
	var all sync.WaitGroup
	var offered, refused atomic.Int32
	for range 1000 {
		call := from.next()
		all.Go(func() {
			for range 3 {
				o, err := c.Offer(context.Background(), call)
				if err != nil {
					refused.Add(1)
					continue
				}
				offered.Add(1)
				if offered.Load()%3 == 0 {
					o.Release()
					continue
				}
				if _, err := o.Deflect(context.Background()); err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	all.Wait()
	sent := testutil.ToFloat64(c.metrics.outcome("", Sent, ReasonOK))
	left := from.room(t, c)
	if int(sent)+left != 100 || refused.Load() == 0 {
		t.Errorf("%v texts and room for %d, after %d offers and %d refusals", sent, left, offered.Load(), refused.Load())
	}
}

// budgetsOf is a store of others, which can fail.
type budgetsOf struct {
	*memoryBudgets
	mu       sync.Mutex
	faults   map[string]func(context.Context) error // by the method
	released int
}

func newBudgetsOf() *budgetsOf {
	return &budgetsOf{memoryBudgets: newMemoryBudgets(), faults: map[string]func(context.Context) error{}}
}

func (b *budgetsOf) set(method string, fault func(context.Context) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults[method] = fault
}

func (b *budgetsOf) fault(ctx context.Context, method string) error {
	b.mu.Lock()
	fault := b.faults[method]
	b.mu.Unlock()
	if fault == nil {
		return nil
	}
	return fault(ctx)
}

func (b *budgetsOf) Left(ctx context.Context, name string, of Budget) (bool, error) {
	ok, _ := b.memoryBudgets.Left(ctx, name, of)
	return ok, b.fault(ctx, "Left")
}

func (b *budgetsOf) Take(ctx context.Context, name, token string, of Budget) (bool, error) {
	ok, _ := b.memoryBudgets.Take(ctx, name, token, of)
	return ok, b.fault(ctx, "Take")
}

func (b *budgetsOf) Release(ctx context.Context, name, token string) error {
	if err := b.fault(ctx, "Release"); err != nil {
		return err
	}
	b.mu.Lock()
	b.released++
	b.mu.Unlock()
	return b.memoryBudgets.Release(ctx, name, token)
}

// places is how many of a name are taken.
func (m *memoryBudgets) places(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if of := m.byName[name]; of != nil {
		return len(of.byToken)
	}
	return 0
}

var errAway = errors.New("away, with +14043438646 in its words")

func away(context.Context) error { return errAway }

// A store that does not know means no text, and what it may have taken is given back.
func TestBudgetUnknown(t *testing.T) {
	for _, tt := range []struct {
		name    string
		method  string
		offer   Reason
		deflect Reason
	}{
		{"it cannot look", "Left", ReasonBudgetUnknown, ReasonOK},
		{"it cannot take", "Take", ReasonBudgetUnknown, ReasonBudgetUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newBudgetsOf()
				store.set(tt.method, away)
				api := &told{}
				c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Budgets = api, store })
				from := &callers{policy: budgeted(t, 2, func(r *Rules) { r.NoCooldown = false })}
				o, err := c.Offer(t.Context(), from.next())
				var e *Error
				if !errors.As(err, &e) || e.Reason != tt.offer || e.Outcome != Ineligible || o != nil || strings.Contains(err.Error(), "404") {
					t.Errorf("offer: %v", err)
				}
				call := from.next()
				res, err := c.Deflect(t.Context(), call)
				if res.Reason != tt.deflect || tt.deflect != ReasonOK && (res.Outcome != Failed || !NotSent(err)) {
					t.Errorf("%+v, %v", res, err)
				}
				synctest.Wait()
				if n := store.places("sales"); n != len(api.went()) {
					t.Errorf("%d places of %d texts", n, len(api.went()))
				}
				store.set(tt.method, nil)
				call.ExternalCallID = "again"
				if res, _ := c.Deflect(t.Context(), call); (res.Outcome == Sent) != (tt.deflect != ReasonOK) {
					t.Errorf("the caller again: %+v", res) // the cooldown was given back
				}
			})
		})
	}
}

// Nobody waits for the store of others to take back a place, but for Close.
func TestPlacesAreGivenBackAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newBudgetsOf()
		c := testClient(t, func(cfg *Config) { cfg.Budgets = store })
		from := &callers{policy: budgeted(t, 2, nil)}
		begin := func() (o *Offer) {
			o, err := c.Offer(t.Context(), from.next())
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		began := time.Now()
		stuck, slow, broken := begin(), begin(), (*Offer)(nil)
		store.set("Release", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		stuck.Release()
		time.Sleep(2 * time.Second)
		store.set("Release", func(context.Context) error { time.Sleep(time.Second / 2); return nil })
		slow.End(Declined, ReasonDeclineKey)
		time.Sleep(time.Second)
		store.set("Release", func(context.Context) error { panic("a defect of a store") })
		broken = begin()
		broken.Release()
		synctest.Wait()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("they waited %s for the store", took-3*time.Second)
		}
		time.Sleep(10 * time.Minute)
		store.set("Release", func(context.Context) error { time.Sleep(time.Second / 2); return nil })
		last := begin()
		last.Release()
		began = time.Now()
		c.Close()
		if took := time.Since(began); took != time.Second/2 || store.released != 2 {
			t.Errorf("Close took %s, and %d were given back", took, store.released)
		}
		if n := store.places("sales"); n != 0 {
			t.Errorf("%d places are taken", n)
		}
		// Of a Client that was closed meanwhile too.
		c = testClient(t, func(cfg *Config) { cfg.Budgets = store })
		last = begin()
		c.Close()
		if _, err := last.Deflect(t.Context()); ReasonOf(err) != ReasonShutdown {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if n := store.places("sales"); n != 0 {
			t.Errorf("%d places are taken after the end", n)
		}
	})
}

// Between the look and the place somebody else may have come. Then the one offer of a
// breaker that is half open is not out either.
func TestBudgetIsGoneMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &told{}
		store := newBudgetsOf()
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Budgets, cfg.Breaker.Failures = api, store, 1 })
		from := &callers{policy: budgeted(t, 1, func(r *Rules) { r.NoCooldown = false })}
		api.tell(always(Failed, ReasonUnauthorized))
		c.Deflect(t.Context(), from.next()) //nolint:errcheck // opens the breaker
		time.Sleep(31 * time.Second)
		store.set("Left", func(ctx context.Context) error {
			store.set("Left", nil)
			_, err := store.memoryBudgets.Take(ctx, "sales", "somebody else's", Budget{1, 10 * time.Second})
			return err
		})
		if _, err := c.Offer(t.Context(), from.next()); ReasonOf(err) != ReasonBudget {
			t.Fatal(err)
		}
		refused := from.next()
		if res, _ := c.Deflect(t.Context(), refused); res.Reason != ReasonBudget {
			t.Fatalf("%+v", res)
		}
		time.Sleep(10 * time.Second)
		refused.ExternalCallID = "again" // by a caller who got no text, and is in no cooldown
		if _, err := c.Offer(t.Context(), refused); err != nil {
			t.Errorf("the next caller: %v", err)
		}
	})
}

// Texts that wait take their places when they go out, and those that find none wait on.
func TestBudgetOfWaitingTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := budgeted(t, 5, func(r *Rules) {
			r.Hours, r.Later = laterRules().Hours, Later{Closed: 16 * time.Hour, Spread: time.Minute}
		})
		api, j := &told{}, newMemoryJournal(100)
		var mu sync.Mutex
		var times []time.Time
		api.tell(func(context.Context, *Text) Attempt {
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Now())
			return Attempt{Outcome: Sent, Reason: ReasonOK}
		})
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{policy} })
		on(t, "2000-01-02 20:00:00")
		from := &callers{policy: policy}
		for range 15 {
			o, err := c.Offer(t.Context(), from.next())
			if err != nil {
				t.Fatal(err)
			}
			if res, _ := o.Deflect(t.Context()); res.Outcome != Deferred {
				t.Fatalf("%+v", res)
			}
		}
		if c.budgets.(*memoryBudgets).places("sales") != 0 {
			t.Error("they have places while they wait")
		}
		on(t, "2000-01-03 09:05:00")
		synctest.Wait()
		if n, _ := c.later.waiting(); len(api.went()) != 5 || n != 10 {
			t.Fatalf("%d went out and %d wait", len(api.went()), n)
		}
		if n := from.room(t, c); n != 0 {
			t.Errorf("room for %d", n)
		}
		on(t, "2000-01-03 11:00:00")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		slices.SortFunc(times, time.Time.Compare)
		for i := range len(times) - 5 {
			if in := times[i+5].Sub(times[i]); in < 10*time.Minute {
				t.Errorf("6 texts in %s", in)
			}
		}
		if n, _ := c.later.waiting(); len(times) != 15 || n != 0 {
			t.Errorf("%d went out and %d wait", len(times), n)
		}
	})
}

// A text that failed and is tried again has its place until then, and no second one after a
// restart.
func TestBudgetOfWhatIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := budgeted(t, 3, func(r *Rules) { r.Later.Failed = time.Hour })
		api, j, store := &told{}, newMemoryJournal(100), newBudgetsOf()
		start := func() *Client {
			return testClient(t, func(cfg *Config) {
				cfg.Backend, cfg.Journal, cfg.Budgets, cfg.Policies, cfg.Breaker.Failures = api, j, store, []*Policy{policy}, 1000
			})
		}
		c := start()
		from := &callers{policy: policy}
		room := func(want int, when string) {
			t.Helper()
			if n := from.room(t, c); n != want {
				t.Errorf("%s: room for %d, want %d", when, n, want)
			}
			synctest.Wait()
		}
		api.tell(always(Failed, ReasonUnreachable))
		for range 2 {
			o := must(c.Offer(t.Context(), from.next()))
			if res, _ := o.Deflect(t.Context()); res.Outcome != Deferred {
				t.Fatalf("%+v", res)
			}
		}
		room(1, "while two wait")
		c.Close()
		c = start()
		room(1, "after a restart")
		time.Sleep(10 * time.Second) // the first try fails, and they wait without a place
		room(3, "between their tries")
		api.tell(nil)
		time.Sleep(30 * time.Second)
		room(1, "after they went out")
		time.Sleep(10 * time.Minute)

		// At the first try it is sent, in the place of its offer.
		api.tell(always(Failed, ReasonUnreachable))
		o := must(c.Offer(t.Context(), from.next()))
		if res, _ := o.Deflect(t.Context()); res.Outcome != Deferred {
			t.Fatalf("%+v", res)
		}
		api.tell(nil)
		time.Sleep(10 * time.Second)
		if len(api.went()) != 3 {
			t.Fatalf("%v", api.went())
		}
		room(2, "after it went out")
		time.Sleep(10 * time.Minute)
		room(3, "after its time")
	})
}

// everybody is a list that may hold all numbers.
type everybody struct{ atomic.Bool }

func (l *everybody) Holds(context.Context, string) (bool, error) { return l.Load(), nil }

// A text that waits and is dropped leaves its place to others.
func TestBudgetOfWhatIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := &everybody{}
		policy := budgeted(t, 1, func(r *Rules) { r.Later.Failed, r.DoNotText = time.Hour, list })
		api, j := &told{}, newMemoryJournal(100)
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{policy} })
		from := &callers{policy: policy}
		api.tell(always(Failed, ReasonUnreachable))
		o := must(c.Offer(t.Context(), from.next()))
		if res, _ := o.Deflect(t.Context()); res.Outcome != Deferred {
			t.Fatalf("%+v", res)
		}
		if n := from.room(t, c); n != 0 {
			t.Errorf("room for %d while it waits", n)
		}
		list.Store(true)
		time.Sleep(10 * time.Second)
		if n, _ := c.later.waiting(); n != 0 {
			t.Fatalf("%d wait", n)
		}
		list.Store(false)
		if n := from.room(t, c); n != 1 {
			t.Errorf("room for %d after it was dropped", n)
		}
	})
}

// What a Client has counted stays with a reload, and another budget counts at once.
func TestReloadKeepsBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testClient(t, nil)
		from := &callers{policy: budgeted(t, 2, nil)}
		c.Deflect(t.Context(), from.next()) //nolint:errcheck // takes a place
		if err := c.Reload(validConfig()); err != nil {
			t.Fatal(err)
		}
		for texts, want := range map[int]int{1: 0, 2: 1, 5: 4} {
			from.policy = budgeted(t, texts, nil)
			if n := from.room(t, c); n != want {
				t.Errorf("a budget of %d has room for %d, want %d", texts, n, want)
			}
		}
	})
}

func TestBudgetIsValidated(t *testing.T) {
	for _, tt := range []struct {
		budget Budget
		bad    string
	}{
		{Budget{}, ""},
		{Budget{1, time.Second}, ""},
		{Budget{100_000, 24 * time.Hour}, ""},
		{Budget{0, time.Minute}, "Budget.Texts"},
		{Budget{-1, time.Minute}, "Budget.Texts"},
		{Budget{100_001, time.Minute}, "Budget.Texts"},
		{Budget{1, 0}, "Budget.Per"},
		{Budget{1, time.Second - 1}, "Budget.Per"},
		{Budget{1, 24*time.Hour + 1}, "Budget.Per"},
	} {
		err := Rules{Budget: tt.budget}.Validate()
		var e *ConfigError
		if errors.As(err, &e); (err != nil) != (tt.bad != "") || err != nil && e.Field != tt.bad {
			t.Errorf("%+v: %v", tt.budget, err)
		}
	}
}

// What is over is forgotten, a little at a time, also of names that nobody asks about.
func TestMemoryOfBudgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemoryBudgets()
		take := func(name string, n, texts int, want bool) {
			t.Helper()
			for i := range n {
				if ok, _ := m.Take(t.Context(), name, rand.Text(), Budget{texts, time.Minute}); ok != want {
					t.Fatalf("place %d of %d: %t", i, n, ok)
				}
			}
		}
		for i := range 100 {
			take(fmt.Sprint("other-", i), 10, 10, true)
		}
		take("sales", 1000, 1000, true)
		take("sales", 1, 1000, false)
		time.Sleep(time.Minute)
		take("sales", 1, 1000, true)
		if n := len(m.byName["sales"].byEnd); n < 1000-3*forgetAtOnce {
			t.Errorf("%d left after one Take", n)
		}
		take("sales", 1, 3, true) // of a smaller budget, all that is over is looked at
		take("sales", 1, 3, true)
		take("sales", 1, 3, false)
		take("sales", 2000, 10_000, true)
		of := m.byName["sales"]
		if len(m.byName) != 1 || len(of.byEnd) != 2003 || len(of.byToken) != 2003 {
			t.Errorf("%d names, %d places, %d tokens", len(m.byName), len(of.byEnd), len(of.byToken))
		}
	})
}
