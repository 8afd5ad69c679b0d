package deflect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// desk is a backend that has to be asked: it gives an id, which Send needs and it can tell of
// later.
type desk struct {
	stub
	name    string
	answers func(ctx context.Context, t *Text) Attempt // of Ask; nil is yes
	sends   func(ctx context.Context, t *Text) Attempt // nil is sent
	tickets time.Duration                              // how long they are good; 0 is for ever
	lag     time.Duration

	mu    sync.Mutex
	n     int
	log   []string
	shown map[string]bool // ids that it tells a text of
	meter func(call string, r Reason)
}

type deskTicket struct {
	number, id string
	made       time.Time
}

// says sets what Ask answers from now on.
func (d *desk) says(answers func(context.Context, *Text) Attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers = answers
}

func (d *desk) Name() string { return d.name }

func (d *desk) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, fmt.Sprintf(format, args...))
}

// went returns what was asked for since the last time.
func (d *desk) went() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	log := d.log
	d.log = nil
	return log
}

func (d *desk) Ask(ctx context.Context, t *Text) Attempt {
	d.note("ask")
	d.mu.Lock()
	answers := d.answers
	d.mu.Unlock()
	if answers != nil {
		if a := answers(ctx, t); a.Outcome != Sent {
			return a
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.n++
	t.CallID = fmt.Sprint("id-", d.n)
	t.Ticket = deskTicket{t.Customer.E164, t.CallID, time.Now()}
	return Attempt{Outcome: Sent, Reason: ReasonOK}
}

func (d *desk) Fresh(t *Text) bool {
	return d.tickets == 0 || time.Since(t.Ticket.(deskTicket).made) < d.tickets
}

func (d *desk) Send(ctx context.Context, t *Text) Attempt {
	ticket := t.Ticket.(deskTicket)
	d.note("send %s", ticket.id)
	if ticket.number != t.Customer.E164 || ticket.id != t.CallID {
		d.note("with the ticket of another")
	}
	if d.sends != nil {
		return d.sends(ctx, t)
	}
	return Attempt{Outcome: Sent, Reason: ReasonOK}
}

// deskDoubt is a text of an id.
type deskDoubt struct {
	desk *desk
	id   string
	told Told
}

func (d *deskDoubt) Told() Told { return d.told }

func (d *desk) Doubt(t *Text, _ time.Time) Doubt {
	if t.CallID == "" {
		return nil
	}
	return &deskDoubt{desk: d, id: t.CallID}
}

func (d *desk) LookUp(_ context.Context, doubts []Doubt) error {
	for _, one := range doubts {
		one := one.(*deskDoubt)
		d.note("look up %s", one.id)
		if one.desk != d {
			d.note("which is of another")
		}
		one.told.Lookups++
		one.told.Sent = d.shown[one.id]
	}
	return nil
}

func (d *desk) Find(_ context.Context, _, callID string, _ time.Time, _ time.Duration) Told {
	if callID == "" {
		return Told{Err: errors.New("nobody knows its id")}
	}
	return Told{Lookups: 1, Sent: d.shown[callID]}
}

func (d *desk) Lag() time.Duration { return d.lag }

func (d *desk) Calls() []string { return []string{"token", "domain"} }

func (d *desk) OnRequest(f func(call string, r Reason)) { d.meter = f }

func wantWent(t *testing.T, d *desk, what string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, d.went()); diff != "" {
		t.Errorf("%s: asked for (-want +got):\n%s", what, diff)
	}
}

func ends(o Outcome, r Reason) func(context.Context, *Text) Attempt {
	return func(context.Context, *Text) Attempt {
		return Attempt{Outcome: o, Reason: r, Err: errTold}
	}
}

var errTold = errors.New("the API said so")

func wantRequests(t *testing.T, c *Client, call string, r Reason, want float64) {
	t.Helper()
	if n := testutil.ToFloat64(c.metrics.requests.WithLabelValues(call, string(r))); n != want {
		t.Errorf("%s %s: %v requests counted, want %v", call, r, n, want)
	}
}

// What an API says before an offer is the refusal. What keeps it from saying anything is no
// offer either, and certainly no text; it can be read in the error and in the metrics.
func TestAskedBeforeAnOffer(t *testing.T) {
	for _, tt := range []struct {
		says    Attempt
		outcome Outcome
		reason  Reason
		class   error
	}{
		{Attempt{Outcome: Ineligible, Reason: ReasonNotEligible}, Ineligible, ReasonNotEligible, ErrIneligible},
		{Attempt{Outcome: Ineligible, Reason: ReasonOpenConversation}, Ineligible, ReasonOpenConversation, ErrIneligible},
		{Attempt{Outcome: Ineligible, Reason: ReasonNumberNotMobile}, Ineligible, ReasonNumberNotMobile, ErrIneligible},
		{Attempt{Outcome: Ineligible, Reason: ReasonOptedOut}, Ineligible, ReasonOptedOut, ErrIneligible},
		{Attempt{Outcome: Ineligible, Reason: ReasonRateLimited, NoSign: true}, Ineligible, ReasonRateLimited, ErrRateLimited},
		{Attempt{Outcome: Failed, Reason: ReasonRateLimited}, Ineligible, ReasonRateLimited, ErrRateLimited},
		{Attempt{Outcome: Failed, Reason: ReasonUnauthorized}, Failed, ReasonUnauthorized, ErrUnauthorized},
		{Attempt{Outcome: Failed, Reason: ReasonUnreachable}, Ineligible, ReasonEligibilityUnknown, ErrUnavailable},
		{Attempt{Outcome: Failed, Reason: ReasonRejected}, Ineligible, ReasonEligibilityUnknown, ErrRejected},
		{Attempt{Outcome: Failed, Reason: ReasonRedirected}, Ineligible, ReasonEligibilityUnknown, ErrRejected},
		{Attempt{Outcome: Uncertain, Reason: ReasonServerError}, Ineligible, ReasonEligibilityUnknown, ErrUnavailable},
		{Attempt{Outcome: Uncertain, Reason: ReasonConnectionLost}, Ineligible, ReasonEligibilityUnknown, ErrUnavailable},
		{Attempt{Outcome: Uncertain, Reason: ReasonBadResponse}, Ineligible, ReasonEligibilityUnknown, ErrBadResponse},
		{Attempt{Outcome: Failed, Reason: ReasonInternal}, Ineligible, ReasonEligibilityUnknown, ErrInternal},
	} {
		t.Run(string(tt.says.Outcome+" "+Outcome(tt.says.Reason)), func(t *testing.T) {
			tt.says.Err = errTold
			d := &desk{name: "desk", answers: func(context.Context, *Text) Attempt { return tt.says }}
			c := testClient(t, func(cfg *Config) { cfg.Backend = d })
			o, err := c.Offer(t.Context(), validCall())
			var e *Error
			if o != nil || !errors.As(err, &e) || e.Outcome != tt.outcome || e.Reason != tt.reason {
				t.Fatalf("Offer = %v, %v", o, err)
			}
			if !errors.Is(err, tt.class) || !errors.Is(err, errTold) || !NotSent(err) {
				t.Errorf("%v is not %v", err, tt.class)
			}
			if tt.reason == ReasonEligibilityUnknown && !strings.Contains(err.Error(), string(tt.says.Reason)) {
				t.Errorf("%q does not name %s", err, tt.says.Reason)
			}
			if !slices.Contains(Reasons(tt.outcome), tt.reason) {
				t.Errorf("%s %s cannot be counted", tt.outcome, tt.reason)
			}
			wantRequests(t, c, "eligibility", tt.says.Reason, 1)
			wantWent(t, d, "offer", "ask")
		})
	}
}

// An offer waits for all that it asks at most for AskDeadline, since its caller hears nothing.
func TestAskDeadline(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		list   time.Duration // how long the do-not-text list takes
		want   time.Duration
		reason Reason
	}{
		{"the API", nil, 0, 700 * time.Millisecond, ReasonEligibilityUnknown},
		{"the list and the API", nil, 600 * time.Millisecond, 700 * time.Millisecond, ReasonEligibilityUnknown},
		{"the list", nil, time.Hour, 700 * time.Millisecond, ReasonOptedOut},
		{"as configured", func(c *Config) { c.AskDeadline = 1500 * time.Millisecond }, 0, 1500 * time.Millisecond, ReasonEligibilityUnknown},
		{"a short live deadline", func(c *Config) { c.LiveDeadline = 300 * time.Millisecond }, 0, 300 * time.Millisecond, ReasonEligibilityUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{name: "desk", answers: func(ctx context.Context, _ *Text) Attempt {
					<-ctx.Done()
					return Attempt{Outcome: Uncertain, Reason: ReasonTimeout, Err: context.Cause(ctx)}
				}}
				c := testClient(t, func(cfg *Config) {
					cfg.Backend = d
					if tt.change != nil {
						tt.change(cfg)
					}
				})
				call := validCall()
				call.Policy = salesPolicy(t, Rules{DoNotText: slowList(tt.list)})
				began := time.Now()
				_, err := c.Offer(t.Context(), call)
				if took := time.Since(began); took != tt.want || ReasonOf(err) != tt.reason {
					t.Errorf("after %s: %v", took, err)
				}
				if !errors.Is(err, context.DeadlineExceeded) && tt.reason == ReasonOptedOut || strings.Contains(err.Error(), "live deadline") {
					t.Errorf("it says %v", err)
				}
				if tt.reason == ReasonEligibilityUnknown {
					wantRequests(t, c, "eligibility", ReasonTimeout, 1)
				}
			})
		})
	}
}

