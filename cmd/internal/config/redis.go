package config

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
)

// Where the secrets of Redis come from when no file is named.
const (
	redisPasswordEnv    = "DEFLECT_REDIS_PASSWORD"
	sentinelPasswordEnv = "DEFLECT_REDIS_SENTINEL_PASSWORD"
)

// redis is the section of what a fleet shares.
type redis struct {
	given                             bool
	url, masterName, username, prefix string
	keyFile, caFile                   string
	addresses, cluster                []string
	tls, local                        bool
	timeout                           time.Duration
	waitReplicas                      int
	password, sentinelPassword        origin

	ca []byte // what is in caFile
}

func defaultRedis() redis { return redis{prefix: "ivrdeflect:", timeout: 100 * time.Millisecond} }

func (f *File) fleet() value {
	r := &f.redis
	v := section(
		row{"url", "URL,DB", filled(&r.url, "`addresses` or `cluster`"),
			"Of one server: `redis://HOST:6379/0`, or `rediss://` for TLS. It holds no secret."},
		row{"addresses", "Addresses", filledList(&r.addresses, "`url` or `cluster`"),
			"Of Sentinels, which know where the server is: `[\"10.0.0.1:26379\", \"10.0.0.2:26379\"]`."},
		row{"master_name", "MasterName", filled(&r.masterName, "no Sentinels"),
			"What they call the server."},
		row{"cluster", "Cluster", filledList(&r.cluster, "`url` or `addresses`"),
			"Addresses of some nodes of a Redis Cluster."},
		row{"tls", "TLS", boolean(&r.tls).unless(func() bool { return r.url != "" }),
			"TLS to `addresses` and `cluster`; a `url` says it itself."},
		row{"ca_file", "", filled(&r.caFile, "the authorities that the system trusts"),
			"Certificates, in PEM, of those who sign the server's."},
		row{"username", "Username", filled(&r.username, "the server's default user"),
			"User of its access list (ACL)."},
		row{"password_file", "Password", secretFile(&r.password, "password", "the password", redisPasswordEnv, func() string { return redisPasswordEnv }),
			"The password."},
		row{"password", "", refused(redisPasswordEnv), ""},
		row{"sentinel_password_file", "SentinelPassword", secretFile(&r.sentinelPassword, "sentinel_password", "the password", sentinelPasswordEnv, func() string { return sentinelPasswordEnv }),
			"The password of the Sentinels."},
		row{"sentinel_password", "", refused(sentinelPasswordEnv), ""},
		row{"key_file", "Key", filled(&r.keyFile, "an error"),
			"Key of the fleet, made by `deflectctl state key FILE`: the same for each `deflectd`. Numbers are in Redis as hashes with it. Required."},
		row{"prefix", "Prefix", filled(&r.prefix, "the default ivrdeflect:"),
			"Of each key in Redis. Fleets with other prefixes know nothing of each other."},
		row{"timeout", "Timeout", duration(&r.timeout, "10ms to 2s"),
			"Longest that one request takes. A caller waits for it."},
		row{"wait_replicas", "WaitReplicas", whole(0, 10, "from 0 to 10", "0 to 10", &r.waitReplicas),
			"How many replicas must have a cooldown before the text goes out, so that no failover forgets it. With too few, nobody is texted."},
		row{"when_away", "", choice(&r.local, is("refuse", false), is("local", true)),
			"While Redis does not answer: `refuse` offers no text where there is a cooldown (`cooldown_unknown`) or a budget (`budget_unknown`). `local` goes by what each `deflectd` remembers itself, so that a caller can get a text from each. What `do_not_text_redis` is asked for is refused in any case."},
	)
	read := v.read
	v.read = func(d *decoder, n *yaml.Node, at string) { r.given = true; read(d, n, at) }
	return v.unless(func() bool { return !r.given }).needing(onChange)
}

// finishRedis reads what the section refers to and checks it.
func (f *File) finishRedis(d *decoder, src source) {
	f.closeOptOuts()
	for i, set := range f.optOuts {
		at := fmt.Sprintf("profiles[%d].do_not_text_redis", i)
		switch {
		case set == "":
		case !f.redis.given:
			d.badAt(at, "needs redis, where the set is kept; without it there is do_not_text_file")
		case !setForm.MatchString(set):
			d.badAt(at, "must be a name of 1 to 64 letters, digits, - or _, as for deflectctl state optout")
		}
	}
	if !f.redis.given {
		return
	}
	f.AwayLocal = f.redis.local
	if !src.keyless {
		f.Fleet = f.readFleet(d, src)
		return
	}
	// Who needs no secret may have none. What is wrong then is told to who asks Redis.
	known := len(d.problems)
	problems := decoder{lines: d.lines, problems: slices.Clone(d.problems)}
	f.Fleet = f.readFleet(&problems, source{dir: src.dir, getenv: src.getenv, readFile: readSecretFile})
	for _, p := range problems.problems[known:] {
		if secretTrouble[p.Path] {
			f.FleetErr = errors.Join(f.FleetErr, errors.New(p.Path+" "+p.Text))
		} else {
			d.problems = append(d.problems, p)
		}
	}
}

