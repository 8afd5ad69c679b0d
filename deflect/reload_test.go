package deflect_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// A rotated key works for the next request, and the client forgets nothing.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, reg := livedeflecttest.New(keys), prometheus.NewRegistry()
		wrong := auth()
		wrong.ConsumerSecret = deflect.NewSecret("of yesterday")
		base := account()
		base.Auth, base.Transport, base.Registerer, base.Breaker.Failures = wrong, api, reg, 2
		client := rig.Must(t, base)
		call := call()
		call.Policy = policy(t, deflect.Rules{})
		if _, err := client.Deflect(t.Context(), rig.Next(call)); deflect.ReasonOf(err) != deflect.ReasonUnauthorized {
			t.Fatalf("with the old key: %v", err)
		}

		next := base
		next.Auth, next.Transport, next.Registerer = auth(), nil, nil
		if err := client.Reload(next); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Deflect(t.Context(), rig.Next(call)); err != nil {
			t.Fatalf("with the new key: %v", err)
		}
		if _, err := client.Offer(t.Context(), rig.Next(call)); deflect.ReasonOf(err) != deflect.ReasonCooldown {
			t.Errorf("the cooldown is forgotten: %v", err)
		}

		// One failure before, one after: the same breaker counts both.
		other := func() deflect.Call { c := call; c.ANI = "+14043438699"; return c }
		api.SetFault(&livedeflecttest.Fault{Status: 429})
		client.Deflect(t.Context(), other()) //nolint:errcheck // fails
		if err := client.Reload(next); err != nil {
			t.Fatal(err)
		}
		client.Deflect(t.Context(), other()) //nolint:errcheck // fails
		wantState(t, reg, "open")
		// Other settings are another breaker.
		next.Breaker.Failures = 7
		for range 2 { // the second time nothing moves
			if err := client.Reload(next); err != nil {
				t.Fatal(err)
			}
			wantState(t, reg, "closed")
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
			# HELP deflect_breaker_transitions_total Moves of the breaker by the state it moved to.
			# TYPE deflect_breaker_transitions_total counter
			deflect_breaker_transitions_total{to="closed"} 1
			deflect_breaker_transitions_total{to="half_open"} 0
			deflect_breaker_transitions_total{to="open"} 1
			`), "deflect_breaker_transitions_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestReloadRefuses(t *testing.T) {
	api := livedeflecttest.New(keys)
	client := newClient(t, api, nil)
	good := account()
	for _, tt := range []struct {
		field  string
		change func(*rig.Config)
	}{
		{"SiteID", func(c *rig.Config) { c.SiteID = "" }},
		{"SiteID", func(c *rig.Config) { c.SiteID = "1" }},
		{"Domain", func(c *rig.Config) { c.Domain = "lo" }},
		{"BaseURL", func(c *rig.Config) { c.Domain, c.BaseURL = "", "https://api.example.net" }},
		{"DefaultRegion", func(c *rig.Config) { c.DefaultRegion = "DE" }}, // a national number would become a stranger's
		{"MaxTextLength", func(c *rig.Config) { c.MaxTextLength = 10 }},
		{"LiveDeadline", func(c *rig.Config) { c.LiveDeadline = -1 }},
		{"MaxCooldowns", func(c *rig.Config) { c.MaxCooldowns = -1 }},
		{"Report.Window", func(c *rig.Config) { c.Report.Window = -1 }},
	} {
		cfg := good
		tt.change(&cfg)
		err := client.Reload(cfg)
		var c *deflect.ConfigError
		if !errors.As(err, &c) || c.Field != tt.field {
			t.Errorf("Reload = %v, want a problem of %s", err, tt.field)
		}
	}
	if _, err := client.Deflect(t.Context(), call()); err != nil {
		t.Errorf("after refused reloads: %v", err)
	}
}

// Everything at once, for the race detector: what is decided is decided by one
// configuration or the other.
func TestReloadUnderLoad(t *testing.T) {
	api := livedeflecttest.New(keys)
	client := newClient(t, api, nil)
	good := account()
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for j := range 25 {
				call := call()
				call.ANI = phone.Number(fmt.Sprintf("+1404343%04d", 1000+100*i+j))
				call.Policy = policy(t, deflect.Rules{})
				if offer, err := client.Offer(t.Context(), rig.Next(call)); err != nil {
					t.Error(err)
				} else {
					offer.Release()
				}
				if _, body, err := client.Preview(call); err != nil || !bytes.Contains(body, []byte(`"deflectionHandle":"1404343`)) {
					t.Errorf("%s, %v", body, err)
				}
				if _, err := client.Deflect(t.Context(), rig.Next(call)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Go(func() {
		for i := range 50 {
			next := good
			next.Breaker.Failures, next.MaxCooldowns = 1+i%3, 1000+i
			if err := client.Reload(next); err != nil {
				t.Error(err)
			}
		}
	})
	work.Wait()
	if n := len(api.Sent()); n != 100 {
		t.Errorf("%d texts", n)
	}
}

