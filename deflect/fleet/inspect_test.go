package fleet

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// What is wrong with a server is found; each begins with the level and these words.
func TestInspect(t *testing.T) {
	t.Parallel()
	const noAOF = "WARN it has no appendonly"
	for _, tt := range []struct {
		name   string
		change func(s *fleettest.Server)
		config func(*Config)
		want   []string
	}{
		{name: "a good one", change: func(s *fleettest.Server) {}, want: []string{noAOF}},
		{name: "appendonly", change: func(s *fleettest.Server) { s.Do("CONFIG", "SET", "appendonly", "yes") }},
		{name: "fsync", change: func(s *fleettest.Server) {
			s.Do("CONFIG", "SET", "appendonly", "yes", "appendfsync", "no")
		}, want: []string{"WARN its appendfsync is no"}},
		{name: "policy", change: func(s *fleettest.Server) {
			s.Do("CONFIG", "SET", "maxmemory", "1gb", "maxmemory-policy", "volatile-ttl")
		}, want: []string{"ERROR its maxmemory-policy is volatile-ttl: when", noAOF}},
		{name: "policy without a limit", change: func(s *fleettest.Server) { s.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru") },
			want: []string{"WARN its maxmemory-policy is allkeys-lru: as soon", noAOF}},
		{name: "full", change: func(s *fleettest.Server) { s.Do("CONFIG", "SET", "maxmemory", s.Info("memory")["used_memory"]) },
			want: []string{"ERROR it has no memory left for a cooldown, and", "WARN its memory is full to 1", noAOF}},
		{name: "replica", change: func(s *fleettest.Server) { s.Do("REPLICAOF", "127.0.0.1", "1") }, want: []string{"ERROR it is a replica, ", noAOF}},
		{name: "replicas", config: func(c *Config) { c.WaitReplicas = 1 }, change: func(s *fleettest.Server) {}, want: []string{"ERROR it has 0 replicas in step", noAOF}},
		{name: "rights", config: account, change: func(s *fleettest.Server) {
			s.Do("ACL", "SETUSER", "deflectd", "on", ">secret", "~ivrdeflect:*", "&ivrdeflect:*", "+@all", "-eval", "-zadd", "-subscribe", "-config")
		}, want: []string{"ERROR the user deflectd may not do all", noAOF}},
		{name: "no keys, no info", config: account, change: func(s *fleettest.Server) {
			s.Do("ACL", "SETUSER", "deflectd", "on", ">secret", "~other:*", "resetchannels", "&other:*", "+@all", "-info")
		}, want: []string{"ERROR the user deflectd may not do all", "INFO its version"}},
		{name: "no rights", config: account, change: func(s *fleettest.Server) { s.Do("ACL", "SETUSER", "deflectd", "on", ">secret") },
			want: []string{"ERROR the user deflectd may not do all", "INFO its version"}},
		{name: "just the rights", config: account, change: func(s *fleettest.Server) {
			s.Do("CONFIG", "SET", "appendonly", "yes")
			s.Do(append([]string{"ACL", "SETUSER", "deflectd", "on", ">secret", "~ivrdeflect:*", "resetchannels", "&ivrdeflect:*", "+info"}, leastRights...)...)
		}, want: []string{"INFO how often it writes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := fleettest.Start(t)
			tt.change(s)
			f := newFleet(t, s.Addr, func(c *Config) {
				if tt.config != nil {
					tt.config(c)
				}
			})
			found, err := f.Inspect(t.Context())
			if err != nil {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, begins(found, tt.want)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", found, diff)
			}
			if strings.HasSuffix(tt.name, "the rights") && f.Err() != nil {
				t.Errorf("looking is a trouble: %v", f.Err())
			}
			if left := s.Do("KEYS", "*").([]any); len(left) > 0 && !strings.Contains(tt.name, "rights") {
				t.Errorf("it leaves %d keys", len(left))
			}
		})
	}
}

// account is a user with the rights of which a test is.
func account(c *Config) {
	c.Username, c.Password = "deflectd", deflect.NewSecret("secret")
}

// leastRights are those that a daemon needs.
var leastRights = []string{
	"+ping", "+time", "+set", "+get", "+exists", "+pttl", "+getrange", "+pexpire", "+del", "+eval", "+evalsha",
	"+sadd", "+sismember", "+smismember", "+scard", "+srem", "+zadd", "+zcount", "+zscore", "+zrangebyscore", "+zremrangebyscore", "+zcard", "+zrem", "+publish", "+subscribe",
}

// begins cuts what was found to what a test names.
func begins(found []Finding, want []string) (texts []string) {
	for n, f := range found {
		text := f.Severity.String() + " " + f.Text
		if n < len(want) && strings.HasPrefix(text, want[n]) {
			text = want[n]
		}
		texts = append(texts, text)
	}
	return texts
}

// The page of deflectd names these rights, and those that only some need.
func TestRightsOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../cmd/deflectd/fleet.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(page), "ACL SETUSER deflectd ")
	line, _, _ = strings.Cut(line, "\n")
	var rights []string
	for _, word := range strings.Fields(strings.ReplaceAll(line, "'", "")) {
		if strings.HasPrefix(word, "+") {
			rights = append(rights, word)
		}
	}
	want := append([]string{"+select", "+unsubscribe", "+wait", "+info", "+config|get"}, leastRights...)
	slices.Sort(rights)
	slices.Sort(want)
	if diff := cmp.Diff(want, rights); diff != "" {
		t.Errorf("the page (+) names others:\n%s", diff)
	}
}

