package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// everything is what a daemon does.
func everything(t *testing.T, f *Fleet) {
	t.Helper()
	for i := range 20 {
		key := fmt.Sprint(i)
		must(t, f.cooldowns, key)
		if i%2 == 0 {
			f.cooldowns.Keep(key, "token of "+key)
		} else if err := f.cooldowns.Release(t.Context(), key, "token of "+key); err != nil {
			t.Error(err)
		}
	}
	for i := range 20 {
		key := fmt.Sprint(i)
		if held, err := f.cooldowns.Held(t.Context(), key); held != (i%2 == 0) || err != nil {
			t.Errorf("held %d is %t, %v", i, held, err)
		}
		eventually(t, "it is kept", time.Second, func() bool {
			v, _ := f.rdb.Get(t.Context(), f.key("c", key)).Result()
			return !strings.HasPrefix(v, "p")
		})
	}
}

// others is what it does besides cooldowns.
func others(t *testing.T, f, g *Fleet) {
	t.Helper()
	of := deflect.Budget{Texts: 2, Per: time.Hour}
	for i := range 10 {
		name := fmt.Sprint("policy ", i)
		for j, want := range []bool{true, true, false} {
			if took, err := f.Budgets().Take(t.Context(), name, fmt.Sprint(j), of); took != want || err != nil {
				t.Errorf("place %d of a budget of %d is %t, %v", j+1, of.Texts, took, err)
			}
		}
		if err := g.Budgets().Release(t.Context(), name, "0"); err != nil {
			t.Error(err)
		}
		if left, err := g.Budgets().Left(t.Context(), name, of); !left || err != nil {
			t.Errorf("after one was given back there is room: %t, %v", left, err)
		}
		wantClaim(t, f.Claims(), name, time.Hour, true)
		wantClaim(t, g.Claims(), name, time.Hour, false)
		wantRelease(t, f.Claims(), name)
		wantClaim(t, g.Claims(), name, time.Hour, true)
		wantAdd(t, f.OptOuts(name), optedOut, true)
		wantHolds(t, g.OptOuts(name), optedOut, true)
		wantRemove(t, g.OptOuts(name), optedOut, true)
	}
	w, e := f.Warnings(), listen(g.Warnings())
	w.Warn(time.Minute) // and who does not listen yet reads it
	eventually(t, "the warning is heard", time.Minute, func() bool { return e.n.Load() == 1 })
	w.Warn(time.Minute)
	eventually(t, "the next one is heard", time.Minute, func() bool { return e.n.Load() == 2 })
}

// A Cluster of which the slots lie at three nodes.
func TestCluster(t *testing.T) {
	t.Parallel()
	var nodes []*fleettest.Server
	for i := range 3 {
		node := fleettest.Start(t, "--cluster-enabled", "yes", "--appendonly", "yes")
		node.Do("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*5462), fmt.Sprint(min(16383, i*5462+5461)))
		node.Do("CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
		nodes = append(nodes, node)
	}
	for _, node := range nodes[1:] {
		host, port, _ := net.SplitHostPort(node.Addr)
		nodes[0].Do("CLUSTER", "MEET", host, port)
	}
	for _, node := range nodes {
		eventually(t, "the Cluster is whole", 20*time.Second, func() bool {
			text, _ := node.Do("CLUSTER", "INFO").(string)
			return strings.Contains(text, "cluster_state:ok") && strings.Contains(text, "cluster_known_nodes:3")
		})
	}
	asCluster := func(c *Config) { c.Cluster = true }
	f := newFleet(t, nodes[0].Addr, asCluster)
	everything(t, f)
	others(t, f, newFleet(t, nodes[1].Addr, asCluster))
	if found, err := f.Inspect(t.Context()); len(found) != 0 || err != nil {
		t.Errorf("%v, %v", found, err)
	}

	// A key goes to another node, and nobody was told.
	const slot = "0"
	id := func(n int) string { return nodes[n].Do("CLUSTER", "MYID").(string) }
	for _, node := range nodes {
		node.Do("CLUSTER", "SETSLOT", slot, "NODE", id(1))
	}
	everything(t, newFleet(t, nodes[2].Addr, asCluster, func(c *Config) { c.Prefix = "other:" }))

	// One node stands still: those of others are asked as ever.
	g := newFleet(t, nodes[0].Addr, asCluster, hasty)
	everything(t, g)
	nodes[2].Stall(1500 * time.Millisecond)
	began, lost := time.Now(), 0
	for time.Since(began) < time.Second {
		if _, err := g.cooldowns.Take(t.Context(), rand.Text(), "mine", time.Hour); err != nil {
			lost++
		}
		if e := g.health.shut.Load(); e != nil {
			t.Fatalf("because of one of three nodes nobody is asked: %v", e)
		}
	}
	if lost == 0 {
		t.Error("no node stood still")
	}
	eventually(t, "it goes on", 5*time.Second, func() bool { return nodes[2].Do("PING") == "PONG" })

	// One node is away: its callers alone are not texted, and nobody waits for it for long.
	nodes[2].Kill()
	for began := time.Now(); time.Since(began) < time.Second; {
		took, lost := 0, 0
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			ok, err := f.cooldowns.Take(ctx, rand.Text(), "mine", time.Hour)
			cancel()
			if ok {
				took++
			}
			if err != nil {
				lost++
			}
		}
		if took == 0 {
			t.Errorf("without one of three nodes, %d takes went well and %d did not", took, lost)
		}
	}
	nodes[2].Restart()
	eventually(t, "all are well again", 20*time.Second, func() bool {
		for range 30 {
			if took, err := f.cooldowns.Take(t.Context(), rand.Text(), "mine", time.Hour); !took || err != nil {
				return false
			}
		}
		return true
	})
	for _, node := range nodes {
		node.Kill()
	}
	eventually(t, "without all of them nobody is asked", 10*time.Second, func() bool {
		_, _ = g.cooldowns.Held(t.Context(), "key")
		return g.health.shut.Load() != nil
	})
}

// A server that is none of a Cluster is told from one.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	f := newFleet(t, fleettest.Start(t).Addr, func(c *Config) { c.Cluster = true })
	_, err := f.cooldowns.Held(t.Context(), "key")
	var e *redisError
	if !errors.As(err, &e) || e.class != cluster {
		t.Errorf("error %v", err)
	}
}

