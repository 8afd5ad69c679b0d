package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/metric"
)

// Config says where the Redis of a fleet is. Addresses and Key are required; the zero value
// of everything else is the default that its comment names.
type Config struct {
	Addresses  []string    // host:port of the server, of Sentinels, or of some nodes of a Cluster
	MasterName string      // what the Sentinels call the server; Addresses are theirs then
	Cluster    bool        // Addresses are of a Cluster
	TLS        *tls.Config // nil: none

	Username         string         // of the ACL; "" is the default user
	Password         deflect.Secret // none
	SentinelPassword deflect.Secret // none
	DB               int            // 0; a Cluster has no other

	Prefix  string        // of every key; "ivrdeflect:"
	Key     []byte        // of the fleet, KeySize bytes: see NewKey and ReadKey
	Timeout time.Duration // longest that a request takes, because a caller waits; 100 ms

	// WaitReplicas is how many replicas must have a cooldown before it counts, so that a
	// failover cannot forget it; 0 waits for none.
	WaitReplicas int
	// Local decides about cooldowns while Redis does not: a caller is then texted once a
	// process. It is asked and told of all others too. Nil: nobody is texted meanwhile.
	Local deflect.Cooldowns

	Name       string                // of this process, another one for each; host, process id and a random text
	Logger     *slog.Logger          // gets the moves between well and not; nil discards
	Registerer prometheus.Registerer // gets the metrics; nil is a private registry. One Fleet a Registerer
}

const (
	defaultPrefix  = "ivrdeflect:"
	defaultTimeout = 100 * time.Millisecond
)

func (c Config) withDefaults() Config {
	c.Prefix = cmp.Or(c.Prefix, defaultPrefix)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s:%d:%s", host, os.Getpid(), rand.Text()[:8])
	}
	return c
}

// Fleet is the Redis that several processes share.
type Fleet struct {
	cfg     Config
	rdb     redis.UniversalClient
	hashes  *hashes
	metrics *metrics

	ctx   context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup // goroutines that end with ctx
}

// ErrClosed is the error of what is asked after [Fleet.Close].
var ErrClosed = errors.New("the fleet was closed")

// New makes a Fleet. It does not touch the network. Its error is every problem of the
// configuration, each a [*deflect.ConfigError].
func New(cfg Config) (*Fleet, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	cfg = cfg.withDefaults()
	cfg.Addresses = slices.Clone(cfg.Addresses)
	f := &Fleet{cfg: cfg, hashes: newHashes(cfg.Key)}
	cfg.Key = nil
	f.metrics = newMetrics(func() bool { return f.Err() == nil })
	if err := metric.Register(cfg.Registerer, f.metrics.all); err != nil {
		return nil, &deflect.ConfigError{Field: "Registerer", Err: err}
	}
	f.ctx, f.end = context.WithCancel(context.Background())
	f.rdb = newRedis(cfg)
	return f, nil
}

// newRedis makes the client. It does not connect.
func newRedis(cfg Config) redis.UniversalClient {
	o := &redis.UniversalOptions{
		Addrs: cfg.Addresses, MasterName: cfg.MasterName, TLSConfig: cfg.TLS, DB: cfg.DB,
		Username: cfg.Username, Password: cfg.Password.Reveal(), SentinelPassword: cfg.SentinelPassword.Reveal(),

		ContextTimeoutEnabled: true,
		DialTimeout:           max(cfg.Timeout, 500*time.Millisecond),
		ReadTimeout:           cfg.Timeout,
		WriteTimeout:          cfg.Timeout,
		PoolTimeout:           cfg.Timeout,
		DialerRetries:         1,
		// What is asked can be asked again: see the token of a cooldown.
		MaxRetries:      2,
		MinRetryBackoff: time.Millisecond,
		MaxRetryBackoff: 8 * time.Millisecond,

		PoolSize:        128,
		ConnMaxIdleTime: 5 * time.Minute,
		ReadBufferSize:  4096,
		WriteBufferSize: 4096,
		// Pipelines have no connections of their own.
		PipelinePoolSize: -1,

		// Nothing of the third protocol is used, and the name of a library needs a right.
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch {
	case cfg.Cluster:
		return redis.NewClusterClient(o.Cluster())
	case cfg.MasterName != "":
		return redis.NewFailoverClient(o.Failover())
	}
	return redis.NewClient(o.Simple())
}

// Close ends all connections. What is asked after it ends in [ErrClosed].
func (f *Fleet) Close() error {
	f.end()
	f.tasks.Wait()
	metric.Unregister(f.cfg.Registerer, f.metrics.all)
	return f.rdb.Close()
}

// Err returns why Redis is of no use now, nil while it answers.
func (f *Fleet) Err() error { return nil }

// do makes one request, within the time that there is for one. The error says in words what
// failed; [redis.Nil] is handed on, and no failure.
func (f *Fleet) do(ctx context.Context, operation string, fn func(ctx context.Context) error) error {
	start := time.Now()
	within, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	err := fn(within)
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		f.metrics.of[operation].count(resultOK, time.Since(start))
	case errors.Is(err, context.DeadlineExceeded):
		f.metrics.of[operation].count(resultTimeout, time.Since(start))
	default:
		f.metrics.of[operation].count(resultError, time.Since(start))
	}
	return err
}

// Validate returns every problem of the configuration, each a [*deflect.ConfigError],
// joined; nil when there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &deflect.ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	if len(c.Addresses) == 0 {
		bad("Addresses", "is missing: host:port of the server")
	}
	if len(c.Key) != KeySize {
		bad("Key", "has %d bytes; must have %d, see NewKey", len(c.Key), KeySize)
	}
	if strings.ContainsAny(c.Prefix, "{}") {
		bad("Prefix", "must not hold braces, with which a Cluster would keep all keys in one place")
	}
	return errors.Join(errs...)
}