// slowList holds nobody, and takes a time.
type slowList time.Duration

func (l slowList) Holds(ctx context.Context, _ string) (bool, error) {
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(time.Duration(l)):
		return false, nil
	}
}

// A caller who leaves while the API is asked is nobody's refusal.
func TestAskedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk", answers: func(ctx context.Context, _ *Text) Attempt {
			<-ctx.Done()
			return Attempt{Outcome: Uncertain, Reason: ReasonCanceled, Err: ctx.Err()}
		}}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Breaker.Failures = d, 1 })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err := c.Offer(ctx, validCall())
		var e *Error
		if !errors.As(err, &e) || e.Outcome != Failed || e.Reason != ReasonCanceled || !NotSent(err) {
			t.Errorf("Offer: %v", err)
		}
		if s := c.setup.Load().breaker.state(); s != "closed" {
			t.Errorf("the breaker is %s", s)
		}
	})
}

// The answer of before the offer is used for the text while it is fresh, and for that number
// alone; else the API is asked again before the text, never instead of it.
func TestOldTicketIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk", tickets: 10 * time.Minute}
		c := testClient(t, func(cfg *Config) { cfg.Backend = d })
		for i, tt := range []struct {
			name  string
			waits time.Duration
			other bool
			want  []string
		}{
			{"fresh", 10*time.Minute - 1, false, []string{"ask", "send id-1"}},
			{"old", 10 * time.Minute, false, []string{"ask", "ask", "send id-3"}},
			{"of another number", 0, true, []string{"ask", "ask", "send id-5"}},
		} {
			call := callNow(fmt.Sprint(i), i)
			o := must(c.Offer(t.Context(), call))
			time.Sleep(tt.waits)
			if tt.other {
				o.Call.NumberOverride = "+14043438699"
			}
			res, err := o.Deflect(t.Context())
			if err != nil || res.Attempts != 1 {
				t.Errorf("%s: %+v, %v", tt.name, res, err)
			}
			wantWent(t, d, tt.name, tt.want...)
			if id := strings.TrimPrefix(tt.want[len(tt.want)-1], "send "); res.CallID != id {
				t.Errorf("%s: the API's id is %q, want %s", tt.name, res.CallID, id)
			}
		}
		if _, err := c.Deflect(t.Context(), callNow("without", 40)); err != nil {
			t.Error(err)
		}
		wantWent(t, d, "without an offer", "ask", "send id-6")
	})
}

