package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

var (
	offsets = regexp.MustCompile(`[0-9]+\.[0-9]{3}s`)
	total   = regexp.MustCompile(`in [0-9]+\.[0-9]s`)
	demoIDs = regexp.MustCompile(`callId [0-9a-f]{8}\.\.\.`)
	sums    = regexp.MustCompile(`(_seconds_sum(?:\{\S*\})?) \S+`)
)

func TestDemoTellsItsStory(t *testing.T) {
	for file, args := range map[string][]string{"demo.txt": {"demo"}, "demo_inbound.txt": {"demo", "--mode", "inbound"}, "demo_c2m.txt": {"demo", "--api", "c2m"}} {
		t.Run(file, func(t *testing.T) { testDemo(t, file, args) })
	}
}

func testDemo(t *testing.T, file string, args []string) {
	t.Parallel()
	began := time.Now()
	code, stdout, stderr := invoke(t, args...)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("the demo took %v", took)
	}
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	stdout = offsets.ReplaceAllString(stdout, "_.___s")
	stdout = total.ReplaceAllString(stdout, "in _._s")
	stdout = demoIDs.ReplaceAllString(stdout, "callId ________...")
	golden(t, file, sums.ReplaceAllString(stdout, "$1 _"))
	for _, line := range strings.Split(stdout, "\n") {
		if len(line) > 95 {
			t.Errorf("a line is too wide for a terminal: %q", line)
		}
	}
}

// TestDemoNotices shows that the demo does not call a failure a success.
func TestDemoNotices(t *testing.T) {
	t.Parallel()
	bad := scenes[0]
	bad.fault = livedeflecttest.Fault{Status: 503}
	var out, errOut strings.Builder
	err := programme{scenes: []scene{bad}}.play(&app{t.Context(), &out, &errOut, secretEnv})
	if err == nil || !strings.Contains(err.Error(), "3 surprises") {
		t.Errorf("error %v", err)
	}
	for _, part := range []string{
		"NOT AS EXPECTED: the outcome is uncertain (server_error), not sent (ok)", "NOT AS EXPECTED: 0 texts were sent, not 1", "NOT AS EXPECTED: the report shows 0 texts, not 1",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the output does not have %q:\n%s", part, out.String())
		}
	}
	shows(t, out.String())
}

// TestDemoNoticesInbound shows the same for callers who wait.
func TestDemoNoticesInbound(t *testing.T) {
	t.Parallel()
	bad := inboundScenes[0]
	bad.fault = livedeflecttest.Fault{Status: 400}
	var out, errOut strings.Builder
	err := programme{inbound: true, scenes: []scene{bad}}.play(&app{t.Context(), &out, &errOut, secretEnv})
	if err == nil || !strings.Contains(out.String(), `NOT AS EXPECTED: the caller is at "the queue", not at "9999 XML public"`) {
		t.Errorf("error %v, the output:\n%s", err, out.String())
	}
	shows(t, out.String())
}

func TestDemoInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, errOut strings.Builder
	if code := run([]string{"demo"}, app{ctx, &out, &errOut, secretEnv}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

func TestDemoShowsCountersThatMoved(t *testing.T) {
	for line, want := range map[string]bool{
		`deflect_outcomes_total{outcome="sent",profile="sales",reason="ok"} 1`:       true,
		`deflect_outcomes_total{outcome="failed",profile="sales",reason="switch"} 0`: false,
		`deflect_request_duration_seconds_bucket{call="invite",le="0.1"} 2`:          false,
		`# HELP deflect_outcomes_total Calls`:                                        false,
		`go_goroutines 9`:                                                            false,
	} {
		if got := moved(line); got != want {
			t.Errorf("moved(%q) = %v, want %v", line, got, want)
		}
	}
}
