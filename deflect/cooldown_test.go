package deflect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

func TestCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, nil)
		sales, support := policy(t, deflect.Rules{}), must(deflect.NewPolicy("support", deflect.Rules{Cooldown: time.Hour}))
		text := func(n phone.Number, p *deflect.Policy) deflect.Reason {
			t.Helper()
			call := call()
			call.ANI, call.Policy = n, p
			_, offerErr := client.Offer(t.Context(), next(call))
			checkErr := client.Check(t.Context(), call)
			res, err := client.Deflect(t.Context(), next(call))
			if reasonOf(offerErr) != reasonOf(err) || reasonOf(checkErr) != reasonOf(err) || err != nil && res.Outcome != deflect.Ineligible {
				t.Errorf("Offer: %v, Check: %v, Deflect: %v", offerErr, checkErr, err)
			}
			return res.Reason
		}
		for _, tt := range []struct {
			after  time.Duration
			number phone.Number
			policy *deflect.Policy
			want   deflect.Reason
		}{
			{0, "+14043438646", sales, deflect.ReasonOK},
			{0, "+14043438646", sales, deflect.ReasonCooldown},
			{0, "404-343-8646", sales, deflect.ReasonCooldown}, // the same phone
			{0, "+14043438647", sales, deflect.ReasonOK},       // another one
			{0, "+14043438646", support, deflect.ReasonOK},     // another profile
			{0, "+14043438646", nil, deflect.ReasonOK},         // no rules
			{15*time.Minute - time.Millisecond, "+14043438646", sales, deflect.ReasonCooldown},
			{time.Millisecond, "+14043438646", sales, deflect.ReasonOK},
			{0, "+14043438646", support, deflect.ReasonCooldown},
			{45 * time.Minute, "+14043438646", support, deflect.ReasonOK},
		} {
			time.Sleep(tt.after)
			if got := text(tt.number, tt.policy); got != tt.want {
				t.Errorf("after %s: %s for %s, want %s", tt.after, got, string(tt.number), tt.want)
			}
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A cooldown ends at once when certainly no text was sent, and is kept when one
// may have been.
func TestCooldownOfWhatFailed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault livedeflecttest.Fault
		kept  bool
	}{
		{"refused", livedeflecttest.Fault{Status: 400, Body: `{"success":"false"}`}, false},
		{"unauthorized", livedeflecttest.Fault{Status: 401}, false},
		{"server error", livedeflecttest.Fault{Status: 500}, true},
		{"garbage", livedeflecttest.Fault{Status: 200, Body: "<html>"}, true},
		{"no answer", livedeflecttest.Fault{Delay: time.Minute}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				client := newClient(t, api, nil)
				api.SetFault(&tt.fault)
				call := call()
				call.Policy = policy(t, deflect.Rules{})
				if res, err := client.Deflect(t.Context(), next(call)); err == nil || (res.Outcome == deflect.Uncertain) != tt.kept {
					t.Fatalf("Deflect: %+v, %v", res, err)
				}
				api.SetFault(nil)
				_, err := client.Deflect(t.Context(), next(call))
				if kept := reasonOf(err) == deflect.ReasonCooldown; kept != tt.kept || !kept && err != nil {
					t.Errorf("the next text: %v", err)
				}
			})
		})
	}
	t.Run("panic", func(t *testing.T) {
		client := newClient(t, nil, func(c *rig.Config) {
			c.Transport = roundTrip(func(*http.Request) (*http.Response, error) { panic("a defect of a transport") })
		})
		call := call()
		call.Policy = policy(t, deflect.Rules{})
		func() {
			defer func() { _ = recover() }()
			client.Deflect(t.Context(), next(call)) //nolint:errcheck // panics
		}()
		if _, err := client.Offer(t.Context(), next(call)); reasonOf(err) != deflect.ReasonCooldown {
			t.Errorf("after a panic nobody knows what was sent: %v", err)
		}
	})
}

// faulty fails the first requests of each number, in turns: certainly not sent, or
// sent with an answer that is lost.
type faulty struct {
	api   http.RoundTripper
	fails int

	mu   sync.Mutex
	seen map[string]int
}

