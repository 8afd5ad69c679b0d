package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunUsage(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("livedeflect: {consumer_secret: opensesame}\nbreaker: {failures: 0}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr []string // parts
	}{
		{"help", []string{"--help"}, 0, []string{"Usage: deflectd --config=FILE", "Exit codes: 0"}, nil},
		{"version", []string{"--version"}, 0, []string{"deflectd ", "go1."}, nil},
		{"nothing", nil, exitUsage, nil, []string{"missing flags: --config=FILE", "see deflectd --help"}},
		{"unknown flag", []string{"--colour"}, exitUsage, nil, []string{"unknown flag --colour"}},
		{"no file", []string{"--config", bad + ".none"}, exitUsage, nil, []string{"not started", "cannot be read"}},
		{"bad file", []string{"--config", bad}, exitUsage, nil, []string{
			"not started", bad + ":1: livedeflect.consumer_secret: does not belong in this file",
			bad + ":1: livedeflect.site_id: is missing", bad + ":1: profiles: is empty", bad + ":2: breaker.failures: must be",
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
