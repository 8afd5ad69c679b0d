package deflect

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// wire is what a process tells others and hears of them.
type wire struct {
	mu    sync.Mutex
	heard func()
	told  []time.Duration
}

func (w *wire) Warn(lasts time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, lasts)
}

func (w *wire) OnWarned(heard func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = heard
}

// warn is a warning of somebody else.
func (w *wire) warn() {
	w.mu.Lock()
	heard := w.heard
	w.mu.Unlock()
	heard()
}

func (w *wire) warnings() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.told)
}

// warnedClient is a Client that hears of others.
func warnedClient(t testing.TB, change func(*Config)) (*Client, *told, *wire) {
	api, w := &told{}, &wire{}
	return testClient(t, func(cfg *Config) {
		cfg.Backend, cfg.Warnings = api, w
		if change != nil {
			change(cfg)
		}
	}), api, w
}

func (c *Client) wantBreaker(t *testing.T, want string) {
	t.Helper()
	if got := c.setup.Load().breaker.state(); got != want {
		t.Errorf("the breaker is %s, want %s", got, want)
	}
}

func TestOpenBreakerWarnsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := &callers{}
		c, api, w := warnedClient(t, func(cfg *Config) { cfg.Breaker.OpenFor = 20 * time.Second })
		api.tell(always(Failed, ReasonUnauthorized))
		for i := range 5 {
			if w.warnings() != 0 {
				t.Fatalf("warned after %d failures", i)
			}
			c.Deflect(t.Context(), from.next()) //nolint:errcheck // fails
		}
		if w.warnings() != 1 || w.told[0] != 20*time.Second {
			t.Fatalf("warned %v", w.told)
		}
		time.Sleep(21 * time.Second)
		c.wantBreaker(t, "half_open")
		w.warn() // is no news
		c.wantBreaker(t, "half_open")
		c.Deflect(t.Context(), from.next()) //nolint:errcheck // fails
		if w.warnings() != 2 {
			t.Errorf("warned %v after the trial failed too", w.told)
		}
		w.warn()
		c.wantBreaker(t, "open")
		time.Sleep(21 * time.Second)
		api.tell(nil)
		c.Deflect(t.Context(), from.next()) //nolint:errcheck // sends
		c.wantBreaker(t, "closed")
		w.warn() // by somebody who has not seen it yet
		c.wantBreaker(t, "closed")
		if w.warnings() != 2 {
			t.Errorf("warned %v", w.told)
		}
		if n := testutil.ToFloat64(c.metrics.transitions["half_open"]); n != 2 {
			t.Errorf("%v moves to half open", n)
		}
	})
}

// Who was warned offers to one caller at a time until a request of its own decides, and
// keeps what was promised before.
func TestWarned(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tells func(context.Context, *Text) Attempt
		state string
		warns int
	}{
		{"truly", always(Uncertain, ReasonServerError), "open", 1},
		{"by a liar", nil, "closed", 0},
		{"and the trial tells nothing", always(Uncertain, ReasonCanceled), "half_open", 0},
		{"and the trial breaks", func(context.Context, *Text) Attempt { panic("a defect of a backend") }, "open", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c, api, w := warnedClient(t, func(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				from := &callers{}
				var promised []*Offer
				for range 10 {
					promised = append(promised, must(c.Offer(t.Context(), from.next())))
				}
				w.warn()
				w.warn()
				c.wantBreaker(t, "half_open")
				one := must(c.Offer(t.Context(), from.next()))
				if _, err := c.Offer(t.Context(), from.next()); ReasonOf(err) != ReasonBreakerOpen {
					t.Errorf("a second offer: %v", err)
				}
				one.End(Declined, ReasonDeclineKey)
				one = must(c.Offer(t.Context(), from.next()))
				api.tell(tt.tells)
				func() {
					defer func() { _ = recover() }()
					one.Deflect(t.Context()) //nolint:errcheck // the breaker is looked at
				}()
				one.Release()
				c.wantBreaker(t, tt.state)
				if w.warnings() != tt.warns {
					t.Errorf("warned others %d times, want %d", w.warnings(), tt.warns)
				}
				api.tell(nil)
				for i, o := range promised {
					if res, err := o.Deflect(t.Context()); (res.Outcome == Sent) != (tt.state != "open") {
						t.Errorf("promised text %d: %+v, %v", i, res, err)
					}
				}
				if tt.state == "open" {
					// Closed again, it is as patient as ever.
					time.Sleep(31 * time.Second)
					c.Deflect(t.Context(), from.next()) //nolint:errcheck // sends
					api.tell(always(Failed, ReasonUnauthorized))
					for range 4 {
						c.wantBreaker(t, "closed")
						c.Deflect(t.Context(), from.next()) //nolint:errcheck // fails
					}
					c.wantBreaker(t, "closed")
					return
				}
				for range 10 {
					if _, err := c.Offer(t.Context(), from.next()); err != nil {
						t.Errorf("after it was seen to work: %v", err)
					}
				}
				if n := testutil.ToFloat64(c.metrics.transitions["half_open"]); n != 1 || strings.Count(log.String(), "breaker moved") != 2 {
					t.Errorf("%v moves to half open:\n%s", n, log.String())
				}
			})
		})
	}
}