// What an API says to a caller who has pressed the key is the end, without a text; what keeps
// it from saying anything may pass, and lets a text wait.
func TestAskedBeforeAText(t *testing.T) {
	for _, tt := range []struct {
		says    Attempt
		outcome Outcome
		reason  Reason
		waits   bool
	}{
		{Attempt{Outcome: Ineligible, Reason: ReasonNotEligible}, Ineligible, ReasonNotEligible, false},
		{Attempt{Outcome: Ineligible, Reason: ReasonOpenConversation}, Ineligible, ReasonOpenConversation, false},
		{Attempt{Outcome: Ineligible, Reason: ReasonRateLimited, NoSign: true}, Failed, ReasonRateLimited, true},
		{Attempt{Outcome: Failed, Reason: ReasonRateLimited}, Failed, ReasonRateLimited, true},
		{Attempt{Outcome: Failed, Reason: ReasonUnauthorized}, Failed, ReasonUnauthorized, false},
		{Attempt{Outcome: Uncertain, Reason: ReasonTimeout}, Failed, ReasonDeadline, true},
		{Attempt{Outcome: Uncertain, Reason: ReasonServerError}, Failed, ReasonEligibilityUnknown, true},
		{Attempt{Outcome: Failed, Reason: ReasonRejected}, Failed, ReasonEligibilityUnknown, true},
	} {
		t.Run(string(tt.says.Outcome+" "+Outcome(tt.says.Reason)), func(t *testing.T) {
			for _, later := range []time.Duration{0, time.Hour} {
				synctest.Test(t, func(t *testing.T) {
					tt.says.Err = errTold
					d := &desk{name: "desk", answers: func(context.Context, *Text) Attempt { return tt.says }}
					policy := salesPolicy(t, Rules{Budget: Budget{Texts: 1, Per: time.Hour}, Later: Later{Failed: later}})
					j := newMemoryJournal(10)
					c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = d, j, []*Policy{policy} })
					call := callNow("a", 1)
					call.Policy = policy
					res, err := c.Deflect(t.Context(), call)
					outcome := tt.outcome
					if tt.waits && later > 0 {
						outcome = Deferred
					}
					if res.Outcome != outcome || res.Reason != tt.reason || res.Attempts != 0 || !errors.Is(err, errTold) || NotSent(err) == (outcome == Deferred) {
						t.Fatalf("%+v, %v", res, err)
					}
					asks := []string{"ask"}
					if tt.says.Reason == ReasonServerError { // which may pass
						asks = []string{"ask", "ask", "ask"}
					}
					wantWent(t, d, "the call", asks...)
					if e, _ := j.Find(t.Context(), "a"); (e.State == Waiting) != (outcome == Deferred) || e.CallID != "" {
						t.Errorf("in the journal: %+v", e)
					}
					if outcome == Deferred {
						d.says(nil)
						time.Sleep(5 * time.Second)
						synctest.Wait()
						wantWent(t, d, "later", "ask", "send id-1")
						return
					}
					d.says(nil) // neither the cooldown nor the place is gone
					call.ExternalCallID = "b"
					if res, err := c.Deflect(t.Context(), call); err != nil {
						t.Errorf("the next call: %+v, %v", res, err)
					}
				})
			}
		})
	}
}

