package fleet_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
)

// Two processes of a fleet: who was texted by one is not texted by the other.
func Example() {
	server, err := miniredis.Run() // in place of a Redis
	if err != nil {
		panic(err)
	}
	defer server.Close()

	cfg, err := fleet.ParseURL("redis://" + server.Addr() + "/0")
	if err != nil {
		panic(err)
	}
	cfg.Key = fleet.NewKey() // as by ReadKey, the same for all
	cfg.Timeout = time.Second
	for _, name := range []string{"one", "two"} {
		f, err := fleet.New(cfg)
		if err != nil {
			panic(err)
		}
		defer f.Close()
		store := f.Cooldowns() // for deflect.Config.Cooldowns, which asks as follows
		took, err := store.Take(context.Background(), "sales +14043438646", name, 15*time.Minute)
		fmt.Println(name, took, err)
		if keeper, ok := store.(interface{ Keep(key, token string) }); ok && took {
			keeper.Keep("sales +14043438646", name)
		}
	}
	// Output:
	// one true <nil>
	// two false <nil>
}
