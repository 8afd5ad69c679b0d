//go:build unix

package main

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// A minute and more each, with 300 calls a second; without it there is a tenth of the calls,
// at a third of the rate, which leaves a machine for the other tests.
var fullFleet = flag.Bool("fleet", false, "make all 20,000 calls of the tests of a fleet")

// fleet is three deflectd with one Redis, behind one dialplan, and one API.
type fleet struct {
	t       *testing.T
	api     *watchedAPI
	redis   *fleettest.Server
	proxy   *fleettest.Proxy // between them and redis
	daemons []*lives

	mu      sync.Mutex
	told    map[string]int // how often an outcome and reason was told
	longest time.Duration  // from the key to the dialplan
}

// liveDeadline is that of the configuration of newLives.
const liveDeadline = 2 * time.Second

// newFleet starts three of them with a Redis that keeps what it is told; more is of the
// configuration's redis.
func newFleet(t *testing.T, api *watchedAPI, more string) *fleet {
	t.Helper()
	redis := fleettest.Start(t, "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--requirepass", password)
	proxy := fleettest.StartProxy(t, redis.Addr)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := startFleet(t, api, fmt.Sprintf("url: %q, password_file: %q%s", "redis://"+proxy.Addr, secret, more))
	f.redis, f.proxy = redis, proxy
	return f
}

// startFleet starts three of them with what is about redis in their configuration.
func startFleet(t *testing.T, api *watchedAPI, redis string) *fleet {
	t.Helper()
	f := &fleet{t: t, api: api, told: map[string]int{}}
	url, key := api.serve(t), filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l := newLives(t, api, url, 8*time.Second)
		if len(f.daemons) > 0 { // they share what they know of calls
			l.mu, l.calls = f.daemons[0].mu, f.daemons[0].calls
		}
		l.more(fmt.Sprintf("redis: {%s, key_file: %q}\n", redis, key))
		l.start()
		f.daemons = append(f.daemons, l)
	}
	return f
}

const password = "sesame-of-the-store"

// more appends to the configuration.
func (l *lives) more(text string) {
	l.t.Helper()
	file, err := os.OpenFile(l.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		l.t.Fatal(err)
	}
}

// call lets somebody call: the dialplan tries the daemons from one of them on.
func (f *fleet) call(id, first int, number, dialed string) map[string]string {
	var hosts []string
	for i := range f.daemons {
		hosts = append(hosts, f.daemons[(first+i)%len(f.daemons)].outbound)
	}
	r := f.daemons[0].callAt(strings.Join(hosts, "|"), id, number, dialed)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told[strings.TrimSpace(r.Vars["deflect_outcome"]+" "+r.Vars["deflect_reason"])]++
	f.longest = max(f.longest, held(r))
	return r.Vars
}

// held is how long a caller was held after the key, or from the begin if there was none.
func held(r freeswitchtest.Result) time.Duration {
	var from time.Duration
	for _, m := range r.Moments {
		switch m.Kind {
		case freeswitchtest.KeyPressed:
			from = m.At
		case freeswitchtest.ControlEnded:
			return m.At - from
		}
	}
	return r.ContinuedAfter - from
}

// traffic makes calls of a tenth as many callers at a rate a second, each at a random daemon,
// and waits for their end. A call that was left by a daemon asks the next one. No more calls
// come once enough is closed.
func (f *fleet) traffic(calls, rate int, enough <-chan struct{}) {
	var all sync.WaitGroup
	defer all.Wait()
	random := rand.New(rand.NewPCG(19, uint64(calls)))
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for i := range calls {
		select {
		case <-tick.C:
		case <-enough:
			return
		}
		number, first, again := caller(random.IntN(calls/10)), random.IntN(len(f.daemons)), random.IntN(2) == 0
		all.Go(func() {
			if vars := f.call(i, first, number, hourly); again && (vars["deflect_outcome"] == "" || vars["deflect_reason"] == "internal") {
				f.call(i, first+1, number, hourly)
			}
		})
	}
}

// size is how many calls are made, and how many a second. What is tested is for the most part
// the same with both APIs, and the second one does twice as much for a call.
func size(api *watchedAPI) (calls, rate int) {
	switch {
	case *fullFleet:
		return 20_000, 300
	case api.c2m != nil:
		return 500, 50
	}
	return 2000, 100
}

