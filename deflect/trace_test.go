package deflect

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// heardSteps is what the hooks of a Trace heard, a line each, and whether what is inside of
// something ran with its context.
type heardSteps struct {
	mu    sync.Mutex
	lines []string
}

type stepKey struct{}

func (h *heardSteps) hear(ctx context.Context, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	within, _ := ctx.Value(stepKey{}).(string)
	h.lines = append(h.lines, within+"> "+fmt.Sprintf(format, args...))
}

func (h *heardSteps) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.lines...)
}

func inside(ctx context.Context, what string) context.Context {
	within, _ := ctx.Value(stepKey{}).(string)
	return context.WithValue(ctx, stepKey{}, strings.TrimPrefix(within+"/"+what, "/"))
}

func (h *heardSteps) hooks() *Trace {
	result := func(what string) func(context.Context, *Call) (context.Context, func(Result, error)) {
		return func(ctx context.Context, c *Call) (context.Context, func(Result, error)) {
			h.hear(ctx, "%s %s", what, c.ExternalCallID)
			return inside(ctx, what), func(r Result, err error) {
				h.hear(ctx, "%s: %s %s, %d attempts, %v", what, r.Outcome, r.Reason, r.Attempts, ReasonOf(err) == r.Reason)
			}
		}
	}
	attempt := func(what string) func(context.Context, *Text) (context.Context, func(Attempt)) {
		return func(ctx context.Context, t *Text) (context.Context, func(Attempt)) {
			h.hear(ctx, "%s %s", what, t.Customer.E164)
			return inside(ctx, what), func(a Attempt) { h.hear(ctx, "%s: %s %s", what, a.Outcome, a.Reason) }
		}
	}
	return &Trace{
		Offer: func(ctx context.Context, c *Call) (context.Context, func(*Offer, error)) {
			h.hear(ctx, "offer %s", c.ExternalCallID)
			return inside(ctx, "offer"), func(o *Offer, err error) { h.hear(ctx, "offer: %v %s", o != nil, ReasonOf(err)) }
		},
		Check: func(ctx context.Context, c *Call) (context.Context, func(error)) {
			h.hear(ctx, "check %s", c.ExternalCallID)
			return inside(ctx, "check"), func(err error) { h.hear(ctx, "check: %s", ReasonOf(err)) }
		},
		Deflect: result("deflect"),
		Later: func(ctx context.Context, c *Call, tries int) (context.Context, func(Result, error)) {
			return result(fmt.Sprintf("later %d", tries))(ctx, c)
		},
		Verdict: func(ctx context.Context, v Verdict) {
			if v.Answer != RulePass || v.Rule == "country" && v.Detail != "any country" {
				h.hear(ctx, "%s %s %s %s", v.Rule, v.Answer, v.Reason, v.Detail)
			}
		},
		Ask:     attempt("ask"),
		Attempt: attempt("attempt"),
		Settled: func(s Settlement) { h.hear(context.Background(), "settled %s %s", s.ExternalCallID, s.Result) },
	}
}

// teller is a backend of which the hooks hear all: it is asked before, fails once, and can
// tell later.
type teller struct {
	stub
	h    *heardSteps
	send func(ctx context.Context, n int) Attempt
	n    int
}

func (b *teller) Ask(ctx context.Context, t *Text) Attempt {
	b.h.hear(ctx, "asked")
	return Attempt{Outcome: Sent, Reason: ReasonOK}
}

func (b *teller) Send(ctx context.Context, t *Text) Attempt {
	b.n++
	b.h.hear(ctx, "sent")
	return b.send(ctx, b.n)
}

func (b *teller) Doubt(*Text, time.Time) Doubt          { return sureDoubt{} }
func (b *teller) LookUp(context.Context, []Doubt) error { return nil }
func (b *teller) Fresh(*Text) bool                      { return true }
func (b *teller) Lag() time.Duration                    { return 0 }
func (b *teller) Find(context.Context, string, string, time.Time, time.Duration) Told {
	return Told{Sent: true}
}

