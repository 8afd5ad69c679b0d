package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

func TestCheckGoodFile(t *testing.T) {
	name := configFile(t, "https://api.example")
	code, stdout, stderr := invokeShowing(t, "check", name)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	if !strings.HasPrefix(stdout, "# "+name+" is in order.") {
		t.Errorf("stdout begins with %.80q", stdout)
	}
	for _, part := range []string{"live_deadline: 4s", "accept_digit: \"1\"", "# consumer_secret: [redacted] (from DEFLECT_CONSUMER_SECRET)"} {
		if !strings.Contains(stdout, part) {
			t.Errorf("stdout does not have %q:\n%s", part, stdout)
		}
	}
	if _, err := config.Parse("again.yaml", []byte(stdout), secretEnv); err != nil {
		t.Errorf("what was printed does not load: %v", err)
	}
}

func TestCheckBadFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(name, []byte("livedeflect:\n  consumer_secret: opensesame\nbreaker: {failures: 0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invoke(t, "check", name)
	if code != exitUsage || stdout != "" {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
	for _, part := range []string{
		name + ":2: livedeflect.consumer_secret: does not belong in this file", name + ":3: breaker.failures: must be",
		"deflectctl: 6 problems in the configuration",
	} {
		if !strings.Contains(stderr, part) {
			t.Errorf("stderr does not have %q:\n%s", part, stderr)
		}
	}
	if code, _, stderr = invoke(t, "check", name+".none"); code != exitUsage || !strings.Contains(stderr, "1 problem in") {
		t.Errorf("without a file: exit code %d, stderr %q", code, stderr)
	}
}

// The file as an argument, or as the other commands take it.
func TestCheckConfigFlag(t *testing.T) {
	name := configFile(t, "https://api.example")
	code, stdout, stderr := invokeShowing(t, "check", "--config", name)
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "# "+name+" is in order.") {
		t.Errorf("exit code %d, stderr %q\n%s", code, stderr, stdout)
	}
	code, _, stderr = invokeShowing(t, "check", "--config", name, name)
	if code != exitUsage || !strings.Contains(stderr, "FILE and --config are both given: keep one") {
		t.Errorf("both: exit code %d, stderr %q", code, stderr)
	}
}

// More calls than any process has descriptors for.
func TestCheckOpenFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no limit of open files")
	}
	name := configFile(t, "https://api.example")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(data), "outbound: {", "outbound: {max_calls: 2000000000, ", 1)
	if err := os.WriteFile(name, []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invokeShowing(t, "check", name)
	if code != 0 || !strings.Contains(stdout, "# freeswitch.outbound.max_calls: started from here, deflectd serves ") {
		t.Errorf("exit code %d, %q\n%s", code, stderr, stdout)
	}
}

