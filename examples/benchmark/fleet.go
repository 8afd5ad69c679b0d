package main

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
)

// aRoundTrip is the row of what Redis and the loopback take.
const aRoundTrip = "a round trip"

// fleet measures what a Redis that daemons share adds to a call, and how much it holds.
func (l *lab) fleet(ctx context.Context) error {
	if _, err := exec.LookPath(redisServer); err != nil {
		l.title("Fleet: skipped, because there is no %s here.", redisServer)
		return nil
	}
	// As for latency: nobody has to wait for a core of its own.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	r, err := startRedis(ctx, l.Disk)
	if err != nil {
		return err
	}
	defer r.stop()
	l.redis = r.address
	if err := l.fleetCalls(ctx, r); err != nil {
		return err
	}
	if err := l.fleetAsks(ctx, r); err != nil {
		return err
	}
	return l.fleetMemory(ctx, r)
}

// fleetCalls compares calls with Redis to those without.
func (l *lab) fleetCalls(ctx context.Context, r *redisProcess) error {
	b := l.beside(withRedis)
	b.other = func() (time.Duration, error) { return r.cpu(ctx) }
	err := l.each(ctx, "fleet", b.names, l.warm(func(c *child, run int) error {
		if err := b.measure(c, run); err != nil || c.subject != withRedis {
			return err
		}
		took, err := r.roundTrips(ctx, l.Time/4)
		b.request.add(aRoundTrip, took)
		return err
	}))
	if err != nil {
		return err
	}
	l.title("Fleet: from the DTMF event to the request at the API, at %d calls/s, %s a run; and what is more with Redis.", l.Rate, l.Time)
	b.latency(b.request, aRoundTrip, "").print(l.out)
	l.title("Fleet: CPU and calls, of %d callers who call again at once, and at a rate. A ratio is that with Redis to that without.", parallel)
	b.cost("CPU of Redis a call").print(l.out)
	return nil
}

