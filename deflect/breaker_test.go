package deflect_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

func TestBreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		var log bytes.Buffer
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) {
			c.Registerer = reg
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		api.SetFault(&livedeflecttest.Fault{Status: 500})
		for i := range 5 {
			if _, err := client.Offer(t.Context(), call()); err != nil {
				t.Fatalf("no offer after %d failures: %v", i, err)
			}
			if res, _ := client.Deflect(t.Context(), call()); res.Reason != deflect.ReasonServerError {
				t.Fatalf("call %d: %+v", i, res)
			}
		}
		wantState(t, reg, "open")
		if _, err := client.Offer(t.Context(), call()); !errors.Is(err, deflect.ErrBreakerOpen) || deflect.ReasonOf(err) != deflect.ReasonBreakerOpen {
			t.Errorf("offer while open: %v", err)
		}
		res, err := client.Deflect(t.Context(), call())
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonBreakerOpen || res.Attempts != 0 || !deflect.NotSent(err) {
			t.Errorf("call while open: %+v, %v", res, err)
		}
		if n := len(api.Requests()); n != 5 {
			t.Errorf("%d requests, want 5", n)
		}

		time.Sleep(30*time.Second + time.Millisecond)
		wantState(t, reg, "half_open")
		// One caller at a time, until it is known how the API is.
		offer, err := client.Offer(t.Context(), call())
		if err != nil {
			t.Fatalf("no offer when half open: %v", err)
		}
		if _, err := client.Offer(t.Context(), call()); !errors.Is(err, deflect.ErrBreakerOpen) {
			t.Errorf("second offer when half open: %v", err)
		}
		offer.Release()
		offer.Release()
		offer, err = client.Offer(t.Context(), call())
		if err != nil {
			t.Errorf("no offer after the first caller went: %v", err)
		}
		api.SetFault(nil)
		if res, err := client.Deflect(t.Context(), call()); err != nil {
			t.Errorf("the trial: %+v, %v", res, err)
		}
		offer.Release()
		wantState(t, reg, "closed")
		for range 3 {
			if _, err := client.Offer(t.Context(), call()); err != nil {
				t.Errorf("offer when closed again: %v", err)
			}
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
			# HELP deflect_breaker_transitions_total Moves of the breaker by the state it moved to.
			# TYPE deflect_breaker_transitions_total counter
			deflect_breaker_transitions_total{to="closed"} 1
			deflect_breaker_transitions_total{to="half_open"} 1
			deflect_breaker_transitions_total{to="open"} 1
			`), "deflect_breaker_transitions_total"); err != nil {
			t.Error(err)
		}
		for _, want := range []string{`level=WARN msg="breaker moved" to=open`, `level=INFO msg="breaker moved" to=half_open`, `level=INFO msg="breaker moved" to=closed`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log lacks %s:\n%s", want, log.String())
			}
		}
	})
}

// An offer to a caller who never decides must not block the others for ever.
func TestHalfOpenOfferExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) { c.Breaker.Failures = 1 })
		api.Inject(livedeflecttest.Fault{Status: 500})
		client.Deflect(t.Context(), call()) //nolint:errcheck // opens the breaker
		time.Sleep(31 * time.Second)
		first, err := client.Offer(t.Context(), call())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if _, err := client.Offer(t.Context(), call()); err != nil {
			t.Errorf("the offer of a caller who is gone still counts: %v", err)
		}
		first.Release() // late, and not the holder any more
		if _, err := client.Offer(t.Context(), call()); err == nil {
			t.Error("a late release freed somebody else's offer")
		}
	})
}

func TestWhatTheBreakerCounts(t *testing.T) {
	tests := []struct {
		fault string
		opens bool
	}{
		{"status=500", true}, {"status=429", true}, {"hang", true}, {"reset-before", true}, {"garbage", true},
		{"truncate", true}, {"status=401", true}, {"status=403", true}, {"redirect=https://example.net/", true},
		{"conn-refused", true}, {"invalid-nonce", true}, {"delivered-twice", true},
		{"status=400", false}, {"status=404", false}, {"success-false", false}, {"success-bool", false},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, err := livedeflecttest.ParseFault(tt.fault)
				if err != nil {
					t.Fatal(err)
				}
				api := livedeflecttest.New(keys)
				api.SetFault(&f)
				client := newClient(t, api, nil)
				for range 5 {
					client.Deflect(t.Context(), call()) //nolint:errcheck // the breaker is looked at
				}
				if _, err := client.Offer(t.Context(), call()); (err != nil) != tt.opens {
					t.Errorf("offer after five: %v", err)
				}
			})
		})
	}
	t.Run("a success in between", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			api := livedeflecttest.New(keys)
			client := newClient(t, api, nil)
			for i := range 20 {
				if i%5 != 4 {
					api.Inject(livedeflecttest.Fault{Status: 500})
				}
				client.Deflect(t.Context(), call()) //nolint:errcheck // the breaker is looked at
			}
			if _, err := client.Offer(t.Context(), call()); err != nil {
				t.Error(err)
			}
		})
	})
}

// Calls at the moment of the trial: one request goes out, the others are told at
// once, nobody waits and no text is sent twice.
func TestHalfOpenUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) { c.Breaker.Failures = 1 })
		api.Inject(livedeflecttest.Fault{Status: 500})
		client.Deflect(t.Context(), call()) //nolint:errcheck // opens the breaker
		time.Sleep(31 * time.Second)
		api.SetFault(&livedeflecttest.Fault{Delay: time.Second})
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[deflect.Reason]int{}
		for range 50 {
			wg.Go(func() {
				res, _ := client.Deflect(t.Context(), call())
				mu.Lock()
				defer mu.Unlock()
				got[res.Reason]++
			})
		}
		wg.Wait()
		if got[deflect.ReasonOK] != 1 || got[deflect.ReasonBreakerOpen] != 49 || len(api.Sent()) != 1 {
			t.Errorf("got %v, %d texts", got, len(api.Sent()))
		}
	})
}

func wantState(t *testing.T, reg prometheus.Gatherer, state string) {
	t.Helper()
	want := "# HELP deflect_breaker_state How many breakers are in the state: there is one for each API.\n# TYPE deflect_breaker_state gauge\n"
	for _, s := range []string{"closed", "half_open", "open"} {
		v := "0"
		if s == state {
			v = "1"
		}
		want += `deflect_breaker_state{state="` + s + `"} ` + v + "\n"
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "deflect_breaker_state"); err != nil {
		t.Error(err)
	}
}
