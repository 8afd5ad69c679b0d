package deflect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func info(t *testing.T, c Call) string {
	t.Helper()
	data, err := json.Marshal(c.CallerInfo)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestReopensAtTheFirstOpenMinute(t *testing.T) {
	week := map[string][]string{"mon-fri": {"09:00-12:00", "13:00-17:00"}, "sat": {"22:00-02:00"}}
	for _, tt := range []struct {
		name, zone string
		week       map[string][]string
		holidays   []string
		at, want   string // local; "" for not within a week
	}{
		{"after the day", "America/New_York", week, nil, "2026-11-26 17:00", "2026-11-27 09:00"},
		{"at noon", "America/New_York", week, nil, "2026-11-26 12:30", "2026-11-26 13:00"},
		{"over the weekend", "Europe/Berlin", week, nil, "2026-11-29 02:00", "2026-11-30 09:00"},
		{"into the night", "Europe/Berlin", week, nil, "2026-11-28 10:00", "2026-11-28 22:00"},
		{"a holiday", "Europe/Berlin", week, []string{"2026-11-27"}, "2026-11-26 18:00", "2026-11-28 22:00"},
		{"a holiday that the night runs into", "Europe/Berlin", map[string][]string{"fri": {"22:00-02:00"}}, []string{"2026-11-27"}, "2026-11-27 12:00", ""},
		{"but on holidays", "Europe/Berlin", nil, []string{"2026-12-25", "2026-12-26"}, "2026-12-25 15:00", "2026-12-27 00:00"},
		{"the clock is put forward", "America/New_York", week, nil, "2026-03-07 03:00", "2026-03-07 22:00"},
		{"an hour that is left out", "America/New_York", map[string][]string{"sun": {"02:30-05:00"}}, nil, "2026-03-08 01:59", "2026-03-08 03:00"},
		{"the clock is put back", "America/New_York", map[string][]string{"sun": {"01:30-05:00"}}, nil, "2026-11-01 00:30", "2026-11-01 01:30"},
		{"no day at all in the next week", "Europe/Berlin", map[string][]string{"fri": {"09:00-10:00"}}, []string{"2026-12-04"}, "2026-11-27 10:00", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := Hours{Zone: tt.zone, Week: tt.week, Holidays: tt.holidays}
			tt0 := h.read(func(field, format string, args ...any) { t.Fatalf(field+" "+format, args...) })
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.ParseInLocation("2006-01-02 15:04", tt.at, zone)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // found, and known
				got, ok := tt0.reopens(at, maxLater)
				if s := got.In(zone).Format("2006-01-02 15:04"); ok != (tt.want != "") || ok && s != tt.want {
					t.Errorf("%s, %v; want %q", s, ok, tt.want)
				}
				if ok {
					if got, ok := tt0.reopens(at, got.Sub(at)-time.Minute); ok {
						t.Errorf("%s is not within", got)
					}
				}
			}
		})
	}
}

// laterRules have office hours in New York, and texts that wait.
func laterRules() Rules {
	return Rules{
		Hours: Hours{Zone: "America/New_York", Week: map[string][]string{"mon-fri": {"09:00-17:00"}}, Holidays: []string{"2000-01-04"}},
		Later: Later{Closed: 16 * time.Hour, Failed: time.Hour},
	}
}

// on lets the bubble's clock, which begins on a Friday evening of 1999 in New York, go to a
// time there.
func on(t *testing.T, s string) {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05", s, zone)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(at))
}

func callNow(id string, ani int) Call {
	c := validCall()
	c.ExternalCallID, c.Start, c.Accepted = id, time.Now(), time.Time{}
	c.ANI = phoneOf(ani)
	return c
}

