package deflect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const pathReport = "/api/getLiveDeflectData/v2"

// settled keeps what OnSettled hears.
type settled struct {
	mu  sync.Mutex
	all []deflect.Settlement
}

func (s *settled) hear(v deflect.Settlement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, v)
}

func (s *settled) heard() []deflect.Settlement {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// reportTimes are the times of the requests for the report, since began.
func reportTimes(api *livedeflecttest.Server, began time.Time) (times []time.Duration) {
	for _, r := range api.Requests() {
		if r.Path == pathReport {
			times = append(times, r.Time.Sub(began))
		}
	}
	return times
}

func TestSettle(t *testing.T) {
	const sec = time.Second
	backOff := []time.Duration{15 * sec, 45 * sec, 105 * sec, 225 * sec, 465 * sec, 600 * sec}
	tests := []struct {
		name    string
		fault   livedeflecttest.Fault
		report  livedeflecttest.Report
		prepare func(*livedeflecttest.Server)
		result  deflect.SettleResult
		lookups int
		after   time.Duration
		err     error
	}{
		{name: "sent", fault: livedeflecttest.Fault{ResetAfter: true}, result: deflect.SettledSent, lookups: 1, after: 15 * sec},
		{name: "not sent", fault: livedeflecttest.Fault{Status: 500}, result: deflect.SettledNotSent, lookups: 6, after: 600 * sec},
		{name: "taken, but no text", fault: livedeflecttest.Fault{NoText: true, Truncate: true}, result: deflect.SettledNotSent, lookups: 6, after: 600 * sec},
		{name: "sent, the report lags", fault: livedeflecttest.Fault{Garbage: true}, report: livedeflecttest.Report{Lag: 4 * time.Minute},
			result: deflect.SettledSent, lookups: 5, after: 465 * sec},
		{name: "filtered by event, open ends", fault: livedeflecttest.Fault{ResetAfter: true}, report: livedeflecttest.Report{Filter: livedeflecttest.ByEvent, Ends: livedeflecttest.Exclusive},
			result: deflect.SettledSent, lookups: 1, after: 15 * sec},
		{name: "sent, the report is broken at first", fault: livedeflecttest.Fault{ResetAfter: true},
			prepare: func(api *livedeflecttest.Server) {
				api.InjectReport(slices.Repeat([]livedeflecttest.Fault{{Status: 503}}, 4)...)
			},
			result: deflect.SettledSent, lookups: 2, after: 45 * sec},
		{name: "the report is broken for good", fault: livedeflecttest.Fault{ResetAfter: true},
			prepare: func(api *livedeflecttest.Server) { api.SetReportFault(&livedeflecttest.Fault{Status: 401}) },
			result:  deflect.SettledUnknown, lookups: 6, after: 600 * sec, err: deflect.ErrUnauthorized},
		{name: "sent, another entry cannot be read", fault: livedeflecttest.Fault{ResetAfter: true},
			report: livedeflecttest.Report{Oddity: livedeflecttest.Oddity{BadEvery: 1}},
			result: deflect.SettledSent, lookups: 1, after: 15 * sec},
		{name: "some entry cannot be read", fault: livedeflecttest.Fault{NoText: true, Truncate: true},
			report: livedeflecttest.Report{Oddity: livedeflecttest.Oddity{BadEvery: 1}},
			result: deflect.SettledUnknown, lookups: 6, after: 600 * sec, err: deflect.ErrBadResponse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				api.SetReport(tt.report)
				if tt.prepare != nil {
					tt.prepare(api)
				}
				var got settled
				var log bytes.Buffer
				registry := prometheus.NewRegistry()
				c := newClient(t, api, func(c *rig.Config) {
					c.OnSettled, c.Registerer = got.hear, registry
					c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				})
				api.Inject(tt.fault)
				k := call()
				k.Start = time.Now().Add(-30 * time.Minute) // waited in the queue for long
				res, _ := c.Deflect(t.Context(), k)
				began := time.Now()
				if res.Outcome != deflect.Uncertain {
					t.Fatalf("outcome %s (%s)", res.Outcome, res.Reason)
				}
				if n := rig.Sum(t, registry, "deflect_settle_open"); n != 1 {
					t.Errorf("%v open, want 1", n)
				}
				for len(got.heard()) == 0 && time.Since(began) < time.Hour {
					time.Sleep(time.Second)
				}
				synctest.Wait()
				all := got.heard()
				if len(all) != 1 {
					t.Fatalf("%d settlements", len(all))
				}
				v := all[0]
				if v.Result != tt.result || v.Lookups != tt.lookups || v.ExternalCallID != k.ExternalCallID {
					t.Errorf("settled %+v, want %s after %d lookups", v, tt.result, tt.lookups)
				}
				if !errors.Is(v.Err, tt.err) || (v.Err == nil) != (tt.err == nil) {
					t.Errorf("Err = %v, want %v", v.Err, tt.err)
				}
				if v.Result == deflect.SettledSent && (v.CallID != "473513" || v.SentAt.IsZero()) {
					t.Errorf("sent as %q at %v", v.CallID, v.SentAt)
				}
				if tt.prepare == nil {
					if v.Took != tt.after {
						t.Errorf("took %s, want %s", v.Took, tt.after)
					}
					times := slices.Compact(reportTimes(api, began)) // two windows at one time
					if diff := cmp.Diff(backOff[:tt.lookups], times); diff != "" {
						t.Errorf("lookups (-want +got):\n%s", diff)
					}
				}
				if n := rig.Sum(t, registry, "deflect_settled_total"); n != 1 {
					t.Errorf("%v settled counted, want 1", n)
				}
				if n := rig.Sum(t, registry, "deflect_settle_open"); n != 0 {
					t.Errorf("%v open, want 0", n)
				}
				text := log.String()
				if n := strings.Count(text, `msg="uncertain text settled" call_id=`+k.ExternalCallID+" result="+string(tt.result)); n != 1 {
					t.Errorf("%d log lines:\n%s", n, text)
				}
				for _, tell := range []string{"4043438646", "8005550100", "s3cret", "Thanks"} {
					if strings.Contains(text, tell) {
						t.Errorf("the log shows %q:\n%s", tell, text)
					}
				}
			})
		})
	}
}

