package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// A call that somebody wants to be traced is listed, told step by step, masked unless asked
// for, and forgotten.
func TestTrace(t *testing.T) {
	api := runAPI(t)
	api.Inject(livedeflecttest.Fault{Status: 400})
	name := configFile(t, api.URL())
	calls := serveState(t, name, "")
	trace := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := invoke(t, append([]string{"trace", "--config", name}, args...)...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr)
		}
		return stdout
	}
	if got := trace(); !regexp.MustCompile(`^0 traced calls \(from deflectd at http://127\.0\.0\.1:\d+\)\. No more are traced: --next N`).MatchString(got) {
		t.Errorf("at first: %s", got)
	}
	if got := trace("--next", "1"); !strings.HasSuffix(got, ". The next call is traced.\n") {
		t.Errorf("--next: %s", got)
	}
	nc, err := net.Dial("tcp", calls)
	if err != nil {
		t.Fatal(err)
	}
	call := freeswitchtest.Call{UUID: "3e0068c6-dcda-4c96-a87d-305d62b539f6", ANI: caller, DNIS: dialed, CallerName: "Jane", SocketResume: true, Script: []freeswitchtest.Action{freeswitchtest.Press("1")}}
	if _, err := call.Run(t.Context(), nc); err != nil {
		t.Fatal(err)
	}
	list := trace()
	for until := time.Now().Add(10 * time.Second); strings.Contains(list, "in progress") && time.Now().Before(until); list = trace() {
		time.Sleep(10 * time.Millisecond)
	}
	if !regexp.MustCompile(`\n3e0068c6-dcda-4c96-a87d-305d62b539f6  \*\*\*46   \*\*\*00   sales    20\S+  failed rejected\n`).MatchString(list) {
		t.Errorf("the list is:\n%s", list)
	}
	for _, by := range [][]string{{"--call", "3e0068c6-dcda-4c96-a87d-305d62b539f6"}, {"--number", "(404) 343-8646"}} {
		got := trace(by...)
		for _, want := range []string{
			"call 3e0068c6-dcda-4c96-a87d-305d62b539f6 of ***46 to ***00, profile sales\nbegan 20", ", failed rejected\n\n    0.0", "s  command  connect\n",
			"s  rule     number: pass, ", "s  event    DTMF\n", "s  request  to text ***46\n", "s  end      failed rejected",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", by, want, got)
			}
		}
		sample(t, got)
		var out, errOut strings.Builder
		code := run(append([]string{"trace", "--config", name, "--reveal"}, by...), app{context.Background(), &out, &errOut, secretEnv})
		if code != 0 || !strings.Contains(out.String(), " of "+caller+" to ") || !strings.Contains(out.String(), "s  event    DTMF 1\n") {
			t.Errorf("%s revealed: exit code %d, %s\n%s", by, code, errOut.String(), out.String())
		}
	}
	var all state.Traces
	if err := json.Unmarshal([]byte(trace("--json", "--number", caller)), &all); err != nil || len(all.Calls) != 1 || all.Calls[0].Number != "***46" || len(all.Calls[0].Steps) < 20 {
		t.Errorf("as JSON: %v, %+v", err, all)
	}
	for range 2 { // this deflectd has no journal
		code, stdout, stderr := invoke(t, "state", "forget", "--config", name, "--number", caller)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "from the memory of deflectd") {
			t.Errorf("forget: exit code %d, %q, %q", code, stdout, stderr)
		}
	}
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--number " + caller, exitFailed, "there is no trace of such a call: no calls are traced; let the next ones be (deflectctl trace --next 5)"},
		{"--number 12", exitUsage, "--number: the number cannot be a telephone number"},
		{"--next 201", exitUsage, "--next: must be between 0 and 200"},
		{"--reveal", exitUsage, "--reveal: is for one call or number"},
		{"--next 1 --call x", exitUsage, "can't be used together"},
	} {
		code, stdout, stderr := invoke(t, append([]string{"trace", "--config", name}, strings.Fields(tt.args)...)...)
		if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d, %q, %q", tt.args, code, stdout, stderr)
		}
	}
}

