package fleet

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

// Finding is something of a server that endangers what a fleet promises.
type Finding struct {
	// Severity is slog.LevelError for what keeps callers from being texted, or lets them be
	// texted twice, now; LevelWarn for what can; LevelInfo for what could not be found out.
	Severity slog.Level
	Text     string // what is so, what that endangers, and what to do
}

const (
	// clockSlack is how much clocks may differ.
	clockSlack = time.Second
	// nearlyFull is which part of maxmemory is worth a word.
	nearlyFull = 0.9
	// fingerprintLasts is how long a key is remembered that nobody uses any more.
	fingerprintLasts = 31 * 24 * time.Hour
)

// Inspect looks at the server for what endangers the promise that a caller is texted once
// in a fleet. The worst comes first. The error is of a server that does not answer. It writes
// nothing; whether others have another key it knows if those have called [Fleet.Introduce].
func (f *Fleet) Inspect(ctx context.Context) ([]Finding, error) {
	i := &inspection{f: f}
	_ = i.ask(ctx, func(ctx context.Context) error { return f.rdb.Ping(ctx).Err() })
	if i.failed != nil {
		return nil, i.failed
	}
	i.rights(ctx)
	i.key(ctx)
	var err error
	switch rdb := f.rdb.(type) {
	case *redis.ClusterClient:
		err = rdb.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			i.node(ctx, node)
			return nil
		})
	case *redis.Client:
		i.node(ctx, rdb)
	}
	if err != nil {
		err = inWords(err)
	}
	slices.SortStableFunc(i.found, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return i.found, cmp.Or(i.failed, err)
}

// inspection is what was found.
type inspection struct {
	f *Fleet

	mu     sync.Mutex
	found  []Finding
	failed error // of a server that answered nothing, or no more
}

func (i *inspection) find(severity slog.Level, format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	found := Finding{severity, fmt.Sprintf(format, args...)}
	if !slices.Contains(i.found, found) { // as of another node
		i.found = append(i.found, found)
	}
}

// ask asks once. That a command is refused, or unknown, is for who asks.
func (i *inspection) ask(ctx context.Context, fn func(context.Context) error) error {
	err := i.f.do(ctx, "inspect", fn)
	var e *redisError
	switch isRedis := errors.As(err, &e); {
	case err == nil || isNil(err) || isRedis && (e.class == noRight || e.class == odd):
	case isRedis && e.class != away && e.class != refused:
		i.find(slog.LevelError, "it %s, and callers are not texted: %s", words[e.class].is, words[e.class].do)
	default:
		i.mu.Lock()
		i.failed = cmp.Or(i.failed, err)
		i.mu.Unlock()
	}
	return err
}

// denied reports whether the user may not ask for something.
func denied(err error) bool {
	var e *redisError
	return errors.As(err, &e) && e.class == noRight
}

// untold reports whether a server does not tell something: there are some that are not
// asked for everything, whoever asks.
func untold(err error) bool {
	var e *redisError
	return errors.As(err, &e) && (e.class == noRight || e.class == odd)
}