func TestClosedAndThenTexted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := salesPolicy(t, laterRules())
		api, j := &told{}, newMemoryJournal(100)
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{policy} })
		on(t, "2000-01-02 16:30:00") // Sunday: Monday at 9:00 is 16 h and 30 min away
		call := callNow("a", 0)
		call.Policy = policy
		if o, err := c.Offer(t.Context(), call); ReasonOf(err) != ReasonOutsideHours || o != nil {
			t.Fatalf("too long before: %v, %v", o, err)
		}
		on(t, "2000-01-02 17:30:00")
		call.Start = time.Now()
		if _, err := c.Offer(t.Context(), callWithout(call)); err != nil {
			t.Errorf("without a policy: %v", err)
		}
		o, err := c.Offer(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Later.UTC().Format(time.DateTime); got != "2000-01-03 14:00:00" {
			t.Errorf("it goes out at %s", got)
		}
		o.Call.Digits = "99"
		res, err := o.Deflect(t.Context())
		if res.Outcome != Deferred || res.Reason != ReasonOutsideHours || err == nil || NotSent(err) || !strings.Contains(err.Error(), "waits") {
			t.Fatalf("%+v, %v", res, err)
		}
		if n := testutil.ToFloat64(c.metrics.outcome(policy.name, Deferred, ReasonOutsideHours)); n != 1 {
			t.Errorf("counted %v times", n)
		}
		if res, _ := c.Deflect(t.Context(), call); res.Outcome != Deferred || !res.Repeated {
			t.Errorf("the same call again: %+v", res)
		}
		if n, oldest := c.later.waiting(); n != 1 || !oldest.Equal(call.Start) {
			t.Errorf("%d wait, since %s", n, oldest)
		}
		on(t, "2000-01-03 08:59:59")
		synctest.Wait()
		if got := api.went(); got != nil {
			t.Fatalf("before it opens: %v", got)
		}
		on(t, "2000-01-03 09:10:00")
		synctest.Wait()
		if diff := cmp.Diff([]string{"a +14043438600"}, api.went()); diff != "" {
			t.Error(diff)
		}
		if n, _ := c.later.waiting(); n != 0 || testutil.ToFloat64(c.metrics.laterEnded[Sent][ReasonOK]) != 1 {
			t.Errorf("%d wait", n)
		}
		if e, _ := j.Find(t.Context(), "a"); e.State != Ended || e.Outcome != Sent {
			t.Errorf("in the journal: %+v", e)
		}
		later := callNow("b", 0)
		later.Policy = policy
		if _, err := c.Offer(t.Context(), later); ReasonOf(err) != ReasonCooldown {
			t.Errorf("a second call: %v", err)
		}
	})
}

func callWithout(c Call) Call {
	c.Policy = nil
	return c
}

func TestWhatFailedIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		o     Outcome
		r     Reason
		wants []time.Duration // the tries after the call
		ended string
	}{
		{"unreachable", Failed, ReasonUnreachable, []time.Duration{
			5 * time.Second, 15 * time.Second, 30 * time.Second, 150 * time.Second, 390 * time.Second, 870 * time.Second,
			1350 * time.Second, 1830 * time.Second, 2310 * time.Second, 2790 * time.Second, 3270 * time.Second,
		}, "failed unreachable"},
		{"rate limited", Failed, ReasonRateLimited, nil, "failed rate_limited"},
		{"refused for good", Failed, ReasonRejected, nil, ""},
		{"in doubt", Uncertain, ReasonServerError, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := laterRules()
				rules.Hours = Hours{}
				policy := salesPolicy(t, rules)
				var asked []time.Duration
				api, j := &told{}, newMemoryJournal(100)
				c := testClient(t, func(cfg *Config) {
					cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{policy}
					cfg.Breaker.Failures = 1000
				})
				call := callNow("a", 0)
				call.Policy = policy
				began := time.Now()
				api.tell(func(context.Context, *Text) Attempt {
					asked = append(asked, time.Since(began))
					return Attempt{Outcome: tt.o, Reason: tt.r}
				})
				res, _ := c.Deflect(t.Context(), call)
				if waits := slices.Contains(Reasons(Deferred), tt.r); (res.Outcome == Deferred) != waits || res.Reason != tt.r {
					t.Fatalf("%+v", res)
				}
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				var tries []time.Duration
				for _, at := range asked { // those of one try are one
					if at = at.Truncate(time.Second); at >= 4*time.Second && (len(tries) == 0 || at > tries[len(tries)-1]+2*time.Second) {
						tries = append(tries, at)
					}
				}
				if tt.wants != nil {
					if len(tries) != len(tt.wants) {
						t.Fatalf("tries %v, want %v", tries, tt.wants)
					}
					for i, want := range tt.wants { // a try of three requests takes a while
						if off := tries[i] - want; off < 0 || off > 15*time.Second {
							t.Errorf("try %d at %s, want %s", i, tries[i], want)
						}
					}
				}
				if tt.ended != "" {
					o, r, _ := strings.Cut(tt.ended, " ")
					if n := testutil.ToFloat64(c.metrics.laterEnded[Outcome(o)][Reason(r)]); n != 1 {
						t.Errorf("%v were dropped as %s", n, tt.ended)
					}
				}
				if n, _ := c.later.waiting(); n != 0 {
					t.Errorf("%d wait", n)
				}
				if tt.ended != "" {
					if e, _ := j.Find(t.Context(), "a"); e.State != "" {
						t.Errorf("left in the journal: %+v", e)
					}
				}
			})
		})
	}
}