// An API that is asked before, and is asked too much, is left alone while the caller is on the
// line, however long that may take.
func TestRateLimitedAskerIsLeftToTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk"}
		d.sends = func(context.Context, *Text) Attempt {
			return Attempt{Outcome: Failed, Reason: ReasonRateLimited, RetryAfter: 5 * time.Second}
		}
		policy := salesPolicy(t, Rules{Later: Later{Failed: time.Hour}})
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Policies, cfg.LiveDeadline, cfg.Journal = d, []*Policy{policy}, 30*time.Second, newMemoryJournal(10)
		})
		call := callNow("a", 1)
		call.Policy = policy
		began := time.Now()
		res, err := c.Deflect(t.Context(), call)
		if res.Outcome != Deferred || res.Reason != ReasonRateLimited || time.Since(began) > time.Second {
			t.Errorf("%+v after %s: %v", res, time.Since(began), err)
		}
		wantWent(t, d, "the call", "ask", "send id-1")
		time.Sleep(6 * time.Second)
		wantWent(t, d, "later", "ask", "send id-2")
	})
}

// takenCooldowns count what was taken.
type takenCooldowns struct {
	Cooldowns
	taken int
}

func (c *takenCooldowns) Take(ctx context.Context, key, token string, lasts time.Duration) (bool, error) {
	c.taken++
	return c.Cooldowns.Take(ctx, key, token, lasts)
}

// A process that dies while it asks the API leaves nothing behind: the caller would be in a
// cooldown without a text, and one that was promised would be dropped by the next process.
func TestNothingIsTakenWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cooldowns := &takenCooldowns{Cooldowns: NewMemoryCooldowns()}
		d := &desk{name: "desk"}
		d.says(func(context.Context, *Text) Attempt {
			d.note("%d taken", cooldowns.taken)
			return Attempt{Outcome: Sent, Reason: ReasonOK}
		})
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Cooldowns = d, cooldowns })
		call := callNow("a", 1)
		call.Policy = salesPolicy(t, Rules{})
		if res, err := c.Deflect(t.Context(), call); err != nil {
			t.Errorf("%+v, %v", res, err)
		}
		wantWent(t, d, "the call", "ask", "0 taken", "send id-1")
		if cooldowns.taken != 1 {
			t.Errorf("%d taken", cooldowns.taken)
		}
	})
}

// A text that waited and that the API does not let be sent any more is dropped.
func TestWaitsAndIsNotEligible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk", sends: ends(Failed, ReasonUnreachable)}
		policy := salesPolicy(t, Rules{Later: Later{Failed: time.Hour}, Shared: "both", Budget: Budget{Texts: 1, Per: time.Hour}})
		j := newMemoryJournal(10)
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = d, j, []*Policy{policy} })
		call := callNow("a", 1)
		call.Policy = policy
		if res, _ := must(c.Offer(t.Context(), call)).Deflect(t.Context()); res.Outcome != Deferred {
			t.Fatalf("%+v", res)
		}
		wantWent(t, d, "the call", "ask", "send id-1", "send id-1", "send id-1")    // nothing of them left
		if e, _ := j.Find(t.Context(), "a"); e.State != Waiting || e.CallID != "" { // it is asked about anew
			t.Errorf("in the journal: %+v", e)
		}
		d.says(ends(Ineligible, ReasonOpenConversation))
		time.Sleep(time.Minute)
		synctest.Wait()
		wantWent(t, d, "later", "ask")
		if e, _ := j.Find(t.Context(), "a"); e.State != "" {
			t.Errorf("in the journal: %+v", e)
		}
		if n := testutil.ToFloat64(c.metrics.laterEnded[Ineligible][ReasonOpenConversation]); n != 1 {
			t.Errorf("counted %v times", n)
		}
		d.says(nil) // its place is free
		call.ExternalCallID = "b"
		o, err := c.Offer(t.Context(), call)
		if o.Release(); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
}

// An API that takes all of the time for its answer is not asked for a text whose end nobody
// would hear of any more.
func TestAnswerThatComesTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk", answers: func(context.Context, *Text) Attempt {
			time.Sleep(3900 * time.Millisecond)
			return Attempt{Outcome: Sent, Reason: ReasonOK}
		}}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Breaker.Failures = d, 1 })
		res, err := c.Deflect(t.Context(), validCall())
		if res.Outcome != Failed || res.Reason != ReasonDeadline || res.Attempts != 0 || !NotSent(err) {
			t.Errorf("%+v, %v", res, err)
		}
		wantWent(t, d, "the call", "ask")
		if s := c.setup.Load().breaker.state(); s != "open" {
			t.Errorf("the breaker is %s", s)
		}
	})
}

