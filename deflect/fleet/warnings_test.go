package fleet

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// ear counts the warnings that are heard.
type ear struct{ n atomic.Int32 }

func listen(w deflect.Warnings) *ear {
	e := &ear{}
	w.OnWarned(func() { e.n.Add(1) })
	return e
}

func (e *ear) wait(t *testing.T, n int32) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d warnings are heard", n), time.Minute, func() bool { return e.n.Load() >= n })
	time.Sleep(3 * hintSpacing)
	if got := e.n.Load(); got != n {
		t.Errorf("heard %d times, want %d", got, n)
	}
}

// subscribed waits until so many listen.
func subscribed(t *testing.T, f *Fleet, n int64) {
	t.Helper()
	k := f.Warnings().(*warnings).key
	eventually(t, "all listen", time.Minute, func() bool {
		subs, err := f.rdb.PubSubNumSub(t.Context(), k).Result()
		return err == nil && subs[k] >= n
	})
}

func TestWarningsKeepTheirContract(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, _ string) {
		deflecttest.TestWarnings(t, func() (one, other deflect.Warnings) {
			// One's hint lives on for the next ones.
			var addr string
			if strings.Contains(t.Name(), "miniredis") {
				addr = miniredis.RunT(t).Addr()
			} else {
				addr = fleettest.Start(t).Addr
			}
			f, g := newFleet(t, addr), newFleet(t, addr)
			one, other = f.Warnings(), g.Warnings()
			return one, other
		})
	})
}

func TestWarningsAreHeard(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		f, g, h := newFleet(t, addr), newFleet(t, addr), newFleet(t, addr)
		a, b := f.Warnings(), g.Warnings()
		earA, earB, earC := listen(a), listen(b), listen(h.Warnings())
		subscribed(t, f, 3)
		a.Warn(time.Minute)
		earB.wait(t, 1)
		earC.wait(t, 1)
		b.Warn(time.Minute)
		earA.wait(t, 1)
		earC.wait(t, 2)
		earB.wait(t, 1) // not one's own
		if ttl := f.rdb.PTTL(t.Context(), a.(*warnings).key).Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("the hint lives for %s", ttl)
		}
		// One that starts while a hint lives hears of it, and who warned does not.
		listen(newFleet(t, addr).Warnings()).wait(t, 1)
		again := listen(g.Warnings())
		subscribed(t, f, 5)
		again.wait(t, 0)
		a.Warn(0)
		earB.wait(t, 1)
	})
}

func TestWarningsAreOfOneFleet(t *testing.T) {
	t.Parallel()
	addr := fleettest.Start(t).Addr
	f := newFleet(t, addr)
	ofDB := listen(newFleet(t, addr, func(c *Config) { c.DB = 1 }).Warnings())
	ofKey := listen(newFleet(t, addr, func(c *Config) { c.Key = NewKey() }).Warnings())
	ours := listen(newFleet(t, addr).Warnings())
	subscribed(t, f, 1)
	f.Warnings().Warn(time.Minute)
	ours.wait(t, 1)
	ofDB.wait(t, 0)
	ofKey.wait(t, 0)
}

// Who warns does not wait, and warns for as long as it may: Redis may come back.
func TestWarnWhileAway(t *testing.T) {
	t.Parallel()
	server := fleettest.Start(t)
	f := newFleet(t, server.Addr)
	w, e := f.Warnings(), listen(newFleet(t, server.Addr).Warnings())
	subscribed(t, f, 1)
	server.Kill()
	start := time.Now()
	for range 1000 {
		w.Warn(time.Hour)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s to warn", took)
	}
	time.Sleep(100 * time.Millisecond)
	server.Restart()
	e.wait(t, 1)
}

// What was sent while a subscription was cut is read when it stands again.
func TestWarningsAfterCut(t *testing.T) {
	t.Parallel()
	server := fleettest.Start(t)
	proxy := fleettest.StartProxy(t, server.Addr)
	f := newFleet(t, server.Addr)
	w, e := f.Warnings(), listen(newFleet(t, proxy.Addr).Warnings())
	subscribed(t, f, 1)
	w.Warn(time.Minute)
	e.wait(t, 1)
	proxy.Cut()
	eventually(t, "it listens again", time.Minute, func() bool { return w.(*warnings).listeners(t) == 1 })
	e.wait(t, 1) // no news
	proxy.Refuse(true)
	eventually(t, "nobody listens", time.Minute, func() bool { return w.(*warnings).listeners(t) == 0 })
	w.Warn(time.Minute)
	time.Sleep(2 * hintSpacing)
	proxy.Refuse(false)
	e.wait(t, 2)
}