// When a server dies, its replica takes over, and what was kept there is known.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := fleettest.Start(t)
	fleettest.StartReplica(t, master)
	sentinels := fleettest.StartSentinels(t, master, 1)
	f := newFleet(t, sentinels[0].Addr, func(c *Config) { c.MasterName = fleettest.MasterName })
	everything(t, f)
	f.cfg.WaitReplicas = 1
	eventually(t, "the replica has a key", 10*time.Second, func() bool {
		took, err := f.cooldowns.Take(t.Context(), rand.Text(), "mine", time.Hour)
		return took && err == nil
	})
	must(t, f.cooldowns, "replicated")
	f.cfg.WaitReplicas = 0
	if found, err := f.Inspect(t.Context()); len(found) != 1 || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	master.Kill()
	eventually(t, "the replica is the master", 20*time.Second, func() bool { return sentinels[0].Master() != master.Addr })
	eventually(t, "it is well again", 5*time.Second, func() bool {
		_, err := f.cooldowns.Held(t.Context(), "replicated")
		return err == nil
	})
	if held, err := f.cooldowns.Held(t.Context(), "replicated"); !held || err != nil {
		t.Errorf("after the failover: %t, %v", held, err)
	}
	must(t, f.cooldowns, "after")
}

// A Sentinel that knows no master of the name answers with nil, as Redis does for a key that
// is free.
func TestUnknownMaster(t *testing.T) {
	t.Parallel()
	sentinels := fleettest.StartSentinels(t, fleettest.Start(t), 1)
	for _, replicas := range []int{0, 1} {
		f := newFleet(t, sentinels[0].Addr, func(c *Config) { c.MasterName, c.WaitReplicas = "another", replicas })
		took, err := f.cooldowns.Take(t.Context(), "key", "mine", time.Hour)
		var e *redisError
		if took || !errors.As(err, &e) || e.class != nameless {
			t.Errorf("the answer is %t, %v", took, err)
		}
		if f.Err() == nil {
			t.Error("and yet all is well")
		}
		if found, err := f.Inspect(t.Context()); err == nil && len(found) == 0 {
			t.Error("and there is nothing to find")
		}
	}
}

// TLS to a name, and a user with a password.
func TestTLS(t *testing.T) {
	t.Parallel()
	certificate, roots := selfSigned(t)
	m, err := miniredis.RunTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	m.RequireUserAuth("deflectd", "secret")
	_, port, _ := net.SplitHostPort(m.Addr())
	for _, tt := range []struct {
		name     string
		password string
		roots    *x509.CertPool
		want     class
	}{
		{"a good one", "secret", roots, ""},
		{"another password", "other", roots, refused},
		{"an unknown certificate", "secret", x509.NewCertPool(), away},
	} {
		cfg, err := ParseURL("rediss://deflectd:" + tt.password + "@localhost:" + port)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Key, cfg.TLS.RootCAs = testKey, tt.roots
		cfg.Timeout = 2 * time.Second
		f, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Cooldowns().Held(t.Context(), "key")
		var e *redisError
		if errors.As(err, &e); (tt.want == "") != (err == nil) || e != nil && e.class != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && (strings.Contains(err.Error(), tt.password)) {
			t.Errorf("%s: the error has the password: %v", tt.name, err)
		}
		f.Close()
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