// That an API takes no text for a caller, when it is asked for one, is no text: the call is
// ineligible, and keeps neither cooldown nor place. It is a sign of a healthy API.
func TestIneligibleAtTheText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk", sends: ends(Ineligible, ReasonOpenConversation)}
		policy, j := salesPolicy(t, Rules{Budget: Budget{Texts: 1, Per: time.Hour}, Later: Later{Failed: time.Hour}}), newMemoryJournal(10)
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies, cfg.Breaker.Failures = d, j, []*Policy{policy}, 1
		})
		for i := range 3 {
			call := callNow(fmt.Sprint(i), 1)
			call.Policy = policy
			res, err := must(c.Offer(t.Context(), call)).Deflect(t.Context())
			if res.Outcome != Ineligible || res.Reason != ReasonOpenConversation || !errors.Is(err, ErrIneligible) || !NotSent(err) || res.Attempts != 1 {
				t.Errorf("%+v, %v", res, err)
			}
			if e, _ := j.Find(t.Context(), call.ExternalCallID); e.State != "" {
				t.Errorf("in the journal: %+v", e)
			}
		}
		wantRequests(t, c, "invite", ReasonOpenConversation, 3)
		if s := c.setup.Load().breaker.state(); s != "closed" {
			t.Errorf("the breaker is %s", s)
		}
	})
}

// Questions open the breaker, but no answer to one closes it: no text was seen to work. Our
// own rate is no sign of anything.
func TestQuestionsAndTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk", answers: func(context.Context, *Text) Attempt {
			return Attempt{Outcome: Ineligible, Reason: ReasonRateLimited, NoSign: true}
		}}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Breaker.Failures = d, 2 })
		state := func(what, want string) {
			t.Helper()
			if s := c.setup.Load().breaker.state(); s != want {
				t.Errorf("%s: the breaker is %s, want %s", what, s, want)
			}
		}
		ask := func() { _, _ = c.Offer(t.Context(), callNow("a", 1)) }
		ask()
		ask()
		state("our own rate", "closed")
		for _, yes := range []func(context.Context, *Text) Attempt{nil, ends(Ineligible, ReasonNotEligible), ends(Failed, ReasonRejected)} {
			d.says(ends(Uncertain, ReasonServerError))
			ask()
			ask()
			state("it fails", "open")
			time.Sleep(31 * time.Second)
			d.says(yes)
			o, _ := c.Offer(t.Context(), callNow("a", 1))
			o.Release()
			state("it answers", "half_open")
			d.says(nil)
			if res, err := c.Deflect(t.Context(), callNow(fmt.Sprint(time.Now()), 1)); err != nil {
				t.Fatalf("%+v, %v", res, err)
			}
			state("a text went out", "closed")
		}
	})
}

// Questions that fail now and then, among others that are answered, are no row of failures;
// and those that are answered end none of texts that fail.
func TestQuestionsFailInARow(t *testing.T) {
	n := 0
	d := &desk{name: "desk", answers: func(context.Context, *Text) Attempt {
		if n++; n%3 > 0 && n < 100 {
			return Attempt{Outcome: Uncertain, Reason: ReasonServerError}
		}
		return Attempt{Outcome: Sent, Reason: ReasonOK}
	}}
	c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Breaker.Failures = d, 3 })
	for range 99 {
		o, _ := c.Offer(t.Context(), callNow("a", 1))
		o.Release()
	}
	if s := c.setup.Load().breaker.state(); s != "closed" {
		t.Errorf("with questions that are answered in between the breaker is %s", s)
	}
	d.sends = ends(Uncertain, ReasonServerError)
	for i := range 3 {
		o, err := c.Offer(t.Context(), callNow(fmt.Sprint(i), i))
		if err != nil {
			t.Fatal(err)
		}
		if res, _ := o.Deflect(t.Context()); res.Outcome != Uncertain {
			t.Errorf("%+v", res)
		}
	}
	if s := c.setup.Load().breaker.state(); s != "open" {
		t.Errorf("with texts that fail the breaker is %s", s)
	}
}

// The journal knows the API's id of a call, and which API it is, from before the request on:
// after a crash that one is asked about the text.
func TestCallIDIsKeptBeforeTheText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newMemoryJournal(10)
		var during Entry
		d := &desk{name: "desk", shown: map[string]bool{"id-1": true}}
		d.sends = func(_ context.Context, txt *Text) Attempt {
			during, _ = j.Find(context.Background(), txt.Call.ExternalCallID)
			return Attempt{Outcome: Uncertain, Reason: ReasonConnectionLost}
		}
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal = d, j })
		res, _ := c.Deflect(t.Context(), callNow("a", 1))
		if res.Outcome != Uncertain || res.CallID != "id-1" {
			t.Errorf("%+v", res)
		}
		if e, _ := j.Find(t.Context(), "a"); during.State != Sending || during.CallID != "id-1" || e.State != Doubted || e.CallID != "id-1" {
			t.Errorf("while the request is out: %+v; then %+v", during, e)
		}
		c.Close()
		d.went()
		for _, kept := range []Entry{during, must(j.Find(t.Context(), "a"))} {
			for _, tt := range []struct {
				name     string
				backends []*desk // the first is the default
				want     SettleResult
				id       string
			}{
				{"the same one", []*desk{d}, SettledSent, "id-1"},
				{"another one", []*desk{{name: "other", shown: d.shown}}, SettledUnknown, ""},
				{"both", []*desk{{name: "other"}, d}, SettledSent, "id-1"},
			} {
				after := newMemoryJournal(10)
				after.Note(kept)
				var heard []Settlement
				p := salesPolicy(t, Rules{})
				c := testClient(t, func(cfg *Config) {
					cfg.Backend, cfg.Journal, cfg.Policies = tt.backends[0], after, []*Policy{p}
					if len(tt.backends) > 1 {
						cfg.Backends = map[string]Backend{"sales": tt.backends[1]}
					}
					cfg.OnSettled = func(s Settlement) { heard = append(heard, s) }
				})
				if res, _ := c.Deflect(t.Context(), callNow("a", 1)); res.Outcome != Uncertain || !res.Repeated || res.CallID != "id-1" {
					t.Errorf("%s: again: %+v", tt.name, res)
				}
				time.Sleep(time.Hour)
				c.Close()
				if len(heard) != 1 || heard[0].Result != tt.want || (heard[0].Err == nil) != (tt.want == SettledSent) {
					t.Errorf("%s after %s: settled %+v", tt.name, kept.State, heard)
				}
				for _, b := range tt.backends {
					want := []string(nil)
					if b == d {
						want = []string{"look up id-1"}
					}
					wantWent(t, b, tt.name, want...)
				}
			}
		}
	})
}