var (
	stepTimes = regexp.MustCompile(`(began )\S+|\d+\.\d{3}s  |, [0-9.]+[mµ]?s\b`)
	chance    = regexp.MustCompile(`(?m)^.* (filter|API_REPLY|END|DISCONNECT_NOTICE) ?.*\n`) // may be there or not, at the end
)

// sample compares with what README shows, all but the times. What runs beside each other
// comes in any order.
func sample(t *testing.T, got string) {
	t.Helper()
	goldenBut(t, "trace.txt", got, func(s string) string {
		lines := slices.Sorted(strings.Lines(stepTimes.ReplaceAllString(chance.ReplaceAllString(s, ""), "$1")))
		return strings.Join(lines, "")
	})
}

// Without a deflectd there are no traces, and nothing to forget.
func TestTraceWithoutDeflectd(t *testing.T) {
	name := configFile(t, "http://127.0.0.1:1")
	replace(t, name, anyPort, nobodysPort)
	if code, _, stderr := invoke(t, "trace", "--config", name); code != exitFailed || !strings.Contains(stderr, "deflectd cannot be reached at http://127.0.0.1:1") || !strings.Contains(stderr, "ask on its machine") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	if code, stdout, stderr := invoke(t, "state", "forget", "--config", name, "--number", caller); code != 0 || !strings.Contains(stdout, "Nothing was known of ***46 (from the memory of deflectd at http://127.0.0.1:1, if it runs)") {
		t.Errorf("forget: exit code %d, %q, %q", code, stdout, stderr)
	}
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer locked.Close()
	replace(t, name, "127.0.0.1:1\"", locked.Listener.Addr().String()+`"`)
	if code, stdout, stderr := invoke(t, "state", "forget", "--config", name, "--number", caller); code != exitFailed || stdout != "" || !strings.Contains(stderr, "it asks for a password") {
		t.Errorf("one who does not answer: exit code %d, %q, %q", code, stdout, stderr)
	}
}

// What a stranger has put into a call reaches no terminal as it is.
func TestTraceTextIsVisible(t *testing.T) {
	bad := "\x1b[2J\r\n\u202e\u009b2J\x7f\U000e0041" + strings.Repeat("x", 5000)
	all := state.Traces{Profiles: []string{bad}, Calls: []state.Trace{{
		CallID: bad, UUID: bad, Profile: bad, Number: bad, Dialed: bad, Outcome: bad, LeftOut: 2,
		Steps: []state.TraceStep{{Kind: bad, Text: bad}},
	}}}
	const hidden = "\x1b\r\u202e\u009b\x7f\U000e0041"
	var js bytes.Buffer
	if err := printJSON(&js, all); err != nil {
		t.Fatal(err)
	}
	var same state.Traces
	if err := json.Unmarshal(js.Bytes(), &same); err != nil || cmp.Diff(all, same) != "" {
		t.Errorf("as JSON: %v, %s", err, cmp.Diff(all, same))
	}
	for _, text := range []string{traceText(all), tracesText(all, "here")} {
		for _, line := range strings.Split(text, "\n") {
			if strings.ContainsAny(line, hidden) || len(line) > 3000 {
				t.Errorf("shown: %q", line)
			}
		}
	}
	if strings.ContainsAny(js.String(), hidden) {
		t.Errorf("shown as JSON: %q", js.String())
	}
}

// What is traced from now on is said as a sentence.
func TestTracesSayWhatIsTraced(t *testing.T) {
	for want, all := range map[string]state.Traces{
		"0 traced calls (from deflectd at here). No more are traced: --next N traces the next ones, and 'trace: true' all of a profile.\n":         {},
		"0 traced calls (from deflectd at here). The next call is traced.\n":                                                                       {Next: 1},
		"0 traced calls (from deflectd at here). Those of sales are traced.\n":                                                                     {Profiles: []string{"sales"}},
		"0 traced calls (from deflectd at here). Those of billing, rest and sales are traced, and the next 2 calls are, whatever their profile.\n": {Profiles: []string{"billing", "rest", "sales"}, Next: 2},
	} {
		if got := tracesText(all, "here"); got != want {
			t.Errorf("%+v: %q, want %q", all, got, want)
		}
	}
}