// TestSettleEverything sends a thousand texts through every fault of the double,
// and the report through some. What is claimed in the end is what was sent.
func TestSettleEverything(t *testing.T) {
	// Not among them: NoText with a whole answer. A platform that says yes and
	// sends nothing leaves no doubt to settle.
	faults := []livedeflecttest.Fault{
		{}, {}, {}, {},
		{ConnRefused: true}, {ResetBefore: true}, {Hang: true}, {Redirect: "https://example.com/"},
		{Status: 400}, {Status: 401}, {Status: 404}, {Status: 429}, {Status: 429, RetryAfter: "1"}, {Status: 500}, {Status: 503},
		{Status: 500, StatusAfterProcessing: true}, {Status: 504, StatusAfterProcessing: true},
		{InvalidNonce: true}, {SuccessFalse: true}, {SuccessFalse: true, SuccessBool: true}, {SuccessBool: true}, {NoText: true, Truncate: true},
		{HangAfterProcessing: true}, {HangAfterProcessing: true, Truncate: true}, {DeliveredTwice: true}, {ResetAfter: true}, {Garbage: true}, {Truncate: true},
		{Delay: 2 * time.Second}, {Delay: 10 * time.Second}, {Body: "{}"}, {Body: "<html>"}, {Body: `{"callId":"1"}`},
	}
	reportFaults := []livedeflecttest.Fault{
		{}, {}, {}, {Status: 500}, {Status: 429}, {Truncate: true}, {ResetBefore: true}, {Hang: true}, {InvalidNonce: true}, {Garbage: true}, {Body: "<html>"},
	}
	for seed, n := range []int{1000, 300, 300} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(seed), 7))
				api := livedeflecttest.New(keys)
				api.SetReport(livedeflecttest.Report{
					Lag: 40 * time.Second, Filter: livedeflecttest.Filter(seed), Ends: livedeflecttest.Ends(seed),
					Oddity: livedeflecttest.Oddity{Numbers: seed == 1, Shuffled: true, Repeated: seed == 2, UnknownEvents: true, UnknownFields: true, TrunkZero: true},
				})
				for range n / 35 {
					api.InjectReport(reportFaults[r.IntN(len(reportFaults))])
				}
				var got settled
				registry := prometheus.NewRegistry()
				c := newClient(t, api, func(c *rig.Config) {
					c.OnSettled, c.Registerer = got.hear, registry
					c.Breaker.Failures = 1e6 // every call is to meet its fault
				})
				outcomes := map[string]deflect.Outcome{}
				var calls sync.WaitGroup
				var mu sync.Mutex
				for i := range n {
					// A request more for those that are made again.
					api.Inject(faults[r.IntN(len(faults))])
					calls.Go(func() {
						k := call()
						k.ExternalCallID = fmt.Sprint("call-", i)
						res, _ := c.Deflect(t.Context(), k)
						mu.Lock()
						defer mu.Unlock()
						outcomes[k.ExternalCallID] = res.Outcome
					})
					time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
				}
				calls.Wait()
				uncertain := 0
				for _, o := range outcomes {
					if o == deflect.Uncertain {
						uncertain++
					}
				}
				for began := time.Now(); len(got.heard()) < uncertain && time.Since(began) < time.Hour; {
					time.Sleep(time.Second)
				}

				results := map[deflect.SettleResult]int{}
				claimed := map[string]int{}
				for id, o := range outcomes {
					if o == deflect.Sent {
						claimed[id]++
					}
				}
				for _, v := range got.heard() {
					results[v.Result]++
					if outcomes[v.ExternalCallID] != deflect.Uncertain {
						t.Errorf("%s was settled although it was %s", v.ExternalCallID, outcomes[v.ExternalCallID])
					}
					if v.Result == deflect.SettledSent {
						claimed[v.ExternalCallID]++
					}
				}
				sent := map[string]int{}
				for _, d := range api.Sent() {
					sent[d.ExternalCallID]++
				}
				if diff := cmp.Diff(sent, claimed); diff != "" {
					t.Errorf("texts by call (-sent +claimed):\n%s", diff)
				}
				if len(outcomes) != n || len(got.heard()) != uncertain || uncertain < n/5 {
					t.Errorf("%d calls, %d uncertain, %d settled", len(outcomes), uncertain, len(got.heard()))
				}
				if results[deflect.SettledUnknown] != 0 || results[deflect.SettledSent] == 0 || results[deflect.SettledNotSent] == 0 {
					t.Errorf("settled %v, want some sent, some not, none unknown", results)
				}
				if n := rig.Sum(t, registry, "deflect_settled_total"); n != float64(uncertain) {
					t.Errorf("%v settled counted, want %d", n, uncertain)
				}
				t.Logf("sent %d, uncertain %d, settled %v, %d requests for the report",
					len(api.Sent()), uncertain, results, len(reportTimes(api, time.Now())))
			})
		})
	}
}