// settlements are what was heard of.
type settlements struct {
	mu    sync.Mutex
	heard []Settlement
}

func (s *settlements) hear(v Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, v)
}

func (s *settlements) all() []Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.heard)
}

// Doubts of two APIs that are due at the same time are looked up where they are known.
func TestDoubtsOfTwoBackends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &desk{name: "a", sends: ends(Uncertain, ReasonTimeout), shown: map[string]bool{"id-1": true}}
		b := &desk{name: "b", sends: ends(Uncertain, ReasonTimeout), lag: 20 * time.Minute}
		var heard settlements
		p := salesPolicy(t, Rules{})
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Policies, cfg.Backends, cfg.OnSettled = a, []*Policy{p}, map[string]Backend{"sales": b}, heard.hear
		})
		if res, _ := c.Deflect(t.Context(), callNow("of a", 1)); res.Outcome != Uncertain {
			t.Errorf("%+v", res)
		}
		call := callNow("of b", 2)
		call.Policy = p
		if res, _ := c.Deflect(t.Context(), call); res.Outcome != Uncertain {
			t.Errorf("%+v", res)
		}
		a.went()
		b.went()
		time.Sleep(20 * time.Second)
		wantWent(t, a, "at first", "look up id-1")
		wantWent(t, b, "at first", "look up id-1")
		time.Sleep(time.Hour)
		wantWent(t, a, "later") // it was told
		got := map[string]SettleResult{}
		for _, s := range heard.all() {
			got[s.ExternalCallID] = s.Result
		}
		if diff := cmp.Diff(map[string]SettleResult{"of a": SettledSent, "of b": SettledNotSent}, got); diff != "" {
			t.Errorf("settled (-want +got):\n%s", diff)
		}
	})
}

// An API that tells late is believed late: before its lag that it shows no text is no proof.
func TestSettleWaitsForTheLag(t *testing.T) {
	for _, tt := range []struct {
		lag, limit, want time.Duration
	}{
		{0, 10 * time.Minute, 10 * time.Minute},
		{25 * time.Minute, 10 * time.Minute, 25 * time.Minute},
		{25 * time.Minute, time.Hour, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			var heard settlements
			d := &desk{name: "desk", lag: tt.lag, sends: ends(Uncertain, ReasonTimeout)}
			c := testClient(t, func(cfg *Config) {
				cfg.Backend, cfg.Settle.Limit = d, tt.limit
				cfg.OnSettled = heard.hear
			})
			at := time.Now()
			if res, _ := c.Deflect(t.Context(), callNow("a", 1)); res.Outcome != Uncertain {
				t.Fatalf("%+v", res)
			}
			time.Sleep(tt.want - time.Second)
			synctest.Wait()
			if v := c.Settle(t.Context(), "a", at); v.Result != SettledUnknown || !errors.Is(v.Err, ErrTooEarly) {
				t.Errorf("Settle: %+v", v)
			}
			if all := heard.all(); all != nil {
				t.Errorf("after %s: %+v", tt.want-time.Second, all)
			}
			time.Sleep(time.Minute)
			if all := heard.all(); len(all) != 1 || all[0].Result != SettledNotSent {
				t.Errorf("after %s: %+v", tt.want+time.Minute, all)
			}
			if v := c.Settle(t.Context(), "a", at); v.Result != SettledNotSent {
				t.Errorf("Settle: %+v", v)
			}
		})
	}
}

