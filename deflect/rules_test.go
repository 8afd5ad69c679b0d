package deflect_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

func policy(t testing.TB, r deflect.Rules) *deflect.Policy {
	t.Helper()
	p, err := deflect.NewPolicy("sales", r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// numbers is a do-not-text list of a test.
type numbers []string

func (n numbers) Holds(_ context.Context, e164 string) (bool, error) {
	for _, m := range n {
		if m == e164 {
			return true, nil
		}
	}
	return false, nil
}

func seconds(n int) *time.Duration {
	d := time.Duration(n) * time.Second
	return &d
}

func TestRules(t *testing.T) {
	const mobile, landline, american = "+4915112345678", "+493012345678", "+14043438646"    // the last: mobile or not, nobody knows
	closed := deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon": {"09:00-17:00"}}} // bubbles begin on Saturday 2000-01-01
	tests := []struct {
		name   string
		rules  deflect.Rules
		change func(*deflect.Call)
		reason deflect.Reason // "" for an offer
		asks   bool           // the offer needs a number
		final  deflect.Reason // what Deflect says; "" for a text
	}{
		{name: "no rules"},

		{name: "hidden", change: func(c *deflect.Call) { c.ANI = "anonymous" }, reason: deflect.ReasonNumberHidden, final: deflect.ReasonNumberHidden},
		{name: "invalid", change: func(c *deflect.Call) { c.ANI = "12" }, reason: deflect.ReasonNumberInvalid, final: deflect.ReasonNumberInvalid},
		{name: "landline", change: func(c *deflect.Call) { c.ANI = landline }, reason: deflect.ReasonNumberFixedLine, final: deflect.ReasonNumberFixedLine},
		{name: "toll-free", change: func(c *deflect.Call) { c.ANI = "+18005550199" }, reason: deflect.ReasonNumberNotTextable, final: deflect.ReasonNumberNotTextable},

		{name: "strict, mobile", rules: deflect.Rules{LineTypes: deflect.StrictLineTypes}, change: func(c *deflect.Call) { c.ANI = mobile }},
		{name: "strict, nobody knows", rules: deflect.Rules{LineTypes: deflect.StrictLineTypes}, reason: deflect.ReasonNumberNotMobile, final: deflect.ReasonNumberNotMobile},
		{name: "strict, landline", rules: deflect.Rules{LineTypes: deflect.StrictLineTypes}, change: func(c *deflect.Call) { c.ANI = landline }, reason: deflect.ReasonNumberFixedLine, final: deflect.ReasonNumberFixedLine},

		{name: "country", rules: deflect.Rules{Countries: []string{"CA", "US"}}},
		{name: "country of the same code", rules: deflect.Rules{Countries: []string{"CA"}}, reason: deflect.ReasonCountry, final: deflect.ReasonCountry},
		{name: "another country", rules: deflect.Rules{Countries: []string{"CA", "US"}}, change: func(c *deflect.Call) { c.ANI = mobile }, reason: deflect.ReasonCountry, final: deflect.ReasonCountry},
		{name: "no country: a satellite phone", rules: deflect.Rules{Countries: []string{"US"}}, change: func(c *deflect.Call) { c.ANI = "+881612345678" }, reason: deflect.ReasonCountry, final: deflect.ReasonCountry},

		{name: "malformed", change: func(c *deflect.Call) { c.Skill = "" }, reason: deflect.ReasonInvalidCall, final: deflect.ReasonInvalidCall},

		{name: "consent missing", rules: deflect.Rules{Consent: deflect.ConsentRequired}, reason: deflect.ReasonNoConsent, final: deflect.ReasonNoConsent},
		{name: "consent given", rules: deflect.Rules{Consent: deflect.ConsentRequired}, change: func(c *deflect.Call) { c.Consent = true }},

		{name: "opted out", rules: deflect.Rules{DoNotText: numbers{american}}, reason: deflect.ReasonOptedOut, final: deflect.ReasonOptedOut},
		{name: "opted out, written otherwise", rules: deflect.Rules{DoNotText: numbers{american}}, change: func(c *deflect.Call) { c.ANI = "(404) 343-8646" }, reason: deflect.ReasonOptedOut, final: deflect.ReasonOptedOut},
		{name: "somebody else opted out", rules: deflect.Rules{DoNotText: numbers{mobile}}},
		{name: "the other number opted out", rules: deflect.Rules{DoNotText: numbers{mobile}}, change: func(c *deflect.Call) { c.NumberOverride = mobile }, reason: deflect.ReasonOptedOut, final: deflect.ReasonOptedOut},

		// These are about the moment of the offer: one that was made is kept.
		{name: "closed", rules: deflect.Rules{Hours: closed}, reason: deflect.ReasonOutsideHours},
		{name: "wait unknown", rules: deflect.Rules{MinWait: time.Minute}},
		{name: "wait too short", rules: deflect.Rules{MinWait: time.Minute}, change: func(c *deflect.Call) { c.Wait = seconds(59) }, reason: deflect.ReasonWaitTooShort},
		{name: "no wait at all", rules: deflect.Rules{MinWait: time.Minute}, change: func(c *deflect.Call) { c.Wait = seconds(0) }, reason: deflect.ReasonWaitTooShort},
		{name: "wait just long enough", rules: deflect.Rules{MinWait: time.Minute}, change: func(c *deflect.Call) { c.Wait = seconds(60) }},
		{name: "any wait", change: func(c *deflect.Call) { c.Wait = seconds(0) }},
		// The first eight bytes of the SHA-256 of the call id, modulo 100, are 33.
		{name: "not sampled", rules: deflect.Rules{Withhold: 67}, reason: deflect.ReasonNotSampled},
		{name: "sampled", rules: deflect.Rules{Withhold: 66}},
		{name: "nobody sampled", rules: deflect.Rules{Withhold: 100}, reason: deflect.ReasonNotSampled},

		// Another number can be asked for when the caller's own is the trouble, and only then.
		{name: "ask: fine already", rules: deflect.Rules{AskNumber: true}},
		{name: "ask: hidden", rules: deflect.Rules{AskNumber: true}, change: func(c *deflect.Call) { c.ANI = "anonymous" }, asks: true, final: deflect.ReasonNumberHidden},
		{name: "ask: none", rules: deflect.Rules{AskNumber: true}, change: func(c *deflect.Call) { c.ANI = "" }, asks: true, final: deflect.ReasonNumberHidden},
		{name: "ask: landline", rules: deflect.Rules{AskNumber: true}, change: func(c *deflect.Call) { c.ANI = landline }, asks: true, final: deflect.ReasonNumberFixedLine},
		{name: "ask: strict", rules: deflect.Rules{AskNumber: true, LineTypes: deflect.StrictLineTypes}, asks: true, final: deflect.ReasonNumberNotMobile},
		{name: "ask: country", rules: deflect.Rules{AskNumber: true, Countries: []string{"CA"}}, asks: true, final: deflect.ReasonCountry},
		{name: "ask: what was keyed in is wrong too", rules: deflect.Rules{AskNumber: true}, change: func(c *deflect.Call) { c.ANI, c.NumberOverride = "anonymous", landline }, reason: deflect.ReasonNumberFixedLine, final: deflect.ReasonNumberFixedLine},
		{name: "ask: what was keyed in is fine", rules: deflect.Rules{AskNumber: true}, change: func(c *deflect.Call) { c.ANI, c.NumberOverride = "anonymous", american }},
		{name: "ask: opted out", rules: deflect.Rules{AskNumber: true, DoNotText: numbers{american}}, reason: deflect.ReasonOptedOut, final: deflect.ReasonOptedOut},
		{name: "ask: strict and opted out", rules: deflect.Rules{AskNumber: true, LineTypes: deflect.StrictLineTypes, DoNotText: numbers{american}}, reason: deflect.ReasonOptedOut, final: deflect.ReasonNumberNotMobile},
		{name: "ask: landline and opted out", rules: deflect.Rules{AskNumber: true, DoNotText: numbers{landline}}, change: func(c *deflect.Call) { c.ANI = landline }, reason: deflect.ReasonOptedOut, final: deflect.ReasonNumberFixedLine},
		{name: "ask: hidden and closed", rules: deflect.Rules{AskNumber: true, Hours: closed}, change: func(c *deflect.Call) { c.ANI = "anonymous" }, reason: deflect.ReasonOutsideHours, final: deflect.ReasonNumberHidden},
		{name: "ask: hidden and malformed", rules: deflect.Rules{AskNumber: true}, change: func(c *deflect.Call) { c.ANI, c.Skill = "anonymous", "" }, reason: deflect.ReasonInvalidCall, final: deflect.ReasonNumberHidden},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := livedeflecttest.New(keys)
				client := newClient(t, api, nil)
				call := call()
				call.ExternalCallID = "3e0068c6-dcda-4c96-a87d-305d62b539f6" // where the percentage falls
				call.Policy = policy(t, tt.rules)
				if tt.change != nil {
					tt.change(&call)
				}
				offer, err := client.Offer(t.Context(), call)
				if got := reasonOf(err); got != tt.reason {
					t.Errorf("Offer: %v, want reason %q", err, tt.reason)
				}
				if err == nil {
					if offer.NeedsNumber != tt.asks {
						t.Errorf("NeedsNumber = %t", offer.NeedsNumber)
					}
					offer.Release()
				} else if e := (*deflect.Error)(nil); !errors.As(err, &e) || e.Outcome != deflect.Ineligible || !deflect.NotSent(err) || e.Err == nil {
					t.Errorf("Offer: %#v", err)
				}
				// What Explain says is what Offer does.
				first := deflect.Reason("")
				for _, v := range client.Explain(t.Context(), call, time.Now()) {
					if v.Answer == deflect.RuleRefuse && first == "" {
						first = v.Reason
					}
				}
				if first != tt.reason {
					t.Errorf("Explain says %q, Offer %q", first, tt.reason)
				}
				if err := client.Check(t.Context(), call); reasonOf(err) != tt.final {
					t.Errorf("Check: %v, want reason %q", err, tt.final)
				}
				if _, _, err := client.Preview(call); reasonOf(err) != tt.final {
					t.Errorf("Preview: %v, want reason %q", err, tt.final)
				}
				res, err := client.Deflect(t.Context(), call)
				if got := reasonOf(err); got != tt.final {
					t.Errorf("Deflect: %+v, %v, want reason %q", res, err, tt.final)
				}
				if want := map[bool]int{true: 1}[tt.final == ""]; len(api.Sent()) != want {
					t.Errorf("%d texts, want %d", len(api.Sent()), want)
				}
			})
		})
	}
}

