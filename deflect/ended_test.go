package deflect_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

var errHungUp = errors.New("the caller at 404-343-8646 hung up")

// endings are the ways in which a context ends after a second.
var endings = []struct {
	name     string
	within   func(context.Context) (context.Context, context.CancelFunc)
	canceled bool // not a deadline
	match    []error
}{
	{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	}, true, []error{context.Canceled}},
	{"cancelled for a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(errHungUp) })
		return ctx, func() { cancel(nil) }
	}, true, []error{context.Canceled, errHungUp}},
	{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	}, false, []error{context.DeadlineExceeded}},
	{"deadline with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(ctx, time.Second, errHungUp)
	}, false, []error{context.DeadlineExceeded, errHungUp}},
	{"live deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithCancel(ctx)
	}, false, []error{context.DeadlineExceeded}},
}

// Wherever a call is when its context ends, the error says so, and matches what ended it.
func TestContextEnds(t *testing.T) {
	tests := []struct {
		name     string
		others   bool // there are other calls
		change   func(*rig.Config)
		before   func(*testing.T, *rig.Client, *livedeflecttest.Server)
		outcome  deflect.Outcome
		deadline deflect.Reason // when it was one
		attempts int
		says     string
	}{
		{"another call of the caller", true, nil, func(t *testing.T, c *rig.Client, api *livedeflecttest.Server) {
			api.SetFault(&livedeflecttest.Fault{Hang: true})
			go c.Deflect(t.Context(), textedCall(t)) //nolint:errcheck // its own business
			synctest.Wait()
		}, deflect.Failed, deflect.ReasonDeadline, 0, "while another call of the same caller was being texted"},
		{"other requests", true, func(c *rig.Config) { c.MaxRequests = 1 }, func(t *testing.T, c *rig.Client, api *livedeflecttest.Server) {
			api.SetFault(&livedeflecttest.Fault{Hang: true})
			other := textedCall(t)
			other.ANI = "+14043438647"
			go c.Deflect(t.Context(), next(other)) //nolint:errcheck // its own business
			synctest.Wait()
		}, deflect.Failed, deflect.ReasonInternal, 1, "while as many requests as allowed were under way"},
		{"a store that hangs", false, func(c *rig.Config) { c.Cooldowns = deafStore{} }, nil,
			deflect.Failed, deflect.ReasonCooldownUnknown, 0, "while the store of cooldowns was asked"},
		{"a dial that hangs", false, func(c *rig.Config) {
			c.Transport = &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				time.Sleep(10 * time.Second)
				return nil, errors.New("no connection")
			}}
		}, nil, deflect.Failed, deflect.ReasonDeadline, 1, "before the request had left this machine, or was taken"},
		{"an API that hangs", false, nil, func(_ *testing.T, _ *rig.Client, api *livedeflecttest.Server) {
			api.SetFault(&livedeflecttest.Fault{Hang: true})
		}, deflect.Uncertain, deflect.ReasonTimeout, 1, "before the answer was there"},
		{"a transport that tells less", false, func(c *rig.Config) {
			c.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, errors.New("something broke")
			})
		}, nil, deflect.Uncertain, deflect.ReasonTimeout, 1, "before the answer was there"},
		{"half an answer", false, func(c *rig.Config) {
			c.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: newStuckBody(`{"success":`), Request: req}, nil
			})
		}, nil, deflect.Uncertain, deflect.ReasonTimeout, 1, "before the answer was there"},
	}
	for _, tt := range tests {
		for _, end := range endings {
			if tt.others && end.name == "live deadline" {
				continue // theirs is the same
			}
			t.Run(tt.name+", "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					api := livedeflecttest.New(keys)
					client := newClient(t, api, tt.change)
					if tt.before != nil {
						tt.before(t, client, api)
					}
					ctx, cancel := end.within(t.Context())
					defer cancel()
					res, err := client.Deflect(ctx, textedCall(t))
					want := tt.deadline
					if end.canceled {
						want = deflect.ReasonCanceled
					}
					if res.Outcome != tt.outcome || res.Reason != want || res.Attempts != tt.attempts || deflect.ReasonOf(err) != want {
						t.Errorf("Deflect = %+v, %v, want %s %s after %d attempts", res, err, tt.outcome, want, tt.attempts)
					}
					wantEnded(t, err, tt.says, end.canceled, end.match)
					time.Sleep(10 * time.Second) // what is left of the others
					if !slices.Contains(deflect.Reasons(res.Outcome), res.Reason) {
						t.Errorf("%s, %s is not on the list", res.Outcome, res.Reason)
					}
				})
			})
		}
	}
}