// secretTrouble are the keys whose files other users may be kept from reading.
var secretTrouble = map[string]bool{
	"redis.password_file": true, "redis.sentinel_password_file": true, "redis.key_file": true, "redis.ca_file": true,
}

var setForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// readFleet is the configuration of the fleet. Problems are noted.
func (f *File) readFleet(d *decoder, src source) *fleet.Config {
	const at = "redis."
	r := &f.redis
	c := f.endpoint(d)
	c.Username, c.Prefix, c.Timeout, c.WaitReplicas = r.username, r.prefix, r.timeout, r.waitReplicas
	f.trust(d, src, &c)

	var password, sentinelPassword bool
	c.Password, password = src.secret(d, &r.password, at+"password", redisPasswordEnv)
	if c.SentinelPassword, sentinelPassword = src.secret(d, &r.sentinelPassword, at+"sentinel_password", sentinelPasswordEnv); sentinelPassword && r.masterName == "" && r.sentinelPassword.file != "" {
		d.badAt(at+"sentinel_password_file", "is of no use without master_name: only Sentinels have it")
	}
	switch {
	case r.username != "" && !password:
		d.badAt(at+"password_file", "is missing: a username needs its password, in a file or in %s", redisPasswordEnv)
	case password && c.TLS == nil && !d.blamesBelow("redis") && !slices.ContainsFunc(c.Addresses, loopback):
		d.warn(at+"password_file", "goes to another machine in the clear: use TLS (rediss://, or tls: true)")
	}
	if r.waitReplicas > 0 && r.local {
		d.warn(at+"wait_replicas", "keeps nobody from a second text with when_away: local: where the replicas do not answer, each deflectd goes by its own memory; use refuse")
	}

	if r.keyFile == "" {
		if !d.blames(at + "key_file") {
			d.badAt(at+"key_file", "is missing: numbers are kept in Redis as hashes with the key of the fleet. Make one with: deflectctl state key FILE; and give each deflectd the same")
		}
	} else {
		where := ""
		if !filepath.IsAbs(r.keyFile) {
			where = besides
		}
		r.keyFile = src.secretPath(r.keyFile)
		f.KeyFile = r.keyFile
		info, err := os.Stat(r.keyFile)
		if err == nil && !info.Mode().IsRegular() {
			err = errNoFile
		}
		if err == nil {
			c.Key, err = fleet.ReadKey(r.keyFile)
		}
		if errors.Is(err, os.ErrNotExist) {
			d.badAt(at+"key_file", "cannot be read: %s%s. Make one with: deflectctl state key FILE; and give each deflectd the same", cause(err), where)
		} else if err != nil {
			d.badAt(at+"key_file", "cannot be read: %s%s", cause(err), where)
		} else if runtime.GOOS != "windows" && worldReadable(info.Mode()) {
			d.warn(at+"key_file", "can be read by every user of this machine: chmod o-rwx it")
		}
	}
	if !d.blames("redis") && !d.blamesBelow("redis") {
		d.library(r.fields(c.Validate()), len(d.problems))
	}
	return &c
}