// TestSettleShares shows that calls that are uncertain together are looked up
// together.
func TestSettleShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{ResetAfter: true})
		var got settled
		c := newClient(t, api, func(c *rig.Config) { c.OnSettled = got.hear; c.Breaker.Failures = 1000 })
		for i := range 100 {
			k := call()
			k.ExternalCallID = fmt.Sprint(i)
			c.Deflect(t.Context(), k)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		if n := len(got.heard()); n != 100 {
			t.Errorf("%d settled, want 100", n)
		}
		if n := len(reportTimes(api, time.Now())); n > 3 {
			t.Errorf("%d requests for 10 s of calls, want one every 5 s", n)
		}
	})
}

func TestSettleIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{ResetAfter: true})
		var got settled
		c := newClient(t, api, func(c *rig.Config) { c.OnSettled = got.hear; c.Settle.Max = 3 })
		for i := range 5 {
			k := call()
			k.ExternalCallID = fmt.Sprint(i)
			c.Deflect(t.Context(), k)
		}
		synctest.Wait()
		for _, v := range got.heard() {
			if v.Result != deflect.SettledUnknown || !errors.Is(v.Err, deflect.ErrTooMany) {
				t.Errorf("%+v", v)
			}
		}
		if n := len(got.heard()); n != 2 {
			t.Errorf("%d were refused, want 2", n)
		}
		time.Sleep(time.Minute)
		if n := len(got.heard()); n != 5 {
			t.Errorf("%d settled, want 5", n)
		}
	})
}

