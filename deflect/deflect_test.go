package deflect_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// What tests of the engine are made of.
var (
	keys      = rig.Keys
	auth      = rig.Auth
	account   = rig.Account
	newClient = rig.Over
	call      = rig.Call
	next      = rig.Next
)

func TestDeflectSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.UnixMilli(1528932953300)))
		api := livedeflecttest.New(keys)
		client := newClient(t, api, nil)
		k := deflect.Call{
			ANI: "+14043438646", DNIS: "4029742345", Digits: "1234", ExternalCallID: "1231",
			Start: time.UnixMilli(1528932953100), Skill: "sales", Text: "Welcome to our IVR Deflection solution",
			TextTag: "template-1", FirstName: "John", LastName: "Doe",
			CustomerID: "123456", CustomerIDDescriptor: "CustomerId",
			CallerInfo: map[string]any{"userdefinedvar": 50, "newtestvariable": "variablevalue1", "tshirtsize": "Large"},
		}
		res, err := client.Deflect(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		want := deflect.Result{Outcome: deflect.Sent, Reason: deflect.ReasonOK, CallID: "473513", Attempts: 1, Status: 200}
		if diff := cmp.Diff(want, res); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
		// The vendor's example, field by field, plus the tag's other name.
		wantSent := livedeflecttest.Deflection{
			CallID: "473513", Time: time.Now(), SiteID: "38856538", Skill: "sales",
			CustomerCountryCode: "1", CustomerPhoneNumber: "4043438646", IsMobile: "true",
			DeflectionAcceptTime: "1528932953300", CallBeginTime: "1528932953100", ExternalCallID: "1231",
			DialedCountryCode: "1", DialedPhoneNumber: "4029742345", DeflectionChannel: "sms",
			DeflectionText: "Welcome to our IVR Deflection solution", DeflectionHandle: "14043438646",
			CallerInfo:          []byte(`{"newtestvariable":"variablevalue1","tshirtsize":"Large","userdefinedvar":50}`),
			CallerEnteredDigits: "1234", FirstName: "John", LastName: "Doe",
			DeflectionTextTag: "template-1", DeflectionTagText: "template-1",
			ExternalCustomerIDDescriptor: "CustomerId", ExternalCustomerID: "123456",
		}
		if diff := cmp.Diff([]livedeflecttest.Deflection{wantSent}, api.Sent()); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
	})
}

func TestSettingsReachTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(1528932953, 0)))
		tests := []struct {
			name   string
			api    livedeflecttest.Config
			change func(*rig.Config)
			call   func(*deflect.Call)
			check  func(*livedeflecttest.Deflection) [2]string // got, want
		}{
			{"seconds", livedeflecttest.Config{TimeUnit: livedeflecttest.Seconds}, func(c *rig.Config) { c.TimeUnit = livedeflect.Seconds }, nil,
				func(d *livedeflecttest.Deflection) [2]string { return [2]string{d.DeflectionAcceptTime, "1528932953"} }},
			{"table's tag", livedeflecttest.Config{}, func(c *rig.Config) { c.TextTagField = livedeflect.TagTextTag }, func(k *deflect.Call) { k.TextTag = "x" },
				func(d *livedeflecttest.Deflection) [2]string {
					return [2]string{d.DeflectionTextTag + "," + d.DeflectionTagText, "x,"}
				}},
			{"example's tag", livedeflecttest.Config{}, func(c *rig.Config) { c.TextTagField = livedeflect.TagTagText }, func(k *deflect.Call) { k.TextTag = "x" },
				func(d *livedeflecttest.Deflection) [2]string {
					return [2]string{d.DeflectionTextTag + "," + d.DeflectionTagText, ",x"}
				}},
			{"trunk prefix", livedeflecttest.Config{}, func(c *rig.Config) { c.TrunkPrefix, c.DefaultRegion = true, "AU" }, func(k *deflect.Call) { k.ANI = "0400111222" },
				func(d *livedeflecttest.Deflection) [2]string {
					return [2]string{d.CustomerCountryCode + "," + d.CustomerPhoneNumber + "," + d.DeflectionHandle, "61,0400111222,61400111222"}
				}},
			{"override", livedeflecttest.Config{}, nil, func(k *deflect.Call) { k.NumberOverride = "+4915112345678" },
				func(d *livedeflecttest.Deflection) [2]string { return [2]string{d.DeflectionHandle, "4915112345678"} }},
		}
		for _, tt := range tests {
			cfg := keys
			cfg.TimeUnit = tt.api.TimeUnit
			api := livedeflecttest.New(cfg)
			client := newClient(t, api, tt.change)
			k := call()
			if tt.call != nil {
				tt.call(&k)
			}
			if _, err := client.Deflect(t.Context(), next(k)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			sent := api.Sent()[0]
			if got := tt.check(&sent); got[0] != got[1] {
				t.Errorf("%s: sent %s, want %s", tt.name, got[0], got[1])
			}
		}
	})
}