// Who gives out tokens can be down for a while, and a secret be wrong until somebody looks: a
// promise outlasts both.
func TestPromiseOutlastsRefusedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours = Hours{}
		policy := salesPolicy(t, rules)
		api := &told{}
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies = api, newMemoryJournal(100), []*Policy{policy}
			cfg.Breaker.Failures = 1000
		})
		call := callNow("a", 0)
		call.Policy = policy
		api.tell(always(Failed, ReasonUnreachable))
		if res, _ := c.Deflect(t.Context(), call); res.Outcome != Deferred {
			t.Fatalf("%+v", res)
		}
		api.tell(always(Failed, ReasonUnauthorized))
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if n, _ := c.later.waiting(); n != 1 {
			t.Errorf("%d wait", n)
		}
		api.tell(nil)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a +14043438600"}, api.went()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOpenBreakerDefersWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours = Hours{}
		policy := salesPolicy(t, rules)
		api, j := &told{}, newMemoryJournal(100)
		c := testClient(t, func(cfg *Config) {
			cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{policy}
			cfg.Breaker.Failures = 1
		})
		api.tell(always(Failed, ReasonUnauthorized))
		if res, _ := c.Deflect(t.Context(), callNow("a", 0)); res.Outcome != Failed {
			t.Fatalf("%+v", res)
		}
		api.tell(nil)
		call := callNow("b", 1)
		call.Policy = policy
		if _, err := c.Offer(t.Context(), call); ReasonOf(err) != ReasonBreakerOpen {
			t.Fatalf("offer: %v", err)
		}
		if res, _ := c.Deflect(t.Context(), call); res.Outcome != Deferred || res.Reason != ReasonBreakerOpen {
			t.Fatalf("%+v", res)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"b +14043438601"}, api.went()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCancelledTextDoesNotGoOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := salesPolicy(t, laterRules())
		api, j := &told{}, newMemoryJournal(100)
		c := testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{policy} })
		on(t, "2000-01-02 20:00:00")
		for i, id := range []string{"a", "b", "c"} {
			call := callNow(id, i)
			call.Policy = policy
			o, err := c.Offer(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			if res, _ := o.Deflect(t.Context()); res.Outcome != Deferred {
				t.Fatalf("%+v", res)
			}
		}
		j.Note(Entry{ExternalCallID: "a"})
		j.Note(Entry{ExternalCallID: "b"})
		if err := c.ReadJournal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, _ := c.later.waiting(); n != 1 {
			t.Errorf("%d wait", n)
		}
		on(t, "2000-01-03 09:10:00")
		synctest.Wait()
		if diff := cmp.Diff([]string{"c +14043438602"}, api.went()); diff != "" {
			t.Error(diff)
		}
	})
}

// changingList holds numbers from some time on.
type changingList map[string]bool

func (l changingList) Holds(_ context.Context, e164 string) (bool, error) { return l[e164], nil }

