package fleet

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// logged is a log of which the lines are read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// states are those that the log tells of, in their order.
func (l *logged) states() (states []string) {
	for line := range strings.Lines(l.String()) {
		_, state, _ := strings.Cut(line, " state=")
		state, _, _ = strings.Cut(state, " ")
		states = append(states, state)
	}
	return states
}

func withLog(l *logged) func(*Config) {
	return func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(l, nil))
	}
}

// hasty is the time-out of production: that of other tests is for machines with much to do.
func hasty(c *Config) { c.Timeout = 0 }

// memory is a store of this process, as far as tests need one.
type memory struct {
	mu   sync.Mutex
	keys map[string]string
}

func withLocal(c *Config) { c.Local = &memory{keys: map[string]string{}} }

func (m *memory) Held(_ context.Context, key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys[key] != "", nil
}

func (m *memory) Take(_ context.Context, key, token string, _ time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys[key] != "" {
		return false, nil
	}
	m.keys[key] = token
	return true, nil
}

func (m *memory) Release(_ context.Context, key, token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys[key] == token {
		delete(m.keys, key)
	}
	return nil
}

var _ deflect.Cooldowns = (*memory)(nil)

func eventually(t *testing.T, what string, within time.Duration, is func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// must is a take that succeeds.
func must(t *testing.T, c deflect.Cooldowns, key string) {
	t.Helper()
	if took, err := c.Take(t.Context(), key, "token of "+key, time.Hour); !took || err != nil {
		t.Errorf("the answer to Take is %t, %v", took, err)
	}
}

// A take of which the answer is lost is ours when it is asked for again.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		s := fleettest.Start(t)
		p := fleettest.StartProxy(t, s.Addr)
		f := newFleet(t, p.Addr)
		f.cooldowns.old.Store(old)
		must(t, f.cooldowns, "first")
		s.Do("CONFIG", "RESETSTAT")
		p.Swallow()
		must(t, f.cooldowns, "lost")
		command := "set"
		if old {
			command = "eval"
		}
		if n := s.Calls()[command]; n != 2 {
			t.Errorf("%s was called %d times, so nothing was repeated", command, n)
		}
		if took, err := f.cooldowns.take(t.Context(), f.key("c", "lost"), "token of lost", time.Hour); !took || err != nil {
			t.Errorf("one's own again: %t, %v", took, err)
		}
	}
}