func TestDomain(t *testing.T) {
	for domain, want := range map[string]string{
		"lo":              "https://lo.ivrdeflect.liveperson.net/api/contextAndInvite",
		"api.example.net": "https://api.example.net/api/contextAndInvite",
	} {
		client := newClient(t, livedeflecttest.New(keys), func(c *rig.Config) { c.Domain = domain })
		if got, _, err := client.Preview(call()); err != nil || got != want {
			t.Errorf("domain %s gives %s, %v", domain, got, err)
		}
	}
}

// What the API and the network can do, and what it means: the outcome, how many
// requests the API may have processed, and how long the caller waited at most.
func TestEveryFaultHasItsOutcome(t *testing.T) {
	tests := []struct {
		faults   string // one a request, with spaces between
		outcome  deflect.Outcome
		reason   deflect.Reason
		attempts int
		texts    int
		class    error
	}{
		{"", deflect.Sent, deflect.ReasonOK, 1, 1, nil},
		{"success-bool", deflect.Sent, deflect.ReasonOK, 1, 1, nil},
		{"delay=3s", deflect.Sent, deflect.ReasonOK, 1, 1, nil},
		{"delay=5s", deflect.Uncertain, deflect.ReasonTimeout, 1, 1, deflect.ErrUnavailable},
		{"hang", deflect.Uncertain, deflect.ReasonTimeout, 1, 0, deflect.ErrUnavailable},
		{"hang-after", deflect.Uncertain, deflect.ReasonTimeout, 1, 1, deflect.ErrUnavailable},
		{"reset-before", deflect.Uncertain, deflect.ReasonConnectionLost, 1, 0, deflect.ErrUnavailable},
		{"reset-after", deflect.Uncertain, deflect.ReasonConnectionLost, 1, 1, deflect.ErrUnavailable},
		{"status=500", deflect.Uncertain, deflect.ReasonServerError, 1, 0, deflect.ErrUnavailable},
		{"status-after=503", deflect.Uncertain, deflect.ReasonServerError, 1, 1, deflect.ErrUnavailable},
		{"garbage", deflect.Uncertain, deflect.ReasonBadResponse, 1, 1, deflect.ErrBadResponse},
		{"truncate", deflect.Uncertain, deflect.ReasonBadResponse, 1, 1, deflect.ErrBadResponse},
		{"hang-after,truncate", deflect.Uncertain, deflect.ReasonTimeout, 1, 1, deflect.ErrUnavailable},
		{"success-false", deflect.Failed, deflect.ReasonRejected, 1, 0, deflect.ErrRejected},
		{"status=400", deflect.Failed, deflect.ReasonRejected, 1, 0, deflect.ErrRejected},
		{"status=404", deflect.Failed, deflect.ReasonRejected, 1, 0, deflect.ErrRejected},
		{"status=403", deflect.Failed, deflect.ReasonUnauthorized, 1, 0, deflect.ErrUnauthorized},
		{"redirect=https://example.net/", deflect.Failed, deflect.ReasonRedirected, 1, 0, deflect.ErrRejected},
		{"status=429", deflect.Failed, deflect.ReasonRateLimited, 1, 0, deflect.ErrRateLimited},
		{"status=429,retry-after=60", deflect.Failed, deflect.ReasonRateLimited, 1, 0, deflect.ErrRateLimited},
		{"status=429,retry-after=1", deflect.Sent, deflect.ReasonOK, 2, 1, nil},
		{"status=429,retry-after=0", deflect.Sent, deflect.ReasonOK, 2, 1, nil},
		{"status=429,retry-after=1 status=429,retry-after=1 status=429,retry-after=1", deflect.Failed, deflect.ReasonRateLimited, 3, 0, deflect.ErrRateLimited},
		{"status=429,retry-after=4", deflect.Failed, deflect.ReasonRateLimited, 1, 0, deflect.ErrRateLimited},
		{"delay=2900ms,status=429,retry-after=1", deflect.Failed, deflect.ReasonRateLimited, 1, 0, deflect.ErrRateLimited},
		{"status=429,retry-after=3 status=429,retry-after=3", deflect.Failed, deflect.ReasonRateLimited, 2, 0, deflect.ErrRateLimited},
		{"status=429,retry-after=1 reset-after", deflect.Uncertain, deflect.ReasonConnectionLost, 2, 1, deflect.ErrUnavailable},
		{"invalid-nonce", deflect.Uncertain, deflect.ReasonInvalidNonce, 1, 0, deflect.ErrUnauthorized},
		{"delivered-twice", deflect.Uncertain, deflect.ReasonInvalidNonce, 1, 1, deflect.ErrUnauthorized},
		{"conn-refused delivered-twice", deflect.Uncertain, deflect.ReasonInvalidNonce, 2, 1, deflect.ErrUnauthorized},
		{"delivered-twice,truncate", deflect.Uncertain, deflect.ReasonInvalidNonce, 1, 1, deflect.ErrUnauthorized},
		{"delivered-twice,retry-after=1", deflect.Uncertain, deflect.ReasonInvalidNonce, 1, 1, deflect.ErrUnauthorized},
		{"conn-refused", deflect.Sent, deflect.ReasonOK, 2, 1, nil},
		{"conn-refused conn-refused", deflect.Sent, deflect.ReasonOK, 3, 1, nil},
		{"conn-refused conn-refused conn-refused", deflect.Failed, deflect.ReasonUnreachable, 3, 0, deflect.ErrUnavailable},
		{"conn-refused reset-after", deflect.Uncertain, deflect.ReasonConnectionLost, 2, 1, deflect.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.faults, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				for _, s := range strings.Fields(tt.faults) {
					f, err := livedeflecttest.ParseFault(s)
					if err != nil {
						t.Fatal(err)
					}
					api.Inject(f)
				}
				reg := prometheus.NewRegistry()
				client := newClient(t, api, func(c *rig.Config) { c.Registerer = reg })
				start := time.Now()
				res, err := client.Deflect(t.Context(), call())
				if res.Outcome != tt.outcome || res.Reason != tt.reason || res.Attempts != tt.attempts {
					t.Errorf("result = %+v, want %s %s after %d", res, tt.outcome, tt.reason, tt.attempts)
				}
				if took := time.Since(start); took > 4*time.Second || took != res.Duration {
					t.Errorf("took %s, result says %s", took, res.Duration)
				}
				if got := len(api.Sent()); got != tt.texts {
					t.Errorf("%d texts were sent, want %d", got, tt.texts)
				}
				if tt.class == nil && err != nil || tt.class != nil && !errors.Is(err, tt.class) {
					t.Errorf("error = %v, want %v", err, tt.class)
				}
				if got := deflect.ReasonOf(err); got != tt.reason {
					t.Errorf("ReasonOf = %s", got)
				}
				if got, want := deflect.NotSent(err), tt.outcome == deflect.Failed; got != want {
					t.Errorf("NotSent = %v, want %v", got, want)
				}
				if deflect.NotSent(err) && len(api.Sent()) > 0 {
					t.Error("NotSent, but a text was sent")
				}
				// Signed anew for every attempt: no header twice.
				seen := map[string]bool{}
				for _, r := range api.Requests() {
					if seen[r.Authorization] {
						t.Error("two attempts had one signature")
					}
					seen[r.Authorization] = true
				}
				wantCount(t, reg, tt.outcome, tt.reason, 1)
			})
		})
	}
}