type sureDoubt struct{}

func (sureDoubt) Told() Told { return Told{Sent: true, SentAt: time.Now(), Lookups: 1} }

// Every step of a call is heard in its order, and what is inside of one has its context:
// down to the backend.
func TestTraceHearsEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heardSteps{}
		api := &teller{h: h, send: func(_ context.Context, n int) Attempt {
			switch n {
			case 1:
				return Attempt{Outcome: Failed, Reason: ReasonUnreachable}
			case 2:
				return Attempt{Outcome: Uncertain, Reason: ReasonTimeout}
			}
			return Attempt{Outcome: Sent, Reason: ReasonOK}
		}}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Trace = api, h.hooks() })
		call := callNow("a", 0)
		call.Policy = salesPolicy(t, Rules{Countries: []string{"US"}})
		ctx := inside(t.Context(), "call")
		o, err := c.Offer(ctx, call)
		if err != nil {
			t.Fatal(err)
		}
		o.Deflect(ctx) //nolint:errcheck // it is uncertain
		o.Deflect(ctx) //nolint:errcheck // again: nothing is done
		call.ExternalCallID, call.ANI = "b", "+4915112345678"
		c.Offer(ctx, call) //nolint:errcheck // it is refused
		c.Check(ctx, call) //nolint:errcheck // it is refused too
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []string{
			"call> offer a", "call/offer> country pass  the number is of US", "call/offer> ask +14043438600", "call/offer/ask> asked",
			"call/offer> ask: sent ok", "call> offer: true ok",
			"call> deflect a", "call/deflect> country pass  the number is of US",
			"call/deflect> attempt +14043438600", "call/deflect/attempt> sent", "call/deflect> attempt: failed unreachable",
			"call/deflect> attempt +14043438600", "call/deflect/attempt> sent", "call/deflect> attempt: uncertain timeout",
			"call> deflect: uncertain timeout, 2 attempts, true",
			"call> offer b", "call/offer> country refuse country the number is of DE, which is not among the countries", "call> offer: false country",
			"call> check b", "call/check> country refuse country the number is of DE, which is not among the countries", "call> check: country",
			"> settled a sent",
		}
		if diff := cmp.Diff(want, h.all()); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	})
}

// A text that waits is heard of each time when it is tried, until it ends.
func TestTraceHearsOfTextsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heardSteps{}
		rules := laterRules()
		rules.Hours = Hours{}
		policy, api := salesPolicy(t, rules), &told{}
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies, cfg.Trace = api, newMemoryJournal(100), []*Policy{policy}, h.hooks()
		})
		began := time.Now()
		api.tell(func(context.Context, *Text) Attempt {
			if time.Since(began) < 15*time.Second {
				return Attempt{Outcome: Failed, Reason: ReasonRateLimited}
			}
			return Attempt{Outcome: Sent, Reason: ReasonOK}
		})
		call := callNow("a", 0)
		call.Policy = policy
		c.Deflect(inside(t.Context(), "call"), call) //nolint:errcheck // it waits
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []string{
			"call> deflect a", "call/deflect> attempt +14043438600", "call/deflect> attempt: failed rate_limited",
			"call> deflect: deferred rate_limited, 1 attempts, true",
			"> later 0 a", "later 0> attempt +14043438600", "later 0> attempt: failed rate_limited", "> later 0: deferred rate_limited, 1 attempts, true",
			"> later 1 a", "later 1> attempt +14043438600", "later 1> attempt: sent ok", "> later 1: sent ok, 1 attempts, true",
		}
		if diff := cmp.Diff(want, h.all()); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	})
}