// TestSettleAtTheEnd closes a client with two deflections open, and lets a third
// end uncertain afterwards.
func TestSettleAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{Status: 500})
		api.SetReportFault(&livedeflecttest.Fault{Hang: true})
		var got settled
		var log bytes.Buffer
		c := newClient(t, api, func(c *rig.Config) {
			c.OnSettled = got.hear
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		for i := range 2 {
			k := call()
			k.ExternalCallID = fmt.Sprint(i)
			c.Deflect(t.Context(), k)
		}
		time.Sleep(16 * time.Second) // a lookup hangs
		api.Inject(livedeflecttest.Fault{Status: 500, Delay: time.Second})
		var last sync.WaitGroup
		last.Go(func() {
			k := call()
			k.ExternalCallID = "2"
			c.Deflect(t.Context(), k)
		})
		synctest.Wait()
		began := time.Now()
		c.Close()
		c.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close() took %s", took)
		}
		last.Wait()
		synctest.Wait()
		if n := len(got.heard()); n != 3 {
			t.Fatalf("%d settled, want 3", n)
		}
		for i, v := range got.heard() {
			if v.ExternalCallID != fmt.Sprint(i) || v.Result != deflect.SettledUnknown || !errors.Is(v.Err, deflect.ErrClosed) {
				t.Errorf("%+v", v)
			}
			if n := strings.Count(log.String(), fmt.Sprintf("level=WARN msg=\"uncertain text settled\" call_id=%d result=unknown", i)); n != 1 {
				t.Errorf("%d log lines for call %d:\n%s", n, i, log.String())
			}
		}
	})
}

func TestSettleOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{Status: 500})
		var got settled
		c := newClient(t, api, func(c *rig.Config) { c.OnSettled = got.hear; c.Settle.Disabled = true })
		c.Deflect(t.Context(), call())
		time.Sleep(time.Hour)
		if n := len(got.heard()) + len(reportTimes(api, time.Now())); n != 0 {
			t.Errorf("%d settlements and lookups", n)
		}
	})
}

// TestSettleHoldsNoCall lets the report hang while calls go on.
func TestSettleHoldsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetReportFault(&livedeflecttest.Fault{Hang: true})
		c := newClient(t, api, nil)
		api.Inject(livedeflecttest.Fault{ResetAfter: true})
		c.Deflect(t.Context(), call())
		time.Sleep(20 * time.Second)
		if len(reportTimes(api, time.Now())) == 0 {
			t.Fatal("no lookup")
		}
		began := time.Now()
		for range 10 {
			api.Inject(livedeflecttest.Fault{ResetAfter: true})
			if res, _ := c.Deflect(t.Context(), call()); res.Outcome != deflect.Uncertain && res.Outcome != deflect.Failed {
				t.Errorf("outcome %s", res.Outcome)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("ten calls took %s", took)
		}
	})
}

// TestSettleTellsTextsApart looks up a call whose id was used before: by a call
// of the same number, of another number, and by the same call.
func TestSettleTellsTextsApart(t *testing.T) {
	tests := []struct {
		name   string
		second func(*deflect.Call)
		result deflect.SettleResult
		callID string
		err    error
	}{
		{"same number", func(k *deflect.Call) { k.Start = time.Now() }, deflect.SettledNotSent, "", nil},
		{"another number", func(k *deflect.Call) { k.ANI = "+14043438655" }, deflect.SettledNotSent, "", nil},
		{"same call", func(*deflect.Call) {}, deflect.SettledUnknown, "473513", livedeflect.ErrOtherText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				var got settled
				c := newClient(t, api, func(c *rig.Config) { c.OnSettled = got.hear })
				k := call()
				k.ExternalCallID = "1231"
				before := newClient(t, api, nil) // remembers its calls by their ids
				if _, err := before.Deflect(t.Context(), k); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Minute)
				tt.second(&k)
				api.Inject(livedeflecttest.Fault{Status: 500})
				c.Deflect(t.Context(), k)
				time.Sleep(time.Hour)
				all := got.heard()
				if len(all) != 1 || all[0].Result != tt.result || all[0].CallID != tt.callID || !errors.Is(all[0].Err, tt.err) {
					t.Errorf("settled %+v, want %s", all, tt.result)
				}
			})
		})
	}
}