// A text that was asked for before the warning says nothing about the time after it.
func TestWarnedDuringARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, api, w := warnedClient(t, nil)
		from := &callers{}
		for _, ends := range []func(context.Context, *Text) Attempt{always(Sent, ReasonOK), always(Failed, ReasonUnauthorized)} {
			api.tell(func(ctx context.Context, x *Text) Attempt { time.Sleep(2 * time.Second); return ends(ctx, x) })
			done := make(chan bool)
			go func() {
				c.Deflect(t.Context(), from.next()) //nolint:errcheck // the breaker is looked at
				close(done)
			}()
			time.Sleep(time.Second)
			w.warn()
			<-done
			c.wantBreaker(t, "half_open")
			api.tell(nil)
			c.Deflect(t.Context(), from.next()) //nolint:errcheck // decides
			c.wantBreaker(t, "closed")
			time.Sleep(31 * time.Second)
		}
	})
}

// A warning that is lost costs what it cost before there were any.
func TestLostWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, api, _ := warnedClient(t, nil)
		from := &callers{}
		api.tell(always(Failed, ReasonUnauthorized))
		for range 5 {
			c.wantBreaker(t, "closed")
			must(c.Offer(t.Context(), from.next())).Deflect(t.Context()) //nolint:errcheck // fails
		}
		c.wantBreaker(t, "open")
	})
}

// A warning that nothing comes of, because nobody asks for a text, is over in its time, and
// so is one whose caller does not decide.
func TestWarningEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, w := warnedClient(t, nil)
		from := &callers{}
		w.warn()
		must(c.Offer(t.Context(), from.next()))
		time.Sleep(30*time.Second - time.Millisecond)
		c.wantBreaker(t, "half_open")
		if _, err := c.Offer(t.Context(), from.next()); ReasonOf(err) != ReasonBreakerOpen {
			t.Errorf("a second offer: %v", err)
		}
		time.Sleep(time.Millisecond)
		for range 5 {
			must(c.Offer(t.Context(), from.next()))
		}
		w.warn()
		c.wantBreaker(t, "closed")
		time.Sleep(30 * time.Second)
		w.warn()
		c.wantBreaker(t, "half_open")
	})
}

// A process that warns a hundred times a second, and lies, holds back a handful of offers.
func TestFloodOfWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, w := warnedClient(t, nil)
		from := &callers{}
		stop := make(chan bool)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					w.warn()
				}
			}
		}()
		var all sync.WaitGroup
		var mu sync.Mutex
		offered, refused := 0, 0
		const calls = 3000
		for range calls { // ten a second, of which each asks for a text after five seconds
			call := from.next()
			all.Go(func() {
				o, err := c.Offer(t.Context(), call)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					refused++
					return
				}
				offered++
				mu.Unlock()
				time.Sleep(5 * time.Second)
				res, err := o.Deflect(t.Context())
				mu.Lock()
				if res.Outcome != Sent {
					t.Errorf("a text that was promised: %+v, %v", res, err)
				}
			})
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		close(stop)
		// Once in 30 seconds it waits for what was offered before, and asked for after that.
		if refused > calls/20 || testutil.ToFloat64(c.metrics.transitions["open"]) != 0 || w.warnings() != 0 {
			t.Errorf("%d offers and %d refusals, %d warnings", offered, refused, w.warnings())
		}
		// Nobody asks for a text: half of the time there are offers all the same.
		refused = 0
		flood := make(chan bool)
		go func() {
			for range 30_000 {
				time.Sleep(10 * time.Millisecond)
				w.warn()
			}
			close(flood)
		}()
		for range calls {
			o, err := c.Offer(t.Context(), from.next())
			if err != nil {
				refused++
			} else {
				time.AfterFunc(5*time.Second, o.Release)
			}
			time.Sleep(100 * time.Millisecond)
		}
		<-flood
		if refused > calls*55/100 {
			t.Errorf("of %d callers who do not ask for a text %d were refused", calls, refused)
		}
	})
}