func wantCount(t *testing.T, reg prometheus.Gatherer, o deflect.Outcome, r deflect.Reason, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "deflect_outcomes_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue()
			if m.GetLabel()[0].GetValue() == string(o) && m.GetLabel()[2].GetValue() == string(r) && m.GetCounter().GetValue() != want {
				t.Errorf("%s %s counted %v times, want %v", o, r, m.GetCounter().GetValue(), want)
			}
		}
	}
	if sum != want {
		t.Errorf("%v outcomes counted, want %v", sum, want)
	}
}

// The caller of Deflect gives up: the outcome says whether a text may have left.
func TestCancel(t *testing.T) {
	tests := []struct {
		name    string
		fault   livedeflecttest.Fault
		outcome deflect.Outcome
	}{
		{"in flight", livedeflecttest.Fault{HangAfterProcessing: true}, deflect.Uncertain},
		{"waiting to try again", livedeflecttest.Fault{Status: 429, RetryAfter: "2"}, deflect.Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				api.SetFault(&tt.fault)
				client := newClient(t, api, nil)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start := time.Now()
				res, err := client.Deflect(ctx, call())
				if res.Outcome != tt.outcome || err == nil || time.Since(start) != time.Second {
					t.Errorf("after %s: %+v, %v", time.Since(start), res, err)
				}
			})
		})
	}
	t.Run("before", func(t *testing.T) {
		api := livedeflecttest.New(keys)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		client := newClient(t, nil, func(c *rig.Config) { c.Transport = nil; c.Domain = ""; c.BaseURL = "http://127.0.0.1:1" })
		res, err := client.Deflect(ctx, call())
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonCanceled || !deflect.NotSent(err) || res.Attempts != 0 || len(api.Requests()) > 0 {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestInvalidCallIsNotSent(t *testing.T) {
	api := livedeflecttest.New(keys)
	client := newClient(t, api, nil)
	k := call()
	k.Skill, k.Text = "", "\x00"
	res, err := client.Deflect(t.Context(), next(k))
	if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonInvalidCall || res.Attempts != 0 || !errors.Is(err, deflect.ErrInvalidCall) {
		t.Errorf("%+v, %v", res, err)
	}
	k.ANI = "anonymous"
	res, _ = client.Deflect(t.Context(), next(k))
	if res.Outcome != deflect.Ineligible || res.Reason != deflect.ReasonNumberHidden {
		t.Errorf("%+v", res)
	}
	if n := len(api.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

// A Retry-After beyond reach is not waited for.
func TestFarRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.Inject(livedeflecttest.Fault{Status: 429, RetryAfter: "Fri, 31 Dec 9999 23:59:59 GMT"})
		res, _ := newClient(t, api, nil).Deflect(t.Context(), call())
		if res.Reason != deflect.ReasonRateLimited || res.Duration != 0 {
			t.Errorf("%+v", res)
		}
	})
}

// A deadline of whoever calls Deflect is the API's failure like the live deadline:
// nobody should be offered a text while none can be sent. A cancelled context is a
// wish, and tells nothing.
func TestForeignDeadline(t *testing.T) {
	tests := []struct {
		name   string
		limit  func(context.Context) (context.Context, context.CancelFunc)
		reason deflect.Reason
		opens  bool
	}{
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, deflect.ReasonTimeout, true},
		{"deadline with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Second, errors.New("mine"))
		}, deflect.ReasonTimeout, true},
		{"cancelled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, deflect.ReasonCanceled, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				api.SetFault(&livedeflecttest.Fault{Hang: true})
				client := newClient(t, api, nil)
				for range 5 {
					ctx, cancel := tt.limit(t.Context())
					res, _ := client.Deflect(ctx, call())
					cancel()
					if res.Outcome != deflect.Uncertain || res.Reason != tt.reason {
						t.Fatalf("%+v", res)
					}
				}
				if _, err := client.Offer(t.Context(), call()); (err != nil) != tt.opens {
					t.Errorf("offer after five: %v", err)
				}
			})
		})
	}
}