// One night: 500 callers after hours, over the night in which the clock is put forward, with
// a holiday on the day after the opening, and a restart before it.
func TestNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 500
		list := changingList{}
		rules := Rules{
			Hours:     Hours{Zone: "America/New_York", Week: map[string][]string{"mon-sun": {"09:00-17:00"}}, Holidays: []string{"2000-04-03"}},
			Later:     Later{Closed: 16 * time.Hour, Failed: time.Hour, Spread: 10 * time.Minute},
			DoNotText: list,
			Cooldown:  time.Hour,
		}
		policy := salesPolicy(t, rules)
		api, j := &told{}, newMemoryJournal(10*callers)
		store := newMemoryCooldowns(10*callers, func() {})
		var mu sync.Mutex
		var times []time.Time
		api.tell(func(context.Context, *Text) Attempt {
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Now())
			return Attempt{Outcome: Sent, Reason: ReasonOK}
		})
		start := func() *Client {
			return testClient(t, func(cfg *Config) {
				cfg.Backend, cfg.Journal, cfg.Cooldowns, cfg.Policies = api, j, store, []*Policy{policy}
			})
		}
		press := func(c *Client, id string, n int, want Outcome) {
			t.Helper()
			call := callNow(id, n)
			call.Policy = policy
			o, err := c.Offer(t.Context(), call)
			if err != nil {
				t.Fatalf("%s: %v", id, err)
			}
			if res, err := o.Deflect(t.Context()); res.Outcome != want {
				t.Fatalf("%s: %+v, %v", id, res, err)
			}
		}
		c := start()
		on(t, "2000-04-01 20:00:00") // in the night the clock goes from 2 to 3
		for n := range callers {
			press(c, fmt.Sprint("night-", n), n, Deferred)
			if n%50 == 0 { // some call twice
				press(c, fmt.Sprint("again-", n), n, Deferred)
			}
			time.Sleep(30 * time.Second)
		}
		c.Close()
		on(t, "2000-04-02 08:00:00")
		list["+14043438607"] = true
		c = start()
		if n, _ := c.later.waiting(); n != callers+callers/50 {
			t.Fatalf("%d wait after the restart", n)
		}
		on(t, "2000-04-02 08:59:59")
		synctest.Wait()
		if got := api.went(); len(got) != 0 {
			t.Fatalf("%d texts before it opens", len(got))
		}
		on(t, "2000-04-02 09:11:00")
		synctest.Wait()
		got := api.went()
		byNumber := map[string]int{}
		for _, text := range got {
			_, number, _ := strings.Cut(text, " ")
			byNumber[number]++
		}
		for n := range callers {
			want := 1
			if n == 7 {
				want = 0
			}
			if byNumber[string(phoneOf(n))] != want {
				t.Errorf("caller %d got %d texts, want %d", n, byNumber[string(phoneOf(n))], want)
			}
		}
		perMinute := map[int]int{}
		for _, at := range times {
			perMinute[int(at.Sub(times[0]).Minutes())]++
		}
		if len(perMinute) < 10 || slices.Max(values(perMinute)) > callers/4 {
			t.Errorf("not spread: %v", perMinute)
		}
		dropped := testutil.ToFloat64(c.metrics.laterEnded[Ineligible][ReasonOptedOut])
		again := testutil.ToFloat64(c.metrics.laterEnded[Ineligible][ReasonCooldown])
		if n, _ := c.later.waiting(); n != 0 || dropped != 1 || again != callers/50 {
			t.Errorf("%d wait, %v opted out, %v were texted already", n, dropped, again)
		}
		// The next night is followed by a holiday: nobody is promised anything.
		on(t, "2000-04-02 20:00:00")
		call := callNow("holiday", 1)
		call.Policy = policy
		if _, err := c.Offer(t.Context(), call); ReasonOf(err) != ReasonOutsideHours {
			t.Errorf("before a holiday: %v", err)
		}
	})
}

func values(m map[int]int) (list []int) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

