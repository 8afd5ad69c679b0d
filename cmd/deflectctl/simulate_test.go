package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// TestSimulateLiveDeflect starts the simulator and sends to it.
func TestSimulateLiveDeflect(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		var errOut strings.Builder
		ended <- run([]string{
			"simulate", "livedeflect", "--listen", "127.0.0.1:0", "--consumer-key", "appkey", "--token", "apptoken",
			"--next-fault", "status=503", "--next-fault", "reset-after", "--next-fault", "no-text",
			"--conversation-after", "1ns",
		}, app{ctx, w, &errOut, func(name string) string { return secretEnv(name) + " \n" }}) // as deflectd, with blanks
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	var introduction []string
	for lines.Scan() && !strings.Contains(lines.Text(), "DEFLECT_TOKEN_SECRET") {
		introduction = append(introduction, lines.Text())
	}
	lines.Scan() // the empty line
	said := strings.Join(introduction, "\n")
	shows(t, said)
	found := regexp.MustCompile(`base_url: (http://127\.0\.0\.1:[0-9]+)`).FindStringSubmatch(said)
	if found == nil || !strings.Contains(said, "DEFLECT_CONSUMER_SECRET=(the one given here)") {
		t.Fatalf("the introduction is\n%s", said)
	}

	clock := regexp.MustCompile(`^[0-9]{2}:[0-9]{2}:[0-9]{2}  `)
	file := configFile(t, found[1])
	send := []string{"send", "--config", file, "--from", caller, "--to", dialed}
	settle := []string{"settle", "--config", file, "--external-id", "x", "--at", time.Now().Format(time.RFC3339)}
	for _, step := range []struct {
		args []string
		want string
	}{
		{send, "503  no text; fault status=503"},
		{send, "---  text sent to ***46, skill sales, callId 473513; fault reset-after"},
		{send, "200  no text, callId 473514; fault no-text"},
		{send, "200  text sent to ***46, skill sales, callId 473515"},
		{settle, "200  report of 3 calls, 16 events"}, // two of them with a conversation
	} {
		sent, want := make(chan struct{}), step.want
		go func() {
			defer close(sent)
			invoke(t, step.args...)
		}()
		lines.Scan()
		<-sent
		if got := clock.ReplaceAllString(lines.Text(), ""); got != want {
			t.Errorf("line %q, want %q", got, want)
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSimulateLiveDeflectUsage(t *testing.T) {
	for args, want := range map[string]string{
		"--listen 0.0.0.0:8090":                           "add --allow-remote",
		"--listen :8090":                                  "add --allow-remote",
		"--listen 127.0.0.1:0 --fault dance":              "--fault: ",
		"--listen 127.0.0.1:0 --next-fault status=1":      "--next-fault: ",
		"--listen 127.0.0.1:0 --fault status=500,garbage": "exclude each other",
	} {
		code, _, stderr := invoke(t, append([]string{"simulate", "livedeflect"}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit code %d, stderr %q", args, code, stderr)
		}
	}
}

// runDaemon runs a deflectd against the API double and returns its address.
func runDaemon(t *testing.T) string {
	t.Helper()
	return runDaemonWith(t, configFile(t, runAPI(t).URL()))
}

// runDaemonWith runs a deflectd with a configuration and returns its address.
func runDaemonWith(t *testing.T, name string) string {
	t.Helper()
	file, err := config.Load(name, secretEnv)
	if err != nil {
		t.Fatal(err)
	}
	return runDaemonOf(t, daemon.Options{Config: file})
}

// runDaemonOf runs a daemon, whose HTTP port is httpOf of what it returns.
func runDaemonOf(t *testing.T, o daemon.Options) string {
	t.Helper()
	d, err := daemon.New(o)
	if err != nil {
		t.Fatal(err)
	}
	httpPorts.Store(d.Addr(), d.HTTPAddr())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d.Addr()
}

// httpPorts are those of the daemons by where these take calls.
var httpPorts sync.Map

func httpOf(addr string) string {
	port, _ := httpPorts.Load(addr)
	text, _ := port.(string)
	return text
}

func TestSimulateFreeSWITCH(t *testing.T) {
	addr := runDaemon(t)
	tests := []struct {
		name, args string
		want       []string
	}{
		{"presses 1", "--press 1 --press-after 1ms", []string{
			"caller presses 1", "the dialplan goes on\n", "  deflect_call_id=473513\n", "  deflect_outcome=sent\n", "  deflect_reason=ok\n",
		}},
		{"hangs up", "--hangup-after 1ms", []string{"caller hangs up", "\nthe caller hung up\n"}},
		{"hides the number", "--hide-number", []string{"  deflect_outcome=ineligible\n", "  deflect_reason=number_hidden\n"}},
		{"variables", "--var deflect_mode=accepted --var deflect_skill=a;b=c", []string{"  deflect_outcome=sent\n"}},
		{"many", "--press 1 --press-after 1ms --calls 20", []string{
			"    20  the dialplan goes on; sent (ok)\n", "slowest back in the dialplan after ",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"simulate", "freeswitch", "--daemon", addr, "--http", httpOf(addr), "--from", caller, "--to", dialed}, strings.Fields(tt.args)...)
			code, stdout, stderr := invoke(t, args...)
			if code != 0 || stderr != "" {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
			for _, part := range tt.want {
				if !strings.Contains(stdout, part) {
					t.Errorf("stdout does not have %q:\n%s", part, stdout)
				}
			}
		})
	}
}

// The simulated switch is no kinder than a real one: the starter file works with what
// is shipped, and prompts that somebody has yet to record end the offer.
func TestSimulateFreeSWITCHSounds(t *testing.T) {
	starter, err := os.ReadFile("../../examples/freeswitch/starter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	api := livedeflecttest.RunT(t, livedeflecttest.Config{
		SiteID: "38856538", ConsumerKey: simulatorKey, ConsumerSecret: "opensesame-consumer",
		Token: simulatorToken, TokenSecret: "opensesame-token",
	})
	text := strings.Replace(string(starter), "http://127.0.0.1:8090", api.URL(), 1)
	text += "    cooldown: 0s\n"
	const listen = "freeswitch: {outbound: {listen: 127.0.0.1:0}}\nhttp: {listen: 127.0.0.1:0}\n"
	own := `    prompts: {offer: ivr/offer.wav, wait: "", sent: ivr/sent.wav, failed: "", uncertain: ""}` + "\n"

	prefix := t.TempDir()
	if err := os.CopyFS(filepath.Join(prefix, "ivrdeflect"), os.DirFS("../../dialplan/sounds")); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(t.TempDir(), "ivr")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "offer.wav"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	addrs := map[bool]string{}
	for _, recorded := range []bool{false, true} {
		name := filepath.Join(t.TempDir(), "deflectd.yaml")
		data := text + map[bool]string{true: own}[recorded] + listen
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		addrs[recorded] = runDaemonWith(t, name)
	}
	for _, tt := range []struct {
		name     string
		recorded bool   // prompts of one's own
		sounds   string // none for the default
		code     int
		want     []string
	}{
		{"starter", false, "", 0, []string{"deflect_outcome=sent", "deflect_heard=true"}},
		{"starter, prompts copied", false, prefix, 0, []string{"deflect_outcome=sent", "deflect_heard=true"}},
		{"starter, prompts not copied", false, t.TempDir(), exitFailed, []string{
			"cannot find ivrdeflect/en/offer.wav", "deflect_outcome=failed", "deflect_reason=prompt", "missing: ivrdeflect/en/offer.wav, ",
		}},
		{"recorded, not installed", true, "", exitFailed, []string{
			"cannot find ivr/offer.wav", "deflect_outcome=failed", "deflect_reason=prompt", "missing: ivr/offer.wav, ",
		}},
		{"recorded, one installed", true, filepath.Dir(half), exitFailed, []string{
			"deflect_outcome=sent", "deflect_heard=false", "missing: ivr/sent.wav, ",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"simulate", "freeswitch", "--daemon", addrs[tt.recorded], "--http", httpOf(addrs[tt.recorded]), "--from", caller, "--to", dialed, "--press", "1", "--press-after", "1ms"}
			if tt.sounds != "" {
				args = append(args, "--sounds", tt.sounds)
			}
			code, stdout, stderr := invoke(t, args...)
			if code != tt.code || stderr != "" {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
			for _, part := range tt.want {
				if !strings.Contains(stdout, part) {
					t.Errorf("stdout does not have %q:\n%s", part, stdout)
				}
			}
			if strings.Contains(stdout, "ends after 0s") {
				t.Errorf("what is not there ends:\n%s", stdout)
			}
		})
	}
	code, _, stderr := invoke(t, "simulate", "freeswitch", "--sounds", filepath.Join(prefix, "none"), "--from", caller, "--to", dialed)
	if code != exitUsage || !strings.Contains(stderr, "--sounds") {
		t.Errorf("no such folder: exit code %d, stderr %q", code, stderr)
	}
}

func TestSimulateFreeSWITCHNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	for calls, want := range map[string]string{
		"1": "deflectctl: " + ln.Addr().String() + " cannot be reached: does deflectd run, with this freeswitch.outbound.listen? (",
		"3": "deflectctl: 3 of 3 calls were not taken: " + ln.Addr().String() + " cannot be reached",
	} {
		code, stdout, stderr := invoke(t, "simulate", "freeswitch", "--daemon", ln.Addr().String(), "--from", caller, "--to", dialed, "--calls", calls)
		if code != exitFailed || !strings.Contains(stdout, "the dialplan goes on") || !strings.HasPrefix(stderr, want) {
			t.Errorf("exit code %d, stderr %q:\n%s", code, stderr, stdout)
		}
	}
}

// Hosts are tried in order, as FreeSWITCH does; one that serves is enough.
func TestSimulateFreeSWITCHSecondHost(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	code, stdout, stderr := invoke(t, "simulate", "freeswitch", "--daemon", ln.Addr().String()+"|"+runDaemon(t), "--from", caller, "--to", dialed, "--press", "1", "--press-after", "1ms", "--real-texts")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, stderr %q:\n%s", code, stderr, stdout)
	}
}