// What a call costs the server: one command for the look, one for the take, one for each
// text before it goes out and one afterwards, many of these together.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	if _, err := f.cooldowns.Held(t.Context(), "warm"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		do   func()
		want map[string]int
	}{
		{func() { f.cooldowns.Held(t.Context(), "a") }, map[string]int{"exists": 1}},
		{func() { f.cooldowns.Take(t.Context(), "a", "mine", time.Hour) }, map[string]int{"set": 1}},
		{func() { f.cooldowns.Confirm(t.Context(), "a", "mine") }, map[string]int{"eval": 1, "get": 1, "set": 1}},
		{func() { f.cooldowns.Held(t.Context(), "a") }, map[string]int{"exists": 1}},
	} {
		s.Do("CONFIG", "RESETSTAT")
		tt.do()
		got := s.Calls()
		for _, ours := range []string{"auth", "config|resetstat", "info"} { // the rig's
			delete(got, ours)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	f.cooldowns.Keep("a", "mine")
	eventually(t, "the key is kept", time.Second, func() bool { return s.Do("GET", f.key("c", "a")) == holderOf("mine").kept() })
	if s.Do("OBJECT", "ENCODING", f.key("c", "a")) != "int" {
		t.Error("a kept one takes more room than a number")
	}
}

// While a server stands still, one call after the other is not held up.
func TestStall(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	log := new(logged)
	f := newFleet(t, s.Addr, withLog(log), hasty)
	must(t, f.cooldowns, "before")
	f.cooldowns.Keep("before", "token of before")

	const stalled = 1500 * time.Millisecond
	s.Stall(stalled)
	began := time.Now()
	for i := 0; time.Since(began) < stalled-100*time.Millisecond; i++ {
		asked := time.Now()
		took, err := f.cooldowns.Take(t.Context(), fmt.Sprint(i), "mine", time.Hour)
		took2 := time.Since(asked)
		if took || err == nil {
			t.Fatalf("it answers: %t, %v", took, err)
		}
		limit := 2 * f.cfg.Timeout
		if time.Since(began) > 4*f.cfg.Timeout {
			limit = f.cfg.Timeout / 2 // it is known to be away
		}
		if took2 > limit {
			t.Errorf("%s into the stall, a call waited for %s", time.Since(began), took2)
		}
		time.Sleep(20 * time.Millisecond)
	}
	eventually(t, "it is well again", time.Until(began.Add(stalled+time.Second)), func() bool { return f.Err() == nil })
	must(t, f.cooldowns, "after")
	if held, err := f.cooldowns.Held(t.Context(), "before"); !held || err != nil {
		t.Errorf("after it: %t, %v", held, err)
	}
	if diff := cmp.Diff([]string{"away", "ok"}, log.states()); diff != "" {
		t.Errorf("%s\nlogged (-want +got):\n%s", log, diff)
	}
}

// A take that a server gets to hours later is given back, because its call got no text.
func TestLateTake(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	p := fleettest.StartProxy(t, s.Addr)
	f := newFleet(t, p.Addr, hasty)
	must(t, f.cooldowns, "before")
	p.Stall(400 * time.Millisecond)
	if took, err := f.cooldowns.Take(t.Context(), "late", "mine", time.Hour); took || err == nil {
		t.Fatalf("it answers: %t, %v", took, err)
	}
	if err := f.cooldowns.Release(t.Context(), "late", "mine"); err != nil {
		t.Error(err)
	}
	eventually(t, "the late take is there", 2*time.Second, func() bool { return s.Do("EXISTS", f.key("c", "late")) == int64(1) })
	eventually(t, "it is given back", 5*time.Second, func() bool { return s.Do("EXISTS", f.key("c", "late")) == int64(0) })
}

// Nobody knows of a doubtful take whether the server gets to it yet when it is given back.
func TestDoubtfulTake(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	k, mine := f.key("c", "late"), holderOf("mine")
	f.cooldowns.ends.took(k, mine, time.Now().Add(time.Hour), true)
	if err := f.cooldowns.Release(t.Context(), "late", "mine"); err != nil {
		t.Error(err)
	}
	s.Do("SET", k, mine.pending(time.Now()))
	eventually(t, "it is given back", 5*time.Second, func() bool { return s.Do("EXISTS", k) == int64(0) })
}

// A text that waits is tried again with the token of before by a process that could not write
// down its try. What is yet to be given back of that does not take the key from it.
func TestTakenAgain(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	k := f.key("c", "again")
	must(t, f.cooldowns, "again")
	f.cooldowns.ends.add(end{key: k, holder: holderOf("token of again"), not: time.Now().Add(endRetry)})
	must(t, f.cooldowns, "again")
	time.Sleep(2 * endRetry)
	if s.Do("EXISTS", k) != int64(1) {
		t.Error("while its text is under way the key is free")
	}
}

// Connections that were reset, or whose server has started again, cost no call anything
// once the server is there.
func TestReset(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t, "--appendonly", "yes")
	p := fleettest.StartProxy(t, s.Addr)
	log := new(logged)
	f := newFleet(t, p.Addr, withLog(log))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { must(t, f.cooldowns, fmt.Sprint(i)) })
	}
	all.Wait()
	for i := range 5 {
		p.Cut()
		must(t, f.cooldowns, fmt.Sprint("cut", i))
	}
	s.Restart()
	must(t, f.cooldowns, "restarted")
	if got := log.states(); len(got) != 0 {
		t.Errorf("logged: %s", log)
	}

	s.Kill()
	if took, err := f.cooldowns.Take(t.Context(), "killed", "mine", time.Hour); took || err == nil {
		t.Errorf("without a server: %t, %v", took, err)
	}
	eventually(t, "it is away", time.Second, func() bool { return f.Err() != nil })
	s.Restart()
	eventually(t, "it is well again", 1500*time.Millisecond, func() bool { return f.Err() == nil })
	must(t, f.cooldowns, "again")
}

