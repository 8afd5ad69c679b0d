package deflect

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A call that gives up while the journal is asked leaves nothing there.
func TestCallThatGivesUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &told{}
		m := newMemoryJournal(10)
		j := &brokenJournal{m, nil, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal = api, j })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if res, _ := c.Deflect(ctx, validCall()); res.Outcome != Failed || res.Reason != ReasonCanceled {
			t.Errorf("%+v", res)
		}
		if e, _ := m.Find(t.Context(), "1231"); e.State != "" {
			t.Errorf("left %q", e.State)
		}
		j.change = nil
		if res, err := c.Deflect(t.Context(), validCall()); err != nil || res.Repeated {
			t.Errorf("again: %+v, %v", res, err)
		}
	})
}

// A text that is cancelled while a list is asked about it does not come back.
func TestCancelledTextStaysCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inList, goOn = make(chan bool, 1), make(chan bool)
		var slow atomic.Bool
		rules := laterRules()
		rules.Hours = Hours{}
		rules.DoNotText = listFunc(func(ctx context.Context, _ string) (bool, error) {
			if !slow.Load() {
				return false, nil
			}
			inList <- true
			<-goOn
			return false, errors.New("does not know")
		})
		p := salesPolicy(t, rules)
		api, j := &told{send: always(Failed, ReasonUnreachable)}, newMemoryJournal(10)
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{p} })
		call := callNow("a", 0)
		call.Policy = p
		if res, _ := c.Deflect(t.Context(), call); res.Outcome != Deferred {
			t.Fatal(res)
		}
		slow.Store(true)
		<-inList
		// cancel as journal.Cancel does
		if ok, err := j.Change(t.Context(), Waiting, Entry{ExternalCallID: "a"}); !ok || err != nil {
			t.Fatal(ok, err)
		}
		slow.Store(false)
		close(goOn)
		synctest.Wait()
		if err := c.ReadJournal(t.Context()); err != nil {
			t.Fatal(err)
		}
		e, _ := j.Find(t.Context(), "a")
		api.tell(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(api.went()) > 0 || e.State != "" {
			t.Errorf("cancelled text sent: %v", api.went())
		}
	})
}

type listFunc func(context.Context, string) (bool, error)

func (f listFunc) Holds(ctx context.Context, n string) (bool, error) { return f(ctx, n) }

// An API that wants to be left alone for longer than a text may wait is no promise.
func TestNoPromiseBeyondItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours = Hours{}
		p := salesPolicy(t, rules)
		api, j := &told{}, newMemoryJournal(10)
		first := true
		api.tell(func(context.Context, *Text) Attempt {
			if first {
				first = false
				return Attempt{Outcome: Failed, Reason: ReasonRateLimited, RetryAfter: 2 * time.Hour}
			}
			return Attempt{Outcome: Sent, Reason: ReasonOK}
		})
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{p} })
		call := callNow("a", 0)
		call.Policy = p
		res, err := c.Deflect(t.Context(), call)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if res.Outcome == Deferred && len(api.went()) == 0 {
			t.Errorf("promised and never tried: %+v %v", res, err)
		}
	})
}

// With a journal that is optional and was silent, what it knows is not erased.
func TestOutcomeIsNotErasedByALaterTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours, rules.NoCooldown = Hours{}, true
		p := salesPolicy(t, rules)
		api := &told{}
		j := &brokenJournal{newMemoryJournal(10), nil, nil}
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies, cfg.JournalOptional = api, j, []*Policy{p}, true
			cfg.Breaker.Failures, cfg.Breaker.OpenFor = 1, time.Minute
		})
		call := callNow("a", 0)
		call.Policy = p
		deflect := func(call Call, want Outcome) {
			t.Helper()
			if res, err := c.Deflect(t.Context(), call); res.Outcome != want {
				t.Fatalf("%+v, %v; want %s", res, err, want)
			}
		}
		deflect(call, Sent)
		api.tell(always(Failed, ReasonUnreachable))
		deflect(callNow("b", 1), Failed) // opens the breaker
		api.tell(nil)
		j.find = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		deflect(call, Failed)
		j.find = nil
		time.Sleep(2 * time.Minute)
		deflect(call, Sent)
		if n := len(api.went()); n != 1 {
			t.Errorf("%d texts: %v", n, api.went())
		}
	})
}

func TestOutcomeIsNotErasedByAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &told{}
		m := newMemoryJournal(10)
		slow := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		j := &slowJournal{m, nil}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.JournalOptional = api, j, true })
		call := callNow("a", 0)
		for _, silent := range []bool{false, true, false} {
			j.slow = nil
			want := Sent
			if api.tell(nil); silent {
				api.tell(always(Failed, ReasonRejected))
				j.slow, want = slow, Failed
			}
			if res, err := c.Deflect(t.Context(), call); res.Outcome != want {
				t.Fatalf("%+v, %v; want %s", res, err, want)
			}
		}
		if n := len(api.went()); n != 1 {
			t.Errorf("%d texts: %v", n, api.went())
		}
	})
}