// A call that was cancelled while it waited to try again, or to begin, was cancelled. What
// the attempt told of the API counts all the same.
func TestCancelledBetweenAttempts(t *testing.T) {
	for name, fault := range map[string]livedeflecttest.Fault{
		"unreachable":  {ConnRefused: true},
		"rate limited": {Status: 429, RetryAfter: "2"},
	} {
		for _, end := range endings {
			if !end.canceled {
				continue // what would not fit a deadline is not waited for
			}
			t.Run(name+", "+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					api := livedeflecttest.New(keys)
					client := newClient(t, api, func(c *rig.Config) { c.Breaker.Failures = 2 })
					for i := range 2 {
						api.SetFault(&fault)
						ctx, cancel := end.within(t.Context())
						if name == "unreachable" {
							time.Sleep(time.Second - 50*time.Millisecond) // the first pause is 100 ms
						}
						call := call()
						if i > 0 {
							call.ANI = "+14043438647"
						}
						res, err := client.Deflect(ctx, next(call))
						cancel()
						if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonCanceled || res.Attempts != 1 {
							t.Errorf("Deflect = %+v, %v", res, err)
						}
						wantEnded(t, err, "before another attempt", true, end.match)
					}
					if _, err := client.Offer(t.Context(), call()); reasonOf(err) != deflect.ReasonBreakerOpen {
						t.Errorf("after two failures of the API: %v", err)
					}
				})
			})
		}
	}
}

// Nobody is judged, and nothing asked for, when the context has ended already.
func TestContextEndedBefore(t *testing.T) {
	for _, end := range endings {
		if end.name == "live deadline" {
			continue
		}
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				client := newClient(t, api, nil)
				ctx, cancel := end.within(t.Context())
				defer cancel()
				time.Sleep(time.Second)
				synctest.Wait()
				want := deflect.ReasonDeadline
				if end.canceled {
					want = deflect.ReasonCanceled
				}
				call := textedCall(t)
				_, offered := client.Offer(ctx, next(call))
				res, texted := client.Deflect(ctx, next(call))
				for what, err := range map[string]error{"Offer": offered, "Check": client.Check(ctx, call), "Deflect": texted} {
					if reasonOf(err) != want || !deflect.NotSent(err) {
						t.Errorf("%s: %v", what, err)
					}
					wantEnded(t, err, "before the request was made", end.canceled, end.match)
				}
				if res.Outcome != deflect.Failed || len(api.Requests()) != 0 {
					t.Errorf("Deflect = %+v after %d requests", res, len(api.Requests()))
				}
				call.Skill = ""
				if _, err := client.Offer(ctx, next(call)); !errors.Is(err, deflect.ErrInvalidCall) {
					t.Errorf("a malformed call is one at any time: %v", err)
				}
				call.Skill = "sales"
				if _, err := client.Offer(t.Context(), next(call)); err != nil {
					t.Errorf("a cooldown was taken: %v", err)
				}
			})
		})
	}
}

// Offer waits for a store as long as its caller does.
func TestOfferOfAStoreThatHangs(t *testing.T) {
	for _, end := range endings {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, livedeflecttest.New(keys), func(c *rig.Config) { c.Cooldowns = deafStore{} })
				ctx, cancel := end.within(t.Context())
				defer cancel()
				began := time.Now()
				_, err := client.Offer(ctx, textedCall(t))
				var e *deflect.Error
				want := deflect.Error{Outcome: deflect.Ineligible, Reason: deflect.ReasonCooldownUnknown}
				if end.canceled {
					want = deflect.Error{Outcome: deflect.Failed, Reason: deflect.ReasonCanceled}
				}
				if !errors.As(err, &e) || e.Outcome != want.Outcome || e.Reason != want.Reason {
					t.Errorf("Offer: %v, want %s %s", err, want.Outcome, want.Reason)
				}
				wantEnded(t, err, "while the store of cooldowns was asked", end.canceled, end.match)
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// Two keys that a store does not take back cost a second together.
func TestGivingBackTakesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{Status: 400, Body: `{"success":"false"}`})
		for _, store := range []deflect.Cooldowns{deafStore{}, deafRelease{}} {
			client := newClient(t, api, func(c *rig.Config) { c.Cooldowns = store })
			call := textedCall(t)
			call.NumberOverride = "+14043438647" // and the one that calls
			began := time.Now()
			if _, err := client.Deflect(t.Context(), next(call)); !deflect.NotSent(err) {
				t.Errorf("Deflect: %v", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s, which is more than a second after the live deadline", took)
			}
			if _, ok := store.(deafRelease); ok && time.Since(began) > time.Second {
				t.Errorf("giving back took %s", time.Since(began))
			}
		}
	})
}

