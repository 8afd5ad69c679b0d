package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// Git keeps no modes, and a key that others can read is none.
func init() { os.Chmod("testdata/good/fleet.key", 0o600) } //nolint:errcheck // the tests tell

// fleetFile is a configuration with a section redis, and files beside it.
func fleetFile(t *testing.T, section, profile string) (name string) {
	t.Helper()
	dir := t.TempDir()
	key, err := os.ReadFile("testdata/good/fleet.key")
	if err != nil {
		t.Fatal(err)
	}
	text := "livedeflect: {site_id: \"1\", domain: va, consumer_key: KEY}\n" + section + "\nprofiles:\n  - {name: all, skill: sales" + profile + "}\n"
	for name, data := range map[string]string{
		"x.yaml": text, "key": string(key), "short": "abcd\n", "password": secret, "other": secret + "2", "text": "no certificate",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "x.yaml")
}

func TestRedisProblems(t *testing.T) {
	withPassword := env(consumerSecretEnv, secret, redisPasswordEnv, secret)
	for _, tt := range []struct {
		section string
		getenv  func(string) string
		want    string // of the errors, without the name of the file
	}{
		{`redis: {}`, nil, "redis.url: is missing: where the server is, such as rediss://redis.example:6379/0 (or give addresses and master_name for Sentinels, or cluster)\n" +
			"redis.key_file: is missing: numbers are kept in Redis as hashes with the key of the fleet. Make one with: deflectctl state key FILE; and give each deflectd the same"},
		{`redis: {url: "redis://127.0.0.1:6379/0"}`, nil, "redis.key_file: is missing: numbers are kept in Redis as hashes with the key of the fleet. Make one with: deflectctl state key FILE; and give each deflectd the same"},
		{`redis: {url: "redis://127.0.0.1:6379/0", key_file: none}`, nil, "redis.key_file: cannot be read: no such file or directory (relative names are looked for beside the configuration). Make one with: deflectctl state key FILE; and give each deflectd the same"},
		{`redis: {url: "redis://127.0.0.1:6379/0", key_file: .}`, nil, "redis.key_file: cannot be read: it is no file (relative names are looked for beside the configuration)"},
		{`redis: {url: "http://127.0.0.1:6379/0", key_file: key}`, nil, "redis.url: must be redis://HOST:PORT/0, or rediss:// for TLS"},
		{`redis: {url: "redis://:opensesame@127.0.0.1:6379/0", key_file: key}`, nil, "redis.url: must hold no user and no password: there is username, and password_file or DEFLECT_REDIS_PASSWORD"},
		{`redis: {url: "redis://127.0.0.1:6379/0?dial_timeout=3", key_file: key}`, nil, "redis.url: may hold scheme, host, port and the number of a database only"},
		{`redis: {url: "redis://127.0.0.1:6379/0", tls: true, key_file: key}`, nil, "redis.tls: and a url that begins with redis:// contradict each other: write rediss://"},
		{`redis: {url: "redis://127.0.0.1:6379/0", cluster: ["10.0.0.1:6379"], key_file: key}`, nil, "redis.cluster: and url are both given: keep one"},
		{`redis: {url: "redis://127.0.0.1:6379/0", master_name: m, key_file: key}`, nil, "redis.master_name: is of Sentinels, and url of none: give their addresses"},
		{`redis: {addresses: ["10.0.0.1:26379"], key_file: key}`, nil, "redis.master_name: is missing: what the Sentinels at addresses call the server (one server without them has a url)"},
		{`redis: {addresses: ["10.0.0.1", "10.0.0.2:26379"], master_name: m, key_file: key}`, nil, "redis.addresses[0]: must be an address and a port, such as 10.0.0.1:6379"},
		{`redis: {cluster: [], key_file: key}`, nil, "redis.cluster: is empty; remove the key for `url` or `addresses`\n"},
		{`redis: {url: "redis://127.0.0.1:6379/0", ca_file: text, key_file: key}`, nil, "redis.ca_file: is of no use without TLS: write rediss:// in url, or tls: true"},
		{`redis: {url: "rediss://127.0.0.1:6379/0", ca_file: text, key_file: key}`, nil, "redis.ca_file: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)"},
		{`redis: {url: "rediss://127.0.0.1:6379/0", ca_file: none, key_file: key}`, nil, "redis.ca_file: cannot be read: no such file or directory"},
		{`redis: {url: "redis://127.0.0.1:6379/0", username: deflectd, key_file: key}`, nil, "redis.password_file: is missing: a username needs its password, in a file or in DEFLECT_REDIS_PASSWORD"},
		{`redis: {url: "redis://127.0.0.1:6379/0", password_file: password, key_file: key}`, withPassword, "redis.password_file: and DEFLECT_REDIS_PASSWORD in the environment are both given: keep one"},
		{`redis: {url: "redis://127.0.0.1:6379/0", password: opensesame, key_file: key}`, nil, "redis.password: does not belong in this file: write it to a file of its own and name that in redis.password_file, or set DEFLECT_REDIS_PASSWORD"},
		{`redis: {url: "redis://127.0.0.1:6379/0", sentinel_password_file: password, key_file: key}`, nil, "redis.sentinel_password_file: is of no use without master_name: only Sentinels have it"},
		{`redis: {url: "redis://127.0.0.1:6379/0", key_file: key, when_away: never}`, nil, "redis.when_away: must be refuse or local"},
		{`redis: {url: "redis://127.0.0.1:6379/0", key_file: key, wait_replicas: 11}`, nil, "redis.wait_replicas: must be a whole number from 0 to 10, without quotes"},
	} {
		if tt.getenv == nil {
			tt.getenv = consumer
		}
		name := fleetFile(t, tt.section, "")
		_, err := Load(name, tt.getenv)
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("%s: %v", tt.section, err)
			continue
		}
		var got []string
		for _, p := range bad.Problems {
			got = append(got, p.Path+": "+p.Text)
		}
		if diff := cmp.Diff(strings.TrimSuffix(tt.want, "\n"), strings.Join(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.section, diff)
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error shows a secret: %v", tt.section, err)
		}
	}
}