// A report is read in the windows that it began with.
func TestReloadDuringAReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var windows []string
		r := &rig.Reporter{Answer: func(from, to time.Time) (int, string) {
			mu.Lock()
			defer mu.Unlock()
			windows = append(windows, from.Round(time.Second).Format("15")+"-"+to.Format("15"))
			return 200, `{"success":"true","data":{"` + from.Format("15") + `":[{"eventType":"sendtext","eventTime":"1795000000000"}]}}`
		}}
		client := newClient(t, nil, func(c *rig.Config) { c.Transport = r })
		now := time.Now()
		first := true
		for _, err := range client.API.Report(t.Context(), livedeflect.ReportQuery{From: now.Add(-8 * time.Hour), To: now}) {
			if err != nil {
				t.Error(err)
			}
			if first {
				first = false
				next := account()
				next.Report.Window = 30 * time.Minute
				if err := client.Reload(next); err != nil {
					t.Fatal(err)
				}
			}
		}
		slices.Sort(windows)
		if len(windows) != 8 {
			t.Errorf("windows %v, want 8 of an hour each", windows)
		}
	})
}

// What began with one configuration ends with it.
func TestReloadDuringARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{Delay: 3 * time.Second})
		client := newClient(t, api, nil)
		done := make(chan error)
		go func() {
			_, err := client.Deflect(t.Context(), call())
			done <- err
		}()
		time.Sleep(time.Second)
		short := account()
		short.LiveDeadline = time.Second
		if err := client.Reload(short); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("the request in progress: %v", err)
		}
		if _, err := client.Deflect(t.Context(), call()); deflect.ReasonOf(err) != deflect.ReasonTimeout {
			t.Errorf("the next one: %v", err)
		}
	})
}

// Less room takes effect at once: those that end first make room, as ever, and what is
// over already is not evicted.
func TestReloadShrinksCooldowns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		base := account()
		base.MaxCooldowns, base.Registerer, base.Transport = 1000, reg, livedeflecttest.New(keys)
		client := rig.Must(t, base)
		p := policy(t, deflect.Rules{Cooldown: time.Hour})
		caller := func(i int) deflect.Call {
			call := call()
			call.ANI, call.Policy = phone.Number(fmt.Sprintf("+1404343%04d", 1000+i)), p
			return call
		}
		text := func(from, to int) {
			t.Helper()
			for i := from; i < to; i++ {
				if _, err := client.Deflect(t.Context(), caller(i)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
		}
		text(0, 20)
		time.Sleep(50 * time.Minute)
		text(20, 320)
		time.Sleep(10*time.Minute - 300*time.Second) // the first 20 are over
		room := func(max int, held, evicted float64) {
			t.Helper()
			next := base
			next.MaxCooldowns = max
			if err := client.Reload(next); err != nil {
				t.Fatal(err)
			}
			if limit := rig.Sum(t, reg, "deflect_cooldowns_limit"); max > 0 && limit != float64(max) {
				t.Errorf("the gauge shows a limit of %v, want %d", limit, max)
			}
			if h, e := rig.Sum(t, reg, "deflect_cooldowns"), rig.Sum(t, reg, "deflect_cooldowns_evicted_total"); h != held || e != evicted {
				t.Errorf("room for %d: %v held, %v evicted, want %v and %v", max, h, e, held, evicted)
			}
		}
		room(300, 300, 0)
		room(100, 100, 200)
		for i, want := range map[int]deflect.Reason{20: deflect.ReasonOK, 219: deflect.ReasonOK, 220: deflect.ReasonCooldown, 319: deflect.ReasonCooldown} {
			if err := client.Check(t.Context(), caller(i)); deflect.ReasonOf(err) != want {
				t.Errorf("caller %d: %v", i, err)
			}
		}
		room(0, 100, 200) // the default
		room(1, 1, 299)
		if err := client.Check(t.Context(), caller(319)); deflect.ReasonOf(err) != deflect.ReasonCooldown {
			t.Errorf("the last one: %v", err)
		}
	})
}

// A store of an embedder's keeps what it keeps.
func TestReloadLeavesForeignCooldowns(t *testing.T) {
	api := livedeflecttest.New(keys)
	client := newClient(t, api, func(c *rig.Config) { c.Cooldowns = deafRelease{} })
	next := account()
	next.MaxCooldowns = 1
	if err := client.Reload(next); err != nil {
		t.Fatal(err)
	}
	call := call()
	call.Policy = policy(t, deflect.Rules{})
	if _, err := client.Deflect(t.Context(), rig.Next(call)); err != nil {
		t.Error(err)
	}
}
