package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
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
	Timeout time.Duration // longest that a request takes, because a caller waits, 10 ms to 2 s; 100 ms

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

	maxPrefix       = 64
	minTimeout      = 10 * time.Millisecond
	maxTimeout      = 2 * time.Second
	maxWaitReplicas = 10
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
	health  *health

	cooldowns *cooldowns

	ctx   context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup // goroutines that end with ctx
	close func() error
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
	f := &Fleet{hashes: newHashes(cfg.Key), health: newHealth()}
	cfg.Key = nil
	f.cfg = cfg
	f.metrics = newMetrics(func() bool { return f.Err() == nil })
	if err := metric.Register(cfg.Registerer, f.metrics.all); err != nil {
		return nil, &deflect.ConfigError{Field: "Registerer", Err: err}
	}
	f.ctx, f.end = context.WithCancel(context.Background())
	f.rdb = newRedis(cfg)
	f.cooldowns = newCooldowns(f)
	f.close = sync.OnceValue(func() error {
		f.end()
		f.tasks.Wait()
		metric.Unregister(cfg.Registerer, f.metrics.all)
		return f.rdb.Close()
	})
	f.tasks.Go(f.watch)
	f.tasks.Go(f.cooldowns.write)
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

// Close ends all connections, after what callers were texted was written down. What is
// asked after it ends in [ErrClosed].
func (f *Fleet) Close() error { return f.close() }

// Validate returns every problem of the configuration, each a [*deflect.ConfigError],
// joined; nil when there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &deflect.ConfigError{Field: field, Err: fmt.Errorf(format, args...)})
	}
	if len(c.Addresses) == 0 {
		bad("Addresses", "is missing: host:port of the server, of the Sentinels, or of nodes of a Cluster")
	}
	for i, a := range c.Addresses {
		field := fmt.Sprintf("Addresses[%d]", i)
		host, port, err := net.SplitHostPort(a)
		n, noPort := strconv.Atoi(port)
		switch {
		case err != nil || host == "" || noPort != nil || n < 1 || n > 65535:
			bad(field, "must be host:port, such as fleet.example:6379")
		case slices.Contains(c.Addresses[:i], a):
			bad(field, "is there twice")
		}
	}
	switch {
	case c.Cluster && c.MasterName != "":
		bad("MasterName", "is for Sentinels: a Cluster has none")
	case len(c.Addresses) > 1 && !c.Cluster && c.MasterName == "":
		bad("Addresses", "has %d: a single server has one. Set MasterName if they are Sentinels, Cluster if they are nodes of one", len(c.Addresses))
	}
	if c.Username != "" && c.Password == (deflect.Secret{}) {
		bad("Password", "is missing, but there is a Username")
	}
	if c.SentinelPassword != (deflect.Secret{}) && c.MasterName == "" {
		bad("SentinelPassword", "is given, but no MasterName: there are no Sentinels")
	}
	switch {
	case c.DB < 0:
		bad("DB", "is %d; must not be negative", c.DB)
	case c.DB > 0 && c.Cluster:
		bad("DB", "is %d; a Cluster has none but 0", c.DB)
	}
	if len(c.Prefix) > maxPrefix || strings.ContainsFunc(c.Prefix, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("{}*?[]\\", r) }) {
		bad("Prefix", "must be up to %d printable characters of ASCII, without blanks, braces, brackets, and any of *?\\", maxPrefix)
	}
	if len(c.Key) != KeySize {
		bad("Key", "has %d bytes; must have %d: the key of the fleet, see NewKey and ReadKey", len(c.Key), KeySize)
	}
	if c.Timeout < minTimeout || c.Timeout > maxTimeout {
		bad("Timeout", "is %s; must be between %s and %s, a caller is waiting", c.Timeout, minTimeout, maxTimeout)
	}
	if c.WaitReplicas < 0 || c.WaitReplicas > maxWaitReplicas {
		bad("WaitReplicas", "is %d; must be between 0 and %d", c.WaitReplicas, maxWaitReplicas)
	}
	return errors.Join(errs...)
}