// What a server says instead of an answer is told in words, once, and is over by itself.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		state       string
		begin, over func(s *fleettest.Server)
		reads       bool // it can still be asked
	}{
		{"memory",
			func(s *fleettest.Server) { s.Do("CONFIG", "SET", "maxmemory", "1") },
			func(s *fleettest.Server) { s.Do("CONFIG", "SET", "maxmemory", "0") }, true},
		{"password",
			func(s *fleettest.Server) { s.Do("CONFIG", "SET", "requirepass", "other"); s.DropClients() },
			func(s *fleettest.Server) { s.Do("CONFIG", "SET", "requirepass", "") }, false},
		{"rights",
			func(s *fleettest.Server) { s.Do("ACL", "SETUSER", "default", "-set") },
			func(s *fleettest.Server) { s.Do("ACL", "SETUSER", "default", "+set") }, true},
		{"read_only",
			func(s *fleettest.Server) { s.Do("REPLICAOF", "127.0.0.1", "1") },
			func(s *fleettest.Server) { s.Do("REPLICAOF", "NO", "ONE") }, true},
	} {
		t.Run(tt.state, func(t *testing.T) {
			t.Parallel()
			s := fleettest.Start(t)
			log := new(logged)
			f := newFleet(t, s.Addr, withLog(log))
			must(t, f.cooldowns, "before")
			f.cooldowns.Keep("before", "token of before")
			eventually(t, "it is kept", time.Second, func() bool { return s.Do("GET", f.key("c", "before")) == holderOf("token of before").kept() })
			tt.begin(s)
			for range 10 {
				took, err := f.cooldowns.Take(t.Context(), "during", "mine", time.Hour)
				var e *redisError
				if took || !errors.As(err, &e) || string(e.class) != tt.state {
					t.Errorf("the answer is %t, %v", took, err)
				}
				if err != nil && (strings.Contains(err.Error(), f.hashes.of("c", "during")) || strings.Contains(err.Error(), "during")) {
					t.Errorf("the error tells of the key: %v", err)
				}
				held, err := f.cooldowns.Held(t.Context(), "before")
				if tt.reads && (!held || err != nil) || !tt.reads && err == nil {
					t.Errorf("held is %t, %v", held, err)
				}
			}
			if err := f.Err(); err == nil {
				t.Error("and yet all is well")
			}
			time.Sleep(probeAway)
			tt.over(s)
			if tt.state == "rights" { // no probe tells
				must(t, f.cooldowns, "after")
			}
			eventually(t, "it is well again", 2*time.Second, func() bool { return f.Err() == nil })
			must(t, f.cooldowns, "after all")
			if diff := cmp.Diff([]string{tt.state, "ok"}, log.states()); diff != "" {
				t.Errorf("%s\nlogged (-want +got):\n%s", log, diff)
			}
		})
	}
}

