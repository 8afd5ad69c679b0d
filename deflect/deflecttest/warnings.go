package deflecttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// TestWarnings holds a store to the contract of [deflect.Warnings], a subtest a promise.
// newStores is called for each of them, and returns those of two processes that warn each
// other, and nobody else meanwhile. What has to be closed newStores closes with t.Cleanup;
// one that is an [io.Closer] is closed and asked after that.
//
// It takes about three seconds of waiting. Run it with the race detector.
func TestWarnings(t *testing.T, newStores func() (one, other deflect.Warnings)) {
	for _, c := range warningPromises {
		t.Run(c.name, func(t *testing.T) {
			one, other := newStores()
			if err := soon(time.Minute, func() error { return c.check(one, other) }); err != nil {
				t.Error(err)
			}
		})
	}
}

var warningPromises = []warningPromise{
	{"the other one hears it", otherHears},
	{"one does not hear oneself", notOneself},
	{"one call at a time", oneCallAtATime},
	{"who heard before hears no more", heardBefore},
	{"nobody has to listen", nobodyListens},
	{"to warn does not wait", warnDoesNotWait},
	{"after its end a store is quiet", closedWarnings},
}

type warningPromise struct {
	name  string
	check func(one, other deflect.Warnings) error
}

const (
	// warnAgain is after how long one warns again: a warning may be lost.
	warnAgain = 100 * time.Millisecond
	// quiet is how long one listens for what is not to be heard.
	quiet = 500 * time.Millisecond
)

// warnUntil warns again and again, until something is so.
func warnUntil(w deflect.Warnings, so func() bool) error {
	for began := time.Now(); !so(); time.Sleep(warnAgain) {
		if time.Since(began) > longEnough {
			return fmt.Errorf("nobody heard it within %s", longEnough)
		}
		w.Warn(time.Minute)
	}
	return nil
}

func otherHears(one, other deflect.Warnings) error {
	for _, to := range []struct{ from, to deflect.Warnings }{{one, other}, {other, one}} {
		var heard atomic.Int32
		to.to.OnWarned(func() { heard.Add(1) })
		if err := warnUntil(to.from, func() bool { return heard.Load() > 0 }); err != nil {
			return err
		}
	}
	return nil
}

func notOneself(one, other deflect.Warnings) error {
	var own, heard atomic.Int32
	one.OnWarned(func() { own.Add(1) })
	other.OnWarned(func() { heard.Add(1) })
	if err := warnUntil(one, func() bool { return heard.Load() > 2 }); err != nil {
		return err
	}
	time.Sleep(quiet)
	if own.Load() > 0 {
		return errors.New("one hears one's own warning")
	}
	return nil
}

func oneCallAtATime(one, other deflect.Warnings) error {
	var in, over, heard atomic.Int32
	other.OnWarned(func() {
		if n := in.Add(1); n > 1 {
			over.Store(n)
		}
		time.Sleep(warnAgain) // so that another one would meet it
		in.Add(-1)
		heard.Add(1)
	})
	err := warnUntil(one, func() bool {
		for range 5 {
			one.Warn(time.Minute)
		}
		return heard.Load() > 2
	})
	if n := over.Load(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d calls at a time", n))
	}
	return err
}

func heardBefore(one, other deflect.Warnings) error {
	var before, now atomic.Int32
	other.OnWarned(func() { before.Add(1) })
	if err := warnUntil(one, func() bool { return before.Load() > 0 }); err != nil {
		return err
	}
	other.OnWarned(func() { now.Add(1) })
	time.Sleep(quiet) // one may be on its way
	before.Store(0)
	if err := warnUntil(one, func() bool { return now.Load() > 2 }); err != nil {
		return err
	}
	if n := before.Load(); n > 0 {
		return errors.New("who heard before hears it still")
	}
	return nil
}

func nobodyListens(one, other deflect.Warnings) error {
	one.Warn(time.Minute)
	other.Warn(time.Minute)
	time.Sleep(quiet)
	return otherHears(one, other)
}

// warnDoesNotWait warns in the face of one that is slow to hear.
func warnDoesNotWait(one, other deflect.Warnings) error {
	stop, listen := context.WithCancel(context.Background())
	defer listen()
	other.OnWarned(func() { <-stop.Done() })
	began := time.Now()
	err := soon(longEnough, func() error {
		return atOnce(func(int) error {
			for range rounds {
				one.Warn(time.Minute)
			}
			return nil
		})
	})
	if took := time.Since(began); took > quiet {
		err = errors.Join(err, fmt.Errorf("%d warnings took %s", many*rounds, took))
	}
	return err
}

// closedWarnings is a matter of stores that can end.
func closedWarnings(one, other deflect.Warnings) error {
	closer, ok := other.(io.Closer)
	if !ok {
		return nil
	}
	var heard atomic.Int32
	other.OnWarned(func() { heard.Add(1) })
	if err := warnUntil(one, func() bool { return heard.Load() > 0 }); err != nil {
		return err
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("its answer to Close: %w", err)
	}
	time.Sleep(quiet) // one may be on its way
	after := heard.Load()
	if err := soon(longEnough, func() error { other.Warn(time.Minute); return nil }); err != nil {
		return err
	}
	for range 3 {
		one.Warn(time.Minute)
	}
	time.Sleep(quiet)
	if heard.Load() > after {
		return errors.New("after Close it hears others")
	}
	return nil
}
