package deflecttest

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// crier is a store as it should be, and the ways in which one can be wrong.
type crier struct {
	other *crier
	fault string
	queue chan bool // of one's own goroutine; what does not fit is lost
	done  chan bool

	mu     sync.Mutex
	hears  []func()
	closed bool
	n      int
}

// newCriers returns two that know each other and end with the test.
func newCriers(t *testing.T, fault string) (one, other deflect.Warnings) {
	a, b := newCrier(t, fault), newCrier(t, fault)
	a.other, b.other = b, a
	return a, b
}

func newCrier(t *testing.T, fault string) *crier {
	c := &crier{fault: fault, queue: make(chan bool, 1), done: make(chan bool)}
	t.Cleanup(func() { close(c.done) })
	go func() {
		for {
			select {
			case <-c.queue:
				c.call()
			case <-c.done:
				return
			}
		}
	}()
	return c
}

func (c *crier) is(fault string) bool { return c.fault == fault }

func (c *crier) call() {
	c.mu.Lock()
	hears := slices.Clone(c.hears)
	if c.closed && !c.is("hears after its end") {
		hears = nil
	}
	c.mu.Unlock()
	for _, hear := range hears {
		hear()
	}
}

func (c *crier) Warn(time.Duration) {
	c.mu.Lock()
	c.n++
	lost := c.n%2 == 0 || c.is("says nothing")
	stuck := c.closed && c.is("stuck after its end")
	c.mu.Unlock()
	switch {
	case stuck:
		time.Sleep(time.Hour)
	case lost: // as may be
	case c.is("waits"):
		c.other.call()
	case c.is("all at once"):
		go c.other.call()
	default:
		c.other.hear()
		if c.is("hears itself") {
			c.hear()
		}
	}
}

func (c *crier) hear() {
	select {
	case c.queue <- true:
	default:
	}
}

func (c *crier) OnWarned(hear func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.is("all who ever heard") {
		c.hears = nil
	}
	if c.is("the first one only") && c.n > 0 {
		return
	}
	c.hears = append(c.hears, hear)
}

func (c *crier) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// Every fault is seen, by the promise that it breaks.
func TestWarningsSeesFaults(t *testing.T) {
	for fault, want := range map[string]string{
		"says nothing":        "the other one hears it",
		"hears itself":        "one does not hear oneself",
		"all at once":         "one call at a time",
		"all who ever heard":  "who heard before hears no more",
		"the first one only":  "nobody has to listen",
		"waits":               "to warn does not wait",
		"hears after its end": "after its end a store is quiet",
		"stuck after its end": "after its end a store is quiet",
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := slices.IndexFunc(warningPromises, func(p warningPromise) bool { return p.name == want })
				one, other := newCriers(t, fault)
				if soon(time.Minute, func() error { return warningPromises[at].check(one, other) }) == nil {
					t.Errorf("%q holds", want)
				}
				time.Sleep(2 * time.Hour) // who was not waited for
			})
		})
	}
}

// A store as it should be passes.
func TestWarningsOfAModel(t *testing.T) {
	TestWarnings(t, func() (one, other deflect.Warnings) { return newCriers(t, "") })
}
