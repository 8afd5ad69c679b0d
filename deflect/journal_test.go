package deflect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// told is a backend that ends each text as it is told.
type told struct {
	stub
	mu    sync.Mutex
	send  func(ctx context.Context, t *Text) Attempt // nil says that it was sent
	texts []string                                   // the ids of the calls, with the numbers that were texted
}

func (b *told) Send(ctx context.Context, t *Text) Attempt {
	b.mu.Lock()
	send := b.send
	b.mu.Unlock()
	a := Attempt{Outcome: Sent, Reason: ReasonOK, CallID: "c-1"}
	if send != nil {
		a = send(ctx, t)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.Outcome != Failed {
		b.texts = append(b.texts, t.Call.ExternalCallID+" "+t.Customer.E164)
	}
	return a
}

func (b *told) tell(send func(context.Context, *Text) Attempt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.send = send
}

func (b *told) went() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.texts
}

func always(o Outcome, r Reason) func(context.Context, *Text) Attempt {
	return func(context.Context, *Text) Attempt { return Attempt{Outcome: o, Reason: r} }
}

// seen is the doubt of a Teller that shows every text.
type seen struct{ lookups int }

func (s *seen) Told() Told {
	return Told{Sent: s.lookups > 0, CallID: "c-2", Lookups: s.lookups}
}

func (b *told) Doubt(*Text, time.Time) Doubt { return &seen{} }

func (b *told) LookUp(_ context.Context, doubts []Doubt) error {
	for _, d := range doubts {
		d.(*seen).lookups++
	}
	return nil
}

func (b *told) Find(context.Context, string, string, time.Time, time.Duration) Told {
	return Told{}
}
func (b *told) Lag() time.Duration { return 0 }

func TestSameCallIsOneText(t *testing.T) {
	policy, err := NewPolicy("sales", Rules{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Policy{nil, policy} {
		for _, first := range []struct {
			o Outcome
			r Reason
		}{{Sent, ReasonOK}, {Uncertain, ReasonServerError}, {Uncertain, ReasonInternal}} {
			for _, kept := range []bool{false, true} {
				t.Run(fmt.Sprint(p.Name(), first, kept), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						api := &told{send: func(context.Context, *Text) Attempt {
							time.Sleep(time.Second)
							return Attempt{Outcome: first.o, Reason: first.r, CallID: "c-1"}
						}}
						var journal Journal
						if kept {
							journal = newMemoryJournal(10)
						}
						settle := SettleConfig{Disabled: true}
						c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Settle = api, journal, settle })
						call := validCall()
						call.Policy = p
						results := make(chan Result, 20)
						for range 20 {
							go func() {
								res, _ := c.Deflect(t.Context(), call)
								results <- res
							}()
						}
						synctest.Wait()
						repeated := 0
						for range 20 {
							res := <-results
							if res.Outcome != first.o || res.Reason != first.r || res.CallID != "c-1" {
								t.Errorf("%+v, want %v", res, first)
							}
							if res.Repeated {
								repeated++
							}
						}
						if got := api.went(); len(got) != 1 || repeated != 19 {
							t.Errorf("texts %v, %d repeated; want one, and 19", got, repeated)
						}
						if n := testutil.ToFloat64(c.metrics.outcome("", first.o, first.r)); n != 1 {
							t.Errorf("counted %v times", n)
						}
						if n := testutil.ToFloat64(c.metrics.repeated); n != 19 {
							t.Errorf("%v repeated are counted", n)
						}
						if !kept {
							return
						}
						c.Close()
						after := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Settle = api, journal, settle })
						if res, err := after.Deflect(t.Context(), call); !res.Repeated || res.Outcome != first.o || (err == nil) != (first.o == Sent) {
							t.Errorf("after a restart: %+v, %v", res, err)
						}
						time.Sleep(24 * time.Hour)
						call.Start, call.Accepted = time.Now(), time.Now()
						if res, _ := after.Deflect(t.Context(), call); res.Repeated {
							t.Errorf("a day later it is remembered: %+v", res)
						}
					})
				})
			}
		}
	}
}