// Who asks by hand what became of a text is told of a sent one by any backend; that there is
// none say all of them together.
func TestSettleAsksEveryBackend(t *testing.T) {
	a, b := &desk{name: "a"}, &desk{name: "b", shown: map[string]bool{"id-7": true}}
	j, p := newMemoryJournal(10), salesPolicy(t, Rules{})
	c := testClient(t, func(cfg *Config) {
		cfg.Backend, cfg.Journal, cfg.Policies, cfg.Backends = a, j, []*Policy{p}, map[string]Backend{"sales": b}
	})
	at := time.Now().Add(-time.Hour)
	for id, want := range map[string]SettleResult{"id-7": SettledSent, "id-8": SettledNotSent, "": SettledUnknown} {
		j.Note(Entry{ExternalCallID: "x", State: Ended, Outcome: Uncertain, Reason: ReasonTimeout, CallID: id, Until: time.Now().Add(time.Hour)})
		if v := c.Settle(t.Context(), "x", at); v.Result != want || v.ExternalCallID != "x" || (v.Err != nil) != (want == SettledUnknown) {
			t.Errorf("%q: %+v", id, v)
		}
	}
	c = testClient(t, func(cfg *Config) { // the default one cannot tell
		cfg.Journal, cfg.Policies, cfg.Backends = j, []*Policy{p}, map[string]Backend{"sales": b}
	})
	j.Note(Entry{ExternalCallID: "x", State: Ended, Outcome: Uncertain, Reason: ReasonTimeout, CallID: "id-8", Until: time.Now().Add(time.Hour)})
	if v := c.Settle(t.Context(), "x", at); v.Result != SettledUnknown || v.Err != errCannotTell {
		t.Errorf("%+v", v)
	}
}

// Two APIs are two breakers: one that fails keeps no caller of the other from an offer.
func TestBackendOfAPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		front, d := &told{}, &desk{name: "desk"}
		old := must(NewPolicy("old", Rules{NoCooldown: true}))
		sales := salesPolicy(t, Rules{NoCooldown: true, Later: Later{Failed: time.Hour}})
		config := Config{
			Backend: front, Backends: map[string]Backend{"sales": d}, Policies: []*Policy{old, sales},
			Journal: newMemoryJournal(100), Registerer: reg, Breaker: BreakerConfig{Failures: 2},
		}
		c := must(New(config))
		defer c.Close()
		n := 0
		of := func(p *Policy) Call {
			n++
			call := callNow(fmt.Sprint(n), n)
			call.Policy = p
			return call
		}
		states := func(want string) {
			t.Helper()
			want = "# HELP deflect_breaker_state How many breakers are in the state: there is one for each API.\n# TYPE deflect_breaker_state gauge\n" + want
			if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "deflect_breaker_state"); err != nil {
				t.Error(err)
			}
		}
		const closed = "deflect_breaker_state{state=\"closed\"} 2\ndeflect_breaker_state{state=\"half_open\"} 0\ndeflect_breaker_state{state=\"open\"} 0\n"
		states(closed)
		for _, p := range []*Policy{old, nil, {}} {
			if _, err := must(c.Offer(t.Context(), of(p))).Deflect(t.Context()); err != nil {
				t.Error(err)
			}
		}
		wantWent(t, d, "of the default")
		if got := len(front.went()); got != 3 {
			t.Errorf("%d texts of the default", got)
		}
		if _, err := must(c.Offer(t.Context(), of(sales))).Deflect(t.Context()); err != nil {
			t.Error(err)
		}
		wantWent(t, d, "of its own", "ask", "send id-1")

		d.says(ends(Uncertain, ReasonServerError))
		kept := of(sales)
		for range 2 {
			_, _ = c.Offer(t.Context(), of(sales))
		}
		states("deflect_breaker_state{state=\"closed\"} 1\ndeflect_breaker_state{state=\"half_open\"} 0\ndeflect_breaker_state{state=\"open\"} 1\n")
		d.went()
		if _, err := c.Offer(t.Context(), of(sales)); ReasonOf(err) != ReasonBreakerOpen {
			t.Errorf("while it is open: %v", err)
		}
		explained := func(p *Policy, answer RuleAnswer, detail string) {
			t.Helper()
			vs := c.Explain(t.Context(), of(p), time.Now())
			if v := vs[len(vs)-1]; v.Answer != answer || v.Detail != detail {
				t.Errorf("explained: %+v, want %s: %s", v, answer, detail)
			}
		}
		explained(sales, RuleRefuse, ErrBreakerOpen.Error())
		explained(old, RulePass, "closed")
		wantWent(t, d, "while it is open")
		if _, err := must(c.Offer(t.Context(), of(old))).Deflect(t.Context()); err != nil {
			t.Errorf("of the other: %v", err)
		}
		if res, _ := c.Deflect(t.Context(), kept); res.Outcome != Deferred || res.Reason != ReasonBreakerOpen {
			t.Errorf("%+v", res)
		}
		d.says(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		wantWent(t, d, "later", "ask", "send id-2") // by its own backend
		explained(sales, RulePass, "closed; the API is asked about the caller after the rules")
		wantWent(t, d, "explained")
		states(closed)

		// A profile can change its API; what was asked of one is sent by that one.
		call := of(sales)
		o := must(c.Offer(t.Context(), call))
		config.Backends = nil
		if err := c.Reload(config); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Deflect(t.Context()); err != nil {
			t.Error(err)
		}
		wantWent(t, d, "of before the reload", "ask", "send id-3")
		before := len(front.went())
		if _, err := must(c.Offer(t.Context(), of(sales))).Deflect(t.Context()); err != nil || len(front.went()) != before+1 {
			t.Errorf("after the reload: %v", err)
		}
		wantWent(t, d, "after the reload")
		config.Backends = map[string]Backend{"sales": &told{}}
		if err := c.Reload(config); !errors.Is(err, ErrInvalidConfig) {
			t.Errorf("another one of the name: %v", err)
		}
	})
}

