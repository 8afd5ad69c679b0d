package deflect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// slowList answers after a while, or when its context ends.
type slowList struct {
	after time.Duration
	err   error // its answer; nil is that the number is not on the list
}

func (l slowList) Holds(ctx context.Context, e164 string) (bool, error) {
	select {
	case <-ctx.Done():
		return false, fmt.Errorf("SELECT %q: %w", e164, ctx.Err())
	case <-time.After(l.after):
	}
	if l.err != nil {
		return false, fmt.Errorf("SELECT %q: %w", e164, l.err)
	}
	return false, nil
}

// A list that does not know is no leave to text: whether it fails or hangs, the caller gets
// none, hears so within the live deadline, and the reason is the list's.
func TestListThatDoesNotKnow(t *testing.T) {
	down := errors.New("connection refused")
	for _, tt := range []struct {
		name  string
		list  slowList
		takes time.Duration
		match error
		said  string
	}{
		{"fails", slowList{err: down}, 0, down, "the do-not-text list does not answer"},
		{"fails late", slowList{after: 3 * time.Second, err: down}, 3 * time.Second, down, "the do-not-text list does not answer"},
		{"hangs", slowList{after: time.Hour}, 4 * time.Second, context.DeadlineExceeded, "while the do-not-text list was asked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				client := newClient(t, api, nil)
				call := call()
				call.Policy = policy(t, deflect.Rules{DoNotText: tt.list})
				asked := func(what string, ask func() error) {
					t.Helper()
					began := time.Now()
					err := ask()
					var e *deflect.Error
					if !errors.As(err, &e) || e.Outcome != deflect.Ineligible || e.Reason != deflect.ReasonOptedOut || !errors.Is(err, deflect.ErrIneligible) || !errors.Is(err, tt.match) {
						t.Errorf("%s: %v", what, err)
					}
					if s := fmt.Sprint(err); !strings.Contains(s, tt.said) || strings.Contains(s, "404343") {
						t.Errorf("%s says %s", what, s)
					}
					if took := time.Since(began); took != tt.takes {
						t.Errorf("%s took %s, want %s", what, took, tt.takes)
					}
				}
				asked("Offer", func() error { _, err := client.Offer(t.Context(), next(call)); return err })
				asked("Check", func() error { return client.Check(t.Context(), call) })
				asked("Deflect", func() error { _, err := client.Deflect(t.Context(), next(call)); return err })
				if n := len(api.Sent()); n != 0 {
					t.Errorf("%d texts", n)
				}
				for _, v := range client.Explain(t.Context(), call, time.Now()) {
					if refused := v.Answer == deflect.RuleRefuse; refused != (v.Rule == "do_not_text") || refused && v.Detail != "the do-not-text list does not answer" {
						t.Errorf("%s: %s %s", v.Rule, v.Answer, v.Detail)
					}
				}
			})
		})
	}
}

// What a list takes of a caller's time is taken from the rest: there is one live deadline.
func TestSlowListSharesTheDeadline(t *testing.T) {
	for _, tt := range []struct {
		name    string
		list    slowList
		change  func(*rig.Config, *livedeflecttest.Server)
		offer   deflect.Reason
		outcome deflect.Outcome
		reason  deflect.Reason
	}{
		{"and all is well", slowList{after: 3 * time.Second}, nil, deflect.ReasonOK, deflect.Sent, deflect.ReasonOK},
		{"and a store that hangs", slowList{after: 3 * time.Second}, func(c *rig.Config, _ *livedeflecttest.Server) { c.Cooldowns = deafStore{} },
			deflect.ReasonCooldownUnknown, deflect.Failed, deflect.ReasonCooldownUnknown},
		{"and an API that hangs", slowList{after: 3 * time.Second}, func(_ *rig.Config, api *livedeflecttest.Server) { api.SetFault(&livedeflecttest.Fault{Hang: true}) },
			deflect.ReasonOK, deflect.Uncertain, deflect.ReasonTimeout},
		{"until nothing is left", slowList{after: 4*time.Second - time.Millisecond}, nil, deflect.ReasonOK, deflect.Failed, deflect.ReasonDeadline},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				client := newClient(t, api, func(c *rig.Config) {
					if tt.change != nil {
						tt.change(c, api)
					}
				})
				call := call()
				call.Policy = policy(t, deflect.Rules{DoNotText: tt.list})
				began := time.Now()
				offer, err := client.Offer(t.Context(), next(call))
				offer.Release()
				if deflect.ReasonOf(err) != tt.offer {
					t.Errorf("Offer: %v, want %s", err, tt.offer)
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("Offer took %s", took)
				}
				began = time.Now()
				res, err := client.Deflect(t.Context(), next(call))
				if res.Outcome != tt.outcome || res.Reason != tt.reason {
					t.Errorf("Deflect: %v, want %s %s", err, tt.outcome, tt.reason)
				}
				if took := time.Since(began); took > 5*time.Second || took > 4*time.Second && tt.reason != deflect.ReasonCooldownUnknown {
					t.Errorf("Deflect took %s", took)
				}
			})
		})
	}
}

// Who hung up while the list was asked did not opt out.
func TestHangUpDuringTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, livedeflecttest.New(keys), nil)
		call := call()
		call.Policy = policy(t, deflect.Rules{DoNotText: slowList{after: time.Hour}})
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		time.AfterFunc(time.Second, hangUp)
		res, err := client.Deflect(ctx, next(call))
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonCanceled || !errors.Is(err, deflect.ErrCanceled) || !deflect.NotSent(err) {
			t.Errorf("Deflect: %+v, %v", res, err)
		}
	})
}