// quiet waits until no text waits or is in doubt anywhere, ends the daemons, and looks at
// what is in their journals.
func (f *fleet) quiet() {
	f.t.Helper()
	for _, l := range f.daemons {
		l.untilSettled()
	}
	var all []contents
	for _, l := range f.daemons {
		l.stop()
		if text := l.log.String(); strings.Contains(text, password) {
			f.t.Errorf("stderr has the password of the store:\n%s", text)
		}
		all = append(all, l.journal())
	}
	f.daemons[0].judgeSettled(joined(all))
	if f.t.Failed() {
		f.tellOfWaiting()
	}
	f.t.Logf("told %v; at most %s from the key on", f.told, f.longest)
	// Two seconds are for a busy machine; who waited for a server that stalls would wait longer.
	if most := liveDeadline + 2*time.Second; f.longest > most {
		f.t.Errorf("a caller was held for %s after the key, want at most %s", f.longest, most)
	}
}

// tellOfWaiting shows what the daemons have logged, in all their lives, of texts that waited
// and of the cooldowns of a fleet, and which of these nobody has kept or given back.
func (f *fleet) tellOfWaiting() {
	f.t.Helper()
	for i, l := range f.daemons {
		l.tellOfWaiting(i)
	}
	if f.redis == nil {
		return
	}
	keys, _ := f.redis.Do("KEYS", "*").([]any)
	for _, key := range keys {
		value, _ := f.redis.Do("EVAL", "local v = redis.pcall('GET', KEYS[1]) return type(v) == 'string' and v or ''", "1", fmt.Sprint(key)).(string)
		if strings.HasPrefix(value, "p") {
			f.t.Logf("a cooldown was taken, and nobody said how that ended: %s", value)
		}
	}
}

// tellOfWaiting is that of one daemon.
func (l *lives) tellOfWaiting(daemon int) {
	l.t.Helper()
	for life, log := range append(l.logs[:len(l.logs):len(l.logs)], l.log) {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "text that wait") || strings.Contains(line, "cooldown not given back") {
				l.t.Logf("daemon %d, life %d: %s", daemon, life, line)
			}
		}
	}
}

// joined is what several journals have: of a call that two daemons had, the text that was sent.
func joined(all []contents) contents {
	is := contents{find: func(id string) (best deflect.Entry) {
		for _, c := range all {
			if e := c.find(id); best.State == "" || e.Outcome == deflect.Sent {
				best = e
			}
		}
		return best
	}}
	for _, c := range all {
		is.texts = append(is.texts, c.texts...)
		is.cooldowns += c.cooldowns
	}
	return is
}

// texted is how many callers have a text.
func (f *fleet) texted() int {
	callers := map[string]bool{}
	for _, text := range f.api.texts() {
		callers[text.caller] = true
	}
	return len(callers)
}

// only fails for what was told beside these.
func (f *fleet) only(told ...string) {
	f.t.Helper()
	for _, what := range slices.Sorted(maps.Keys(f.told)) {
		if !slices.Contains(told, what) {
			f.t.Errorf("%d calls were told %q", f.told[what], what)
		}
	}
}

// Every caller who calls gets one text, whichever of three daemons the calls reach.
func TestFleetTextsACallerOnce(t *testing.T) {
	t.Parallel()
	bothAPIs(t, fleetTextsACallerOnce)
}

func fleetTextsACallerOnce(t *testing.T, newAPI func() *watchedAPI) {
	t.Parallel()
	api := newAPI()
	f := newFleet(t, api, ", timeout: 1s") // also where a busy machine has no moment for Redis
	calls, rate := size(api)
	f.traffic(calls, rate, nil)
	f.quiet()
	f.only("sent ok", "ineligible cooldown")
	callers := map[string]bool{}
	for _, c := range f.daemons[0].calls {
		callers[c.number] = true
	}
	if n := f.texted(); n != len(callers) {
		t.Errorf("%d of %d callers have a text", n, len(callers))
	}
}

// Daemons are killed, one every five seconds, while the API fails in every way.
func TestFleetKilled(t *testing.T) {
	t.Parallel()
	t.Run("livedeflect", func(t *testing.T) { fleetKilled(t, failingLiveDeflect) })
	t.Run("c2m", func(t *testing.T) { fleetKilled(t, failingC2M) })
}

