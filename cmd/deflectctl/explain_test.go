package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func explainFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "deflectd.yaml")
	data := `livedeflect: {site_id: "38856538", domain: va, consumer_key: appkey, token: apptoken}
profiles:
  - name: sales
    dialed: ["+18005550100"]
    skill: sales
    countries: [US, CA]
    hours: {zone: America/New_York, week: {mon-fri: ["09:00-17:00"], sat: ["22:00-02:00"]}, holidays: ["2026-12-25"]}
    min_wait: 2m
    percent: 40
    do_not_text_file: do-not-text
    consent: variable
    number: ask
    languages: {en-GB: {}}
  - {name: test, dialed: ["+18005550101"], skill: sales, cooldown: 0s}
`
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(name), "do-not-text"), []byte("+14043438647\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExplainTellsWhichRuleSaysNo(t *testing.T) {
	var all strings.Builder
	file := explainFile(t)
	for _, args := range []string{
		"--from +14043438646 --to +18005550100 --at 2026-11-23T10:00:00-05:00 --var deflect_wait_seconds=30 --var deflect_consent=true --var deflect_language=en-AU",
		"--from +14043438646 --to 8005550100 --at 2026-11-23T10:00:00-05:00 --var deflect_consent=true --var uuid=3e0068c6-dcda-4c96-a87d-305d62b539f6",
		"--from +14043438647 --to +18005550100 --at 2026-12-25T10:00:00-05:00",
		"--from anonymous --to +18005550100 --at 2026-11-22T01:00:00-05:00 --var deflect_consent=true --var deflect_language=en-GB",
		"--from +14043438646 --to +18005550101 --at 2026-11-23T10:00:00-05:00",
		"--from +14043438646 --to +18005550199 --at 2026-11-23T10:00:00-05:00",
		"--from +14043438646 --to +18005550199 --at 2026-11-23T10:00:00-05:00 --var deflect_profile=sale",
		"--from +14043438646 --to +18005550101 --at 2026-11-23T10:00:00-05:00 --var deflect_asked=sent --var deflect_mode=accepted",
	} {
		code, stdout, stderr := invoke(t, append([]string{"explain", "--config", file}, strings.Fields(args)...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr)
		}
		fmt.Fprintf(&all, "$ deflectctl explain --config deflectd.yaml %s\n%s\n", args, stdout)
	}
	golden(t, "explain.txt", all.String())
}

// Outside of the hours, a text that can wait is no refusal, as far as it may wait.
func TestExplainTellsOfATextThatCanWait(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deflectd.yaml")
	data := `livedeflect: {site_id: "38856538", domain: va, consumer_key: appkey, token: apptoken}
state: {dir: state}
profiles:
  - {name: sales, skill: sales, hours: {zone: America/New_York, week: {mon-fri: ["09:00-17:00"]}}, later: {closed: 16h}}
`
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]string{
		"2026-11-23T20:00:00-05:00": "it opens at Tue 2026-11-24 09:00, and the text can wait until then",
		"2026-11-27T20:00:00-05:00": "NO: not offered a text, because of hours (outside_hours)", // a Friday
	} {
		code, stdout, stderr := invoke(t, "explain", "--config", file, "--from", caller, "--to", dialed, "--at", at)
		if code != 0 || !strings.Contains(stdout, want) || strings.HasPrefix(want, "NO") != strings.HasPrefix(stdout, "NO") {
			t.Errorf("%s: exit code %d, want %q:\n%s%s", at, code, want, stdout, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "state")); err == nil {
		t.Error("a question has made a journal")
	}
}

func TestExplainUsage(t *testing.T) {
	file := explainFile(t)
	for args, want := range map[string]string{
		"--from 1 --to 2 --at noon": `--at "noon" is no time: write 2026-11-21T09:30:00Z, or seconds or milliseconds since 1970`,
		"--from 1":                  "missing flags: --to=NUMBER",
	} {
		code, _, stderr := invoke(t, append([]string{"explain", "--config", file}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr)
		}
	}
	if code, _, stderr := invoke(t, "explain", "--config", file+".none", "--from", "1", "--to", "2"); code != exitUsage || !strings.Contains(stderr, "cannot be read") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// Every command that takes a time takes the same forms of it.
func TestFormsOfTime(t *testing.T) {
	file := explainFile(t)
	for _, at := range []string{"2026-11-23T10:00:00-05:00", "2026-11-23T15:00:00.000Z", "1795446000", "1795446000000"} {
		code, stdout, stderr := invoke(t, "explain", "--config", file, "--from", caller, "--to", dialed, "--at", at)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Mon 2026-11-23 10:00 in America") {
			t.Errorf("--at %s: exit code %d, stderr %q\n%s", at, code, stderr, stdout)
		}
	}
	for _, at := range []string{"yesterday", "2026-11-23", "2026-11-23T10:00:00", "-5"} {
		for _, command := range []string{"explain --from 1 --to 2 --at=", "settle --external-id x --at=", "report --from=", "report --to="} {
			args := append(strings.Fields(command+at), "--config", file)
			code, _, stderr := invoke(t, args...)
			if code != exitUsage || !strings.Contains(stderr, "is no time: write 2026-11-21T09:30:00Z, or seconds or milliseconds since 1970") {
				t.Errorf("%s%s: exit code %d, stderr %q", command, at, code, stderr)
			}
		}
	}
}

// The whole command, configuration and all.
func BenchmarkExplain(b *testing.B) {
	file := explainFile(b)
	for b.Loop() {
		if code, _, stderr := invoke(b, "explain", "--config", file, "--from", "+14043438646", "--to", "+18005550100"); code != 0 {
			b.Fatal(stderr)
		}
	}
}