func TestRedisForms(t *testing.T) {
	for _, tt := range []struct {
		section   string
		addresses []string
		master    string
		cluster   bool
		tls       bool
		warning   string
	}{
		{`redis: {url: "redis://127.0.0.1:6379", password_file: password, key_file: key}`, []string{"127.0.0.1:6379"}, "", false, false, ""},
		{`redis: {url: "redis://redis.example:6379", key_file: key}`, []string{"redis.example:6379"}, "", false, false, ""},
		{`redis: {url: "redis://redis.example:6379", password_file: password, key_file: key}`, []string{"redis.example:6379"}, "", false, false, "goes to another machine in the clear"},
		{`redis: {url: "rediss://redis.example:6379", password_file: password, key_file: key}`, []string{"redis.example:6379"}, "", false, true, ""},
		{`redis: {addresses: ["10.0.0.1:26379", "10.0.0.2:26379"], master_name: m, tls: true, password_file: password, sentinel_password_file: other, key_file: key}`, []string{"10.0.0.1:26379", "10.0.0.2:26379"}, "m", false, true, ""},
		{`redis: {cluster: ["10.0.0.1:6379"], key_file: key}`, []string{"10.0.0.1:6379"}, "", true, false, ""},
		{`redis: {url: "redis://127.0.0.1:6379", wait_replicas: 1, when_away: local, key_file: key}`, []string{"127.0.0.1:6379"}, "", false, false, "keeps nobody from a second text with when_away: local"},
	} {
		f, err := Load(fleetFile(t, tt.section, ""), consumer)
		if err != nil {
			t.Errorf("%s: %v", tt.section, err)
			continue
		}
		c := f.Fleet
		if diff := cmp.Diff(tt.addresses, c.Addresses); diff != "" || c.MasterName != tt.master || c.Cluster != tt.cluster || (c.TLS != nil) != tt.tls {
			t.Errorf("%s: %s, %q, cluster %t, TLS %v", tt.section, diff, c.MasterName, c.Cluster, c.TLS)
		}
		if tt.master != "" && c.SentinelPassword != deflect.NewSecret(secret+"2") {
			t.Errorf("%s: no password of the Sentinels", tt.section)
		}
		if strings.Contains(tt.section, " password_file") && c.Password != deflect.NewSecret(secret) {
			t.Errorf("%s: no password", tt.section)
		}
		if tt.warning == "" && len(f.Warnings) > 0 || tt.warning != "" && (len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0].Text, tt.warning)) {
			t.Errorf("%s: warnings %v, want %q", tt.section, f.Warnings, tt.warning)
		}
		same(t, f, consumer)
	}
}

func TestOptOutsNeedRedis(t *testing.T) {
	const redis = `redis: {url: "redis://127.0.0.1:6379/0", key_file: key}`
	for _, tt := range []struct{ section, set, want string }{
		{"", "crm", "profiles[0].do_not_text_redis: needs redis, where the set is kept; without it there is do_not_text_file"},
		{redis, "c r m", "profiles[0].do_not_text_redis: must be a name of 1 to 64 letters, digits, - or _, as for deflectctl state optout"},
	} {
		if _, err := Load(fleetFile(t, tt.section, ", do_not_text_redis: "+tt.set), consumer); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q %q: %v", tt.section, tt.set, err)
		}
	}
	f, err := Load(fleetFile(t, redis, ", do_not_text_redis: crm"), consumer)
	if err != nil {
		t.Fatal(err)
	}
	// Until somebody has connected the list, nobody is texted.
	if _, err := f.FreeSWITCH.Profiles[0].DoNotText.Holds(t.Context(), "+14043438646"); err == nil {
		t.Error("a list that nobody has asked lets a text go out")
	}
	if diff := cmp.Diff([]string{"crm"}, f.Sets()); diff != "" {
		t.Error(diff)
	}
	var asked string
	with := f.WithOptOuts(func(set string) deflect.DoNotText { asked = set; return heldNumbers{"+14043438646": true} })
	held, err := with.FreeSWITCH.Profiles[0].DoNotText.Holds(t.Context(), "+14043438646")
	if !held || err != nil || asked != "crm" {
		t.Errorf("held %t, %v, of set %q", held, err, asked)
	}
	if _, err := f.FreeSWITCH.Profiles[0].DoNotText.Holds(t.Context(), "+14043438646"); err == nil {
		t.Error("the file before was changed too")
	}
}