func (w *warnings) listeners(t *testing.T) int64 {
	return w.f.rdb.PubSubNumSub(t.Context(), w.key).Val()[w.key]
}

// A flood of warnings is a few, and strangers' words are none.
func TestWarningsOfStrangers(t *testing.T) {
	t.Parallel()
	server := fleettest.Start(t)
	f := newFleet(t, server.Addr)
	w := f.Warnings().(*warnings)
	e := listen(w)
	subscribed(t, f, 1)
	for _, text := range []string{"", "#", "x#", "#x", "hello", "*0\r\n", w.self, w.self + "#x", strings.Repeat("x", 100) + "#x", strings.Repeat("#", 10<<20)} {
		if err := f.rdb.Publish(t.Context(), w.key, text).Err(); err != nil {
			t.Fatal(err)
		}
	}
	e.wait(t, 0)
	start := time.Now()
	for range 20 {
		p := f.rdb.Pipeline()
		for i := range 1000 {
			p.Publish(t.Context(), w.key, fmt.Sprintf("x#%d", i))
		}
		if _, err := p.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "one is heard", time.Minute, func() bool { return e.n.Load() > 0 })
	if n, most := e.n.Load(), int32(time.Since(start)/hintSpacing)+1; n > most {
		t.Errorf("20000 messages were heard %d times in %s", n, time.Since(start))
	}
}

func TestWarningsHintOfStrangers(t *testing.T) {
	t.Parallel()
	server := fleettest.Start(t)
	f := newFleet(t, server.Addr)
	w := f.Warnings().(*warnings)
	for i, write := range [][]string{
		{"SET", w.key, strings.Repeat("x#", 5<<20)},
		{"SET", w.key, "\x00\xff"},
		{"SADD", w.key, "x#y"},
	} {
		server.Do("DEL", w.key)
		server.Do(write...)
		other := newFleet(t, server.Addr).Warnings()
		e := listen(other)
		subscribed(t, f, int64(i+1))
		e.wait(t, 0)
		w.Warn(time.Minute) // takes its place
		e.wait(t, 1)
		if kind := server.Do("TYPE", w.key); kind != "string" {
			t.Errorf("the hint is a %s", kind)
		}
	}
}

// A server that is no Redis, or one in the middle, cannot end the process.
func TestWarningsOfNoRedis(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"*0\r\n", "*1\r\n:1\r\n", "*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n$1\r\nx\r\n",
		"*1\r\n$7\r\nmessage\r\n", "*2\r\n$-1\r\n$-1\r\n", "$-1\r\n", "*-1\r\n", "%1\r\n", "x", "\r\n", "*3\r\n$8\r\npmessage\r\n$1\r\nx\r\n$1\r\nx\r\n", ":1\r\n", "_\r\n"} {
		t.Run(fmt.Sprintf("%q", answer), func(t *testing.T) {
			t.Parallel()
			addr, came := startOdd(t, answer)
			e := listen(newFleet(t, addr).Warnings())
			eventually(t, "it has listened twice", time.Minute, func() bool { return came.Load() >= 2 })
			if n := e.n.Load(); n != 0 {
				t.Errorf("heard %d times", n)
			}
		})
	}
}

// Who listened to a master listens to the one that takes its place.
func TestWarningsAfterFailover(t *testing.T) {
	t.Parallel()
	master := fleettest.Start(t)
	replica := fleettest.StartReplica(t, master)
	sentinel := fleettest.StartSentinels(t, master, 1)[0]
	bySentinel := func(c *Config) { c.MasterName = fleettest.MasterName }
	w := newFleet(t, sentinel.Addr, bySentinel).Warnings().(*warnings)
	e := listen(newFleet(t, sentinel.Addr, bySentinel).Warnings())
	eventually(t, "it listens", time.Minute, func() bool { return w.listeners(t) == 1 })
	w.Warn(time.Minute)
	e.wait(t, 1)
	master.Kill()
	eventually(t, "the replica is the master", time.Minute, func() bool { return sentinel.Master() == replica.Addr })
	e.wait(t, 1) // no news
	w.Warn(time.Minute)
	e.wait(t, 2)
}