func reasonOf(err error) deflect.Reason {
	if err == nil {
		return ""
	}
	return deflect.ReasonOf(err)
}

// Everything is wrong with this call. One after the other is put right, and the
// next rule speaks.
func TestOrderOfRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		client := newClient(t, api, func(c *rig.Config) { c.Breaker.Failures = 1 })
		rules := deflect.Rules{
			LineTypes: deflect.StrictLineTypes, Countries: []string{"DE"}, Consent: deflect.ConsentRequired,
			DoNotText: numbers{"+4915112345678"}, Hours: deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon": {"09:00-17:00"}}},
			MinWait: time.Minute, Withhold: 100,
		}
		bad := call()
		bad.ANI, bad.Skill, bad.Wait = "anonymous", "", seconds(1)

		// The caller was texted, and then the API broke.
		texted := call()
		texted.ANI, texted.Policy = "+4915112345678", policy(t, deflect.Rules{})
		if _, err := client.Deflect(t.Context(), texted); err != nil {
			t.Fatal(err)
		}
		api.SetFault(&livedeflecttest.Fault{Status: 503})
		if _, err := client.Deflect(t.Context(), call()); err == nil {
			t.Fatal("the breaker must open")
		}

		var got []deflect.Reason
		for _, right := range []func(){
			func() { bad.ANI = "12" },
			func() { bad.ANI = "+493012345678" },
			func() { bad.ANI = "+14043438646" },
			func() { rules.LineTypes = deflect.LenientLineTypes },
			func() { bad.ANI = "+4915112345678" },
			func() { bad.Skill = "sales" },
			func() { bad.Consent = true },
			func() { rules.DoNotText = nil },
			func() { rules.Hours = deflect.Hours{} },
			func() { bad.Wait = seconds(60) },
			func() { rules.Withhold = 0 },
			func() { rules.NoCooldown = true },
			func() { api.SetFault(nil); time.Sleep(time.Minute) },
		} {
			bad.Policy = policy(t, rules)
			_, err := client.Offer(t.Context(), bad)
			got = append(got, reasonOf(err))
			right()
		}
		bad.Policy = policy(t, rules)
		if _, err := client.Offer(t.Context(), bad); err != nil {
			t.Errorf("all is right: %v", err)
		}
		want := []deflect.Reason{
			"number_hidden", "number_invalid", "number_fixed_line", "number_not_mobile", "country", "invalid_call", "no_consent",
			"opted_out", "outside_hours", "wait_too_short", "not_sampled", "cooldown", "breaker_open",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// A percentage is a share of the calls, and a larger one takes the smaller one in.
func TestPercent(t *testing.T) {
	client := newClient(t, livedeflecttest.New(keys), nil)
	offered := func(withhold int) map[int]bool {
		p := policy(t, deflect.Rules{Withhold: withhold})
		got := map[int]bool{}
		for i := range 2000 {
			call := call()
			call.ExternalCallID, call.Policy = fmt.Sprintf("call-%d", i), p
			if _, err := client.Offer(t.Context(), call); err == nil {
				got[i] = true
			}
		}
		return got
	}
	last := map[int]bool{}
	for _, percent := range []int{0, 10, 50, 100} {
		now := offered(100 - percent)
		if n := len(now); n < 2000*percent/100-100 || n > 2000*percent/100+100 || percent == 100 && n != 2000 || percent == 0 && n != 0 {
			t.Errorf("%d of 2000 calls are offered a text at %d %%", n, percent)
		}
		for i := range last {
			if !now[i] {
				t.Errorf("call %d was offered a text at less, and is not at %d %%", i, percent)
			}
		}
		last = now
	}
}

// Explain answers for another time, asks every rule, and shows no number.
func TestExplain(t *testing.T) {
	client := newClient(t, livedeflecttest.New(keys), nil)
	call := call()
	call.ExternalCallID = "3e0068c6-dcda-4c96-a87d-305d62b539f6"
	call.Policy = policy(t, deflect.Rules{
		Countries: []string{"CA"}, Hours: deflect.Hours{Zone: "UTC", Week: map[string][]string{"mon": {"09:00-17:00"}}},
		MinWait: time.Minute, Withhold: 67, DoNotText: numbers{"+14043438646"}, Consent: deflect.ConsentRequired,
	})
	call.Wait = seconds(90)
	var got []string
	for _, v := range client.Explain(t.Context(), call, time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s: %s %s: %s", v.Rule, v.Answer, v.Reason, v.Detail)))
	}
	want := []string{
		"number: pass : a number that can be texted",
		"line_type: pass : not known to be something else than a mobile",
		"country: refuse country: the number is of US, which is not among the countries",
		"request: pass : complete",
		"consent: refuse no_consent: consent is required and was not given",
		"do_not_text: refuse opted_out: the number is on the do-not-text list",
		"hours: pass : open: Mon 2026-11-23 10:00 in UTC, within mon 09:00-17:00",
		"agents: pass : any",
		"wait: pass : the expected wait is 1m30s, not less than 1m0s",
		"percent: refuse not_sampled: the call id falls on 33; calls from 0 to 99 are offered a text below 33",
		"cooldown: pass : not texted in the last 15m0s",
		"budget: pass : there is none",
		"breaker: pass : closed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	call.ANI = "anonymous"
	skipped := 0
	for _, v := range client.Explain(t.Context(), call, time.Now()) {
		if v.Answer == deflect.RuleSkip {
			skipped++
		}
	}
	if skipped != 4 {
		t.Errorf("%d rules skipped without a number, want line_type, country, do_not_text and cooldown", skipped)
	}
	// Another day is no reason to find fault with the times of the call.
	call.ANI, call.Policy = "+14043438646", policy(t, deflect.Rules{})
	for _, v := range client.Explain(t.Context(), call, call.Start.Add(-48*time.Hour)) {
		if v.Answer != deflect.RulePass {
			t.Errorf("two days ago: %+v", v)
		}
	}
	// A landline is refused once, and a satellite phone is of no country.
	call.ANI = "+493012345678"
	if v := client.Explain(t.Context(), call, time.Now())[1]; v.Rule != "line_type" || v.Answer != deflect.RuleSkip {
		t.Errorf("landline: %+v", v)
	}
	call.ANI, call.Policy = "+881612345678", policy(t, deflect.Rules{Countries: []string{"US"}})
	if v := client.Explain(t.Context(), call, time.Now())[2]; v.Detail != "the number is of no country, which is not among the countries" {
		t.Errorf("satellite phone: %+v", v)
	}
}

func TestRulesProblems(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules deflect.Rules
		field string
	}{
		{"country", deflect.Rules{Countries: []string{"US", "us"}}, "Countries[1]"},
		{"line types", deflect.Rules{LineTypes: 2}, "LineTypes"},
		{"wait", deflect.Rules{MinWait: -1}, "MinWait"},
		{"percent above", deflect.Rules{Withhold: 101}, "Withhold"},
		{"percent below", deflect.Rules{Withhold: -1}, "Withhold"},
		{"consent", deflect.Rules{Consent: -1}, "Consent"},
		{"cooldown short", deflect.Rules{Cooldown: time.Millisecond}, "Cooldown"},
		{"cooldown long", deflect.Rules{Cooldown: 32 * 24 * time.Hour}, "Cooldown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.rules.Validate()
			var c *deflect.ConfigError
			if !errors.As(err, &c) || c.Field != tt.field || !errors.Is(err, deflect.ErrInvalidConfig) {
				t.Errorf("Validate() = %v, want a problem of %s", err, tt.field)
			}
			if p, err := deflect.NewPolicy("x", tt.rules); p != nil || err == nil {
				t.Error("NewPolicy accepts them")
			}
		})
	}
}