// A server that refuses every new connection has done nothing of what was to be written, and
// hears of it when it is well again, however long that takes.
func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t, "--requirepass", "first")
	withPassword := func(c *Config) { c.Password = deflect.NewSecret("first") }
	f := newFleet(t, s.Addr, withPassword)
	waits := newFleet(t, s.Addr, withPassword, func(c *Config) { c.WaitReplicas = 1 })
	for _, key := range []string{"kept", "released", "often"} {
		must(t, f.cooldowns, key)
	}
	of := deflect.Budget{Texts: 1, Per: time.Hour}
	wantTake(t, f.Budgets(), "place", of, true)

	s.Do("CONFIG", "SET", "requirepass", "other")
	s.DropClients()
	var e *redisError
	if took, err := waits.cooldowns.Take(t.Context(), "new", "mine", time.Hour); took || !errors.As(err, &e) || e.class != refused {
		t.Errorf("with another password: %t, %v", took, err)
	}
	f.cooldowns.Keep("kept", "token of kept")
	if err := errors.Join(f.cooldowns.Release(t.Context(), "released", "token of released"), f.Budgets().Release(t.Context(), "sales", "place")); err != nil {
		t.Error(err)
	}
	f.cooldowns.ends.add(end{key: f.key("c", "often"), holder: holderOf("token of often"), tries: maxEndTries - 1})
	time.Sleep(releaseAgain + 2*endRetry)
	s.Do("CONFIG", "SET", "requirepass", "first")
	eventually(t, "all is written", 2*longestRetry, func() bool {
		return s.Do("GET", f.key("c", "kept")) == holderOf("token of kept").kept() && s.Do("EXISTS", f.key("c", "released")) == int64(0) &&
			s.Do("EXISTS", f.key("c", "often")) == int64(0) && s.Do("EXISTS", f.key("b", "sales")) == int64(0)
	})
}

func TestInWords(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	for said, want := range map[string]class{
		"NOAUTH Authentication required.":                                        refused,
		"WRONGPASS invalid username-password pair or user is disabled.":          refused,
		"NOPERM User x has no permissions to run the 'set' command":              noRight,
		"ERR The user executing the script can't run this command or subcommand": noRight,
		"OOM command not allowed when used memory > 'maxmemory'.":                full,
		"READONLY You can't write against a read only replica.":                  replica,
		"LOADING Redis is loading the dataset in memory":                         loading,
		"MISCONF Redis is configured to save RDB snapshots, but it's unable":     noDisk,
		"NOREPLICAS Not enough good replicas to write.":                          noCopy,
		"MASTERDOWN Link with MASTER is down":                                    away,
		"CLUSTERDOWN The cluster is down":                                        cluster,
		"MOVED 3999 127.0.0.1:6381":                                              cluster,
		"WRONGTYPE Operation against a key holding the wrong kind of value":      stranger,
		"ERR max number of clients reached":                                      clients,
		"ERR This instance has cluster support disabled":                         cluster,
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL":     busy,
		"ERR something that nobody knows of +14043438646 and of +4915123456789":  odd,
	} {
		m.Server().SetPreHook(func(p *server.Peer, cmd string, args ...string) bool {
			p.WriteError(said)
			return true
		})
		f := newFleet(t, m.Addr()) // which does not know yet of one that is away
		_, err := f.cooldowns.Held(t.Context(), "key")
		var e *redisError
		if !errors.As(err, &e) || e.class != want {
			t.Errorf("%s: %v", said, err)
		} else if text := err.Error(); strings.Contains(text, "4043438646") || !strings.HasPrefix(text, "Redis ") || words[want].is == "" || !strings.Contains(text, words[want].do) {
			t.Errorf("%s: %s", said, text)
		}
	}
}

// A name that is not found is no answer, whatever it is called.
func TestInWordsOfNames(t *testing.T) {
	err := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "redis-cluster.example", IsNotFound: true}}
	if e := inWords(fmt.Errorf("all of them: %w", err)); e.class != away {
		t.Errorf("%s: %v", e.class, e)
	}
}