// What certainly was not sent can be asked for again.
func TestFailedCallCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &told{send: always(Failed, ReasonRejected)}
		c := testClient(t, func(cfg *Config) { cfg.Backend = api })
		for i := range 2 {
			if res, _ := c.Deflect(t.Context(), validCall()); res.Outcome != Failed || res.Repeated {
				t.Errorf("%d: %+v", i, res)
			}
		}
		api.tell(nil)
		if res, err := c.Deflect(t.Context(), validCall()); err != nil || res.Repeated {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// brokenJournal is one that breaks from a time on.
type brokenJournal struct {
	*memoryJournal
	find, change func(context.Context) error
}

func (b *brokenJournal) Find(ctx context.Context, id string) (Entry, error) {
	if b.find != nil {
		if err := b.find(ctx); err != nil {
			return Entry{}, err
		}
	}
	return b.memoryJournal.Find(ctx, id)
}

func (b *brokenJournal) Change(ctx context.Context, from State, e Entry) (bool, error) {
	if b.change != nil {
		if err := b.change(ctx); err != nil {
			b.memoryJournal.Note(e) // it may have been kept
			return false, err
		}
	}
	return b.memoryJournal.Change(ctx, from, e)
}

func TestNoTextWithoutTheJournal(t *testing.T) {
	full := func(context.Context) error {
		return errors.New("write journal.db of +14043438646: no space left on device")
	}
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, tt := range []struct {
		name         string
		find, change func(context.Context) error
		waited       time.Duration
	}{
		{"cannot be read", full, nil, 0},
		{"cannot be read in time", hangs, nil, journalWithin},
		{"cannot be written", nil, full, 0},
		{"cannot be written in time", nil, hangs, journalWithin},
	} {
		for _, optional := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, optional), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					api := &told{}
					j := &brokenJournal{newMemoryJournal(10), tt.find, tt.change}
					c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.JournalOptional = api, j, optional })
					call := validCall()
					call.Policy = salesPolicy(t, Rules{})
					began := time.Now()
					res, err := c.Deflect(t.Context(), call)
					if took := time.Since(began); took != tt.waited {
						t.Errorf("the call waited %s, want %s", took, tt.waited)
					}
					if optional {
						if err != nil || len(api.went()) != 1 || testutil.ToFloat64(c.metrics.journalFailures[journalSent]) != 1 {
							t.Errorf("%+v, %v, texts %v", res, err, api.went())
						}
						return
					}
					if res.Outcome != Failed || res.Reason != ReasonJournal || !errors.Is(err, ErrJournal) || len(api.went()) != 0 {
						t.Errorf("%+v, %v, texts %v", res, err, api.went())
					}
					if err == nil || strings.Contains(err.Error(), "404343") {
						t.Errorf("error %v", err)
					}
					if n := testutil.ToFloat64(c.metrics.journalFailures[journalRefused]); n != 1 {
						t.Errorf("%v refused are counted", n)
					}
					// The disk is well again: nothing is left of the call.
					j.find, j.change = nil, nil
					if res, err := c.Deflect(t.Context(), call); err != nil || res.Repeated {
						t.Errorf("with the journal again: %+v, %v", res, err)
					}
				})
			})
		}
	}
}

func salesPolicy(t testing.TB, r Rules) *Policy {
	t.Helper()
	p, err := NewPolicy("sales", r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTextIsWrittenBeforeItsRequest(t *testing.T) {
	j := newMemoryJournal(10)
	var during, after Entry
	api := &told{send: func(_ context.Context, txt *Text) Attempt {
		during, _ = j.Find(context.Background(), txt.Call.ExternalCallID)
		return Attempt{Outcome: Sent, Reason: ReasonOK, CallID: "c-1"}
	}}
	c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal = api, j })
	if _, err := c.Deflect(t.Context(), validCall()); err != nil {
		t.Fatal(err)
	}
	after, _ = j.Find(context.Background(), "1231")
	if during.State != Sending || during.Customer != "+14043438646" || len(during.Data) == 0 {
		t.Errorf("while the request is out: %+v", during)
	}
	if after.State != Ended || after.Outcome != Sent || after.CallID != "c-1" || after.Data != nil || after.Customer != "" {
		t.Errorf("after the answer: %+v", after)
	}
}