// fleetAsks counts the round trips of what is asked of Redis, each alone.
func (l *lab) fleetAsks(ctx context.Context, r *redisProcess) error {
	f, err := newFleet(r.address, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	store := f.Cooldowns()
	if _, err := store.Held(ctx, "the first one connects"); err != nil {
		return err
	}
	// Those who served calls ended before they had told how the last ones went.
	if err := r.client.FlushAll(ctx).Err(); err != nil {
		return err
	}
	const asks = 100
	t := newTable("", "round trips", "commands")
	for _, what := range []struct {
		name string
		ask  func(key string) error
	}{
		{"the look of an offer", func(key string) error { _, err := store.Held(ctx, key); return err }},
		{"the take of a text", func(key string) error { _, err := store.Take(ctx, key, key, time.Hour); return err }},
		{"its confirmation", func(key string) error {
			confirmer, ok := store.(interface {
				Confirm(ctx context.Context, key, token string) error
			})
			if !ok {
				return errors.New("its cooldowns are not confirmed")
			}
			return confirmer.Confirm(ctx, key, key)
		}},
		{"the look of the next call", func(key string) error { _, err := store.Held(ctx, key); return err }},
		{"the take of the next call", func(key string) error { _, err := store.Take(ctx, key, "another", time.Hour); return err }},
	} {
		if what.name == "the take of the next call" {
			if err := l.keepAll(ctx, f, r, asks); err != nil {
				return err
			}
		}
		before, err := r.counts(ctx)
		if err != nil {
			return err
		}
		for i := range asks {
			if err := what.ask(strconv.Itoa(i)); err != nil {
				return err
			}
		}
		after, err := r.counts(ctx)
		if err != nil {
			return err
		}
		t.add(what.name, digits(float64(after.reads-before.reads-1)/asks), digits(float64(after.commands-before.commands-1)/asks))
	}
	l.title("Fleet: what is asked of Redis, one at a time, as it counts reads from its clients and commands.")
	t.print(l.out)
	return nil
}

// keepAll tells that the texts of keys went out, and waits until Redis knows.
func (l *lab) keepAll(ctx context.Context, f *fleet.Fleet, r *redisProcess, keys int) error {
	keeper, ok := f.Cooldowns().(interface{ Keep(key, token string) })
	if !ok {
		return errors.New("its cooldowns are not kept")
	}
	for i := range keys {
		keeper.Keep(strconv.Itoa(i), strconv.Itoa(i))
	}
	return r.kept(ctx)
}

// realKeys is how many cooldowns are taken as calls take them, before more of the same kind
// are written faster.
const realKeys = 1000

// fleetMemory measures what a cooldown takes in Redis.
func (l *lab) fleetMemory(ctx context.Context, r *redisProcess) error {
	fmt.Fprintf(l.news, "fleet: %s cooldowns\n", thousands(int64(l.Keys)))
	if err := r.client.FlushAll(ctx).Err(); err != nil {
		return err
	}
	before, err := r.memory(ctx)
	if err != nil {
		return err
	}
	f, err := newFleet(r.address, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range min(realKeys, l.Keys) {
		if took, err := f.Cooldowns().Take(ctx, strconv.Itoa(i), strconv.Itoa(i), time.Hour); err != nil || !took {
			return errors.Join(errors.New("a cooldown cannot be taken"), err)
		}
	}
	if err := l.keepAll(ctx, f, r, min(realKeys, l.Keys)); err != nil {
		return err
	}
	real, each, err := r.oneKey(ctx)
	if err != nil {
		return err
	}
	if err := r.more(ctx, real, l.Keys-realKeys); err != nil {
		return err
	}
	after, err := r.memory(ctx)
	if err != nil {
		return err
	}
	size, err := r.client.DBSize(ctx).Result()
	if err == nil && size < int64(l.Keys) {
		err = fmt.Errorf("redis has %d keys, want %d", size, l.Keys)
	}
	if err != nil {
		return err
	}
	_, copied, err := r.oneKey(ctx)
	if err == nil && copied != each {
		err = fmt.Errorf("a key takes %d bytes, and one that was taken by a call %d", copied, each)
	}
	if err != nil {
		return err
	}
	l.title("Fleet: memory of cooldowns in Redis.")
	t := newTable("cooldowns", "a cooldown", "all")
	t.add(thousands(int64(l.Keys)), digits(float64(after-before)/float64(l.Keys))+" B", mb(float64(after-before)))
	t.print(l.out)
	return nil
}

// oneKey is the name of some cooldown, and what it takes without its place in tables.
func (r *redisProcess) oneKey(ctx context.Context) (name string, bytes int64, err error) {
	for !strings.Contains(name, ":c:") { // Redis is also probed
		if name, err = r.client.RandomKey(ctx).Result(); err != nil {
			return "", 0, err
		}
	}
	bytes, err = r.client.MemoryUsage(ctx, name).Result()
	return name, bytes, err
}

// more writes so many more cooldowns, with names like this one.
func (r *redisProcess) more(ctx context.Context, name string, keys int) error {
	const atOnce, random = 1000, 16
	for ; keys > 0; keys -= atOnce {
		_, err := r.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for range min(keys, atOnce) {
				p.Set(ctx, name[:len(name)-random]+cryptorand.Text()[:random], rand.Int64(), time.Hour)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newFleet is a fleet of its own: it has another key. As for a disk, moments that a host takes
// away are in the times, and not the end of a run.
func newFleet(address string, change func(*fleet.Config)) (*fleet.Fleet, error) {
	cfg := fleet.Config{Addresses: []string{address}, Key: fleet.NewKey(), Timeout: 2 * time.Second}
	if change != nil {
		change(&cfg)
	}
	return fleet.New(cfg)
}

// serveWithRedis is serveDeflectd with the cooldowns of a fleet.
func serveWithRedis(ctx context.Context, api, address string) (string, error) {
	return serveSession(ctx, api, func(cfg *deflect.Config) error {
		f, err := newFleet(address, func(c *fleet.Config) {
			c.Logger, c.Registerer = cfg.Logger, cfg.Registerer
		})
		if err != nil {
			return err
		}
		cfg.Cooldowns = f.Cooldowns()
		return nil
	})
}

const redisServer = "redis-server"

// redisProcess is a redis-server that runs here.
type redisProcess struct {
	address string
	process *exec.Cmd
	ended   chan struct{}
	client  *redis.Client
}

// startRedis starts one on a free port, which keeps nothing on a disk.
func startRedis(ctx context.Context, dir string) (*redisProcess, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r := &redisProcess{address: address, ended: make(chan struct{})}
	r.process = exec.CommandContext(ctx, redisServer, "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--logfile", filepath.Join(dir, "redis.log"))
	var said bytes.Buffer
	r.process.Stdout, r.process.Stderr = &said, &said
	if err := r.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.process.Wait()
		close(r.ended)
	}()
	r.client = redis.NewClient(&redis.Options{Addr: address, Protocol: 2, DisableIdentity: true, PoolSize: 1})
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		err := r.client.Ping(ctx).Err()
		if err == nil {
			return r, nil
		}
		select {
		case <-r.ended:
			log, _ := os.ReadFile(filepath.Join(dir, "redis.log"))
			return nil, fmt.Errorf("%s ended with %v\n%s%s", redisServer, r.process.ProcessState, said.Bytes(), log)
		default:
		}
		if time.Since(start) > startTimeout {
			r.stop()
			return nil, err
		}
	}
}

func (r *redisProcess) stop() {
	_ = r.client.Close()
	_ = r.process.Process.Kill()
	<-r.ended
}

// info is what Redis says of itself, by name.
func (r *redisProcess) info(ctx context.Context, section string) (map[string]string, error) {
	text, err := r.client.Info(ctx, section).Result()
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info, err
}

// cpu is the user and system time of Redis.
func (r *redisProcess) cpu(ctx context.Context) (time.Duration, error) {
	info, err := r.info(ctx, "cpu")
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		s, err := strconv.ParseFloat(info[name], 64)
		if err != nil {
			return 0, err
		}
		sum += s
	}
	return time.Duration(sum * float64(time.Second)), nil
}

// redisCounts are numbers of what Redis read and did.
type redisCounts struct{ reads, commands int64 }

func (r *redisProcess) counts(ctx context.Context) (c redisCounts, err error) {
	info, err := r.info(ctx, "stats")
	if err != nil {
		return c, err
	}
	if c.reads, err = strconv.ParseInt(info["total_reads_processed"], 10, 64); err != nil {
		return c, err
	}
	c.commands, err = strconv.ParseInt(info["total_commands_processed"], 10, 64)
	return c, err
}

// memory is what Redis uses, in bytes.
func (r *redisProcess) memory(ctx context.Context) (int64, error) {
	info, err := r.info(ctx, "memory")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(info["used_memory"], 10, 64)
}

// kept waits until no cooldown is one whose text is under way.
func (r *redisProcess) kept(ctx context.Context) error {
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		names, err := r.client.Keys(ctx, cooldownKeys).Result()
		if err != nil {
			return err
		}
		values, err := r.client.MGet(ctx, names...).Result()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(values, func(v any) bool { s, _ := v.(string); return !isNumber(s) }) {
			return nil
		}
		if time.Since(start) > startTimeout {
			return errors.New("what is in a cooldown that is kept is no number any more: the benchmark writes others than calls do")
		}
	}
}

// cooldownKeys is the pattern of their names.
const cooldownKeys = "*:c:*"

func isNumber(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// roundTrips asks for a key, one time after the other, and tells how long each took.
func (r *redisProcess) roundTrips(ctx context.Context, length time.Duration) (took []time.Duration, err error) {
	for start := time.Now(); time.Since(start) < length || len(took) < leastSyncs; {
		before := time.Now()
		if err := r.client.Exists(ctx, "none").Err(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(before))
	}
	return took, nil
}
