package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// loadDaemon runs a deflectd that listens shortly after an offer; each edit is old
// text of its configuration and new.
func loadDaemon(t *testing.T, api *livedeflecttest.Server, edits ...string) string {
	t.Helper()
	name := configFile(t, api.URL())
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(append(edits, "cooldown: 0s", "cooldown: 0s, repeat: 1, gap: 100ms")...).Replace(string(data))
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return runDaemonWith(t, name)
}

// loadWith runs load with --json.
func loadWith(t *testing.T, args ...string) (code int, s loadJSON) {
	t.Helper()
	real := []string{"--real-texts"} // whoever that is
	if port := httpOf(args[slices.Index(args, "--daemon")+1]); port != "" {
		real = []string{"--http", port}
	}
	code, stdout, stderr := invoke(t, append(append([]string{"load", "--json"}, real...), args...)...)
	dec := json.NewDecoder(strings.NewReader(stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil || stderr != "" {
		t.Fatalf("%v: stderr %q, stdout:\n%s", err, stderr, stdout)
	}
	return code, s
}

func TestLoadCountsEveryCall(t *testing.T) {
	api := runAPI(t)
	addr := loadDaemon(t, api)
	code, s := loadWith(t, "--daemon", addr, "--rate", "400", "--calls", "40", "--hold", "50ms", "--press-share", "0.25")
	if code != 0 || s.Calls != 40 || s.Lost != 0 || s.Violations != 0 || s.Interrupted {
		t.Errorf("exit code %d, summary %+v", code, s)
	}
	want := map[string]map[string]int{"sent": {"ok": 10}, "no_input": {"no_key": 30}}
	if diff := cmp.Diff(want, s.Reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"sent": 10, "no_input": 30}, s.Outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if s.HeldMax < 2 || s.Rate <= 0 || s.Rate > 410 {
		t.Errorf("held %d, rate %v", s.HeldMax, s.Rate)
	}
	for name, p := range map[string]percentilesJSON{"latency": s.Latency, "offer": s.Offer, "key": s.Key} {
		if p.P50 == nil || *p.P50 <= 0 || *p.P50 > *p.P90 || *p.P90 > *p.P99 || *p.P99 > *p.Max {
			t.Errorf("%s: %+v", name, p)
		}
	}
	numbers := map[string]bool{}
	for _, d := range api.Sent() {
		numbers[d.CustomerPhoneNumber] = true
	}
	if len(numbers) != 10 {
		t.Errorf("texts to %d numbers, want 10", len(numbers))
	}
}

// TestLoadTimesRequest has an API that is so slow that the wait prompt is played,
// which is not the result.
func TestLoadTimesRequest(t *testing.T) {
	api := runAPI(t)
	api.SetFault(&livedeflecttest.Fault{Delay: 400 * time.Millisecond})
	addr := loadDaemon(t, api, `wait: "", sent: ""`, `wait: wait.wav, sent: sent.wav`)
	code, s := loadWith(t, "--daemon", addr, "--rate", "100", "--calls", "2", "--hold", "20ms", "--press-share", "1")
	if code != 0 || s.Outcomes["sent"] != 2 {
		t.Fatalf("exit code %d, summary %+v", code, s)
	}
	if *s.Key.P50 < 400 || *s.Latency.P50 < *s.Key.P50 || *s.Offer.P50 > *s.Latency.P50 {
		t.Errorf("key %v, latency %v, offer %v ms", *s.Key.P50, *s.Latency.P50, *s.Offer.P50)
	}
}

// TestLoadIneligible has callers who get no offer.
func TestLoadIneligible(t *testing.T) {
	addr := loadDaemon(t, runAPI(t))
	code, s := loadWith(t, "--daemon", addr, "--rate", "100", "--calls", "3", "--from", "+442079460100", "--to", "+15550000")
	if code != 0 || s.Reasons["ineligible"]["no_profile"] != 3 || s.Latency.P50 == nil || s.Offer.P50 != nil || s.Key.Max != nil {
		t.Errorf("exit code %d, summary %+v", code, s)
	}
}

// peerServer runs somebody else where deflectd should be.
func peerServer(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); serve(c) }()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func TestLoadLost(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	say := func(text string, stay bool) string {
		return peerServer(t, func(c net.Conn) {
			io.WriteString(c, text)
			if stay {
				io.Copy(io.Discard, c)
				return
			}
			// Whoever closes with unread data resets the connection.
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
		})
	}
	for _, tt := range []struct {
		name, addr, why string
		violations      int
	}{
		{"nobody listens", nobody.Addr().String(), "no connection: ", 0},
		{"closes at once", say("", false), "connection broken", 0},
		{"garbage", say("HTTP/1.1 400 Bad Request\r\n\r\n", false), "connection broken", 2},
		{"garbage and stays", say("HTTP/1.1 400 Bad Request\r\n\r\n", true), "no end within 200ms", 2},
		{"says nothing", say("", true), "no end within 200ms", 0},
		{"gives back without outcome", say("connect\n\nresume\n\nexit\n\n", false), "no outcome", 0},
		{"leaves socket_resume", say("connect\n\n"+loadOutcome+"resume\n\nexit\n\n", false), "socket_resume left set", 0},
		{"hangs up", say("connect\n\nsendmsg\ncall-command: hangup\n\n", true), "hung up, or left in silence", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, s := loadWith(t, "--daemon", tt.addr, "--rate", "1000", "--calls", "2", "--limit", "200ms")
			if code != exitFailed || s.Calls != 2 || s.Lost != 2 || s.Violations != tt.violations || s.Latency.P50 != nil {
				t.Errorf("exit code %d, summary %+v", code, s)
			}
			for why, n := range s.LostReasons {
				if !strings.HasPrefix(why, tt.why) || n != 2 {
					t.Errorf("lost %d: %s, want %s", n, why, tt.why)
				}
			}
		})
	}
}