// lockedBuffer is a buffer for logs.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// brokenStore does not know.
type brokenStore struct{ heldToo bool }

func (b brokenStore) Held(_ context.Context, key string) (bool, error) {
	if b.heldToo {
		return false, fmt.Errorf("GET %q: i/o timeout", key)
	}
	return false, nil
}

func (brokenStore) Take(_ context.Context, key, _ string, _ time.Duration) (bool, error) {
	return false, fmt.Errorf("SET %q: i/o timeout", key)
}

func (brokenStore) Release(_ context.Context, key, _ string) error {
	return fmt.Errorf("DEL %q: i/o timeout", key)
}

func TestStoreThatDoesNotKnow(t *testing.T) {
	for _, heldToo := range []bool{false, true} {
		api := livedeflecttest.New(keys)
		var log lockedBuffer
		client := newClient(t, api, func(c *rig.Config) {
			c.Cooldowns, c.Logger = brokenStore{heldToo}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		call := call()
		call.Policy = policy(t, deflect.Rules{})
		if _, err := client.Offer(t.Context(), call); heldToo != (reasonOf(err) == deflect.ReasonCooldownUnknown) {
			t.Errorf("Offer: %v", err)
		}
		res, err := client.Deflect(t.Context(), call)
		if res.Outcome != deflect.Failed || res.Reason != deflect.ReasonCooldownUnknown || !deflect.NotSent(err) || len(api.Sent()) != 0 {
			t.Errorf("Deflect: %+v, %v, %d texts", res, err, len(api.Sent()))
		}
		if said := fmt.Sprint(err, client.Check(t.Context(), call), log.String()); strings.Contains(said, "404343") || !strings.Contains(said, "not given back") {
			t.Errorf("the number is told, or the trouble is not: %s", said)
		}
	}
}

// hangingStore answers when ctx ends.
type hangingStore struct{ brokenStore }

func (hangingStore) Held(ctx context.Context, _ string) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, livedeflecttest.New(keys), func(c *rig.Config) { c.Cooldowns = hangingStore{} })
		call := call()
		call.Policy = policy(t, deflect.Rules{})
		began := time.Now()
		if _, err := client.Offer(context.Background(), call); reasonOf(err) != deflect.ReasonCooldownUnknown || time.Since(began) > 4*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}
