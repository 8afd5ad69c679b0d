package c2m

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// TestChaos has many calls meet faults in all requests, at the same time. Whoever pressed no
// key is texted by none of them, nobody twice, and a call that is told that no text was sent
// had none. (Of what something on the way delivers twice a token tells nothing.)
func TestChaos(t *testing.T) {
	const calls = 1500
	words := []string{
		"conn-refused", "reset-before", "hang", "redirect=https://example.com/", "status=400", "status=403", "status=429", "status=500", "status-after=503",
		"success-false", "no-text", "hang-after", "reset-after", "garbage", "truncate", "gzip", "delay=300ms", "delay=2s",
	}
	synctest.Test(t, func(t *testing.T) {
		known := keys
		known.Rate = -1
		known.FaultFor = func(a c2mtest.Asked) (f c2mtest.Fault, strikes bool) {
			h := fnv.New64a()
			fmt.Fprint(h, a.Call, a.CallID, a.Number, time.Now().UnixNano())
			r := rand.New(rand.NewPCG(h.Sum64(), 7))
			often := 3
			if a.Call == c2mtest.CallToken {
				often = 10 // all calls go without
			}
			if r.IntN(often) > 0 {
				return f, false
			}
			_, f, err := c2mtest.ParseFault(a.Call + ":" + words[r.IntN(len(words))])
			return f, err == nil
		}
		api := c2mtest.New(known)
		c := testClient(t, api, func(c *Config) {
			c.Auth = &liveperson.OAuth2{Account: keys.Account, ClientID: keys.ClientID, ClientSecret: deflect.NewSecret(keys.ClientSecret), URL: api.URL()}
			c.Rate = endless{}
		})
		client, err := deflect.New(deflect.Config{Backend: c, Breaker: deflect.BreakerConfig{Failures: calls, OpenFor: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		var mu sync.Mutex
		ends := map[string]deflect.Result{} // by number
		var all sync.WaitGroup
		for i := range calls {
			time.Sleep(20 * time.Millisecond)
			if i%100 == 0 {
				api.ExpireTokens()
			}
			all.Go(func() {
				call := engineCall(i)
				call.ANI = phone.Number(fmt.Sprintf("+1404343%04d", i))
				end := deflect.Result{Outcome: deflect.Ineligible}
				offer, err := client.Offer(t.Context(), call)
				end.Reason = deflect.ReasonOf(err)
				if err == nil {
					time.Sleep(time.Duration(i%7) * time.Second)
					if i%5 == 0 {
						end.Outcome = deflect.NoInput
						offer.End(deflect.NoInput, deflect.ReasonNoKey)
					} else {
						end, _ = offer.Deflect(t.Context())
					}
				}
				mu.Lock()
				defer mu.Unlock()
				ends[string(call.ANI)] = end
			})
		}
		all.Wait()
		time.Sleep(time.Minute) // what hangs on
		texts, counts := map[string]int{}, map[deflect.Outcome]int{}
		for _, i := range api.Invites() {
			if i.Sent {
				texts[i.Number]++
			}
		}
		for number, end := range ends {
			counts[end.Outcome]++
			n, known := texts[number], end.Outcome == deflect.Sent || end.Outcome == deflect.Uncertain
			if n > 1 || n == 1 && !known {
				t.Errorf("%d texts for a call that ended %s %s", n, end.Outcome, end.Reason)
			}
		}
		if v := api.Violations(); len(v) != 0 {
			t.Errorf("%+v", v)
		}
		if len(ends) != calls || counts[deflect.Sent] < calls/10 || counts[deflect.Uncertain] < calls/50 || counts[deflect.Failed] == 0 || counts[deflect.NoInput] == 0 {
			t.Errorf("%v", counts)
		}
	})
}
