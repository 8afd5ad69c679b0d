package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The first signal drains, another one cuts, and those that come with the first are the
// same one, whichever they are.
func TestFirstSignalDrainsSecondCuts(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name string
		at   []time.Duration // of the signals
		want string
	}{
		{"none", nil, ""},
		{"one", []time.Duration{0}, "drain"},
		{"a double at once", []time.Duration{0, 0}, "drain"},
		{"a double", []time.Duration{0, 100 * ms}, "drain"},
		{"many at once", []time.Duration{0, 10 * ms, 20 * ms, 99 * ms}, "drain"},
		{"two", []time.Duration{0, 101 * ms}, "drain cut"},
		{"two doubles", []time.Duration{0, 50 * ms, 5000 * ms, 5001 * ms}, "drain cut"},
		{"again and again", []time.Duration{0, 60 * ms, 120 * ms, 180 * ms}, "drain cut"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stop, ended := make(chan os.Signal, 2), make(chan struct{})
				var did []string
				go obey(stop, ended, func() { did = append(did, "drain") }, func() { did = append(did, "cut") })
				began := time.Now()
				for i, at := range tt.at {
					time.Sleep(at - time.Since(began))
					stop <- []os.Signal{syscall.SIGTERM, os.Interrupt}[i%2]
					synctest.Wait()
				}
				if got := strings.Join(did, " "); got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
				close(ended)
			})
		})
	}
}

func TestRunUsage(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("livedeflect: {consumer_secret: opensesame, domain: \"${POD}\"}\nbreaker: {failures: 0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const starter = "../../examples/freeswitch/starter.yaml"
	t.Setenv("DEFLECT_CONSUMER_SECRET", "opensesame-consumer")
	t.Setenv("DEFLECT_TOKEN_SECRET", "opensesame-token")
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr []string // parts
	}{
		{"help", []string{"--help"}, 0, []string{"Usage: deflectd --config=FILE", "Exit codes: 0"}, nil},
		{"version", []string{"--version"}, 0, []string{"deflectd ", "go1."}, nil},
		{"help as a word", []string{"help"}, 0, []string{"Usage: deflectd --config=FILE"}, nil},
		{"version as a word", []string{"version"}, 0, []string{"deflectd ", "go1."}, nil},
		{"nothing", nil, exitUsage, nil, []string{"missing flags: --config=FILE", "see deflectd --help"}},
		{"unknown flag", []string{"--colour"}, exitUsage, nil, []string{"unknown flag --colour"}},
		{"no file", []string{"--config", bad + ".none"}, exitUsage, nil, []string{"not started", "cannot be read"}},
		{"bad file", []string{"--config", bad}, exitUsage, nil, []string{
			"not started", bad + ":1: livedeflect.consumer_secret: does not belong in this file",
			bad + ":1: livedeflect.site_id: is missing", bad + ":1: profiles: is empty", bad + ":2: breaker.failures: must be",
			"warning: " + bad + ":1: livedeflect.domain: holds a reference such as ${NAME}",
		}},
		{"no hash yet", []string{"--config", starter, "--web.config.file", "../../examples/freeswitch/web.yml"}, exitUsage, nil, []string{
			"not started: --web.config.file ../../examples/freeswitch/web.yml cannot be used, and nobody is let onto the HTTP port without it: crypto/bcrypt",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run(tt.args, signals{}, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			check := func(where, text string, parts []string) {
				for _, part := range parts {
					if !strings.Contains(text, part) {
						t.Errorf("%s does not have %q:\n%s", where, part, text)
					}
				}
				if len(parts) == 0 && text != "" {
					t.Errorf("%s has %q, want nothing", where, text)
				}
				if strings.Contains(text, "opensesame") {
					t.Errorf("%s shows a secret:\n%s", where, text)
				}
			}
			check("stdout", stdout.String(), tt.stdout)
			check("stderr", stderr.String(), tt.stderr)
		})
	}
}

// A disk that is full is no success.
func TestStandardOutputBroken(t *testing.T) {
	for _, arg := range []string{"--help", "--version", "help", "version"} {
		var stderr strings.Builder
		code := run([]string{arg}, signals{}, fullDisk{}, &stderr)
		if code != exitRuntime || stderr.String() != "deflectd: standard output cannot be written: no space left on device\n" {
			t.Errorf("%s: exit code %d, stderr %q", arg, code, stderr.String())
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// --config goes before DEFLECT_CONFIG.
func TestConfigurationOfTheEnvironment(t *testing.T) {
	t.Setenv("DEFLECT_CONFIG", "of-the-environment.yaml")
	for want, args := range map[string][]string{"of-the-environment.yaml": nil, "of-the-flag.yaml": {"--config", "of-the-flag.yaml"}} {
		var stdout, stderr strings.Builder
		if code := run(args, signals{}, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), want+": cannot be read") {
			t.Errorf("%q: exit code %d, %s", args, code, stderr.String())
		}
	}
}