// Time that went by before the API was asked is not the API's: a deadline that had
// passed already, one that left no time, and one that another call of the same
// caller had used up.
func TestDeadlineThatIsNotTheAPIs(t *testing.T) {
	policy, err := deflect.NewPolicy("p", deflect.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []time.Duration{-time.Second, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			api := livedeflecttest.New(keys)
			api.SetFault(&livedeflecttest.Fault{Hang: true})
			client := newClient(t, api, nil)
			for range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), left)
				res, err := client.Deflect(ctx, call())
				cancel()
				if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonDeadline || !deflect.NotSent(err) || res.Attempts != 0 {
					t.Fatalf("%s left: %+v, %v", left, res, err)
				}
			}
			if _, err := client.Offer(t.Context(), call()); err != nil {
				t.Errorf("%s left: %v", left, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) { c.Breaker.Failures = 2 })
		// The first call is refused after 3 s, so that the second may text; which
		// has 1 s left, and the API takes 2.
		api.Inject(livedeflecttest.Fault{Delay: 3 * time.Second, Status: 400}, livedeflecttest.Fault{Delay: 2 * time.Second}, livedeflecttest.Fault{Status: 500})
		k := call()
		k.Policy = policy
		var calls sync.WaitGroup
		calls.Go(func() { client.Deflect(t.Context(), next(k)) })
		synctest.Wait()
		if res, _ := client.Deflect(t.Context(), next(k)); res.Reason != deflect.ReasonTimeout {
			t.Errorf("the second call: %+v", res)
		}
		calls.Wait()
		k.Policy = nil
		client.Deflect(t.Context(), next(k)) // one failure, not two in a row
		if _, err := client.Offer(t.Context(), call()); err != nil {
			t.Error(err)
		}
	})
}