// A process that is killed while a request is out knows, when it comes back, that a text may
// have been sent.
func TestCrashIsADoubtThatIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newMemoryJournal(10)
		began := time.Now()
		j.Note(Entry{ExternalCallID: "1231", Customer: "+14043438646", Policy: "sales", State: Sending, Reason: ReasonInternal, Since: began,
			Data: doubtData(&Text{Call: validCall()}, began, "stub")})
		api := &told{}
		var heard []Settlement
		config := func(cfg *Config) {
			cfg.Backend, cfg.Journal = api, j
			cfg.OnSettled = func(s Settlement) { heard = append(heard, s) }
		}
		c := testClient(t, config)
		if res, _ := c.Deflect(t.Context(), validCall()); res.Outcome != Uncertain || !res.Repeated {
			t.Errorf("the same call again: %+v", res)
		}
		c.Close() // before it is settled: the next one goes on
		if len(heard) != 0 {
			t.Errorf("settled: %+v", heard)
		}
		c = testClient(t, config)
		time.Sleep(16 * time.Second)
		synctest.Wait()
		if len(heard) != 1 || heard[0].Result != SettledSent || heard[0].ExternalCallID != "1231" {
			t.Errorf("settled: %+v", heard)
		}
		if res, err := c.Deflect(t.Context(), validCall()); err != nil || res.Outcome != Sent || res.CallID != "c-2" || !res.Repeated {
			t.Errorf("settled, and again: %+v, %v", res, err)
		}
		if len(api.went()) != 0 {
			t.Errorf("texts: %v", api.went())
		}
	})
}

func TestKeptCallIsTheSame(t *testing.T) {
	wait := 3 * time.Minute
	call := validCall()
	call.ANI, call.NumberOverride, call.DNIS = "(404) 343-8646", "404 343 8647", "800-555-0100"
	call.TextTag, call.FirstName, call.LastName = "tag", "Jaén", "O'Neil"
	call.CustomerID, call.CustomerIDDescriptor, call.Consent, call.Wait = "1", "crm", true, &wait
	call.CallerInfo = map[string]any{"plan": "Gold <&>", "n": 12345678901234567, "list": []any{1.5, nil, true}}
	call.Start, call.Accepted = call.Start.Round(0), call.Accepted.Round(0)
	s := testClient(t, nil).setup.Load()
	text, problems := s.validate(call, time.Now())
	if problems != nil {
		t.Fatal(problems)
	}
	data, err := s.callData(text, "")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := readCall(Entry{ExternalCallID: call.ExternalCallID, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	again, problems := s.validate(got, time.Now())
	if problems != nil {
		t.Fatal(problems)
	}
	// Whole numbers, that are the same in any region.
	if got.ANI != "+14043438646" || got.NumberOverride != "+14043438647" || got.DNIS != "+18005550100" {
		t.Errorf("numbers %q, %q, %q", string(got.ANI), string(got.NumberOverride), string(got.DNIS))
	}
	if diff := cmp.Diff(text.Customer, again.Customer); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(info(t, text.Call), info(t, again.Call)); diff != "" {
		t.Error(diff)
	}
	for _, c := range []*Call{&text.Call, &again.Call} {
		c.ANI, c.NumberOverride, c.DNIS, c.CallerInfo = "", "", "", nil
	}
	if diff := cmp.Diff(text.Call, again.Call); diff != "" {
		t.Error(diff)
	}
}