// A server before 7.0 has no SET with NX and GET.
func TestOldServer(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	refused := 0
	m.Server().SetPreHook(func(p *server.Peer, cmd string, args ...string) bool {
		text := strings.ToUpper(strings.Join(args, " "))
		if cmd == "SET" && strings.Contains(text, " NX") && strings.Contains(text, " GET") {
			refused++
			p.WriteError("ERR syntax error")
			return true
		}
		return false
	})
	f := newFleet(t, m.Addr())
	for i := range 3 {
		must(t, f.cooldowns, fmt.Sprint(i))
		f.cooldowns.Keep(fmt.Sprint(i), "token of "+fmt.Sprint(i))
	}
	eventually(t, "they are kept", time.Second, func() bool {
		v, _ := m.Get(f.key("c", "2"))
		return v == holderOf("token of 2").kept()
	})
	if took, err := f.cooldowns.Take(t.Context(), "1", "second", time.Hour); took || err != nil {
		t.Errorf("the second one: %t, %v", took, err)
	}
	if refused != 1 || f.Err() != nil {
		t.Errorf("it was asked %d times, %v", refused, f.Err())
	}
}

// Without Redis a process decides by its own memory, if it shall, and tells of it later.
func TestLocal(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr, withLocal)
	other := newFleet(t, s.Addr)
	must(t, f.cooldowns, "before")
	f.cooldowns.Keep("before", "token of before")
	must(t, other.cooldowns, "others")
	other.cooldowns.Keep("others", "token of others")
	if took, err := f.cooldowns.Take(t.Context(), "others", "mine", time.Hour); took || err != nil {
		t.Errorf("another's: %t, %v", took, err)
	}
	if held, _ := f.cfg.Local.Held(t.Context(), "others"); held {
		t.Error("what was refused is held here")
	}

	s.Kill()
	for key, want := range map[string]bool{"before": true, "new": false} {
		if held, err := f.cooldowns.Held(t.Context(), key); held != want || err != nil {
			t.Errorf("held %s is %t, %v", key, held, err)
		}
		if took, err := f.cooldowns.Take(t.Context(), key, "mine", time.Hour); took == want || err != nil {
			t.Errorf("took %s is %t, %v", key, took, err)
		}
	}
	f.cooldowns.Keep("new", "mine")
	must(t, f.cooldowns, "failed")
	if err := f.cooldowns.Release(t.Context(), "failed", "token of failed"); err != nil {
		t.Error(err)
	}
	must(t, f.cooldowns, "failed")
	if err := f.cooldowns.Release(t.Context(), "failed", "token of failed"); err != nil {
		t.Error(err)
	}
	s.Restart()
	eventually(t, "the others know of whom was texted meanwhile", 3*time.Second, func() bool {
		held, err := other.cooldowns.Held(t.Context(), "new")
		return held && err == nil
	})
	if ms := s.Do("PTTL", f.key("c", "new")).(int64); ms < 3_500_000 || ms > 3_600_000 {
		t.Errorf("it ends in %d ms", ms)
	}
}

// A key that a failover lost before its text was through is set again.
func TestKeepOfLost(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	must(t, f.cooldowns, "lost")
	s.Do("FLUSHALL")
	f.cooldowns.Keep("lost", "token of lost")
	eventually(t, "it is there again", time.Second, func() bool { return s.Do("EXISTS", f.key("c", "lost")) == int64(1) })

	// Another's stays, and one whose time is over does not come again.
	s.Do("SET", f.key("c", "others"), holderOf("other").kept())
	f.cooldowns.Keep("others", "mine")
	if took, err := f.cooldowns.Take(t.Context(), "short", "mine", 10*time.Millisecond); !took || err != nil {
		t.Errorf("%t, %v", took, err)
	}
	time.Sleep(20 * time.Millisecond)
	f.cooldowns.Keep("short", "mine")
	must(t, f.cooldowns, "last")
	f.cooldowns.Keep("last", "token of last")
	eventually(t, "all are written", time.Second, func() bool { return s.Do("GET", f.key("c", "last")) == holderOf("token of last").kept() })
	if got := s.Do("GET", f.key("c", "others")); got != holderOf("other").kept() {
		t.Errorf("another's key holds %v", got)
	}
	if s.Do("EXISTS", f.key("c", "short")) != int64(0) {
		t.Error("a key is there after its time")
	}
}