// Nobody hears more of a call that nobody traces.
func TestTraceOfOthersIsNotHeard(t *testing.T) {
	h := &heardSteps{}
	hooks := h.hooks()
	hooks.Offer = func(ctx context.Context, _ *Call) (context.Context, func(*Offer, error)) { return ctx, nil }
	hooks.Check = func(ctx context.Context, _ *Call) (context.Context, func(error)) { return ctx, nil }
	hooks.Deflect = func(context.Context, *Call) (context.Context, func(Result, error)) { return nil, nil }
	hooks.Attempt = func(context.Context, *Text) (context.Context, func(Attempt)) { return nil, nil }
	c := testClient(t, func(cfg *Config) { cfg.Trace = hooks })
	call := callNow("a", 0)
	call.Policy = salesPolicy(t, Rules{Countries: []string{"US"}})
	o, err := c.Offer(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(t.Context(), call); err != nil {
		t.Error(err)
	}
	if res, err := o.Deflect(t.Context()); err != nil || res.Outcome != Sent {
		t.Errorf("Deflect = %+v, %v", res, err)
	}
	if got := h.all(); got != nil {
		t.Errorf("heard %q", got)
	}
}

// A defect of a hook costs a gap in the trace, and no text. A context without the deadline
// of the call is not used.
func TestTraceThatPanics(t *testing.T) {
	for _, at := range []string{"begin", "end", "foreign context"} {
		synctest.Test(t, func(t *testing.T) {
			begin := func() {
				if at == "begin" {
					panic("of +14043438600")
				}
			}
			end := func() { panic("of +14043438600") }
			var log bytes.Buffer
			api := &told{}
			api.tell(func(ctx context.Context, _ *Text) Attempt {
				<-ctx.Done()
				return Attempt{Outcome: Uncertain, Reason: ReasonTimeout}
			})
			c := testClient(t, func(cfg *Config) {
				cfg.Backend, cfg.Logger = api, slog.New(slog.NewJSONHandler(&log, nil))
				cfg.Trace = &Trace{
					Offer: func(ctx context.Context, _ *Call) (context.Context, func(*Offer, error)) {
						begin()
						return nil, func(*Offer, error) { end() }
					},
					Deflect: func(ctx context.Context, _ *Call) (context.Context, func(Result, error)) {
						begin()
						return nil, func(Result, error) { end() }
					},
					Check: func(ctx context.Context, _ *Call) (context.Context, func(error)) {
						begin()
						return nil, func(error) { end() }
					},
					Verdict: func(context.Context, Verdict) { panic("of +14043438600") },
					Attempt: func(ctx context.Context, _ *Text) (context.Context, func(Attempt)) {
						begin()
						return context.Background(), func(Attempt) { end() }
					},
					Settled: func(Settlement) { panic("of +14043438600") },
				}
			})
			o, err := c.Offer(t.Context(), callNow("a", 0))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Check(t.Context(), callNow("a", 0)); err != nil {
				t.Errorf("%s: Check = %v", at, err)
			}
			if res, err := o.Deflect(t.Context()); err == nil || res.Reason != ReasonTimeout || res.Attempts != 1 {
				t.Errorf("%s: Deflect = %+v, %v", at, res, err)
			}
			c.Close()
			if text := log.String(); !strings.Contains(text, "a hook of Trace panicked") || strings.Contains(text, "4043438600") {
				t.Errorf("%s: the log says\n%s", at, text)
			}
		})
	}
}

// A hook hears the end of what a backend's panic ended: the text may have been sent.
func TestTraceHearsOfAPanic(t *testing.T) {
	h := &heardSteps{}
	api := &teller{h: h, send: func(context.Context, int) Attempt { panic("a defect") }}
	c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Trace = api, h.hooks() })
	func() {
		defer func() { recover() }()
		c.Deflect(t.Context(), callNow("a", 0)) //nolint:errcheck // it panics
	}()
	got := h.all()
	want := []string{"deflect/attempt> sent", "deflect> attempt: uncertain internal", "> deflect: uncertain internal, 0 attempts, true"}
	if diff := cmp.Diff(want, got[max(0, len(got)-3):]); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}