func fleetKilled(t *testing.T, newAPI func(*testing.T, *faults) *watchedAPI) {
	t.Parallel()
	faults := &faults{random: rand.New(rand.NewPCG(20, 0))}
	api := newAPI(t, faults)
	f := newFleet(t, api, ", timeout: 1s") // also where a busy machine has no moment for Redis
	calls, rate := size(api)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.traffic(calls, rate, nil)
	}()
	kills := 0
	for tick := time.NewTicker(5 * time.Second); ; {
		select {
		case <-tick.C:
			l := f.daemons[kills%len(f.daemons)]
			l.kill()
			l.start()
			kills++
			continue
		case <-done:
			tick.Stop()
		}
		break
	}
	faults.over.Store(true)
	f.quiet()
	if n := f.texted(); kills == 0 || n < calls/40 {
		t.Errorf("it was no such test: %d kills, %d callers have a text", kills, n)
	}
}

// trouble is something that befalls Redis, until mend.
type trouble struct {
	name   string
	befall func(f *fleet)
	lasts  time.Duration
	mend   func(f *fleet)
	short  bool // it is over before everybody must have noticed
	both   bool // also in short with Connect to Messaging, whose rate is in the store too
}

var troubles = []trouble{
	{name: "a short stall", lasts: 500 * time.Millisecond, short: true, befall: func(f *fleet) { f.redis.Stall(300 * time.Millisecond) }},
	{name: "a stall", both: true, lasts: 5200 * time.Millisecond, befall: func(f *fleet) { f.redis.Stall(5 * time.Second) }},
	{name: "a restart", lasts: 500 * time.Millisecond, short: true, befall: func(f *fleet) { f.redis.Restart() }},
	{name: "away", both: true, lasts: 3 * time.Second, befall: func(f *fleet) { f.redis.Kill() }, mend: func(f *fleet) { f.redis.Restart() }},
	{name: "resets", lasts: 500 * time.Millisecond, short: true, befall: func(f *fleet) { f.proxy.Cut() }},
	{name: "answers that get lost", both: true, lasts: 500 * time.Millisecond, short: true, befall: func(f *fleet) {
		for range 20 {
			f.proxy.Swallow()
		}
	}},
	{name: "a network that stalls", lasts: 2200 * time.Millisecond, befall: func(f *fleet) { f.proxy.Stall(2 * time.Second) }},
	{name: "a full memory", lasts: 3 * time.Second, befall: func(f *fleet) { f.redis.Do("CONFIG", "SET", "maxmemory", "1mb") }, mend: func(f *fleet) {
		f.redis.Do("CONFIG", "SET", "maxmemory", "0")
	}},
	{name: "another password", lasts: 3 * time.Second, befall: func(f *fleet) {
		f.redis.Do("CONFIG", "SET", "requirepass", "another")
		f.redis.DropClients()
	}, mend: func(f *fleet) { f.redis.Do("CONFIG", "SET", "requirepass", password) }},
	{name: "no right to write", lasts: 3 * time.Second, befall: func(f *fleet) { f.redis.Do("ACL", "SETUSER", "default", "-@write") }, mend: func(f *fleet) {
		f.redis.Do("ACL", "SETUSER", "default", "+@all")
	}},
}

// Whatever befalls Redis while thousands call, nobody gets a second text and nobody is
// held; while it is away nobody is offered one, and then all is well by itself.
func TestFleetRedisInTrouble(t *testing.T) {
	t.Parallel()
	bothAPIs(t, fleetRedisInTrouble)
}

func fleetRedisInTrouble(t *testing.T, newAPI func() *watchedAPI) {
	t.Parallel()
	api := newAPI()
	f := newFleet(t, api, "")
	done, enough := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		calls, rate := size(api)
		if !*fullFleet {
			calls = 100 * rate // until it is enough
		}
		f.traffic(calls, rate, enough)
	}()
	next, befell := 3000, 0 // traffic has callers below
	for more := true; more; {
		for _, trouble := range troubles {
			if trouble.both || api.c2m == nil || *fullFleet {
				f.befalls(trouble, &next)
				befell++
			}
		}
		if !*fullFleet {
			close(enough)
			<-done
		}
		select {
		case <-done:
			more = false
		default:
		}
	}
	f.quiet()
	// A disk with much to do can have no moment for a journal.
	f.only("sent ok", "ineligible cooldown", "ineligible cooldown_unknown", "failed cooldown_unknown", "failed journal")
	if f.told["sent ok"] < befell*len(f.daemons) || f.told["ineligible cooldown_unknown"] == 0 {
		t.Error("it was no such test")
	}
}