// The report says what ended it, too.
func TestReportContextEnds(t *testing.T) {
	for _, end := range endings {
		if end.name == "live deadline" {
			continue
		}
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, nil, func(c *rig.Config) { c.Transport = deaf })
				ctx, cancel := end.within(t.Context())
				defer cancel()
				n := 0
				for _, err := range client.API.Report(ctx, livedeflect.ReportQuery{From: time.Now().Add(-time.Hour), To: time.Now()}) {
					n++
					if deflect.ReasonOf(err) != deflect.ReasonCanceled || !errors.Is(err, deflect.ErrCanceled) {
						t.Errorf("Report: %v", err)
					}
					wantEnded(t, err, "", end.canceled, end.match)
				}
				if n != 1 {
					t.Errorf("%d errors", n)
				}
			})
		})
	}
	t.Run("silence is no cancellation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := newClient(t, nil, func(c *rig.Config) { c.Transport = deaf })
			n := 0
			for _, err := range client.API.Report(t.Context(), livedeflect.ReportQuery{From: time.Now().Add(-time.Hour), To: time.Now()}) {
				n++
				if deflect.ReasonOf(err) != deflect.ReasonTimeout || errors.Is(err, context.Canceled) || errors.Is(err, deflect.ErrCanceled) {
					t.Errorf("Report: %v", err)
				}
			}
			if n != 1 {
				t.Errorf("%d errors", n)
			}
		})
	})
}

// deaf is a transport that gets no answer.
var deaf = roundTrip(func(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
})

func wantEnded(t *testing.T, err error, says string, canceled bool, match []error) {
	t.Helper()
	for _, target := range match {
		if !errors.Is(err, target) {
			t.Errorf("%v does not match %v", err, target)
		}
	}
	if errors.Is(err, context.Canceled) != canceled {
		t.Errorf("%v matches context.Canceled: %t", err, !canceled)
	}
	if err == nil {
		return
	}
	if canceled && !errors.Is(err, deflect.ErrCanceled) {
		t.Errorf("%v is not ErrCanceled", err)
	}
	if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "8646") {
		t.Errorf("the error says %q, want %q in it and no number", err, says)
	}
}

func textedCall(t *testing.T) deflect.Call {
	call := call()
	call.Policy = policy(t, deflect.Rules{})
	return call
}

// deafStore answers nothing.
type deafStore struct{}

func (deafStore) Held(ctx context.Context, _ string) (bool, error) {
	<-ctx.Done()
	return false, errors.New("no answer for 404-343-8646")
}

func (deafStore) Take(ctx context.Context, _, _ string, _ time.Duration) (bool, error) {
	<-ctx.Done()
	return false, errors.New("no answer for 404-343-8646")
}

func (deafStore) Release(ctx context.Context, _, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// deafRelease takes everything, and does not take it back.
type deafRelease struct{ deafStore }

func (deafRelease) Held(context.Context, string) (bool, error) { return false, nil }

func (deafRelease) Take(context.Context, string, string, time.Duration) (bool, error) {
	return true, nil
}

// stuckBody has a beginning and no end, until it is closed.
type stuckBody struct {
	begin  *strings.Reader
	closed chan struct{}
}

func newStuckBody(begin string) *stuckBody {
	return &stuckBody{strings.NewReader(begin), make(chan struct{})}
}

func (b *stuckBody) Read(p []byte) (int, error) {
	if n, err := b.begin.Read(p); err == nil {
		return n, nil
	}
	<-b.closed
	return 0, errors.New("read after close")
}

func (b *stuckBody) Close() error {
	select {
	case <-b.closed:
	default:
		close(b.closed)
	}
	return nil
}

// A deadline that leaves too little time for a request is why there was none.
func TestTooLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		c := newClient(t, api, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		res, err := c.Deflect(ctx, call())
		if res.Reason != deflect.ReasonDeadline || !errors.Is(err, context.DeadlineExceeded) || !deflect.NotSent(err) || len(api.Requests()) != 0 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

// uncomparable is an error that == panics for.
type uncomparable []error

func (uncomparable) Error() string { return "several things" }

func TestUncomparableCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(uncomparable{errors.New("a")})
	_, err := newClient(t, livedeflecttest.New(keys), nil).Offer(ctx, call())
	if err == nil || !strings.Contains(err.Error(), "several things") || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