// The rights that are missing are named so that the line can be run.
func TestInspectNamesRights(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	s.Do("ACL", "SETUSER", "deflectd", "on", ">secret", "~other:*", "resetchannels", "+@all", "-eval", "-zadd", "-wait", "-select")
	f := newFleet(t, s.Addr, account, func(c *Config) { c.WaitReplicas, c.DB = 1, 1 })
	for range 4 {
		found, err := f.Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := slices.IndexFunc(found, func(f Finding) bool { return strings.Contains(f.Text, "ACL SETUSER ") })
		if n < 0 {
			f.cfg.WaitReplicas = 0 // there is none
			must(t, f.cooldowns, "key")
			f.cooldowns.Keep("key", "token of key")
			if err := f.cooldowns.Release(t.Context(), "key", "token of key"); err != nil {
				t.Error(err)
			}
			return
		}
		_, line, _ := strings.Cut(found[n].Text, "ACL SETUSER ")
		s.Do(append([]string{"ACL", "SETUSER"}, strings.Fields(line)...)...)
	}
	t.Errorf("what is named is never enough: %v", s.Do("ACL", "GETUSER", "deflectd"))
}

func TestInspectClockAndVersion(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	f := newFleet(t, m.Addr())
	for off, want := range map[time.Duration]bool{0: false, 3 * time.Second: true, -3 * time.Second: true} {
		m.SetTime(time.Now().Add(off))
		found, _ := f.Inspect(t.Context())
		is := slices.ContainsFunc(found, func(f Finding) bool {
			return strings.HasPrefix(f.Text, "its clock") && f.Severity == slog.LevelWarn
		})
		if is != want {
			t.Errorf("off by %s: %v", off, found)
		}
	}
	for version, want := range map[string]bool{"6.0.16": true, "6.2.0": false, "7.0.15": false, "5.0": true, "10.0.0": false, "": false, "x": false} {
		if olderThan(version, 6, 2) != want {
			t.Errorf("%q is too old: %t", version, !want)
		}
	}
}

// Two daemons with different keys would know nothing of each other.
func TestInspectKey(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	other := NewKey()
	for n, tt := range []struct {
		key  []byte
		same bool
	}{{testKey, true}, {testKey, true}, {other, false}, {testKey, true}} {
		f := newFleet(t, s.Addr, func(c *Config) { c.Key = tt.key })
		found, err := f.Inspect(t.Context())
		if err == nil {
			err = f.Introduce(t.Context())
		}
		is := slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Text, "another key") })
		if is == tt.same || err != nil {
			t.Errorf("%d: %v, %v", n, found, err)
		}
	}
	s.Do("DEL", "ivrdeflect:key")
	// Whoever only looks does not make a wrong key the one that others are measured by.
	if _, err := newFleet(t, s.Addr, func(c *Config) { c.Key = testKey }).Inspect(t.Context()); err != nil {
		t.Error(err)
	}
	found, _ := newFleet(t, s.Addr, func(c *Config) { c.Key = other }).Inspect(t.Context())
	if strings.Contains(fmt.Sprint(found), "another key") {
		t.Errorf("a new key for all: %v", found)
	}
}

// There are servers that do not tell everything, whoever asks.
func TestInspectUntold(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	m.Server().SetPreHook(func(p *server.Peer, cmd string, args ...string) bool {
		if cmd == "CONFIG" || cmd == "INFO" {
			p.WriteError("ERR unknown command `" + cmd + "`")
		}
		return cmd == "CONFIG" || cmd == "INFO"
	})
	f := newFleet(t, m.Addr())
	found, err := f.Inspect(t.Context())
	if len(found) != 1 || found[0].Severity != slog.LevelInfo || err != nil || f.Err() != nil {
		t.Errorf("%v, %v, %v", found, err, f.Err())
	}
}

func TestInspectAway(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	s.Kill()
	if found, err := f.Inspect(t.Context()); err == nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// A server that takes nothing says so to who leaves a fingerprint with it.
func TestIntroduceToAReplica(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	s.Do("REPLICAOF", "127.0.0.1", "1")
	if err := newFleet(t, s.Addr).Introduce(t.Context()); err == nil || !strings.Contains(err.Error(), "is a replica") {
		t.Errorf("error %v", err)
	}
}
