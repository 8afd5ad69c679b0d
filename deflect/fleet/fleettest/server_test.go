package fleettest_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

func TestServer(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t, "--appendonly", "yes")
	s.Do("CONFIG", "RESETSTAT")
	s.Do("SET", "a", "b\r\nc")
	s.Do("RPUSH", "list", "1", "2")
	for _, tt := range []struct {
		command []string
		want    any
	}{
		{[]string{"GET", "a"}, "b\r\nc"},
		{[]string{"GET", "none"}, nil},
		{[]string{"LRANGE", "list", "0", "-1"}, []any{"1", "2"}},
		{[]string{"LRANGE", "none", "0", "-1"}, []any{}},
		{[]string{"STRLEN", "a"}, int64(4)},
	} {
		if diff := cmp.Diff(tt.want, s.Do(tt.command...)); diff != "" {
			t.Errorf("%q: %s", tt.command, diff)
		}
	}
	if calls := s.Calls(); calls["set"] != 1 || calls["get"] != 2 {
		t.Errorf("calls are %v", calls)
	}

	// Its own ways work with other users' passwords changed.
	s.Do("CONFIG", "SET", "requirepass", "other")
	before := s.Pid()
	s.Restart()
	if got := s.Do("GET", "a"); got != "b\r\nc" || s.Pid() == before {
		t.Errorf("after a restart: %q, process %d and %d", got, before, s.Pid())
	}
	s.Kill()
	if c, err := net.Dial("tcp", s.Addr); err == nil {
		c.Close()
		t.Error("a killed one takes connections")
	}
	s.Restart()

	s.Stall(300 * time.Millisecond)
	began := time.Now()
	s.Do("PING")
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("a stalled one answers after %s", took)
	}
}

func TestReplica(t *testing.T) {
	t.Parallel()
	master := fleettest.Start(t)
	master.Do("SET", "before", "1")
	replica := fleettest.StartReplica(t, master)
	if got := replica.Do("GET", "before"); got != "1" {
		t.Errorf("the replica has %v", got)
	}
	master.CutReplicas()
	master.Do("SET", "after", "1")
	if got := replica.Do("GET", "after"); got != nil || master.Info("replication")["connected_slaves"] != "0" {
		t.Errorf("a replica that is cut has %v", got)
	}
	master.MendReplicas()
	eventually(t, "the replica has what was written", func() bool { return replica.Do("GET", "after") == "1" })
}

func TestSentinels(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3} {
		master := fleettest.Start(t)
		replica := fleettest.StartReplica(t, master)
		sentinels := fleettest.StartSentinels(t, master, n)
		if got := fleettest.Addrs(sentinels...); len(got) != n {
			t.Errorf("addresses %q", got)
		}
		master.CutReplicas()
		master.Do("SET", "lost", "1")
		for _, s := range sentinels {
			if got := s.Master(); got != master.Addr {
				t.Errorf("the master is %s, want %s", got, master.Addr)
			}
		}
		master.Kill()
		for _, s := range sentinels {
			eventually(t, "the replica is the master", func() bool { return s.Master() == replica.Addr })
		}
		eventually(t, "the replica takes what is written", func() bool { return replica.Info("replication")["role"] == "master" })
		if got := replica.Do("GET", "lost"); got != nil {
			t.Errorf("the new master has %v", got)
		}
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	s := fleettest.Start(t)
	p := fleettest.StartProxy(t, s.Addr)
	ping := func(c net.Conn) string {
		t.Helper()
		if _, err := c.Write([]byte("INCR n\r\n")); err != nil {
			return err.Error()
		}
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		var b [100]byte
		n, err := c.Read(b[:])
		if err != nil {
			return err.Error()
		}
		return string(b[:n])
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial()
	if got := ping(c); got != ":1\r\n" {
		t.Errorf("answered %q", got)
	}
	p.Stall(200 * time.Millisecond)
	began := time.Now()
	if got := ping(c); got != ":2\r\n" || time.Since(began) < 150*time.Millisecond {
		t.Errorf("answered %q after %s", got, time.Since(began))
	}
	p.Swallow()
	if got := ping(c); !strings.Contains(got, "reset") || s.Do("GET", "n") != "3" {
		t.Errorf("answered %q, and n is %v", got, s.Do("GET", "n"))
	}
	c = dial()
	if got := ping(c); got != ":4\r\n" {
		t.Errorf("answered %q", got)
	}
	p.Cut()
	if got := ping(c); !strings.Contains(got, "reset") {
		t.Errorf("answered %q", got)
	}
	p.Refuse(true)
	if c, err := net.Dial("tcp", p.Addr); err == nil {
		if got := ping(c); strings.HasPrefix(got, ":") {
			t.Errorf("answered %q", got)
		}
		c.Close()
	}
	p.Refuse(false)
	if got := ping(dial()); got != ":5\r\n" {
		t.Errorf("answered %q", got)
	}
}

// Without the binary a test is skipped, and says why.
func TestSkipsWithoutRedis(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var skipped bool
	t.Run("one", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		fleettest.Start(t)
	})
	if !skipped {
		t.Error("it is not skipped")
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never comes that %s", what)
		}
	}
}
