package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// Children are this program: in tests, the test binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of children: nobody has to wait for them
	os.Exit(m.Run())
}

// TestQuick runs everything, so that the benchmark cannot rot. What it measures is not
// looked at.
func TestQuick(t *testing.T) {
	var out, news bytes.Buffer
	profile := filepath.Join(t.TempDir(), "cpu")
	code := run(t.Context(), []string{"--quick", "--profile", profile}, &out, &news)
	if runtime.GOOS != "linux" {
		if code != 1 || !strings.Contains(news.String(), "Linux only") {
			t.Errorf("exit code %d, said %q", code, news.String())
		}
		return
	}
	if code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, out.String(), news.String())
	}
	tables := 0
	for part := range strings.SplitSeq(out.String(), "\n\n") {
		if !strings.HasPrefix(part, "|") {
			continue
		}
		tables++
		lines := strings.Split(strings.TrimSpace(part), "\n")
		columns := strings.Count(lines[0], "|")
		for _, line := range lines {
			if strings.Count(line, "|") != columns {
				t.Errorf("not a table:\n%s", part)
				break
			}
		}
	}
	want, profiles := 14, []string{profile, profile + ".floor", profile + ".journal", profile + ".500.journal", profile + ".c2m"} // memory, latency, core and journal have two tables each, c2m has three
	if _, err := exec.LookPath(redisServer); err == nil {
		want, profiles = want+4, append(profiles, profile+".redis", profile+".500.redis")
	}
	if tables != want {
		t.Errorf("%d tables:\n%s", tables, out.String())
	}
	for _, want := range []string{"Saturation: ", "Latency: ", "Memory: 50 ", "Memory: 100 ", "Load: ", "Core: ", "Journal: ", "Fleet: ", "C2M: ", "Status: "} {
		if !strings.Contains(out.String(), "\n"+want) {
			t.Errorf("no table begins with %q:\n%s", want, out.String())
		}
	}
	if bad := regexp.MustCompile(`NaN|Inf| - `).FindString(out.String()); bad != "" {
		t.Errorf("a figure is %s:\n%s", bad, out.String())
	}
	for _, file := range profiles {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			t.Errorf("the profile: %v, %v", info, err)
		}
	}
	if n := strings.Count(out.String(), "\n| "+floor+" "); n != 2 { // saturation, and key to request
		t.Errorf("the floor is in %d tables:\n%s", n, out.String())
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{
		"--runs 0", "--calls -1", "--time 0s", "--rate 0", "--rates 50,0", "--held 10,10", "--held 0", "--cores 0", "--block 0", "--warm-up 0", "--keys 0",
		"--only everything", "--no-such-flag", "child",
	} {
		if code := run(t.Context(), strings.Fields(args), io.Discard, io.Discard); code != 2 {
			t.Errorf("%s: exit code %d, want 2", args, code)
		}
	}
	var help bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &help, io.Discard); code != 0 || !strings.Contains(help.String(), "--quick") {
		t.Errorf("--help: exit code %d\n%s", code, help.String())
	}
}