// TestSettleOtherSpelling shows a text under the id of the call, to a number that is
// written in another way, or an id that is. What may be ours is never "not sent".
func TestSettleOtherSpelling(t *testing.T) {
	for _, tt := range []struct {
		id     func(string) string
		number string
		want   deflect.SettleResult
	}{
		{strings.Clone, "04043438646", deflect.SettledSent},
		{strings.Clone, "404***8646", deflect.SettledSent},
		{strings.Clone, "***46", deflect.SettledSent},
		{strings.Clone, "4.043438646e+09", deflect.SettledUnknown},
		{strings.Clone, "8d969eef6ecad3c29a3a629280e686cf", deflect.SettledUnknown},
		{strings.ToUpper, "4043438646", deflect.SettledUnknown},
		{strings.Clone, "404***8655", deflect.SettledNotSent},
		{strings.Clone, "4043438655", deflect.SettledNotSent},
	} {
		synctest.Test(t, func(t *testing.T) {
			k, sent := call(), time.Now()
			api := livedeflecttest.New(keys)
			report := &rig.Reporter{Answer: func(_, _ time.Time) (int, string) {
				return 200, fmt.Sprintf(`{"success":"true","data":{"473513":[{"externalCallId":%q,"customerPhoneNumber":%q,"eventType":"sendtext","eventTime":"%d"}]}}`,
					tt.id(k.ExternalCallID), tt.number, sent.UnixMilli())
			}}
			var got settled
			c := newClient(t, nil, func(c *rig.Config) { c.OnSettled, c.Transport = got.hear, byPath{api, report} })
			api.Inject(livedeflecttest.Fault{ResetAfter: true})
			c.Deflect(t.Context(), k)
			time.Sleep(time.Hour)
			if all := got.heard(); len(all) != 1 || all[0].Result != tt.want {
				t.Errorf("%s: settled %+v, want %s", tt.number, all, tt.want)
			}
		})
	}
}

// TestSettleClocksStep lets the API's clock differ from ours, and clocks be changed in
// the middle. A text that went out is never settled as not sent, nor the other way
// round, and a clock that only differs is no reason not to know.
func TestSettleClocksStep(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name         string
		ahead, later time.Duration // the API's clock against ours, when it is asked for the text and from then on
		call         time.Duration // the clock of the call's times against ours: it was set back by so much since
		unknown      bool          // a text that went out may be settled as unknown
	}{
		{name: "ahead by minutes", ahead: 5 * time.Minute, later: 5 * time.Minute},
		{name: "behind by minutes", ahead: -5 * time.Minute, later: -5 * time.Minute},
		{name: "ahead by hours", ahead: 3 * time.Hour, later: 3 * time.Hour},
		{name: "behind by hours", ahead: -3 * time.Hour, later: -3 * time.Hour},
		{name: "ours was never set", ahead: 20 * 365 * day, later: 20 * 365 * day},
		{name: "ours is set back within the call", call: 10 * time.Minute},
		{name: "ours is set forward within the call", call: -time.Hour},
		{name: "theirs is set back", later: -time.Hour, unknown: true},
		{name: "theirs is set forward", later: time.Hour, unknown: true},
		{name: "theirs is corrected", ahead: -2 * time.Hour, unknown: true},
	}
	for _, tt := range tests {
		for filter := livedeflecttest.ByBegin; filter <= livedeflecttest.ByActivity; filter++ {
			for _, sent := range []bool{true, false} {
				t.Run(fmt.Sprint(tt.name, " ", filter, " ", sent), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						api := livedeflecttest.New(keys)
						api.SetReport(livedeflecttest.Report{Filter: filter})
						api.SetClock(tt.ahead)
						var got settled
						c := newClient(t, api, func(c *rig.Config) { c.OnSettled = got.hear })
						k := call()
						k.ExternalCallID = "before"
						c.Deflect(t.Context(), k) // shows the API's clock
						time.Sleep(time.Minute)

						k = call()
						k.Accepted = time.Now().Add(tt.call)
						k.Start = k.Accepted.Add(-time.Minute)
						api.Inject(livedeflecttest.Fault{HangAfterProcessing: sent, Hang: !sent})
						c.Deflect(t.Context(), k)
						time.Sleep(time.Second)
						api.SetClock(tt.later)
						time.Sleep(time.Hour)
						want := deflect.SettledNotSent
						if sent {
							want = deflect.SettledSent
						}
						all := got.heard()
						if len(all) != 1 {
							t.Fatalf("settled %+v", all)
						}
						if v := all[0]; v.Result != want && (!tt.unknown || v.Result != deflect.SettledUnknown) {
							t.Errorf("settled %+v, want %s", v, want)
						}
					})
				})
			}
		}
	}
}