// Every series of the requests that a configured backend can make is there from the start,
// and none of others.
func TestRequestsAreCountedByCall(t *testing.T) {
	calls := func(reg *prometheus.Registry, name string) (calls []string) {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "call" {
						n[l.GetValue()]++
					}
				}
			}
		}
		for call, n := range n {
			calls = append(calls, fmt.Sprint(call, " ", n > 15 || name != "deflect_requests_total"))
		}
		slices.Sort(calls)
		return calls
	}
	for _, tt := range []struct {
		config          Config
		requests, takes []string
	}{
		{Config{Backend: stub{}}, []string{"invite true"}, []string{"invite true"}},
		{Config{Backend: &desk{name: "desk"}}, []string{"domain true", "eligibility true", "invite true", "token true"}, []string{"eligibility true", "invite true"}},
		{
			Config{Backend: stub{}, Backends: map[string]Backend{"sales": &desk{name: "desk"}}, Policies: []*Policy{salesPolicy(t, Rules{})}},
			[]string{"domain true", "eligibility true", "invite true", "token true"}, []string{"eligibility true", "invite true"},
		},
	} {
		reg := prometheus.NewRegistry()
		tt.config.Registerer = reg
		c := must(New(tt.config))
		if diff := cmp.Diff(tt.requests, calls(reg, "deflect_requests_total")); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(tt.takes, calls(reg, "deflect_request_duration_seconds")); diff != "" {
			t.Errorf("durations (-want +got):\n%s", diff)
		}
		if d, is := tt.config.Backend.(*desk); is {
			d.meter("token", ReasonUnauthorized)
			d.meter("token", "nonsense")
			d.meter("nonsense", ReasonOK)
			wantRequests(t, c, "token", ReasonUnauthorized, 1)
			wantRequests(t, c, "token", ReasonInternal, 1)
			if diff := cmp.Diff(tt.requests, calls(reg, "deflect_requests_total")); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		}
		c.Close()
	}
}

func TestBackendsAreValidated(t *testing.T) {
	d, sales := &desk{name: "desk"}, salesPolicy(t, Rules{})
	for want, change := range map[string]func(*Config){
		"":                            func(c *Config) { c.Backends = map[string]Backend{"sales": d} },
		"Backends[\"other\"]: is of":  func(c *Config) { c.Backends = map[string]Backend{"other": d} },
		"Backends[\"sales\"]: is nil": func(c *Config) { c.Backends = map[string]Backend{"sales": nil} },
		"Backends[\"sales\"]: has the name of another backend": func(c *Config) { c.Backends = map[string]Backend{"sales": &told{}} },
		"Backend: has the name \"Live Deflect\"":               func(c *Config) { c.Backend = &desk{name: "Live Deflect"} },
		"AskDeadline: is 5s":                                   func(c *Config) { c.AskDeadline = 5 * time.Second },
		"AskDeadline: is -1s":                                  func(c *Config) { c.AskDeadline = -time.Second },
	} {
		cfg := validConfig()
		cfg.Policies = []*Policy{sales}
		change(&cfg)
		got := ""
		if err := cfg.Validate(); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// uncomparable is a backend that == panics for.
type uncomparable struct {
	stub
	_ []int
}

func TestBackendThatCannotBeCompared(t *testing.T) {
	sales := salesPolicy(t, Rules{})
	cfg := Config{Backend: uncomparable{}, Policies: []*Policy{sales}, Backends: map[string]Backend{"sales": uncomparable{}}}
	if err := cfg.Validate(); !errors.Is(err, ErrInvalidConfig) {
		t.Errorf("Validate: %v", err)
	}
}

// About a caller who has asked for a text already nobody is asked in the short time of an
// offer: the question and the text have the live deadline together.
func TestAskedForAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{name: "desk"}
		c := testClient(t, func(cfg *Config) { cfg.Backend = d })
		call := callNow("a", 1)
		call.Accepted = time.Now()
		o := must(c.Offer(t.Context(), call))
		wantWent(t, d, "the offer")
		if res, err := o.Deflect(t.Context()); err != nil {
			t.Errorf("%+v, %v", res, err)
		}
		wantWent(t, d, "the text", "ask", "send id-1")

		d.says(func(ctx context.Context, _ *Text) Attempt {
			<-ctx.Done()
			return Attempt{Outcome: Uncertain, Reason: ReasonTimeout}
		})
		start := time.Now()
		call.ExternalCallID = "b"
		o = must(c.Offer(t.Context(), call))
		res, _ := o.Deflect(t.Context())
		if took, deadline := time.Since(start), DefaultConfig().LiveDeadline; res.Reason != ReasonDeadline || took != deadline {
			t.Errorf("%+v after %s, want %s", res, took, deadline)
		}
	})
}
