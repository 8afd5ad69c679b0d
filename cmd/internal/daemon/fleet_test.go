package daemon

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
)

var fleetKey = bytes.Repeat([]byte{7}, fleet.KeySize)

// fleetFile is a configuration whose profile has a cooldown of an hour, and shares it.
func fleetFile(t *testing.T, addr, section, profile string) config.File {
	t.Helper()
	f, err := config.Parse("test.yaml", []byte(fleetText(t, addr, section, profile)), func(name string) string {
		return map[string]string{"DEFLECT_CONSUMER_SECRET": consumerSecret, "DEFLECT_TOKEN_SECRET": tokenSecret}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func fleetText(t *testing.T, addr, section, profile string) string {
	t.Helper()
	return strings.NewReplacer("cooldown: 0s", "cooldown: 1h"+profile,
		"profiles:", `redis: {url: "redis://`+addr+`/0", key_file: "`+keyFile(t)+`", timeout: 1s`+section+"}\nprofiles:").Replace(testConfig)
}

// keyFile is a file with fleetKey.
func keyFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(strings.Repeat("07", fleet.KeySize)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

// sharing starts a daemon of a fleet.
func sharing(t *testing.T, addr, section, profile string, change ...func(*freeswitch.Config)) *bench {
	t.Helper()
	return start(t, func(o *Options) {
		url := o.Config.LiveDeflect.BaseURL
		o.Config = fleetFile(t, addr, section, profile)
		o.Config.LiveDeflect.BaseURL = url
		o.Registry = prometheus.NewRegistry()
		for _, do := range change {
			do(&o.Config.FreeSWITCH)
		}
	})
}

// press is a caller who presses the key when there is an offer; it returns what came of it.
func (b *bench) press(from string) string {
	b.t.Helper()
	c := pressOne // a copy
	c.ANI, c.Prompts = from, map[string]time.Duration{}
	for _, p := range []string{"sent", "already_sent", "failed"} {
		c.Prompts["ivrdeflect/en/"+p+".wav"] = time.Millisecond
	}
	r, err := c.Dial(b.t.Context(), b.daemon.Addr())
	if err != nil {
		b.t.Fatal(err)
	}
	return r.Vars["deflect_outcome"] + "/" + r.Vars["deflect_reason"]
}

func (b *bench) end() {
	b.t.Helper()
	b.stop()
	if err := b.finish(); err != nil {
		b.t.Error(err)
	}
}

func TestFleetTextsACallerOnce(t *testing.T) {
	redis := miniredis.RunT(t)
	one, other := sharing(t, redis.Addr(), "", ""), sharing(t, redis.Addr(), "", "")
	if got, want := one.press(caller), reason(deflect.Sent, deflect.ReasonOK); got != want {
		t.Errorf("the first: %s, want %s", got, want)
	}
	if got, want := other.press(caller), reason(deflect.Ineligible, deflect.ReasonCooldown); got != want {
		t.Errorf("at the other: %s, want %s", got, want)
	}
	one.end()
	other.end()
	for _, key := range redis.Keys() {
		if value, _ := redis.Get(key); strings.Contains(key+value, "404343") {
			t.Errorf("a number is in Redis: %s = %s", key, value)
		}
	}
}

// Two daemons watch one switch, and see each key: one answers it, and when it is gone the
// other does.
func TestFleetWatchesOneSwitch(t *testing.T) {
	sw := &freeswitchtest.Switch{Password: "opensesame-switch", Prompts: map[string]time.Duration{"ivrdeflect/en/sent.wav": 20 * time.Millisecond}}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	defer sw.Stop()
	redis := miniredis.RunT(t)
	watch := func(c *freeswitch.Config) {
		c.Inbound = []freeswitch.Switch{{Name: "fs1", Address: sw.Addr(), Password: deflect.NewSecret("opensesame-switch")}}
		c.Profiles[0].Cooldown, c.Profiles[0].NoCooldown = 0, true // which would keep the other from texting too
	}
	one, other := sharing(t, redis.Addr(), "", "", watch), sharing(t, redis.Addr(), "", "", watch)
	texts := map[string]int{}
	call := func(from, to int, daemons ...*bench) {
		t.Helper()
		for i := from; i < to; i++ {
			w := sw.Park(freeswitchtest.Call{ANI: fmt.Sprintf("+140434386%02d", i), DNIS: dialed, Vars: map[string]string{"deflect_external_id": fmt.Sprint(i)}})
			w.Announce()
			w.Press("1")
		}
		wait(t, "all are texted", func() bool {
			clear(texts)
			for _, b := range daemons {
				for _, sent := range b.api.Sent() {
					texts[sent.ExternalCallID]++
				}
			}
			return len(texts) == to
		})
	}
	one.log.await("watching switch")
	other.log.await("watching switch")
	call(0, 20, one, other)
	one.end()
	call(20, 30, one, other)
	other.end()
	for id, n := range texts {
		if n != 1 {
			t.Errorf("call %s has %d texts", id, n)
		}
	}
}

func TestFleetBudget(t *testing.T) {
	redis := miniredis.RunT(t)
	const budget = ", budget: {texts: 2, per: 1h}"
	one, other := sharing(t, redis.Addr(), "", budget), sharing(t, redis.Addr(), "", budget)
	got := []string{one.press("+14043438601"), other.press("+14043438602"), one.press("+14043438603"), other.press("+14043438604")}
	sent, no := reason(deflect.Sent, deflect.ReasonOK), reason(deflect.Ineligible, deflect.ReasonBudget)
	if diff := cmp.Diff([]string{sent, sent, no, no}, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	one.end()
	other.end()
}

// Who is put on the list of the fleet is not texted from then on, also after a reload.
func TestFleetOptOuts(t *testing.T) {
	redis := miniredis.RunT(t)
	text := fleetText(t, redis.Addr(), "", ", do_not_text_redis: crm")
	var url string
	b := start(t, func(o *Options) {
		url = o.Config.LiveDeflect.BaseURL
		o.Load = func() (config.File, error) {
			f, err := config.Parse("test.yaml", []byte(text), func(name string) string {
				return map[string]string{"DEFLECT_CONSUMER_SECRET": consumerSecret, "DEFLECT_TOKEN_SECRET": tokenSecret}[name]
			})
			if err == nil {
				f.LiveDeflect.BaseURL = url
			}
			return f, err
		}
		var err error
		if o.Config, err = o.Load(); err != nil {
			t.Fatal(err)
		}
	})
	f, err := fleet.New(fleet.Config{Addresses: []string{redis.Addr()}, Key: fleetKey, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if added, err := f.OptOuts("crm").Add(t.Context(), caller); !added || err != nil {
		t.Fatal(added, err)
	}
	for _, when := range []string{"at the start", "after a reload"} {
		if got, want := b.press(caller), reason(deflect.Ineligible, deflect.ReasonOptedOut); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
		if err := b.daemon.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	if removed, err := f.OptOuts("crm").Remove(t.Context(), caller); !removed || err != nil {
		t.Fatal(removed, err)
	}
	if got, want := b.press(caller), reason(deflect.Sent, deflect.ReasonOK); got != want {
		t.Errorf("off the list: %s, want %s", got, want)
	}
	redis.Close()
	if got, want := b.press("+14043438601"), reason(deflect.Ineligible, deflect.ReasonOptedOut); got != want {
		t.Errorf("without Redis: %s, want %s", got, want)
	}
	b.end()
}

// Without Redis calls are served, and /readyz says what callers miss.
func TestReadyzTellsOfRedis(t *testing.T) {
	for _, tt := range []struct{ section, want, outcome string }{
		{"", "redis: nobody is texted whose profile has a cooldown, a budget or do_not_text_redis, or who waits in a queue: Redis ", reason(deflect.Ineligible, deflect.ReasonCooldownUnknown)},
		{", when_away: local", "redis: this deflectd goes by its own memory, so that a caller can get a text from each; nobody is texted whose profile has do_not_text_redis, or who waits in a queue: Redis ", reason(deflect.Sent, deflect.ReasonOK)},
	} {
		redis := miniredis.RunT(t)
		b := sharing(t, redis.Addr(), tt.section, "")
		if status, body := b.get("/readyz"); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%q: at the start: %d %q", tt.section, status, body)
		}
		b.log.await("redis looked at") // or miniredis would be asked while it is closed
		redis.Close()
		if got := b.press(caller); got != tt.outcome {
			t.Errorf("%q: without Redis: %s, want %s", tt.section, got, tt.outcome)
		}
		wait(t, tt.section+": Redis is away", func() bool {
			status, body := b.get("/readyz")
			return status == http.StatusOK && strings.HasPrefix(body, "ok\n"+tt.want)
		})
		if err := redis.Restart(); err != nil {
			t.Fatal(err)
		}
		wait(t, tt.section+": Redis is back", func() bool { _, body := b.get("/readyz"); return body == "ok\n" })
		b.end()
	}
}

// wait waits for what has to become so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !so() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("not so: %s", what)
		}
	}
}

// A daemon starts without Redis, and says in the log that it could not be looked at.
func TestStartWithoutRedis(t *testing.T) {
	redis := miniredis.RunT(t)
	addr := redis.Addr()
	redis.Close()
	b := sharing(t, addr, "", "")
	b.log.await("redis could not be looked at")
	if status, _ := b.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	b.end()
}

func TestConfigInfo(t *testing.T) {
	file := &changing{}
	file.set()
	b := start(t, func(o *Options) {
		file.url = o.Config.LiveDeflect.BaseURL
		o.Load, o.Registry = file.load, prometheus.NewRegistry()
		var err error
		if o.Config, err = file.load(); err != nil {
			t.Fatal(err)
		}
	})
	hash := func() string {
		t.Helper()
		_, text := b.get("/metrics")
		all := regexp.MustCompile(`(?m)^deflectd_config_info\{hash="([0-9a-f]{16})"\} 1$`).FindAllStringSubmatch(text, -1)
		if len(all) != 1 {
			t.Fatalf("%d series of deflectd_config_info", len(all))
		}
		return all[0][1]
	}
	first := hash()
	if err := b.daemon.Reload(); err != nil || hash() != first {
		t.Errorf("the same file has another hash: %v", err)
	}
	file.set("offer.wav", "other.wav")
	if hash() != first {
		t.Error("the hash changed before the reload")
	}
	if err := b.daemon.Reload(); err != nil || hash() == first {
		t.Errorf("another file has the same hash: %v", err)
	}
	second := hash()
	file.set("gap: 1ms", "gap: 1h")
	if err := b.daemon.Reload(); err == nil || hash() != second {
		t.Errorf("a file that is refused has a hash: %v", err)
	}
	b.end()
}
