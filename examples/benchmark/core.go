package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// What core compares.
const (
	byHand     = "written by hand"
	byClient   = "Client.Deflect"
	byCooldown = "... with a cooldown"
)

var ways = []string{byClient, byCooldown, byHand}

// core sends texts without a phone system.
type core struct {
	text   *texter
	client *deflect.Client
	policy *deflect.Policy
	next   int
}

func newCore(api string) (*core, error) {
	client, err := newClient(api, nil, nil, prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	policy, err := deflect.NewPolicy("sales", deflect.Rules{Cooldown: 15 * time.Minute})
	if err != nil {
		return nil, err
	}
	return &core{text: newTexter(api), client: client, policy: policy}, nil
}

// block sends texts one way, one after the other, and tells what they cost.
func (c *core) block(ctx context.Context, way string, calls int) (a answer, err error) {
	send := map[string]func(context.Context, int) error{
		byHand:     c.byHand,
		byClient:   func(ctx context.Context, n int) error { return c.byClient(ctx, n, nil) },
		byCooldown: func(ctx context.Context, n int) error { return c.byClient(ctx, n, c.policy) },
	}[way]
	if send == nil {
		return a, fmt.Errorf("unknown way %q", way)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, err := cpuTime()
	if err != nil {
		return a, err
	}
	start := time.Now()
	for range calls {
		c.next++
		if err := send(ctx, c.next); err != nil {
			return a, err
		}
	}
	a.Took = time.Since(start)
	if a.CPU, err = cpuTime(); err != nil {
		return a, err
	}
	a.CPU -= cpu
	runtime.ReadMemStats(&after)
	a.Mallocs, a.Bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return a, nil
}

const dialed = "+18005550100"

func info() map[string]any { return map[string]any{"plan": "Gold", "wait": 120} }

func (c *core) byHand(ctx context.Context, n int) error {
	id := identify(n)
	_, err := c.text.send(ctx, caller{
		uuid: id.uuid, from: "+" + id.number, to: dialed, skill: skill, since: time.Now(), info: info(),
	})
	return err
}

func (c *core) byClient(ctx context.Context, n int, policy *deflect.Policy) error {
	id := identify(n)
	_, err := c.client.Deflect(ctx, deflect.Call{
		ANI: phone.Number("+" + id.number), DNIS: dialed, Start: time.Now(),
		ExternalCallID: id.uuid, Skill: skill, Text: textMessage, CallerInfo: info(), Policy: policy,
	})
	return err
}
