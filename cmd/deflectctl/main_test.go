package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "80") // what the help is wrapped to
	for _, tt := range []struct{ file, args string }{
		{"help.txt", "--help"},
		{"help_demo.txt", "demo --help"},
		{"help_send.txt", "send --help"},
		{"help_report.txt", "report --help"},
		{"help_check.txt", "check --help"},
		{"help_load.txt", "load --help"},
		{"help_state.txt", "state --help"},
		{"help_state_forget.txt", "state forget --help"},
		{"help_trace.txt", "trace --help"},
		{"help_completion.txt", "completion --help"},
		{"help_simulate_livedeflect.txt", "simulate livedeflect --help"},
		{"help_simulate_c2m.txt", "simulate c2m --help"},
		{"help_simulate_freeswitch.txt", "simulate freeswitch --help"},
	} {
		var out, errOut strings.Builder // the examples in the help have numbers
		code := run(strings.Fields(tt.args), app{t.Context(), &out, &errOut, secretEnv})
		if code != 0 || errOut.String() != "" {
			t.Errorf("%s: exit code %d, stderr %q", tt.args, code, errOut.String())
		}
		golden(t, tt.file, out.String())
	}
}

// A new value of a flag is one row: the flag takes it then, and the help lists it.
func TestValueOfAFlagIsOneRow(t *testing.T) {
	f, g, p, s := reportFormats, groupings, programmes, shells
	defer func() { reportFormats, groupings, programmes, shells = f, g, p, s }()
	reportFormats = append(slices.Clone(f), reportFormat{name: "smoke", help: "for far away"})
	groupings = append(slices.Clone(g), grouping{name: "moon", words: "phase of the moon"})
	programmes = append(slices.Clone(p), programme{mode: "adrift", when: "nobody calls"})
	shells = append(slices.Clone(s), shell{name: "nut", use: "crack", in: "~/.nutrc"})
	for args, want := range map[string]string{
		"report --help":     "csv, html or smoke|  smoke   for far away|or phase of the moon",
		"report --format x": `"html","smoke" but`,
		"report --by x":     `"dialed","moon" but`,
		"demo --help":       "or nobody calls (adrift).",
		"demo --mode x":     `"inbound","adrift" but`,
		"completion --help": "fish or nut.|crack                                      in ~/.nutrc",
		"completion x":      `"fish","nut" but`,
		"--help":            "zsh, fish or nut.",
	} {
		_, stdout, stderr := invoke(t, strings.Fields(args)...)
		for part := range strings.SplitSeq(want, "|") {
			text := stdout + stderr
			if !strings.Contains(text, part) && !strings.Contains(strings.Join(strings.Fields(text), " "), part) {
				t.Errorf("%s does not have %q:\n%s", args, part, text)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name, args string
		code       int
		stdout     string
		stderr     string
	}{
		{"nothing", "", 0, "Usage: deflectctl <command>", ""},
		{"version", "--version", 0, "deflectctl ", ""},
		{"unknown command", "dance", exitUsage, "", "unexpected argument dance"},
		{"unknown flag", "demo --colour", exitUsage, "", "unknown flag --colour"},
		{"missing flags", "send", exitUsage, "", "missing flags: --config=FILE, --from=NUMBER, --to=NUMBER"},
		{"configuration without a flag", "config", exitUsage, "", "missing flags: --reference"},
		{"missing argument", "check", exitUsage, "", "deflectctl check FILE"},
		{"version as a word", "version", 0, "deflectctl ", ""},
		{"help as a word", "help", 0, "Usage: deflectctl <command>", ""},
		{"help of a command", "help settle", 0, "Usage: deflectctl settle", ""},
		{"help of a command of two words", "help simulate livedeflect", 0, "Usage: deflectctl simulate livedeflect", ""},
		{"help of help", "help help", 0, "Usage: deflectctl help", ""},
		{"help of nothing", "help dance", exitUsage, "", "unexpected argument dance"},
		{"a shell without completion", "completion csh", exitUsage, "", "bash"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", code, tt.code, stdout, stderr)
			}
		})
	}
}

// The reference of the configuration is the page.
func TestConfigPrintsThePage(t *testing.T) {
	page, err := os.ReadFile("../deflectd/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut strings.Builder // the page has an example of a number
	if code := run([]string{"config", "--reference"}, app{t.Context(), &out, &errOut, secretEnv}); code != 0 || errOut.String() != "" || out.String() != string(page) {
		t.Errorf("exit code %d, stderr %q, the page: %v", code, errOut.String(), out.String() == string(page))
	}
}

// Whatever a command shows: when it cannot be written, that is what happened.
func TestStandardOutputBroken(t *testing.T) {
	api := runAPI(t)
	config := configFile(t, api.URL())
	ended, stop := context.WithCancel(t.Context())
	stop()
	for _, args := range []string{
		"--help", "--version", "help", "help check", "version", "completion bash", "complete r",
		"demo",
		"config --reference", "check CONFIG", "explain --config CONFIG --from 1 --to 2", "settle --config CONFIG --external-id x --at 1795446000",
		"send --config CONFIG --from " + caller + " --to " + dialed + " --dry-run", "send --config CONFIG --from " + caller + " --to " + dialed,
		"report --config CONFIG", "report --config CONFIG --format json", "report --config CONFIG --format csv", "report --config CONFIG --format html",
		"simulate livedeflect --listen 127.0.0.1:0", "simulate freeswitch --daemon DAEMON --http HTTP --from " + caller + " --to " + dialed + " --press 1 --press-after 1ms",
		"load --daemon DAEMON --http HTTP --rate 100 --calls 1 --hold 1ms",
	} {
		t.Run(args, func(t *testing.T) {
			ctx := t.Context()
			if strings.HasPrefix(args, "simulate livedeflect") {
				ctx = ended
			}
			if strings.Contains(args, "DAEMON") {
				addr := runDaemonWith(t, config)
				args = strings.NewReplacer("DAEMON", addr, "HTTP", httpOf(addr)).Replace(args)
			}
			full := &fullDisk{}
			var stderr strings.Builder
			code := run(strings.Fields(strings.ReplaceAll(args, "CONFIG", config)), app{ctx, full, &stderr, secretEnv})
			const want = "deflectctl: standard output cannot be written, and not all was shown: no space left on device\n"
			if code != exitFailed || stderr.String() != want {
				t.Errorf("exit code %d, stderr %q", code, stderr.String())
			}
			if full.tries == 0 {
				t.Error("nothing was written")
			}
		})
	}
}

// fullDisk is what a file on a full disk is.
type fullDisk struct{ tries int }

func (f *fullDisk) Write([]byte) (int, error) {
	f.tries++
	return 0, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: errors.New("no space left on device")}
}

// The device of Linux that is always full.
func TestDevFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("there is none here: %v", err)
	}
	defer full.Close()
	for _, args := range []string{"check " + configFile(t, "https://api.example"), "--help", "version"} {
		var stderr strings.Builder
		if code := run(strings.Fields(args), app{t.Context(), full, &stderr, secretEnv}); code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr.String())
		}
	}
}
