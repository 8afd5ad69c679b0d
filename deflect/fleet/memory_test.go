package fleet

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

var manyCooldowns = flag.Int("cooldowns", 100_000, "how many TestMemory keeps")

// What a cooldown takes of the server's memory, once its text went out. With more of them:
//
//	go test -run TestMemory -v -cooldowns 5000000 ./deflect/fleet
func TestMemory(t *testing.T) {
	t.Parallel()
	const most = 150 // bytes each
	s := fleettest.Start(t)
	f := newFleet(t, s.Addr)
	must(t, f.cooldowns, "sales +14043438646") // which gets connections, and the script
	f.cooldowns.Keep("sales +14043438646", "token of sales +14043438646")
	k := f.key("c", "sales +14043438646")
	eventually(t, "it is kept", time.Second, func() bool { return s.Do("OBJECT", "ENCODING", k) == "int" })

	used := func() int {
		n, err := strconv.Atoi(s.Info("memory")["used_memory_dataset"])
		overhead, err2 := strconv.Atoi(s.Info("memory")["used_memory_overhead"])
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		return n + overhead
	}
	before := used()
	for n := 0; n < *manyCooldowns; {
		_, err := f.rdb.Pipelined(context.Background(), func(p redis.Pipeliner) error {
			for range min(1000, *manyCooldowns-n) {
				n++
				token := fmt.Sprint("token", n)
				p.Set(context.Background(), f.key("c", fmt.Sprint("sales +1404", 1_000_000+n)), holderOf(token).kept(), 31*24*time.Hour)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	each := (used() - before) / *manyCooldowns
	t.Logf("%d cooldowns take %d bytes each; MEMORY USAGE of one is %v", *manyCooldowns, each, s.Do("MEMORY", "USAGE", k))
	if each > most {
		t.Errorf("a cooldown takes %d bytes; at most %d", each, most)
	}
}