// A suspicion, and that none is due, stay with a reload; after Close nobody listens.
func TestReloadKeepsWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, api, w := warnedClient(t, nil)
		from := &callers{}
		reload := func() {
			t.Helper()
			if err := c.Reload(validConfig()); err != nil {
				t.Fatal(err)
			}
		}
		reload()
		w.warn()
		c.wantBreaker(t, "half_open")
		reload()
		c.wantBreaker(t, "half_open")
		c.Deflect(t.Context(), from.next()) //nolint:errcheck // sends
		reload()
		w.warn()
		c.wantBreaker(t, "closed")

		other := validConfig()
		other.Breaker.Failures = 1
		if err := c.Reload(other); err != nil {
			t.Fatal(err)
		}
		w.warn() // another breaker has not seen it work
		c.wantBreaker(t, "half_open")
		api.tell(always(Failed, ReasonUnauthorized))
		c.Deflect(t.Context(), from.next()) //nolint:errcheck // fails
		if w.warnings() != 1 {
			t.Errorf("warned %v", w.told)
		}
		c, _, w = warnedClient(t, nil)
		c.Close()
		w.warn()
		if n := testutil.ToFloat64(c.metrics.transitions["half_open"]); n != 0 {
			t.Error("it listens after its end")
		}
	})
}

// wires are those of each API.
type wires struct {
	wire
	of map[string]*wire
}

func (w *wires) Of(api string) Warnings {
	if w.of[api] == nil {
		w.of[api] = &wire{}
	}
	return w.of[api]
}

// Processes warn each other of the API that fails, and of no other.
func TestWarningsAreOfOneAPI(t *testing.T) {
	for _, apart := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			both := &wires{of: map[string]*wire{}}
			first, second := &both.wire, &wire{} // of a store that does not tell them apart
			var store Warnings = first
			if apart {
				store = both
			}
			sales := salesPolicy(t, Rules{})
			config := Config{
				Backend: &told{}, Warnings: store, Breaker: BreakerConfig{Failures: 1},
				Policies: []*Policy{sales}, Backends: map[string]Backend{"sales": &desk{name: "desk", answers: ends(Uncertain, ReasonServerError)}},
			}
			c := must(New(config))
			defer c.Close()
			if apart {
				first, second = both.of["stub"], both.of["desk"]
			}
			states := func(want string) {
				t.Helper()
				s := c.setup.Load()
				if got := s.breaker.state() + " " + s.named("desk").breaker.state(); got != want {
					t.Errorf("apart %v: the breakers are %s, want %s", apart, got, want)
				}
			}
			call := callNow("a", 1)
			call.Policy = sales
			if _, err := c.Offer(t.Context(), call); ReasonOf(err) != ReasonEligibilityUnknown {
				t.Error(err)
			}
			states("closed open")
			if first.warnings() != 0 || second.warnings() != map[bool]int{true: 1}[apart] {
				t.Errorf("apart %v: %d and %d warnings", apart, first.warnings(), second.warnings())
			}
			first.warn()
			states("half_open open")
			if !apart {
				return
			}
			config.Breaker.Failures = 2 // which makes other breakers
			if err := c.Reload(config); err != nil {
				t.Fatal(err)
			}
			states("closed closed")
			second.warn()
			states("closed half_open")
		})
	}
}