// TestSettleLimit lets the report hang while texts become uncertain all the time:
// each is told at its limit and one lookup at most.
func TestSettleLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetReportFault(&livedeflecttest.Fault{Hang: true})
		var got settled
		var mu sync.Mutex
		began, told := map[string]time.Time{}, map[string]time.Duration{}
		c := newClient(t, api, func(c *rig.Config) {
			c.Breaker.Failures = 1e6
			c.OnSettled = func(v deflect.Settlement) {
				got.hear(v)
				mu.Lock()
				defer mu.Unlock()
				told[v.ExternalCallID] = time.Since(began[v.ExternalCallID])
			}
		})
		for i := range 100 {
			k := call()
			k.ExternalCallID = fmt.Sprint(i)
			api.Inject(livedeflecttest.Fault{ResetAfter: true})
			mu.Lock()
			began[k.ExternalCallID] = time.Now()
			mu.Unlock()
			c.Deflect(t.Context(), k)
			time.Sleep(17 * time.Second)
		}
		time.Sleep(15 * time.Minute)
		all := got.heard()
		mu.Lock()
		defer mu.Unlock()
		for _, v := range all {
			if late := told[v.ExternalCallID]; late > 12*time.Minute || v.Took != late || v.Result != deflect.SettledUnknown || v.Err == nil {
				t.Errorf("%+v", v)
			}
		}
		if len(all) != 100 {
			t.Errorf("%d settled", len(all))
		}
	})
}

// TestSettleClocks lets LivePerson's clock differ from ours.
func TestSettleClocks(t *testing.T) {
	for _, tt := range []struct {
		skew  time.Duration
		begin func(sent time.Time) time.Time // what the report has for it
		want  deflect.SettleResult
	}{
		{0, echoed, deflect.SettledSent},
		{5 * time.Minute, echoed, deflect.SettledSent},
		{-30 * time.Second, echoed, deflect.SettledSent},
		// Told apart from an earlier text it cannot be.
		{-5 * time.Minute, echoed, deflect.SettledUnknown},
		{-5 * time.Minute, func(sent time.Time) time.Time { return sent.Add(-5 * time.Minute) }, deflect.SettledUnknown},
		{-20 * time.Minute, echoed, deflect.SettledUnknown},
		// Another call's.
		{-20 * time.Minute, func(sent time.Time) time.Time { return sent.Add(-20 * time.Minute) }, deflect.SettledNotSent},
	} {
		synctest.Test(t, func(t *testing.T) {
			skew, want := tt.skew, tt.want
			k := call()
			accepted := time.Now()
			api := livedeflecttest.New(keys)
			report := &rig.Reporter{Answer: func(_, _ time.Time) (int, string) {
				return 200, fmt.Sprintf(`{"success":"true","data":{"473513":[{"externalCallId":%q,"beginTimeStamp":"%d","customerPhoneNumber":"04043438646","eventType":"sendtext","eventTime":"%d"}]}}`,
					k.ExternalCallID, tt.begin(k.Start).UnixMilli(), accepted.Add(skew).UnixMilli())
			}}
			var got settled
			c := newClient(t, nil, func(c *rig.Config) { c.OnSettled, c.Transport = got.hear, byPath{api, report} })
			api.Inject(livedeflecttest.Fault{ResetAfter: true})
			c.Deflect(t.Context(), k)
			time.Sleep(time.Hour)
			if all := got.heard(); len(all) != 1 || all[0].Result != want || (all[0].CallID == "473513") != (want == deflect.SettledSent) {
				t.Errorf("skew %s: settled %+v, want %s", skew, all, want)
			}
		})
	}
}