// An error of another package is never taken for proof that nothing was sent.
func TestForeignErrors(t *testing.T) {
	for _, err := range []error{errors.New("x"), context.Canceled, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}} {
		if deflect.NotSent(err) || deflect.ReasonOf(err) != deflect.ReasonInternal {
			t.Errorf("%v: NotSent %v, reason %s", err, deflect.NotSent(err), deflect.ReasonOf(err))
		}
	}
	if deflect.NotSent(nil) || deflect.ReasonOf(nil) != deflect.ReasonOK {
		t.Error("nil is not ok")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A transport of an embedder, without trace hooks: what is no proof is doubt.
func TestForeignTransport(t *testing.T) {
	tests := []struct {
		err     error
		outcome deflect.Outcome
		reason  deflect.Reason
	}{
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, deflect.Failed, deflect.ReasonUnreachable},
		{&net.DNSError{Err: "no such host", Name: "x"}, deflect.Failed, deflect.ReasonUnreachable},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, deflect.Uncertain, deflect.ReasonConnectionLost},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, deflect.Uncertain, deflect.ReasonConnectionLost},
		{errors.New("anything"), deflect.Uncertain, deflect.ReasonConnectionLost},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			client := newClient(t, nil, func(c *rig.Config) {
				c.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return nil, tt.err })
			})
			res, _ := client.Deflect(t.Context(), call())
			if res.Outcome != tt.outcome || res.Reason != tt.reason {
				t.Errorf("%v: %s %s, want %s %s", tt.err, res.Outcome, res.Reason, tt.outcome, tt.reason)
			}
		})
	}
}

func TestMetricsAreClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) { c.Registerer = reg })
		problems, err := testutil.GatherAndLint(reg)
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
		before, err := testutil.GatherAndCount(reg)
		if err != nil {
			t.Fatal(err)
		}
		for range 12 {
			api.Inject(livedeflecttest.Fault{Status: 500})
			client.Deflect(t.Context(), call()) //nolint:errcheck // the series are looked at
		}
		client.CountOutcome(nil, deflect.Declined, deflect.ReasonDeclineKey)
		client.CountOutcome(nil, "nonsense", "nonsense")
		after, err := testutil.GatherAndCount(reg)
		if err != nil || before != after {
			t.Errorf("%d series at the start, %d later (%v)", before, after, err)
		}
		if _, err := deflect.New(deflect.Config{Backend: client.API, Registerer: reg}); !errors.Is(err, deflect.ErrInvalidConfig) {
			t.Errorf("a second client on the registerer: %v", err)
		}
	})
}

func TestOutcomesAndReasons(t *testing.T) {
	want := []deflect.Outcome{"sent", "declined", "no_input", "ineligible", "failed", "uncertain", "abandoned", "deferred"}
	if diff := cmp.Diff(want, deflect.Outcomes()); diff != "" {
		t.Error(diff)
	}
	for _, o := range want {
		if len(deflect.Reasons(o)) == 0 {
			t.Errorf("%s has no reason", o)
		}
		for _, r := range deflect.Reasons(o) {
			for _, c := range string(r) {
				if c != '_' && (c < 'a' || c > 'z') {
					t.Errorf("reason %q is not one word", r)
				}
			}
		}
	}
	if deflect.Reasons("nonsense") != nil {
		t.Error("an unknown outcome has reasons")
	}
}
