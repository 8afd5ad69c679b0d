package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/ivrdeflect/ivrdeflect/deflect/fleet"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// sharedFile is a configuration of a fleet, beside its key.
func sharedFile(t *testing.T, addr, profile string) (name string) {
	t.Helper()
	name = configFile(t, "http://127.0.0.1:1")
	replace(t, name, "cooldown: 0s", "cooldown: 1h"+profile, "profiles:", `redis: {url: "redis://`+addr+"/0\", key_file: fleet.key}\nprofiles:")
	if code, _, stderr := invoke(t, "state", "key", filepath.Join(filepath.Dir(name), "fleet.key")); code != 0 {
		t.Fatal(stderr)
	}
	return name
}

func TestStateKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fleet.key")
	code, stdout, stderr := invoke(t, "state", "key", file)
	if code != 0 || !strings.HasPrefix(stdout, file+" is made.") {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	first, err := fleet.ReadKey(file)
	if err != nil || len(first) != fleet.KeySize {
		t.Fatal(first, err)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if code, _, stderr = invoke(t, "state", "key", file); code != exitFailed || !strings.Contains(stderr, "is there already, and a key is never overwritten; copy it to each deflectd of the fleet") {
		t.Errorf("a second time: exit code %d: %s", code, stderr)
	}
	if again, err := fleet.ReadKey(file); err != nil || string(again) != string(first) {
		t.Errorf("the key was overwritten: %v", err)
	}
	text := filepath.Join(filepath.Dir(file), "text")
	if err := os.WriteFile(text, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{text}, exitFailed, "it is no key: move it away first"},
		{nil, exitUsage, "make which key?"},
		{[]string{file, "--config", file}, exitUsage, "are both given"},
		{[]string{filepath.Join(file, "none")}, exitFailed, "make the key: "},
		{[]string{"--config", configFile(t, "http://127.0.0.1:1")}, exitUsage, "has no redis.key_file"},
	} {
		if code, _, stderr := invoke(t, append([]string{"state", "key"}, tt.args...)...); code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit code %d: %s", tt.args, code, stderr)
		}
	}
}

// The key that a configuration names is made where that says.
func TestStateKeyOfAConfiguration(t *testing.T) {
	name := sharedFile(t, "127.0.0.1:1", "")
	key := filepath.Join(filepath.Dir(name), "fleet.key")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := invoke(t, "check", name); code != exitUsage || !strings.Contains(stderr, "redis.key_file: cannot be read") || !strings.Contains(stderr, "Make one with: deflectctl state key FILE") {
		t.Errorf("check without a key: exit code %d: %s", code, stderr)
	}
	if code, _, stderr := invoke(t, "state", "key", "--config", name); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if _, err := fleet.ReadKey(key); err != nil {
		t.Error(err)
	}
}

func TestStateOptout(t *testing.T) {
	redis := miniredis.RunT(t)
	name := sharedFile(t, redis.Addr(), ", do_not_text_redis: crm")
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--number +14043438646", 0, "***46 is on the do-not-text list crm.\n"},
		{"--number 4043438646", 0, "***46 is on the do-not-text list crm, as before.\n"},
		{"--number +14043438646 --set crm --remove", 0, "***46 is not on the do-not-text list crm.\n"},
		{"--number +14043438646 --remove", 0, "***46 is not on the do-not-text list crm, as before.\n"},
		{"--number +14043438646 --set other", exitUsage, "--set: no profile asks this list; lists are crm"},
		{"--number 12", exitUsage, "--number: the number cannot be a telephone number"},
		{"", exitUsage, "missing flags: --number=NUMBER"},
	} {
		args := append([]string{"state", "optout", "--config", name}, strings.Fields(tt.args)...)
		if code, stdout, stderr := invoke(t, args...); code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%s: exit code %d, want %d %q: %s%s", tt.args, code, tt.code, tt.want, stdout, stderr)
		}
	}
	code, stdout, stderr := invoke(t, "state", "optout", "--config", name, "--number", caller, "--json")
	var got optedOut
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || got != (optedOut{"***46", "crm", true, true}) {
		t.Errorf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}

	redis.Close()
	if code, _, stderr := invoke(t, "state", "optout", "--config", name, "--number", caller); code != exitFailed || !strings.Contains(stderr, "redis cannot be asked: ") || !strings.Contains(stderr, "nothing was changed") {
		t.Errorf("without Redis: exit code %d: %s", code, stderr)
	}
	if code, _, stderr := invoke(t, "state", "optout", "--config", sharedFile(t, "127.0.0.1:1", ""), "--number", caller); code != exitUsage || !strings.Contains(stderr, "has do_not_text_redis") {
		t.Errorf("without a list: exit code %d: %s", code, stderr)
	}
}