// fields names the fields of the fleet so that they are found among the keys.
func (r *redis) fields(err error) error {
	var errs []error
	for _, err := range leaves(err) {
		if c := (*deflect.ConfigError)(nil); errors.As(err, &c) {
			field := c.Field
			switch where := field == "Addresses" || field == "DB" || field == "TLS"; {
			case where && r.url != "":
				field = "URL"
			case where && r.cluster != nil:
				field = "Cluster"
			}
			err = &deflect.ConfigError{Field: "Redis." + field, Err: c.Err}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// endpoint is where the server is.
func (f *File) endpoint(d *decoder) (c fleet.Config) {
	const at = "redis."
	r := &f.redis
	var given []string
	for _, k := range []struct {
		key string
		is  bool
	}{{"url", r.url != ""}, {"addresses", r.addresses != nil}, {"cluster", r.cluster != nil}} {
		if k.is || d.blames(at+k.key) {
			given = append(given, k.key)
		}
	}
	switch {
	case len(given) == 0:
		d.badAt(at+"url", "is missing: where the server is, such as rediss://redis.example:6379/0 (or give addresses and master_name for Sentinels, or cluster)")
	case len(given) > 1:
		d.badAt(at+given[1], "and %s are both given: keep one", given[0])
	case r.url != "":
		f.readURL(d, &c)
	case r.addresses != nil:
		c.Addresses = r.addresses
		c.MasterName = r.masterName
		if r.masterName == "" && !d.blames(at+"master_name") {
			d.badAt(at+"master_name", "is missing: what the Sentinels at addresses call the server (one server without them has a url)")
		}
	case r.cluster != nil:
		c.Addresses, c.Cluster = r.cluster, true
	}
	if r.masterName != "" && len(given) == 1 && given[0] != "addresses" {
		d.badAt(at+"master_name", "is of Sentinels, and %s of none: give their addresses", given[0])
	}
	for _, k := range []struct {
		key  string
		list []string
	}{{"addresses", r.addresses}, {"cluster", r.cluster}} {
		for i, addr := range k.list {
			f.checkListen(d, fmt.Sprintf("%s%s[%d]", at, k.key, i), addr, "10.0.0.1:6379")
		}
	}
	if r.tls && c.TLS == nil {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return c
}

// readURL takes the url apart. What it says is not repeated: a password may be in it.
func (f *File) readURL(d *decoder, c *fleet.Config) {
	const at = "redis.url"
	u, err := url.Parse(f.redis.url)
	switch {
	case err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "":
		d.badAt(at, "must be redis://HOST:PORT/0, or rediss:// for TLS")
		return
	case u.User != nil:
		d.badAt(at, "must hold no user and no password: there is username, and password_file or %s", redisPasswordEnv)
		return
	case u.RawQuery != "" || u.Fragment != "":
		d.badAt(at, "may hold scheme, host, port and the number of a database only")
		return
	case f.redis.tls && u.Scheme == "redis":
		d.badAt("redis.tls", "and a url that begins with redis:// contradict each other: write rediss://")
		return
	}
	parsed, err := fleet.ParseURL(f.redis.url)
	if err != nil {
		d.badAt(at, "must be redis://HOST:PORT/0, or rediss:// for TLS; the 0 is the number of a database")
		return
	}
	*c = parsed
}

// trust sets whose certificates are believed.
func (f *File) trust(d *decoder, src source, c *fleet.Config) {
	const at = "redis.ca_file"
	r := &f.redis
	if r.caFile == "" {
		return
	}
	r.caFile = src.path(r.caFile)
	if c.TLS == nil {
		if !d.blamesBelow("redis") {
			d.badAt(at, "is of no use without TLS: write rediss:// in url, or tls: true")
		}
		return
	}
	info, err := os.Stat(r.caFile)
	var data []byte
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errNoFile
	case info.Size() > maxCABytes:
		err = errors.New("it is larger than 1 MiB")
	default:
		data, err = os.ReadFile(r.caFile)
	}
	if err != nil {
		d.badAt(at, "cannot be read: %s", cause(err))
		return
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		d.badAt(at, "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
		return
	}
	c.TLS.RootCAs, r.ca = pool, data
}

const maxCABytes = 1 << 20

var errNoFile = errors.New("it is no file")

// loopback reports whether an address is of this machine.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip, bad := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || bad == nil && ip.Unmap().IsLoopback())
}

// followsRedis reports whether all that the section says and refers to is as before.
func (f *File) followsRedis(old *File) bool {
	marshal := func(of *File) string {
		text, err := yaml.Marshal(of.fleet().print())
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	if f.redis.given != old.redis.given || f.Fleet == nil || old.Fleet == nil {
		return f.redis.given == old.redis.given
	}
	return marshal(f) == marshal(old) && bytes.Equal(f.redis.ca, old.redis.ca) && bytes.Equal(f.Fleet.Key, old.Fleet.Key) &&
		f.Fleet.Password == old.Fleet.Password && f.Fleet.SentinelPassword == old.Fleet.SentinelPassword
}

// errNotShared is what a list answers that nobody has connected.
var errNotShared = errors.New("the do-not-text list of the fleet was not asked")

type notShared struct{}

func (notShared) Holds(ctx context.Context, e164 string) (bool, error) { return false, errNotShared }

// closeOptOuts lets nobody be texted whom the list of the fleet may hold, until
// WithOptOuts says who knows it.
func (f *File) closeOptOuts() {
	for i, set := range f.optOuts {
		if set != "" {
			f.FreeSWITCH.Profiles[i].DoNotText = notShared{}
		}
	}
}

// WithOptOuts returns f with the do-not-text lists of the fleet (do_not_text_redis), each
// by the name of its set.
func (f File) WithOptOuts(list func(set string) deflect.DoNotText) File {
	f.FreeSWITCH.Profiles = slices.Clone(f.FreeSWITCH.Profiles)
	for i, set := range f.optOuts {
		if set != "" {
			f.FreeSWITCH.Profiles[i].DoNotText = donottext.Any(f.fileList(i), list(set))
		}
	}
	return f
}

// OptOutSet returns the name of the list in Redis that a profile asks; "" for none.
func (f File) OptOutSet(profile string) string {
	for i, p := range f.FreeSWITCH.Profiles {
		if p.Name == profile {
			return f.optOuts[i]
		}
	}
	return ""
}

// Sets returns the names of the do-not-text lists of the fleet, each once.
func (f File) Sets() []string {
	sets := slices.Clone(f.optOuts)
	slices.Sort(sets)
	return slices.DeleteFunc(slices.Compact(sets), func(s string) bool { return s == "" })
}

// fileList is the do-not-text list of a profile that is in a file; nil for none.
func (f File) fileList(i int) deflect.DoNotText {
	for _, l := range f.Lists {
		if l.Name() == f.doNotText[i] {
			return l
		}
	}
	return nil
}