func echoed(sent time.Time) time.Time { return sent }

// byPath sends requests for the report elsewhere.
type byPath struct{ rest, report http.RoundTripper }

func (b byPath) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == pathReport {
		return b.report.RoundTrip(req)
	}
	return b.rest.RoundTrip(req)
}

// TestSettleEnds shows that an API that never ends an answer does not stop the
// settling.
func TestSettleEnds(t *testing.T) {
	for name, report := range map[string]*rig.Reporter{
		"hangs": {Answer: func(_, _ time.Time) (int, string) { return 0, "" }},
		"trickles": {
			Answer: func(_, _ time.Time) (int, string) { return 200, `{"success":"true","data":{}}` },
			Bend:   func(ctx context.Context, _ io.Reader) io.Reader { return trickle{ctx} },
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			api := livedeflecttest.New(keys)
			var got settled
			c := newClient(t, nil, func(c *rig.Config) {
				c.OnSettled, c.Transport, c.Breaker.Failures = got.hear, byPath{api, report}, 100
			})
			for i := range 10 { // calls that began at different times
				k := call()
				k.ExternalCallID, k.Start = fmt.Sprint(i), time.Now().Add(-time.Duration(i+1)*30*time.Minute)
				api.Inject(livedeflecttest.Fault{ResetAfter: true})
				c.Deflect(t.Context(), k)
			}
			time.Sleep(15 * time.Minute)
			if n := len(got.heard()); n != 10 {
				t.Errorf("%s: %d settled after 15 minutes, want 10", name, n)
			}
			for _, v := range got.heard() {
				if v.Result != deflect.SettledUnknown || v.Err == nil {
					t.Errorf("%s: %+v", name, v)
				}
			}
		})
	}
}

// trickle is an answer of a space every 25 seconds.
type trickle struct{ ctx context.Context }

func (r trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(25 * time.Second):
		p[0] = ' '
		return 1, nil
	case <-r.ctx.Done():
		return 0, context.Cause(r.ctx)
	}
}

// TestOnSettled shows that a callback is called one at a time, holds up neither
// calls nor lookups, and may panic.
func TestOnSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{ResetAfter: true})
		var now, most, told int
		var mu sync.Mutex
		var log bytes.Buffer
		c := newClient(t, api, func(c *rig.Config) {
			c.Settle.Max = 3
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			c.OnSettled = func(deflect.Settlement) {
				mu.Lock()
				now++
				most = max(most, now)
				told++
				mu.Unlock()
				time.Sleep(time.Minute)
				mu.Lock()
				now--
				mu.Unlock()
				panic("no")
			}
		})
		began := time.Now()
		for i := range 5 {
			k := call()
			k.ExternalCallID = fmt.Sprint(i)
			c.Deflect(t.Context(), k)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("five calls took %s", took)
		}
		time.Sleep(16 * time.Second)
		if n := len(reportTimes(api, began)); n == 0 {
			t.Error("no lookup while the callback is busy")
		}
		c.Close() // waits for the callback
		if told != 5 || most != 1 {
			t.Errorf("told %d times, %d at once", told, most)
		}
		if n := strings.Count(log.String(), "OnSettled panicked"); n != 5 {
			t.Errorf("%d panics logged:\n%s", n, log.String())
		}
	})
}

// TestCloseKnows closes a client in the middle of a lookup that has seen the text.
func TestCloseKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := call()
		k.Start = time.Now().Add(-2 * time.Hour) // two spans: the second one hangs
		api := livedeflecttest.New(keys)
		report := &rig.Reporter{Answer: func(from, _ time.Time) (int, string) {
			if from.After(k.Start.Add(time.Hour)) {
				return 0, ""
			}
			return 200, fmt.Sprintf(`{"success":"true","data":{"1":[{"externalCallId":%q,"eventType":"sendtext","eventTime":"%d"}]}}`, k.ExternalCallID, time.Now().UnixMilli())
		}}
		var got settled
		c := newClient(t, nil, func(c *rig.Config) { c.OnSettled, c.Transport = got.hear, byPath{api, report} })
		api.Inject(livedeflecttest.Fault{ResetAfter: true})
		c.Deflect(t.Context(), k)
		time.Sleep(20 * time.Second)
		c.Close()
		if all := got.heard(); len(all) != 1 || all[0].Result != deflect.SettledSent {
			t.Errorf("settled %+v, want sent", all)
		}
	})
}