func (f *faulty) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var d struct{ CustomerPhoneNumber string }
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	f.mu.Lock()
	n := f.seen[d.CustomerPhoneNumber]
	f.seen[d.CustomerPhoneNumber]++
	f.mu.Unlock()
	time.Sleep(50 * time.Millisecond) // so that calls meet
	if n < f.fails {
		if n%2 == 0 {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
		return &http.Response{StatusCode: 400, Body: io.NopCloser(strings.NewReader(`{"success":"false","error":"no"}`)), Request: req}, nil
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := f.api.RoundTrip(req)
	if err == nil && strings.HasSuffix(d.CustomerPhoneNumber, "7") {
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF // sent, and nobody heard of it
	}
	return resp, err
}

// 1,000 calls of 100 callers at the same moment: each caller gets one text, also
// when requests of every caller fail first, and when answers are lost.
func TestOneTextEach(t *testing.T) {
	for _, fails := range []int{0, 1, 4} {
		t.Run(fmt.Sprintf("%d failures each", fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				client := newClient(t, api, func(c *rig.Config) {
					c.Transport = &faulty{api: api, fails: fails, seen: map[string]int{}}
					c.Breaker.Failures = 1_000_000
				})
				p := policy(t, deflect.Rules{})
				var mu sync.Mutex
				outcomes := map[string]map[deflect.Outcome]int{}
				var calls sync.WaitGroup
				for i := range 1000 {
					call := call()
					number := fmt.Sprintf("+1404343%04d", 1000+i%100)
					call.ANI, call.Policy = phone.Number(number), p
					calls.Go(func() {
						res, _ := client.Deflect(t.Context(), call)
						mu.Lock()
						defer mu.Unlock()
						if outcomes[number] == nil {
							outcomes[number] = map[deflect.Outcome]int{}
						}
						outcomes[number][res.Outcome]++
					})
				}
				calls.Wait()
				texts := map[string]int{}
				for _, d := range api.Sent() {
					texts["+"+d.DeflectionHandle]++
				}
				if len(texts) != 100 || len(api.Sent()) != 100 {
					t.Errorf("%d texts to %d callers, want one to each of 100", len(api.Sent()), len(texts))
				}
				for number, got := range outcomes {
					certain, doubtful := got[deflect.Sent], got[deflect.Uncertain]
					if lost := strings.HasSuffix(number, "7"); lost && doubtful < 1 || !lost && certain != 1 {
						t.Errorf("%s: %v", number, got)
					}
				}
			})
		})
	}
}

// One caller has texts sent to two other phones: that is two too many.
func TestCooldownOfWhoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, nil)
		p := policy(t, deflect.Rules{AskNumber: true})
		text := func(ani, override phone.Number) deflect.Reason {
			call := call()
			call.ANI, call.NumberOverride, call.Policy = ani, override, p
			res, err := client.Deflect(t.Context(), next(call))
			if offer := client.Check(t.Context(), call); err == nil && reasonOf(offer) != deflect.ReasonCooldown {
				t.Errorf("not in the cooldown after a text: %v", offer)
			}
			return res.Reason
		}
		const landline, a, b, c = "+493012345678", "+14043438601", "+14043438602", "+14043438603"
		for _, tt := range []struct {
			ani, override phone.Number
			want          deflect.Reason
		}{
			{landline, a, deflect.ReasonOK},
			{landline, b, deflect.ReasonCooldown},
			{"anonymous", b, deflect.ReasonOK}, // nobody knows who calls
			{"anonymous", b, deflect.ReasonCooldown},
			{b, "", deflect.ReasonCooldown},
			{c, c, deflect.ReasonOK},
		} {
			if got := text(tt.ani, tt.override); got != tt.want {
				t.Errorf("%s for %s: %s, want %s", string(tt.override), string(tt.ani), got, tt.want)
			}
		}
		// What failed gives both phones back.
		const d, e = "+14043438604", "+14043438605"
		api.Inject(livedeflecttest.Fault{Status: 400, Body: `{"success":"false"}`})
		for _, want := range []deflect.Reason{deflect.ReasonRejected, deflect.ReasonOK} {
			if got := text(d, e); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}