// Check looks at Redis, and takes one that is away for a warning.
func TestCheckLooksAtRedis(t *testing.T) {
	redis := miniredis.RunT(t)
	name := sharedFile(t, redis.Addr(), "")
	if code, stdout, stderr := invokeShowing(t, "check", name); code != 0 || !strings.Contains(stdout+stderr, " redis: ") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	redis.Close()
	code, stdout, stderr := invokeShowing(t, "check", name)
	if code != 0 || !strings.Contains(stdout, "is in order") || !strings.Contains(stderr, "warning: "+name+": redis: could not be looked at from here: ") {
		t.Errorf("without Redis: exit code %d: %s%s", code, stdout, stderr)
	}
	if _, stdout, _ := invokeShowing(t, "check", configFile(t, "http://127.0.0.1:1")); !strings.Contains(stdout, "# redis: is not set. This deflectd knows nothing of others") {
		t.Errorf("without redis: %s", stdout)
	}
}

// Explain asks the fleet for what it knows of the caller.
func TestExplainAsksTheFleet(t *testing.T) {
	redis := miniredis.RunT(t)
	name := sharedFile(t, redis.Addr(), ", do_not_text_redis: crm, budget: {texts: 1, per: 1h}")
	explain := func(want ...string) {
		t.Helper()
		code, stdout, stderr := invoke(t, "explain", "--config", name, "--from", caller, "--to", dialed)
		for _, want := range want {
			if code != 0 || !strings.Contains(stdout, want) {
				t.Errorf("exit code %d, want %q:\n%s%s", code, want, stdout, stderr)
			}
		}
	}
	explain("YES: offered a text", "\ndo_not_text  yes", "\ncooldown     yes", "\nbudget       yes")

	if code, _, stderr := invoke(t, "state", "optout", "--config", name, "--number", caller); code != 0 {
		t.Fatal(stderr)
	}
	explain("NO: not offered a text, because of do_not_text (opted_out)")

	key, err := fleet.ReadKey(filepath.Join(filepath.Dir(name), "fleet.key"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.New(fleet.Config{Addresses: []string{redis.Addr()}, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ok, err := f.Cooldowns().Take(t.Context(), "sales "+caller, "token", time.Hour); !ok || err != nil {
		t.Fatal(ok, err)
	}
	explain("\ncooldown     NO       cooldown: ")
	j, err := journal.Open(filepath.Join(filepath.Dir(name), "state"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	replace(t, name, "profiles:", "state: {dir: state}\nprofiles:")
	explain("\ncooldown     NO       cooldown: ", "\nRemembered of the caller: Nothing waits, is in doubt or in a cooldown (", "; the cooldowns of a fleet are in Redis).")

	redis.Close()
	explain("YES: offered a text, as far as is known here", "\ndo_not_text  ?        known to the fleet: redis cannot be asked: ",
		"\ncooldown     ?        known to the fleet: ", "\nbudget       ?        known to the fleet: ")
}

// A text by hand does not go to who has opted out, nor to who may have.
func TestSendAsksTheFleetsList(t *testing.T) {
	redis := miniredis.RunT(t)
	name := sharedFile(t, redis.Addr(), ", do_not_text_redis: crm")
	if code, _, stderr := invoke(t, "state", "optout", "--config", name, "--number", caller); code != 0 {
		t.Fatal(stderr)
	}
	send := []string{"send", "--config", name, "--from", caller, "--to", dialed}
	if code, stdout, stderr := invoke(t, send...); code != exitFailed || !strings.Contains(stdout, `"reason": "opted_out"`) {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	redis.Close()
	if code, stdout, stderr := invoke(t, send...); code != exitFailed || !strings.Contains(stderr, "nothing was sent, for the number may be on its do-not-text list") {
		t.Errorf("without Redis: exit code %d: %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := invokeShowing(t, append(send, "--dry-run")...); code != 0 || !strings.Contains(stderr, "nothing was sent") {
		t.Errorf("a dry run: exit code %d: %s%s", code, stdout, stderr)
	}
}

// The cooldowns of a fleet end with a number that is released or forgotten.
func TestReleaseOfAFleet(t *testing.T) {
	redis := miniredis.RunT(t)
	for _, journal := range []string{"", "state: {dir: state}\n"} {
		name := sharedFile(t, redis.Addr(), "")
		replace(t, name, "profiles:", journal+"profiles:")
		key, err := fleet.ReadKey(filepath.Join(filepath.Dir(name), "fleet.key"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := fleet.New(fleet.Config{Addresses: []string{redis.Addr()}, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if journal != "" {
			remember(t, filepath.Join(filepath.Dir(name), "state"))
		}
		for _, command := range []string{"release", "forget"} {
			if ok, err := f.Cooldowns().Take(t.Context(), "sales "+caller, command, time.Hour); !ok || err != nil {
				t.Fatal(ok, err)
			}
			code, stdout, stderr := invoke(t, "state", command, "--config", name, "--number", caller, "--json")
			want := 1
			if command == "release" && journal != "" {
				want = 2
			}
			var got struct{ Cooldowns int }
			if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 || got.Cooldowns != want {
				t.Errorf("%q %s: exit code %d, %v, want %d cooldowns: %s%s", journal, command, code, err, want, stdout, stderr)
			}
			if held, err := f.Cooldowns().Held(t.Context(), "sales "+caller); held || err != nil {
				t.Errorf("%q %s: held %t, %v", journal, command, held, err)
			}
		}
	}
}
