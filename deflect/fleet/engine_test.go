package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// daemons are Clients of one API with a Fleet each, of the same Redis.
func daemons(t *testing.T, n int, api *livedeflecttest.Server, change func(*Config)) (all []*rig.Client) {
	t.Helper()
	for range n {
		cfg := Config{Key: testKey, Timeout: 2 * time.Second}
		change(&cfg)
		f, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		all = append(all, rig.Over(t, api, func(c *rig.Config) {
			c.Cooldowns, c.Budgets, c.Warnings = f.Cooldowns(), f.Budgets(), f.Warnings()
			c.LiveDeadline = time.Minute // on a machine that may be busy
		}))
	}
	return all
}

func policy(t *testing.T, r deflect.Rules) *deflect.Policy {
	t.Helper()
	p, err := deflect.NewPolicy("sales", r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What a failover can cost: a cooldown that only the master had is lost with it, and a
// second call of its caller is texted. With wait_replicas it is no cooldown until a replica
// has it, and nobody is texted for it. The same call is texted once in any case.
func TestFailoverWithCutReplicas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		waitReplicas int
		first        deflect.Reason // of the call before
		texts        int            // that the caller has in the end
	}{
		{waitReplicas: 0, first: deflect.ReasonOK, texts: 2},
		{waitReplicas: 1, first: deflect.ReasonCooldownUnknown, texts: 1},
	} {
		t.Run(fmt.Sprint("wait for ", tt.waitReplicas), func(t *testing.T) {
			t.Parallel()
			master := fleettest.Start(t)
			replicas := []*fleettest.Server{fleettest.StartReplica(t, master), fleettest.StartReplica(t, master)}
			sentinels := fleettest.StartSentinels(t, master, 3)
			api := livedeflecttest.New(rig.Keys)
			all := daemons(t, 2, api, func(c *Config) {
				c.Addresses, c.MasterName, c.WaitReplicas = fleettest.Addrs(sentinels...), fleettest.MasterName, tt.waitReplicas
			})
			call := rig.Call()
			call.Policy = policy(t, deflect.Rules{Cooldown: time.Hour})

			// While all is well it makes no difference.
			other := rig.Next(call)
			other.ANI = "+14043438647"
			for i, want := range []deflect.Reason{deflect.ReasonOK, deflect.ReasonCooldown} {
				if result, err := all[i].Deflect(t.Context(), rig.Next(other)); result.Reason != want {
					t.Fatalf("call %d while all is well: %s, %v", i+1, result.Reason, err)
				}
			}

			master.CutReplicas()
			result, err := all[0].Deflect(t.Context(), call)
			if result.Reason != tt.first {
				t.Errorf("the first call: %s, %v, want %s", result.Reason, err, tt.first)
			}
			second := func() deflect.Reason {
				result, _ := all[1].Deflect(t.Context(), rig.Next(call))
				return result.Reason
			}
			if tt.first == deflect.ReasonOK {
				if got := second(); got != deflect.ReasonCooldown {
					t.Errorf("the second call before the failover: %s", got)
				}
			}
			master.Kill()
			eventually(t, "a replica is the master", time.Minute, func() bool {
				return slices.Contains(fleettest.Addrs(replicas...), sentinels[0].Master())
			})
			asks := map[deflect.Reason]int{}
			eventually(t, "the new master decides", time.Minute, func() bool {
				reason := second()
				asks[reason]++
				return reason != deflect.ReasonCooldownUnknown
			})
			// From then on it is known again, and the call of before is texted by nobody.
			if got := second(); got != deflect.ReasonCooldown {
				t.Errorf("the third call: %s", got)
			}
			if result, err := all[0].Deflect(t.Context(), call); tt.first == deflect.ReasonOK && !result.Repeated {
				t.Errorf("the first call once more: %s, %v", result.Reason, err)
			}
			texts := 0
			for _, d := range api.Sent() {
				if d.DeflectionHandle == strings.TrimPrefix(string(call.ANI), "+") {
					texts++
				}
			}
			t.Logf("the caller has %d texts; calls after the failover: %v", texts, asks)
			if texts != tt.texts {
				t.Errorf("the caller has %d texts, want %d", texts, tt.texts)
			}
		})
	}
}

// However many callers ask three daemons at the same moment, a budget has so many texts.
func TestBudgetOfOffers(t *testing.T) {
	const asks, texts = 10_000 / lessWork, 400
	server := fleettest.Start(t)
	api := livedeflecttest.New(rig.Keys)
	all := daemons(t, 3, api, func(c *Config) { c.Addresses = []string{server.Addr} })
	sales := policy(t, deflect.Rules{NoCooldown: true, Budget: deflect.Budget{Texts: texts, Per: time.Hour}})
	var mu sync.Mutex
	reasons := map[deflect.Reason]int{}
	var sent, n atomic.Int32
	one := func() deflect.Reason {
		i := int(n.Add(1))
		call := rig.Call()
		call.ANI, call.Policy = phone.Number(fmt.Sprintf("+1404%07d", 3430000+i)), sales
		reason := ask(t.Context(), all[i%len(all)], call, &sent)
		mu.Lock()
		defer mu.Unlock()
		reasons[reason]++
		return reason
	}
	begin := make(chan struct{})
	var callers sync.WaitGroup
	for range asks {
		callers.Go(func() {
			<-begin
			one()
		})
	}
	close(begin)
	callers.Wait()
	t.Logf("%d at the same moment were told %v", asks, maps.Clone(reasons))
	// Where a busy machine was too slow to answer, a place was given back after the others
	// had been refused.
	eventually(t, "every place of the budget is used", time.Minute, func() bool { return sent.Load() >= texts || one() == "" })
	for range 10 {
		if reason := one(); reason != deflect.ReasonBudget {
			t.Errorf("one more is told %s", reason)
		}
	}
	if n := sent.Load(); n != texts || len(api.Sent()) != texts {
		t.Errorf("%d callers were told of a text, and %d texts were sent, want %d", n, len(api.Sent()), texts)
	}
}

// ask lets somebody be offered a text and take it, and says how that ended.
func ask(ctx context.Context, daemon *rig.Client, call deflect.Call, sent *atomic.Int32) deflect.Reason {
	offer, err := daemon.Offer(ctx, call)
	defer offer.Release()
	if err == nil {
		var result deflect.Result
		if result, err = offer.Deflect(ctx); err == nil {
			sent.Add(1)
			return result.Reason
		}
	}
	var e *deflect.Error
	errors.As(err, &e)
	return e.Reason
}