// Whatever the API does, and whenever a process ends and another one begins, no text that
// waits goes out twice, and none is lost without a word.
func TestWaitingTextsGoOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours, rules.NoCooldown = Hours{}, true
		policy := salesPolicy(t, rules)
		api, j := &told{}, newMemoryJournal(10_000)
		api.tell(func(context.Context, *Text) Attempt {
			time.Sleep(rand.N(3 * time.Second))
			switch rand.IntN(4) {
			case 0:
				return Attempt{Outcome: Sent, Reason: ReasonOK}
			case 1:
				return Attempt{Outcome: Uncertain, Reason: ReasonServerError}
			}
			return Attempt{Outcome: Failed, Reason: ReasonUnreachable}
		})
		start := func() *Client {
			return testClient(t, func(cfg *Config) { cfg.Backend, cfg.Journal, cfg.Policies = api, j, []*Policy{policy} })
		}
		c := start()
		const texts = 200
		outcomes := map[Outcome]int{}
		for n := range texts {
			call := callNow(fmt.Sprint("call-", n), n)
			call.Policy = policy
			res, _ := c.Deflect(t.Context(), call)
			outcomes[res.Outcome]++
			if n%20 == 0 {
				c.Close()
				c = start()
			}
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if outcomes[Deferred] == 0 || outcomes[Failed] != 0 {
			t.Errorf("outcomes %v", outcomes)
		}
		count := map[string]int{}
		for _, text := range api.went() {
			if count[text]++; count[text] > 1 {
				t.Errorf("%s was texted %d times", text, count[text])
			}
		}
		for n := range texts {
			id := fmt.Sprint("call-", n)
			e, _ := j.Find(t.Context(), id)
			if went := count[id+" "+string(phoneOf(n))] > 0; went != (e.State == Ended) && e.State != "" {
				t.Errorf("%s: went out %v, in the journal %q", id, went, e.State)
			}
		}
	})
}

// mortal is what a process has of a journal and of a store that others have too, until it
// is killed.
type mortal struct {
	Journal
	store *lasting
	dead  *atomic.Bool
}

// lasting is a store of cooldowns that outlives its processes.
type lasting struct {
	mu     sync.Mutex
	tokens map[string]string
	took   func()
}

func (l *lasting) onTake(took func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = took
}

func (m mortal) Change(ctx context.Context, from State, e Entry) (bool, error) {
	if m.dead.Load() {
		return false, errors.New("killed")
	}
	return m.Journal.Change(ctx, from, e)
}

func (m mortal) Note(e Entry) {
	if !m.dead.Load() {
		m.Journal.Note(e)
	}
}

func (m mortal) Held(_ context.Context, key string) (bool, error) {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	return m.store.tokens[key] != "", nil
}

func (m mortal) Take(_ context.Context, key, token string, _ time.Duration) (bool, error) {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	if is := m.store.tokens[key]; is != "" {
		return is == token, nil
	}
	m.store.tokens[key] = token
	m.store.took()
	return true, nil
}

func (m mortal) Release(_ context.Context, key, token string) error {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	if m.store.tokens[key] == token && !m.dead.Load() {
		delete(m.store.tokens, key)
	}
	return nil
}

// A process is killed when it has taken the cooldown for a text that waits, which then is in
// the store of all: the next one sends that text, and nobody is texted twice.
func TestPromiseOutlivesATake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := laterRules()
		rules.Hours = Hours{}
		policy := salesPolicy(t, rules)
		api, j := &told{}, newMemoryJournal(100)
		store := &lasting{tokens: map[string]string{}, took: func() {}}
		start := func(dead *atomic.Bool) *Client {
			m := mortal{j, store, dead}
			return testClient(t, func(cfg *Config) {
				cfg.Backend, cfg.Journal, cfg.Cooldowns, cfg.Policies = api, m, m, []*Policy{policy}
			})
		}
		api.tell(always(Failed, ReasonUnreachable))
		var first, second atomic.Bool
		c := start(&first)
		call := callNow("call", 1)
		call.Policy = policy
		if res, err := c.Deflect(t.Context(), call); res.Outcome != Deferred {
			t.Fatal(res, err)
		}
		api.tell(always(Sent, ReasonOK))
		store.onTake(func() { first.Store(true) })
		time.Sleep(time.Minute)
		c.Close()
		if n := len(api.went()); !first.Load() || n != 0 {
			t.Fatalf("%d texts of a process that was killed", n)
		}
		store.onTake(func() {})
		start(&second)
		time.Sleep(time.Hour)
		if e, err := j.Find(t.Context(), "call"); err != nil || e.State != Ended || e.Outcome != Sent || len(api.went()) != 1 {
			t.Errorf("it is %q, %s, %v, of %d texts", e.State, e.Outcome, err, len(api.went()))
		}
	})
}