// TestSettleNameless finds a text of which the report does not say whose it is.
func TestSettleNameless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := call()
		api := livedeflecttest.New(keys)
		report := &rig.Reporter{Answer: func(_, _ time.Time) (int, string) {
			return 200, fmt.Sprintf(`{"success":"true","data":{"1":[{"externalCallId":%q,"eventType":"deflresponse"},{"externalCallId":null,"eventType":"sendtext"}]}}`, k.ExternalCallID)
		}}
		var got settled
		c := newClient(t, nil, func(c *rig.Config) { c.OnSettled, c.Transport = got.hear, byPath{api, report} })
		api.Inject(livedeflecttest.Fault{ResetAfter: true})
		c.Deflect(t.Context(), k)
		time.Sleep(time.Hour)
		if all := got.heard(); len(all) != 1 || all[0].Result != deflect.SettledUnknown || all[0].CallID != "1" {
			t.Errorf("settled %+v, want unknown", all)
		}
	})
}

// TestSettleByHandLongCall looks for the text of a call that began long before.
func TestSettleByHandLongCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(48 * time.Hour)
		api := livedeflecttest.New(keys)
		c := newClient(t, api, func(c *rig.Config) { c.Settle.Disabled = true })
		k := call()
		k.Start = time.Now().Add(-5 * time.Hour)
		api.Inject(livedeflecttest.Fault{ResetAfter: true})
		at := time.Now()
		c.Deflect(t.Context(), k)
		time.Sleep(time.Hour)
		if v := c.Settle(t.Context(), k.ExternalCallID, at); v.Result != deflect.SettledSent || v.Lookups != 2 {
			t.Errorf("%+v, want sent", v)
		}
	})
}

func TestSettleByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		c := newClient(t, api, func(c *rig.Config) { c.Settle.Disabled = true })
		at := time.Now()
		k := call()
		api.Inject(livedeflecttest.Fault{ResetAfter: true})
		c.Deflect(t.Context(), k)
		time.Sleep(time.Minute)
		v := c.Settle(t.Context(), k.ExternalCallID, at)
		if v.Result != deflect.SettledSent || v.CallID != "473513" || !v.SentAt.Equal(at) || v.Lookups != 1 || v.Err != nil {
			t.Errorf("sent: %+v", v)
		}
		v = c.Settle(t.Context(), "nobody", at)
		if v.Result != deflect.SettledUnknown || !errors.Is(v.Err, deflect.ErrTooEarly) {
			t.Errorf("too early: %+v", v)
		}
		if v = c.Settle(t.Context(), "", at); v.Result != deflect.SettledUnknown || !errors.Is(v.Err, deflect.ErrInvalidCall) {
			t.Errorf("no id: %+v", v)
		}
		time.Sleep(48 * time.Hour)
		for off, want := range map[time.Duration]deflect.SettleResult{
			-5 * time.Hour: deflect.SettledSent, -9 * time.Minute: deflect.SettledSent, 9 * time.Minute: deflect.SettledSent,
			// Older than the time that was given: it may be another one.
			20 * time.Minute: deflect.SettledUnknown, 5 * time.Hour: deflect.SettledUnknown,
		} {
			if v = c.Settle(t.Context(), k.ExternalCallID, at.Add(off)); v.Result != want {
				t.Errorf("remembered %s off: %+v, want %s", off, v, want)
			}
		}
		if v = c.Settle(t.Context(), "nobody", at); v.Result != deflect.SettledNotSent || v.Err != nil {
			t.Errorf("not sent: %+v", v)
		}
		if v = c.Settle(t.Context(), k.ExternalCallID, at.Add(5*time.Minute)); v.Result != deflect.SettledSent {
			t.Errorf("not quite remembered: %+v", v)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if v = c.Settle(ctx, "nobody", at); v.Result != deflect.SettledUnknown || deflect.ReasonOf(v.Err) != deflect.ReasonCanceled {
			t.Errorf("cancelled: %+v", v)
		}
	})
}