const loadOutcome = "sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: deflect_outcome=sent\n\n"

// TestLoadViolation has a peer that gives the call back well, but says what
// FreeSWITCH does not understand.
func TestLoadViolation(t *testing.T) {
	addr := peerServer(t, func(c net.Conn) {
		io.WriteString(c, "connect\n\ndance\n\n"+loadOutcome+"resume\n\nsendmsg\ncall-command: execute\nexecute-app-name: unset\nexecute-app-arg: socket_resume\n\nexit\n\n")
		io.Copy(io.Discard, c)
	})
	code, stdout, _ := invoke(t, "load", "--real-texts", "--daemon", addr, "--rate", "1000", "--calls", "1")
	if code != exitFailed || !strings.Contains(stdout, "sent (none)") || !strings.Contains(stdout, `unknown command "dance"`) {
		t.Errorf("exit code %d:\n%s", code, stdout)
	}
}

// TestLoadInterrupted presses ctrl-C when some calls are in progress that would
// never end.
func TestLoadInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	connected := make(chan struct{}, 1000)
	addr := peerServer(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		io.WriteString(c, "connect\n\n")
		if _, err := in.ReadString('\n'); err == nil {
			connected <- struct{}{}
		}
		io.Copy(io.Discard, in)
	})
	go func() {
		for range 5 {
			<-connected
		}
		interrupt()
	}()
	var out, errOut strings.Builder
	code := run([]string{"load", "--real-texts", "--daemon", addr, "--rate", "200", "--calls", "100000", "--json"}, app{ctx, &out, &errOut, secretEnv})
	var s loadJSON
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
		t.Fatal(err, errOut.String())
	}
	if !s.Interrupted || s.Calls < 5 || s.Calls > 50000 || s.HungUp != s.Calls || code != 0 {
		t.Errorf("exit code %d, summary %+v", code, s)
	}
}

func TestLoadUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--calls 1":                             "missing flags: --rate=N",
		"--rate 1":                              "missing flags: --calls=N",
		"--rate 0 --calls 1":                    "--rate must be",
		"--rate NaN --calls 1":                  "--rate must be",
		"--rate Inf --calls 1":                  "--rate must be",
		"--rate 0.001 --calls 1000000":          "take longer than",
		"--rate 1 --calls 0":                    "--calls must be",
		"--rate 1 --calls 1 --hold 0s":          "--hold must be",
		"--rate 1 --calls 1 --press-share 1.1":  "--press-share must be",
		"--rate 1 --calls 1 --press-share NaN":  "--press-share must be",
		"--rate 1 --calls 1 --press 12":         "--press must be one key",
		"--rate 1 --calls 1 --press x":          "not keys of a telephone",
		"--rate 1 --calls 1 --limit=-1s":        "--limit must not",
		"--rate 1 --calls 1 --from anonymous":   "--from cannot be counted up",
		"--rate 1 --calls 1 --var a\x00=b":      "cannot be the name of a variable",
		"--rate 1 --calls 1 --hold 5 --press 1": "--hold",
	} {
		code, stdout, stderr := invoke(t, append([]string{"load"}, strings.Split(args, " ")...)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d, stderr %q, want %q", args, code, stderr, want)
		}
	}
}

// TestLoadOwnLimits has what the generator runs out of, which is not deflectd's fault.
func TestLoadOwnLimits(t *testing.T) {
	for _, no := range []error{syscall.EMFILE, syscall.EADDRNOTAVAIL} {
		r := freeswitchtest.Result{Release: freeswitchtest.Unreached, Unreached: no}
		if why := loss(r, nil); !strings.Contains(why, "generator") {
			t.Errorf("%v: %q", no, why)
		}
	}
}