func TestCheckWarns(t *testing.T) {
	name := configFile(t, "https://api.example")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(data), "skill: sales, ", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := invokeShowing(t, "check", name)
	if code != 0 || !strings.HasPrefix(stderr, "warning: "+name+":5: profiles[0].skill: is missing") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// invokeShowing is invoke for a command that shows the brand's own numbers: they
// are configuration.
func invokeShowing(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut strings.Builder
	code = run(args, app{t.Context(), &out, &errOut, secretEnv})
	shows(t, strings.ReplaceAll(out.String()+errOut.String(), dialed, "***00"))
	return code, out.String(), errOut.String()
}

// What a configuration without a journal means, and how it is with the folder of one:
// nothing is made, and no exit code is changed.
func TestCheckTellsOfTheState(t *testing.T) {
	name := configFile(t, "https://api.example")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, stdout, stderr := invokeShowing(t, "check", name)
	if !strings.Contains(stdout, "\n# state.dir: is not set. After a restart callers can be texted again") || stderr != "" {
		t.Errorf("without state: stderr %q\n%s", stderr, stdout)
	}
	base := t.TempDir()
	file := filepath.Join(base, "file")
	open := filepath.Join(base, "open")
	private := filepath.Join(base, "private")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(open, 0o700), os.Chmod(open, 0o755), os.Mkdir(private, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, stdout, stderr string }{
		{filepath.Join(base, "new", "state"), "# state.dir: DIR is not there yet, and can be made", ""},
		{private, "# state.dir: DIR is there, and private", ""},
		{open, "", "state.dir: DIR is open to other users of this machine (mode 0755): deflectd closes it at its start if nothing but a journal is in it; else chmod 700 it"},
		{file, "", "state.dir: DIR is no folder"},
		{filepath.Join(file, "state"), "", "state.dir: DIR cannot be"},
	} {
		if runtime.GOOS == "windows" && tt.dir == open {
			continue // modes of files mean something else there
		}
		with := string(data) + "state: {dir: " + strconv.Quote(tt.dir) + "}\n"
		if err := os.WriteFile(name, []byte(with), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := invokeShowing(t, "check", name)
		want := strings.NewReplacer("DIR", tt.dir).Replace
		if code != 0 || !strings.Contains(stdout, want(tt.stdout)) || !strings.Contains(stderr, want(tt.stderr)) || (tt.stderr == "") != (stderr == "") {
			t.Errorf("%s: exit code %d, stderr %q\n%s", tt.dir, code, stderr, stdout)
		}
	}
	if _, err := os.Stat(filepath.Join(base, "new")); err == nil {
		t.Error("check has made the folder")
	}
	if left, err := os.ReadDir(private); err != nil || len(left) > 0 {
		t.Errorf("check has left %v in the folder, error %v", left, err)
	}
}

// What the environment names is for where nothing else does.
func TestCheckOfTheEnvironment(t *testing.T) {
	getenv := func(name string) string {
		if name == "DEFLECT_CONFIG" {
			return "of-the-environment.yaml"
		}
		return ""
	}
	for want, args := range map[string][]string{"of-the-environment.yaml": {"check"}, "named.yaml": {"check", "named.yaml"}} {
		var out, errOut strings.Builder
		if code := run(args, app{t.Context(), &out, &errOut, getenv}); code != exitUsage || !strings.Contains(errOut.String(), want+": cannot be read") {
			t.Errorf("%q: exit code %d, %s", args, code, errOut.String())
		}
	}
}

// What moves to another API, key by key: the exit code says whether it can.
func TestCheckAsC2M(t *testing.T) {
	for _, tt := range []struct {
		file   string
		change func(string) string
		secret string // of the client, in the environment
		code   int
		stderr string
	}{
		{"move", func(s string) string { return strings.Replace(s, "LONG", strings.Repeat("Hola. ", 300), 1) }, "", exitFailed,
			"deflectctl: 4 of these are missing, or cannot stay\n"},
		{"move_both", func(s string) string { return s }, "opensesame-client", 0, ""},
		{"move_little", func(s string) string { return s }, "opensesame-client", 0, ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", tt.file+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(t.TempDir(), "deflectd.yaml")
			if err := os.WriteFile(name, []byte(tt.change(string(raw))), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errOut strings.Builder
			code := run([]string{"check", "--as", "c2m", name}, app{t.Context(), &out, &errOut, func(name string) string {
				if name == "DEFLECT_CLIENT_SECRET" {
					return tt.secret
				}
				return secretEnv(name)
			}})
			if shows(t, strings.ReplaceAll(out.String()+errOut.String(), dialed, "")); code != tt.code || !strings.HasSuffix(errOut.String(), tt.stderr) {
				t.Errorf("exit code %d, stderr %q", code, errOut.String())
			}
			golden(t, tt.file+".txt", strings.ReplaceAll(out.String(), filepath.Dir(name)+string(filepath.Separator), ""))
		})
	}
}

// What moves can be told where LiveDeflect's secrets are not; those of a section that stays
// are looked for.
func TestCheckAsC2MWithoutSecrets(t *testing.T) {
	if code, stdout, stderr := invoke(t, "check", "--as=c2m", "../../examples/freeswitch/deflectd.yaml"); code != exitFailed || !strings.Contains(stdout, "c2m.client_id: is missing") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	var out, errOut strings.Builder
	code := run([]string{"check", "--as=c2m", "testdata/move_both.yaml"}, app{t.Context(), &out, &errOut, secretEnv})
	if code != exitUsage || !strings.Contains(errOut.String(), "c2m.client_secret_file: is missing") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out.String(), errOut.String())
	}
}

// A file of Connect to Messaging alone has nothing to move, and there is no third API.
func TestCheckAsNeedsSomethingToMove(t *testing.T) {
	name := filepath.Join(t.TempDir(), "deflectd.yaml")
	if err := os.WriteFile(name, []byte("c2m: {account: \"1\", auth: oauth1, consumer_key: KEY, token: T, handoff_id: H1}\nprofiles: [{name: all, skill: s}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := invoke(t, "check", "--as=c2m", name); code != exitUsage || stdout != "" || stderr != "deflectctl: there is no section livedeflect: nothing has to move\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if code, _, stderr := invoke(t, "check", "--as=sms", name); code != exitUsage || !strings.Contains(stderr, "--as") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}