// befalls lets a trouble come and go, and waits until callers of every daemon are texted again.
func (f *fleet) befalls(trouble trouble, next *int) {
	f.t.Helper()
	someone := func(daemon int) string {
		*next++
		vars := f.call(1_000_000+*next, daemon, caller(*next), hourly)
		return strings.TrimSpace(vars["deflect_outcome"] + " " + vars["deflect_reason"])
	}
	began := time.Now()
	trouble.befall(f)
	if !trouble.short {
		time.Sleep(300 * time.Millisecond) // an ask that is on its way ends within the timeout
		for i, l := range f.daemons {
			if got := someone(i); !strings.HasSuffix(got, " cooldown_unknown") {
				f.t.Errorf("%s: a caller is told %q", trouble.name, got)
			}
			l.until("/readyz tells of "+trouble.name, func() bool {
				status, body := l.get("/readyz")
				if status != http.StatusOK {
					f.t.Errorf("%s: /readyz: %d %q", trouble.name, status, body)
				}
				return strings.Contains(body, "redis")
			})
		}
	}
	time.Sleep(trouble.lasts - time.Since(began))
	if trouble.mend != nil {
		trouble.mend(f)
	}
	for i, l := range f.daemons {
		l.until(trouble.name+" is over", func() bool { return someone(i) == "sent ok" })
		l.until("/metrics says that "+trouble.name+" is over", func() bool {
			_, body := l.get("/metrics")
			return strings.Contains(body, "\ndeflect_store_up 1\n")
		})
	}
}

// A failover to a replica whose link was cut costs a second text to who calls again, and
// none with a replica to wait for.
func TestFleetFailover(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		c2m   bool
		wait  int
		first string // what is told before the failover
		texts int
	}{
		{wait: 0, first: "sent ok", texts: 2},
		{wait: 1, first: "failed cooldown_unknown", texts: 1},
		{c2m: true, wait: 1, first: "failed cooldown_unknown", texts: 1},
	} {
		t.Run(fmt.Sprint("wait_replicas ", tt.wait, ", c2m ", tt.c2m), func(t *testing.T) {
			t.Parallel()
			if tt.c2m && !*fullFleet {
				t.Skip("the store decides before the API is asked: in full, see -fleet")
			}
			master := fleettest.Start(t)
			replicas := []*fleettest.Server{fleettest.StartReplica(t, master), fleettest.StartReplica(t, master)}
			sentinels := fleettest.StartSentinels(t, master, 3)
			api := newWatchedAPI(livedeflecttest.Config{})
			if tt.c2m {
				api = newWatchedC2M(t, c2mtest.Config{})
			}
			f := startFleet(t, api, fmt.Sprintf("addresses: [%s], master_name: %s, wait_replicas: %d, timeout: 1s",
				strings.Join(fleettest.Addrs(sentinels...), ", "), fleettest.MasterName, tt.wait))
			calls := 0
			call := func(daemon int) string {
				calls++
				vars := f.call(calls, daemon, caller(1), hourly)
				return vars["deflect_outcome"] + " " + vars["deflect_reason"]
			}
			master.CutReplicas()
			if got := call(0); got != tt.first {
				t.Errorf("the first call is told %q, want %q", got, tt.first)
			}
			if tt.wait == 0 { // which waits for how the first one ended, so that all is written
				if got := call(1); got != "ineligible cooldown" {
					t.Errorf("the second call is told %q", got)
				}
			}
			master.Kill()
			f.daemons[1].until("a replica is the master", func() bool {
				return slices.Contains(fleettest.Addrs(replicas...), sentinels[0].Master())
			})
			f.daemons[1].until("the new master decides", func() bool { return !strings.HasSuffix(call(1), " cooldown_unknown") })
			var got string // once this daemon has heard of it, too
			f.daemons[2].until("the new master decides there", func() bool {
				got = call(2)
				return !strings.HasSuffix(got, " cooldown_unknown")
			})
			if got != "ineligible cooldown" {
				t.Errorf("a call after that is told %q", got)
			}
			for _, l := range f.daemons {
				l.untilSettled()
				l.stop()
			}
			if got := len(api.texts()); got != tt.texts {
				t.Errorf("the caller has %d texts, want %d", got, tt.texts)
			}
			t.Logf("%d texts; told %v", len(api.texts()), f.told)
		})
	}
}