// What is taken without a replica that has it does not count.
func TestWaitReplicas(t *testing.T) {
	t.Parallel()
	master := fleettest.Start(t)
	replica := fleettest.StartReplica(t, master)
	p := fleettest.StartProxy(t, master.Addr)
	log := new(logged)
	f := newFleet(t, p.Addr, withLog(log), func(c *Config) { c.WaitReplicas = 1 })
	counted := func() {
		t.Helper()
		eventually(t, "a replica has it", 40*time.Second, func() bool {
			took, _ := f.cooldowns.Take(t.Context(), rand.Text(), "mine", time.Hour)
			return took
		})
	}
	counted()
	p.Swallow()
	must(t, f.cooldowns, "lost")

	// A replica that stands still has nothing of this. WAIT on another connection than that
	// which wrote would say that it has.
	replica.Stall(3 * time.Second)
	p.Swallow()
	var e *redisError
	if took, err := f.cooldowns.Take(t.Context(), "lost, and not replicated", "mine", time.Hour); took || !errors.As(err, &e) || e.class != noCopy {
		t.Errorf("the replica stands still, the answer is lost: %t, %v", took, err)
	}
	counted()
	eventually(t, "it is well again", 5*time.Second, func() bool { return f.Err() == nil })

	must(t, f.cooldowns, "confirmed too late")
	master.CutReplicas()
	if err := f.cooldowns.Confirm(t.Context(), "confirmed too late", "token of confirmed too late"); !errors.As(err, &e) || e.class != noCopy {
		t.Errorf("without a replica to confirm to: %v", err)
	}
	if took, err := f.cooldowns.Take(t.Context(), "cut", "mine", time.Hour); took || !errors.As(err, &e) || e.class != noCopy {
		t.Errorf("without a replica: %t, %v", took, err)
	}
	if err := f.cooldowns.Release(t.Context(), "cut", "mine"); err != nil {
		t.Error(err)
	}
	if n := master.Do("EXISTS", f.key("c", "cut")); n != int64(0) {
		t.Errorf("after it was given back there are %v", n)
	}
	if diff := cmp.Diff([]string{"replicas", "ok", "replicas"}, log.states()); diff != "" {
		t.Errorf("%s\nlogged (-want +got):\n%s", log, diff)
	}
	master.MendReplicas()
	counted()
	eventually(t, "a replica hears that it lasts", 40*time.Second, func() bool {
		return f.cooldowns.Confirm(t.Context(), "confirmed too late", "token of confirmed too late") == nil
	})
	eventually(t, "it is well again", 3*time.Second, func() bool { return f.Err() == nil })
}

func TestClose(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	must(t, f.cooldowns, "last")
	f.cooldowns.Keep("last", "token of last")
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if got := s.Do("GET", f.key("c", "last")); got != holderOf("token of last").kept() {
		t.Errorf("what was to be written is %v", got)
	}
	if _, err := f.cooldowns.Held(t.Context(), "last"); err != ErrClosed {
		t.Errorf("error %v", err)
	}
	if f.Err() != ErrClosed {
		t.Errorf("error %v", f.Err())
	}
}

// Many calls at the same moment are asked at once, not in turn, and all are kept.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	const many = 5 * endsAtOnce
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { must(t, f.cooldowns, fmt.Sprint(i)) })
	}
	all.Wait()
	for i := range many {
		f.cooldowns.Keep(fmt.Sprint(i), "token of "+fmt.Sprint(i))
	}
	eventually(t, "all are kept", 5*time.Second, func() bool {
		for i := range many {
			if v, _ := f.rdb.Get(t.Context(), f.key("c", fmt.Sprint(i))).Result(); strings.HasPrefix(v, "p") {
				return false
			}
		}
		return true
	})
}
