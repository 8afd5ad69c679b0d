package deflect_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// TestCloseRefuses asks a closed client for everything that it does: it says that it is
// closed, and sends nothing.
func TestCloseRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		c := newClient(t, api, nil)
		c.Close()
		c.Close()

		res, err := c.Deflect(t.Context(), call())
		_, offerErr := c.Offer(t.Context(), call())
		for what, err := range map[string]error{"Deflect": err, "Offer": offerErr, "Check": c.Check(t.Context(), call())} {
			var e *deflect.Error
			if !errors.As(err, &e) || e.Outcome != deflect.Failed || e.Reason != deflect.ReasonShutdown || !errors.Is(err, deflect.ErrClosed) || !deflect.NotSent(err) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonShutdown || res.Attempts != 0 {
			t.Errorf("%+v", res)
		}
		entries := 0
		for _, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: time.Now().Add(-time.Hour), To: time.Now()}) {
			if entries++; !errors.Is(err, deflect.ErrClosed) || deflect.ReasonOf(err) != deflect.ReasonShutdown {
				t.Errorf("report: %v", err)
			}
		}
		if entries != 1 {
			t.Errorf("%d entries of a report, want one error", entries)
		}
		if s := c.Settle(t.Context(), "id", time.Now()); s.Result != deflect.SettledUnknown || !errors.Is(s.Err, deflect.ErrClosed) || deflect.NotSent(s.Err) {
			t.Errorf("Settle: %+v", s)
		}
		for _, err := range []error{c.Client.Reload(deflect.Config{}), c.API.Reload(livedeflect.Config{SiteID: "1"})} {
			if !errors.Is(err, deflect.ErrClosed) {
				t.Errorf("Reload: %v", err)
			}
		}
		if n := len(api.Requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestCloseUnregisters lets clients come and go with one Registerer: each takes its own
// metrics with it, once.
func TestCloseUnregisters(t *testing.T) {
	reg := prometheus.NewRegistry()
	api := livedeflecttest.New(keys)
	open := func() *rig.Client {
		return newClient(t, api, func(c *rig.Config) { c.Registerer = reg })
	}
	series := func() int {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		return len(families)
	}
	first := open()
	want := series()
	first.Client.Close()
	if n := series(); n == 0 || n == want {
		t.Errorf("a closed engine leaves %d of %d metrics, want those of the API", n, want)
	}
	first.Close()
	if n := series(); n != 0 {
		t.Errorf("a closed client leaves %d metrics", n)
	}
	second := open()
	first.Close() // not the metrics of the second one
	if n := series(); n != want || n == 0 {
		t.Errorf("%d metrics of the second client, want %d", n, want)
	}
	if _, err := second.Deflect(t.Context(), call()); err != nil {
		t.Error(err)
	}
	if n := rig.Sum(t, reg, "deflect_outcomes_total"); n != 1 {
		t.Errorf("%v outcomes counted", n)
	}
	second.Close()
}

// TestCloseWaitsForOnSettled closes while a callback runs: what it uses may be taken away
// when Close has returned.
func TestCloseWaitsForOnSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{Status: 500})
		told := 0
		c := newClient(t, api, func(c *rig.Config) {
			c.OnSettled = func(deflect.Settlement) { time.Sleep(3 * time.Second); told++ }
		})
		for range 2 {
			c.Deflect(t.Context(), call())
		}
		time.Sleep(time.Second)
		began := time.Now()
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(func() {
				c.Close()
				if took := time.Since(began); told != 2 || took != 6*time.Second {
					t.Errorf("Close returned after %s, with %d of 2 told", took, told)
				}
			})
		}
		closers.Wait()
	})
}

// TestCloseLetsCallsEnd closes with a call in progress: it is kept, and so is what comes
// of it. A later Close waits for its callback too.
func TestCloseLetsCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		var got settled
		c := newClient(t, api, func(c *rig.Config) {
			c.OnSettled = func(v deflect.Settlement) { time.Sleep(time.Second); got.hear(v) }
		})
		var calls sync.WaitGroup
		for _, tt := range []struct {
			fault   livedeflecttest.Fault
			outcome deflect.Outcome
		}{
			{livedeflecttest.Fault{Delay: 2 * time.Second}, deflect.Sent},
			{livedeflecttest.Fault{Delay: 2 * time.Second, Status: 500}, deflect.Uncertain},
		} {
			api.Inject(tt.fault)
			calls.Go(func() {
				if res, err := c.Deflect(t.Context(), call()); res.Outcome != tt.outcome {
					t.Errorf("%+v, %v, want %s", res, err, tt.outcome)
				}
			})
			time.Sleep(time.Millisecond)
		}
		c.Close()
		calls.Wait()
		c.Close()
		if heard := got.heard(); len(heard) != 1 || heard[0].Result != deflect.SettledUnknown || !errors.Is(heard[0].Err, deflect.ErrClosed) {
			t.Errorf("%+v", heard)
		}
	})
}

// TestCloseBesideCalls closes while calls begin: each is either refused or done.
func TestCloseBesideCalls(t *testing.T) {
	api := livedeflecttest.New(keys)
	c := newClient(t, api, nil)
	var calls sync.WaitGroup
	var sent, refused sync.Map
	for i := range 50 {
		calls.Go(func() {
			if i == 25 {
				c.Close()
			}
			switch res, err := c.Deflect(context.Background(), call()); {
			case res.Outcome == deflect.Sent:
				sent.Store(i, true)
			case errors.Is(err, deflect.ErrClosed):
				refused.Store(i, true)
			default:
				t.Errorf("%+v, %v", res, err)
			}
		})
	}
	calls.Wait()
	n := 0
	sent.Range(func(any, any) bool { n++; return true })
	if texts := len(api.Sent()); texts != n {
		t.Errorf("%d texts, %d calls ended as sent", texts, n)
	}
}