// Nobody listens for ever to a peer that is gone without a word.
func TestWarningsOfSilence(t *testing.T) {
	t.Parallel()
	addr, came := startOdd(t, "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n")
	listen(newFleet(t, addr).Warnings())
	eventually(t, "it has listened twice", time.Minute, func() bool { return came.Load() >= 2 })
}

// startOdd starts a server that says OK to much, something else to a SUBSCRIBE, and nothing
// to a PING. It counts how often it was asked for a subscription.
func startOdd(t *testing.T, answer string) (addr string, came *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	came = &atomic.Int32{}
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					switch strings.ToLower(lines.Text()) {
					case "hello":
						conn.Write([]byte("-ERR unknown command\r\n"))
					case "getrange", "set":
						conn.Write([]byte("+OK\r\n"))
					case "subscribe":
						came.Add(1)
						conn.Write([]byte(answer))
					}
				}
			})
		}
	})
	return l.Addr().String(), came
}

func TestWarningsWithoutRights(t *testing.T) {
	t.Parallel()
	server := fleettest.Start(t)
	server.Do("ACL", "SETUSER", "default", "-subscribe")
	var log logged
	f := newFleet(t, server.Addr, withLog(&log))
	e := listen(f.Warnings())
	other := newFleet(t, server.Addr).Warnings()
	eventually(t, "it is told", time.Minute, func() bool { return strings.Contains(log.String(), "NOPERM") })
	other.Warn(time.Minute)
	time.Sleep(2 * hintAgain)
	if n := strings.Count(log.String(), "are not heard"); n != 1 {
		t.Errorf("it is told %d times:\n%s", n, log.String())
	}
	server.Do("ACL", "SETUSER", "default", "+subscribe")
	e.wait(t, 1)
}

// Close waits for all that a Fleet started, also in the middle of it.
func TestCloseEndsWarnings(t *testing.T) {
	t.Parallel()
	server := fleettest.Start(t)
	for range 20 {
		f := newFleet(t, server.Addr)
		w := f.Warnings()
		listen(w)
		w.Warn(time.Minute)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		w.Warn(time.Minute)
		listen(w)
	}
}

func FuzzHint(f *testing.F) {
	for _, hint := range []string{"", "#", "other#1", "me#1", "me", "other", "#1", "other#", strings.Repeat("x", 70) + "#1"} {
		f.Add(hint)
	}
	f.Fuzz(func(t *testing.T, hint string) {
		w := &warnings{self: "me", heard: make(chan struct{}, 1)}
		hears := func() bool {
			w.hear(hint)
			select {
			case <-w.heard:
				return true
			default:
				return false
			}
		}
		of, id, _ := strings.Cut(hint, "#")
		want := of != "" && id != "" && of != "me" && len(hint) <= 64
		if got := hears(); got != want {
			t.Errorf("%q is heard: %t", hint, got)
		}
		if hears() {
			t.Errorf("%q is heard twice", hint)
		}
	})
}

// What is warned of one API is heard by those who listen for it, and by no others.
func TestWarningsAreOfOneAPI(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		of := func(w deflect.Warnings, api string) *warnings {
			return w.(interface{ Of(string) deflect.Warnings }).Of(api).(*warnings)
		}
		f, g := newFleet(t, addr), newFleet(t, addr)
		theirs := g.Warnings()
		one := of(theirs, "one")
		ears := []*ear{listen(one), listen(of(theirs, "other")), listen(theirs)}
		eventually(t, "all listen", time.Minute, func() bool {
			for _, w := range []*warnings{one, of(theirs, "other"), theirs.(*warnings)} {
				if subs, err := f.rdb.PubSubNumSub(t.Context(), w.key).Result(); err != nil || subs[w.key] < 1 {
					return false
				}
			}
			return true
		})
		of(f.Warnings(), "one").Warn(time.Minute)
		ears[0].wait(t, 1)
		ears[1].wait(t, 0)
		ears[2].wait(t, 0)
	})
}
