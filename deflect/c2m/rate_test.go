package c2m

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Beyond the rate nobody is offered a text, at once; whoever was promised one waits for it,
// and nobody is offered another before.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &stub{}
		c := testClient(t, api, func(c *Config) { c.RatePerSecond = 4 })
		var offered []*deflect.Text
		for range 4 {
			offered = append(offered, asked(t, c, testCall()))
		}
		start := time.Now()
		a := c.Ask(t.Context(), read(t, c, testCall()))
		want(t, a, deflect.Failed, deflect.ReasonRateLimited)
		if !a.NoSign || time.Since(start) != 0 || a.RetryAfter != 0 {
			t.Errorf("%+v after %s", a, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		var all sync.WaitGroup
		for _, text := range offered {
			all.Go(func() { want(t, c.Send(ctx, text), deflect.Sent, deflect.ReasonOK) })
		}
		synctest.Wait()
		time.Sleep(window - time.Millisecond)
		if n := api.count("/invite"); n != 0 {
			t.Errorf("%d invites within a second of as many requests as there may be", n)
		}
		time.Sleep(time.Millisecond)
		want(t, c.Ask(t.Context(), read(t, c, testCall())), deflect.Failed, deflect.ReasonRateLimited) // the places are for those who wait
		all.Wait()
		if took := time.Since(start); took > 2*time.Second || api.count("/invite") != 4 {
			t.Errorf("%d invites after %s", api.count("/invite"), took)
		}
		time.Sleep(time.Minute)
		asked(t, c, testCall())
	})
}

// No second has more requests than allowed, wherever it begins.
func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(30)
		var taken []time.Time
		for range 5000 {
			time.Sleep(time.Millisecond)
			if ok, err := b.Take(t.Context()); err != nil {
				t.Fatal(err)
			} else if ok {
				taken = append(taken, time.Now())
			}
		}
		for i := range taken[30:] {
			if gap := taken[i+30].Sub(taken[i]); gap < time.Second {
				t.Fatalf("31 requests in %s", gap)
			}
		}
		if n := len(taken); n < 30*4 || n > 30*5 {
			t.Errorf("%d in five seconds", n)
		}
	})
}

// A text that finds no place in its time was not sent, and may wait.
func TestNoTurnInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &stub{}
		c := testClient(t, api, func(c *Config) { c.RatePerSecond = 1 })
		text := asked(t, c, testCall())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := c.Send(ctx, text)
		want(t, a, deflect.Failed, deflect.ReasonRateLimited)
		if ctx.Err() != nil || !a.NoSign || api.count("/invite") != 0 || !c.Fresh(text) {
			t.Errorf("%+v, %v, %d invites", a, ctx.Err(), api.count("/invite"))
		}
		// A place that comes too late for a request is left to others.
		c = testClient(t, api, nil)
		for range 30 {
			text = asked(t, c, testCall())
		}
		ctx, cancel = context.WithTimeout(t.Context(), window+100*time.Millisecond)
		defer cancel()
		want(t, c.Send(ctx, text), deflect.Failed, deflect.ReasonRateLimited)
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, cancel)
		want(t, c.Send(ctx, text), deflect.Failed, deflect.ReasonCanceled)
		if api.count("/invite") != 0 {
			t.Error("it was sent")
		}
	})
}

// shared is a Rate of several processes.
type shared struct {
	left atomic.Int64
	err  error
}

func (r *shared) Take(context.Context) (bool, error) {
	if r.err != nil {
		return false, r.err
	}
	return r.left.Add(-1) >= 0, nil
}

// A shared rate decides; while nobody knows it the Client keeps to its own.
func TestSharedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rate := &shared{}
		rate.left.Store(3)
		c := testClient(t, &stub{}, func(c *Config) { c.Rate, c.RatePerSecond = rate, 2 })
		for range 3 {
			asked(t, c, testCall())
		}
		want(t, c.Ask(t.Context(), read(t, c, testCall())), deflect.Failed, deflect.ReasonRateLimited)
		rate.err = errors.New("the store does not answer")
		for range 2 {
			asked(t, c, testCall())
		}
		want(t, c.Ask(t.Context(), read(t, c, testCall())), deflect.Failed, deflect.ReasonRateLimited)
	})
}

// Reload keeps what was taken in the last second.
func TestReloadKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &stub{}
		c := testClient(t, api, func(c *Config) { c.RatePerSecond = 1 })
		asked(t, c, testCall())
		cfg := testConfig(nil)
		cfg.RatePerSecond = 1
		if err := c.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		want(t, c.Ask(t.Context(), read(t, c, testCall())), deflect.Failed, deflect.ReasonRateLimited)
		cfg.RatePerSecond = 2
		if err := c.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		asked(t, c, testCall())
	})
}