// A deflectd that listens to others closes the connection at once.
func TestSimulateFreeSWITCHNotAllowed(t *testing.T) {
	name := configFile(t, runAPI(t).URL())
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(data, []byte("outbound: {"), []byte("outbound: {allow: [192.0.2.0/24], "), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invoke(t, "simulate", "freeswitch", "--daemon", runDaemonWith(t, name), "--from", caller, "--to", dialed)
	if code != exitFailed || !strings.Contains(stdout, "the dialplan goes on") || !strings.Contains(stderr, "was closed before the call began: is this machine on freeswitch.outbound.allow") {
		t.Errorf("exit code %d, stderr %q:\n%s", code, stderr, stdout)
	}
}

// TestSimulateFreeSWITCHLosesCaller has a deflectd that dies and a dialplan
// without socket_resume.
func TestSimulateFreeSWITCHLosesCaller(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			nc.Close()
		}
	}()
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"":                       {exitFailed, "the dialplan goes on"},
		"--no-resume":            {exitFailed, "the caller was lost"},
		"--no-resume --calls 3":  {exitFailed, "     3  the caller was lost; no outcome"},
		"--calls 0":              {exitUsage, ""},
		"--real-texts --press x": {exitUsage, ""},
		"--show-numbers --var a": {exitUsage, ""},
	} {
		code, stdout, _ := invoke(t, append([]string{
			"simulate", "freeswitch", "--daemon", ln.Addr().String(), "--from", caller, "--to", dialed,
		}, strings.Fields(args)...)...)
		if code != want.code || !strings.Contains(stdout, want.text) {
			t.Errorf("%q: exit code %d, want %d:\n%s", args, code, want.code, stdout)
		}
	}
}