// rights tries what daemons do, with keys that nobody else uses and that go at once.
func (i *inspection) rights(ctx context.Context) {
	key := func(kind string) string { return i.f.key("p", i.f.cfg.Name+" "+kind) }
	text, set, sorted := key("text"), key("set"), key("sorted")
	commands := [][]any{
		{"ping"}, {"time"},
		{"set", text, 1, "px", 1000}, {"get", text}, {"exists", text}, {"pttl", text}, {"getrange", text, 0, 0}, {"pexpire", text, 1000}, {"del", text},
		{"eval", "return redis.call('PEXPIRE', KEYS[1], 1)", 1, text}, {"evalsha", strings.Repeat("0", 40), 1, text},
		{"sadd", set, 1}, {"sismember", set, 1}, {"smismember", set, 1}, {"scard", set}, {"srem", set, 1},
		{"zadd", sorted, 1, 1}, {"zcount", sorted, 1, 1}, {"zscore", sorted, 1}, {"zrangebyscore", sorted, 1, 1}, {"zremrangebyscore", sorted, 1, 1}, {"zcard", sorted}, {"zrem", sorted, 1},
		{"publish", i.f.cfg.Prefix + "p", ""},
	}
	if i.f.cfg.WaitReplicas > 0 {
		commands = append(commands, []any{"wait", 0, 1})
	}
	var missing []string
	var keys, channels bool
	hear := func(name string, err error) {
		switch text := fmt.Sprint(errors.Unwrap(err)); {
		case untold(err) && !denied(err):
			i.find(slog.LevelError, "it cannot do what a daemon asks for, and callers are not texted for whom that is needed: %s: %s", strings.ToUpper(name), clean.Text(text))
		case !denied(err):
		case strings.Contains(text, "channel"):
			channels = true
		case strings.Contains(text, "access") && strings.Contains(text, "key"):
			keys = true
		default:
			// It may be a command that a connection begins with.
			if _, quoted, ok := strings.Cut(text, " '"); ok {
				if said, _, ok := strings.Cut(quoted, "' "); ok {
					name = said
				}
			}
			if !slices.Contains(missing, "+"+name) {
				missing = append(missing, "+"+name)
			}
		}
	}
	for _, c := range commands {
		hear(c[0].(string), i.ask(ctx, func(ctx context.Context) error {
			err := i.f.rdb.Do(ctx, c...).Err()
			if redis.HasErrorPrefix(err, "NOSCRIPT") {
				return nil
			}
			return err
		}))
	}
	hear("subscribe", i.ask(ctx, func(ctx context.Context) error {
		s := i.f.rdb.Subscribe(ctx, i.f.cfg.Prefix+"p")
		defer s.Close()
		_, err := s.Receive(ctx)
		return err
	}))
	if keys {
		missing = append(missing, "~"+i.f.cfg.Prefix+"*")
	}
	if channels {
		missing = append(missing, "&"+i.f.cfg.Prefix+"*")
	}
	if len(missing) > 0 {
		i.find(slog.LevelError, "the user %s may not do all that a daemon does, and callers are not texted for whom that is needed: ACL SETUSER %[1]s %s",
			cmp.Or(i.f.cfg.Username, "default"), strings.Join(missing, " "))
	}
}

// Introduce leaves a fingerprint of the key with the server for a month, by which Inspect
// tells others that they have another one. Where one of another key is, that stays. The
// error is of a server that does not answer, or does not take it.
func (f *Fleet) Introduce(ctx context.Context) error {
	at, ours := f.fingerprint()
	return f.do(ctx, "inspect", func(ctx context.Context) error {
		switch theirs, err := f.rdb.Get(ctx, at).Result(); {
		case err != nil && !isNil(err):
			return err
		case err == nil && theirs != ours:
			return nil
		}
		return f.rdb.Set(ctx, at, ours, fingerprintLasts).Err()
	})
}

// fingerprint is by what others tell the key of this fleet, and where.
func (f *Fleet) fingerprint() (at, ours string) {
	return f.cfg.Prefix + "key", f.hashes.of("f", "the key of this fleet")
}

// key says whether others have another one.
func (i *inspection) key(ctx context.Context) {
	at, ours := i.f.fingerprint()
	var theirs string
	err := i.ask(ctx, func(ctx context.Context) (err error) {
		theirs, err = i.f.rdb.Get(ctx, at).Result()
		return err
	})
	if err == nil && theirs != ours {
		i.find(slog.LevelError, "another daemon came with another key of the fleet: such two know nothing of each other, and a caller can get a text from each. Give all the same key; when the key is a new one for all: DEL %s", at)
	}
}