// Who sends nothing needs no secret, and learns what keeps it from asking Redis.
func TestRedisKeyless(t *testing.T) {
	const section = `redis: {url: "redis://127.0.0.1:6379/0", password_file: FILE, key_file: key}`
	f, err := LoadKeyless(fleetFile(t, strings.Replace(section, "FILE", "password", 1), ""), nothing)
	if err != nil || f.FleetErr != nil || f.Fleet.Password != deflect.NewSecret(secret) || len(f.Fleet.Key) != 32 {
		t.Errorf("%v, %v, %+v", err, f.FleetErr, f.Fleet)
	}
	f, err = LoadKeyless(fleetFile(t, strings.Replace(section, "FILE", "none", 1), ""), nothing)
	if err != nil || f.FleetErr == nil || !strings.Contains(f.FleetErr.Error(), "redis.password_file cannot be read") {
		t.Errorf("%v, %v", err, f.FleetErr)
	}
	f, err = LoadKeyless(fleetFile(t, `redis: {url: "redis://127.0.0.1:6379/0", key_file: key}`, ""), env(redisPasswordEnv, secret))
	if err != nil || f.FleetErr != nil || f.Fleet.Password != deflect.NewSecret(secret) {
		t.Errorf("%v, %v, %+v", err, f.FleetErr, f.Fleet)
	}
	if _, err = LoadKeyless(fleetFile(t, `redis: {url: "redis://127.0.0.1:6379/0", tls: true, key_file: key}`, ""), nothing); err == nil {
		t.Error("a mistake in the file is not told")
	}
}

// A reload does not change where the fleet is, nor the secrets that it is asked with.
func TestRedisNeedsARestart(t *testing.T) {
	const section = `redis: {url: "redis://127.0.0.1:6379/0", password_file: password, key_file: key}`
	name := fleetFile(t, section, "")
	load := func() File {
		t.Helper()
		f, err := Load(name, consumer)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	old := load()
	if err := load().Follows(old); err != nil {
		t.Errorf("nothing was changed: %v", err)
	}
	change := func(file, from, to string) {
		t.Helper()
		file = filepath.Join(filepath.Dir(name), file)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(data), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range [][3]string{{"password", "sesame", "simsim"}, {"key", "0123", "3210"}, {"x.yaml", "6379/0", "6379/1"}, {"x.yaml", "key_file: key", "key_file: key, timeout: 50ms"}} {
		change(c[0], c[1], c[2])
		if err := load().Follows(old); err == nil || !strings.Contains(err.Error(), "redis: was changed, which needs a restart") {
			t.Errorf("%s: %v", c, err)
		}
		change(c[0], c[2], c[1])
	}
	change("x.yaml", section, "")
	if err := load().Follows(old); err == nil {
		t.Error("a section that is gone is followed")
	}
}

// The hash finds the daemon whose configuration is another one, and tells no secret.
func TestHash(t *testing.T) {
	const section = `redis: {url: "redis://127.0.0.1:6379/0", password_file: password, key_file: key}`
	hash := func(section, profile string, getenv func(string) string) string {
		t.Helper()
		f, err := Load(fleetFile(t, section, profile), getenv)
		if err != nil {
			t.Fatal(err)
		}
		return f.Hash()
	}
	for _, section := range []string{"", section} {
		base := hash(section, "", consumer)
		if len(base) != 16 {
			t.Errorf("hash %q", base)
		}
		own := section + "\nfreeswitch: {outbound: {listen: \"127.0.0.1:1\"}, inbound: [{name: fs1, address: \"127.0.0.1:8021\"}]}\nhttp: {listen: \"127.0.0.1:2\", status: false, pprof: true}"
		if got := hash(own, ", trace: true", switches); got != base {
			t.Errorf("%q: what is of one machine alone makes another hash", section)
		}
		if hash(section, ", cooldown: 1h", consumer) == base {
			t.Errorf("%q: another cooldown makes no other hash", section)
		}
		if other := hash(section, "", env(consumerSecretEnv, "another")); (other == base) != (section == "") {
			t.Errorf("%q: another secret: %s and %s", section, base, other)
		}
	}
	if hash(section, "", consumer) == hash(strings.Replace(section, "file: password", "file: other", 1), "", consumer) {
		t.Error("another password of Redis makes no other hash")
	}
}

type heldNumbers map[string]bool

func (h heldNumbers) Holds(_ context.Context, e164 string) (bool, error) { return h[e164], nil }
