package fleet

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
)

// BenchmarkCall is what a call costs this process that is offered a text and gets one.
func BenchmarkCall(b *testing.B) {
	s := fleettest.Start(b)
	cfg := Config{Addresses: []string{s.Addr}, Key: testKey, Timeout: 2 * time.Second}
	f, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for _, bb := range []struct {
		name string
		do   func(c *cooldowns, key string) error
	}{
		{"held", func(c *cooldowns, key string) error {
			_, err := c.Held(context.Background(), key)
			return err
		}},
		{"take and keep", func(c *cooldowns, key string) error {
			_, err := c.Take(context.Background(), key, key, time.Hour)
			c.Keep(key, key)
			return err
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				if err := bb.do(f.cooldowns, bb.name+strconv.Itoa(n)+strconv.Itoa(b.N)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