type slowJournal struct {
	*memoryJournal
	slow func(context.Context) error
}

func (b *slowJournal) Find(ctx context.Context, id string) (Entry, error) {
	if b.slow != nil {
		return Entry{}, b.slow(ctx)
	}
	return b.memoryJournal.Find(ctx, id)
}

func (b *slowJournal) Change(ctx context.Context, from State, e Entry) (bool, error) {
	if b.slow != nil {
		return false, b.slow(ctx)
	}
	return b.memoryJournal.Change(ctx, from, e)
}

// All that a call asks of the journal takes a quarter of a second at most.
func TestSlowJournalIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours = Hours{}
		p := salesPolicy(t, rules)
		api := &told{}
		nearly := func(ctx context.Context) error {
			select {
			case <-time.After(100 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		j := &brokenJournal{newMemoryJournal(10), nearly, nearly}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{p} })
		call := callNow("a", 0)
		call.Policy = p
		for id, tt := range map[string]struct {
			send  func(context.Context, *Text) Attempt
			least time.Duration
		}{"a": {nil, 0}, "b": {always(Failed, ReasonRejected), 0}, "c": {func(ctx context.Context, _ *Text) Attempt {
			<-ctx.Done()
			return Attempt{Outcome: Failed, Reason: ReasonDeadline}
		}, c.setup.Load().LiveDeadline - 300*time.Millisecond}} {
			api.tell(tt.send)
			call.ExternalCallID, call.ANI = id, phoneOf(len(id)+int(id[0]))
			began := time.Now()
			res, err := c.Deflect(t.Context(), call)
			if took := time.Since(began); took < tt.least || took > tt.least+300*time.Millisecond+journalWithin {
				t.Errorf("%s: took %s: %+v, %v", id, took, res, err)
			}
		}
	})
}

// A text that waits does not go out without the journal, which would have it wait again.
func TestWaitingTextNeedsTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours, rules.NoCooldown = Hours{}, true
		p := salesPolicy(t, rules)
		api := &told{send: always(Failed, ReasonUnreachable)}
		disk := newMemoryJournal(10)
		j := &fullJournal{memoryJournal: disk}
		cfg := func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies, cfg.JournalOptional = api, j, []*Policy{p}, true
		}
		c := testClient(t, cfg)
		call := callNow("a", 0)
		call.Policy = p
		if res, _ := c.Deflect(t.Context(), call); res.Outcome != Deferred {
			t.Fatalf("%+v", res)
		}
		j.full.Store(true)
		api.tell(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		c.Close()
		c = testClient(t, cfg)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(api.went()); n > 1 {
			t.Errorf("texts %v", api.went())
		}
		c.Close()
	})
}

// fullJournal cannot be written: what is noted is lost with the process.
type fullJournal struct {
	*memoryJournal
	full atomic.Bool
}

func (b *fullJournal) Note(e Entry) {
	if !b.full.Load() {
		b.memoryJournal.Note(e)
	}
}

func (b *fullJournal) Change(ctx context.Context, from State, e Entry) (bool, error) {
	if b.full.Load() {
		return false, errors.New("full")
	}
	return b.memoryJournal.Change(ctx, from, e)
}

func TestPanicOfAWaitingTextIsADoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours = Hours{}
		p := salesPolicy(t, rules)
		api := &told{send: always(Failed, ReasonUnreachable)}
		j := newMemoryJournal(10)
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{p} })
		call := callNow("a", 0)
		call.Policy = p
		if res, _ := c.Deflect(t.Context(), call); res.Outcome != Deferred {
			t.Fatalf("%+v", res)
		}
		api.tell(func(context.Context, *Text) Attempt { panic("x") })
		time.Sleep(6 * time.Second)
		api.tell(nil)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		e, _ := j.Find(t.Context(), "a")
		if n, _ := c.later.waiting(); e.State != Ended || n != 0 || testutil.ToFloat64(c.metrics.laterEnded[Uncertain][ReasonInternal]) != 1 {
			t.Errorf("in the journal %q, %d wait", e.State, n)
		}
	})
}

func TestDoubtOfTheFutureIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newMemoryJournal(10)
		ahead := time.Now().Add(365 * 24 * time.Hour)
		j.Note(Entry{ExternalCallID: "1231", Customer: "+14043438646", State: Sending, Reason: ReasonInternal, Since: ahead, Data: doubtData(&Text{Call: validCall()}, ahead, "stub")})
		heard := 0
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal = &told{}, j
			cfg.OnSettled = func(Settlement) { heard++ }
		})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if heard == 0 {
			t.Error("not settled a day later")
		}
		c.Close()
	})
}