// A call that waited for its turn until there was hardly any time left does not
// begin what could only end in doubt.
func TestTurnComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, nil)
		call := call()
		call.Policy = policy(t, deflect.Rules{})
		api.SetFault(&livedeflecttest.Fault{Delay: 3900 * time.Millisecond, Status: 400, Body: `{"success":"false"}`})
		var both sync.WaitGroup
		both.Go(func() { client.Deflect(t.Context(), next(call)) }) //nolint:errcheck // fails
		synctest.Wait()
		res, err := client.Deflect(t.Context(), next(call))
		both.Wait()
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonDeadline || !deflect.NotSent(err) {
			t.Errorf("%+v, %v", res, err)
		}
		api.SetFault(nil)
		if _, err := client.Deflect(t.Context(), next(call)); err != nil {
			t.Errorf("the cooldown was kept: %v", err)
		}
	})
}

// A caller whose other call is being texted waits, but not for ever.
func TestOtherCallTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{Delay: time.Minute})
		client := newClient(t, api, nil)
		call := call()
		call.Policy = policy(t, deflect.Rules{})
		var first deflect.Result
		var both sync.WaitGroup
		both.Go(func() { first, _ = client.Deflect(t.Context(), next(call)) })
		time.Sleep(time.Second)
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, hangUp)
		res, err := client.Deflect(ctx, next(call))
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonCanceled || !deflect.NotSent(err) {
			t.Errorf("cancelled while it waited: %+v, %v", res, err)
		}
		res, _ = client.Deflect(t.Context(), next(call))
		both.Wait()
		if first.Outcome != deflect.Uncertain || res.Reason != deflect.ReasonCooldown {
			t.Errorf("first %+v, second %+v", first, res)
		}
		if n := len(api.Requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
	})
}

// The store is bounded: the cooldown that ends first makes room.
func TestCooldownsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) { c.MaxCooldowns, c.Registerer = 3, reg })
		p := policy(t, deflect.Rules{})
		text := func(i int) deflect.Reason {
			call := call()
			call.ANI, call.Policy = phone.Number(fmt.Sprintf("+1404343%04d", i)), p
			res, _ := client.Deflect(t.Context(), next(call))
			return res.Reason
		}
		for i := range 4 {
			if r := text(i); r != deflect.ReasonOK {
				t.Fatalf("text %d: %s", i, r)
			}
			time.Sleep(time.Second)
		}
		if held, evicted := rig.Sum(t, reg, "deflect_cooldowns"), rig.Sum(t, reg, "deflect_cooldowns_evicted_total"); held != 3 || evicted != 1 {
			t.Errorf("%v held, %v evicted", held, evicted)
		}
		for i, want := range []deflect.Reason{1: deflect.ReasonCooldown, 2: deflect.ReasonCooldown, 3: deflect.ReasonCooldown} {
			if i > 0 && text(i) != want {
				t.Errorf("caller %d is not in a cooldown", i)
			}
		}
		if r := text(0); r != deflect.ReasonOK {
			t.Errorf("the one that made room: %s", r)
		}
		time.Sleep(15 * time.Minute)
		if held := rig.Sum(t, reg, "deflect_cooldowns"); held != 0 {
			t.Errorf("%v held after all are over", held)
		}
	})
}

func BenchmarkCooldowns(b *testing.B) {
	api := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"success":"true","callId":"1"}`)), Request: r}, nil
	})
	client := newClient(b, nil, func(c *rig.Config) { c.Transport = api })
	call := call()
	call.Policy = policy(b, deflect.Rules{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		call.ANI = phone.Number(fmt.Sprintf("+1404%07d", 3000000+i%5000000))
		if _, err := client.Deflect(b.Context(), next(call)); err != nil && deflect.ReasonOf(err) != deflect.ReasonCooldown {
			b.Fatal(err)
		}
	}
}