// node looks at one server.
func (i *inspection) node(ctx context.Context, node *redis.Client) {
	i.clock(ctx, node)
	info := map[string]string{}
	err := i.ask(ctx, func(ctx context.Context) error {
		text, err := node.Info(ctx).Result()
		lines := bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ":")
			info[key] = value
		}
		return err
	})
	if untold(err) {
		i.find(slog.LevelInfo, "its version, its memory, its disk and its replicas could not be looked at: it does not tell this user (+info)")
	}
	if err != nil {
		return
	}
	if v := info["redis_version"]; olderThan(v, 6, 2) {
		i.find(slog.LevelError, "its version is %s, which is too old: callers are not texted. It takes Redis 6.2 or newer, or Valkey", v)
	}
	if policy, most := info["maxmemory_policy"], amount(info["maxmemory"]); policy != "" && policy != "noeviction" {
		if most > 0 {
			i.find(slog.LevelError, "its maxmemory-policy is %s: when its memory is full it forgets cooldowns, and their callers get a second text. Set it to noeviction", policy)
		} else {
			i.find(slog.LevelWarn, "its maxmemory-policy is %s: as soon as it has a maxmemory, it forgets cooldowns when that is full, and their callers get a second text. Set it to noeviction", policy)
		}
	} else if used := amount(info["used_memory"]); most > 0 && used > nearlyFull*most {
		i.find(slog.LevelWarn, "its memory is full to %.0f %%: when it is full, callers are not texted. Raise its maxmemory", 100*used/most)
	}
	if info["aof_enabled"] == "0" {
		i.find(slog.LevelWarn, "it has no appendonly: when it starts again it has forgotten the last cooldowns, and their callers can get a second text. Set appendonly to yes")
	} else {
		i.fsync(ctx, node)
	}
	if info["rdb_last_bgsave_status"] == "err" || info["aof_last_write_status"] == "err" || info["aof_last_bgrewrite_status"] == "err" {
		i.find(slog.LevelError, "it cannot save to its disk: callers are not texted, or it forgets cooldowns when it starts again. Look into its log, and make room")
	}
	i.replicas(info)
}

func (i *inspection) replicas(info map[string]string) {
	inStep := 0
	for key, value := range info {
		if n, ok := strings.CutPrefix(key, "slave"); ok && amount(n) >= 0 && strings.Contains(value, "state=online") {
			inStep++
		}
	}
	if want := i.f.cfg.WaitReplicas; inStep < want {
		i.find(slog.LevelError, "it has %d replicas in step, and each cooldown waits for %d: callers are not texted. Look at the replicas, or wait for fewer", inStep, want)
	}
}

// fsync is about what INFO does not tell. Who may not ask does without.
func (i *inspection) fsync(ctx context.Context, node *redis.Client) {
	var config map[string]string
	err := i.ask(ctx, func(ctx context.Context) (err error) {
		config, err = node.ConfigGet(ctx, "appendfsync").Result()
		return err
	})
	if err == nil && config["appendfsync"] == "no" {
		i.find(slog.LevelWarn, "its appendfsync is no: when its machine fails, it has forgotten the cooldowns of up to half a minute, and their callers can get a second text. Set it to everysec")
	}
	if untold(err) {
		i.find(slog.LevelInfo, "how often it writes to its disk could not be looked at: it does not tell this user (+config|get). Its appendfsync should be everysec, or always")
	}
}

// clock compares the server's with this machine's.
func (i *inspection) clock(ctx context.Context, node *redis.Client) {
	var before, after, there time.Time
	err := i.ask(ctx, func(ctx context.Context) (err error) {
		before = time.Now()
		there, err = node.Time(ctx).Result()
		after = time.Now()
		return err
	})
	if err != nil {
		return
	}
	off := max(there.Sub(after), before.Sub(there))
	if off > clockSlack {
		i.find(slog.LevelWarn, "its clock and this machine's are %s apart: when two calls of a caller come at the same moment, one may not wait for what becomes of the other. Set both by NTP", off.Round(100*time.Millisecond))
	}
}

// amount is -1 for what is none.
func amount(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return -1
	}
	return n
}

func olderThan(version string, major, minor float64) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, b := amount(first), amount(second)
	return a >= 0 && (a < major || a == major && b < minor)
}
