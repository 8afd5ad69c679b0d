package main

import (
	"strings"
	"testing"
)

func TestHelp(t *testing.T) {
	t.Setenv("COLUMNS", "80") // what the help is wrapped to
	for _, tt := range []struct{ file, args string }{
		{"help.txt", "--help"},
		{"help_demo.txt", "demo --help"},
		{"help_send.txt", "send --help"},
		{"help_check.txt", "check --help"},
		{"help_load.txt", "load --help"},
		{"help_simulate_livedeflect.txt", "simulate livedeflect --help"},
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
		{"missing argument", "check", exitUsage, "", "<file>"},
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
