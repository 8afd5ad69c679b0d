//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// binary is deflectd, built once, with the race detector where there is one.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "deflectd")
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "deflectd")
	if exec.Command("go", "build", "-race", "-o", name, ".").Run() == nil {
		return name, nil
	}
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return name, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if name, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(name))
	}
	os.Exit(code)
}

// process is a deflectd that runs.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	pipe   io.Closer // what its log is read from
	lines  *bufio.Scanner
	stderr strings.Builder
}

// launch starts deflectd and reads its log up to the line that says where it
// listens.
func launch(t *testing.T, api, more string) (p *process, outbound, web string) {
	t.Helper()
	return launchCommand(t, command(t, configFile(t, api, more)))
}

func launchCommand(t *testing.T, cmd *exec.Cmd) (p *process, outbound, web string) {
	t.Helper()
	p = &process{t: t, cmd: cmd}
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.pipe, p.lines = pipe, bufio.NewScanner(pipe)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill(); p.cmd.Wait() })
	started := p.await("deflectd started")
	return p, started["outbound"].(string), started["http"].(string)
}

func command(t *testing.T, config string) *exec.Cmd {
	t.Helper()
	name, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, "--config", config)
	cmd.Env = append(os.Environ(), "DEFLECT_CONSUMER_SECRET=opensesame", "DEFLECT_CLIENT_SECRET=opensesame", "GORACE=exitcode=66")
	return cmd
}

func configFile(t *testing.T, api, more string) string {
	t.Helper()
	return configOf(t, fmt.Sprintf("livedeflect: {site_id: \"1\", base_url: %q, consumer_key: key, live_deadline: 1m}", api), more)
}

// configOf is configFile with the section of any API.
func configOf(t *testing.T, section, more string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "deflectd.yaml")
	data := fmt.Sprintf(`
%s
freeswitch: {outbound: {listen: "127.0.0.1:0"}}
profiles: [{name: all, skill: sales, cooldown: 0s, prompts: {offer: offer.wav, wait: ""}}]
%s
`, section, more)
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const freePort = `http: {listen: "127.0.0.1:0"}`

// await reads the log up to a message.
func (p *process) await(message string) map[string]any {
	p.t.Helper()
	for p.lines.Scan() {
		p.stderr.WriteString(p.lines.Text() + "\n")
		var line map[string]any
		if json.Unmarshal(p.lines.Bytes(), &line) == nil && line["msg"] == message {
			return line
		}
	}
	p.t.Fatalf("the log ends without %q:\n%s", message, p.stderr.String())
	return nil
}

func (p *process) signal() { p.send(syscall.SIGTERM) }

func (p *process) send(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// exitCode waits for the end and looks at all that was logged.
func (p *process) exitCode() int {
	p.t.Helper()
	for p.lines.Scan() {
		p.stderr.WriteString(p.lines.Text() + "\n")
	}
	code := exitCode(p.t, p.cmd.Wait())
	for _, tell := range []string{"opensesame", "4043438646", "DATA RACE", "panic"} {
		if strings.Contains(p.stderr.String(), tell) {
			p.t.Errorf("stderr has %q:\n%s", tell, p.stderr.String())
		}
	}
	return code
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// dial lets n callers call.
func dial(t *testing.T, n int, addr string, call freeswitchtest.Call) <-chan freeswitchtest.Result {
	t.Helper()
	results := make(chan freeswitchtest.Result, n)
	for range n {
		go func() {
			r, err := call.Dial(context.Background(), addr)
			if err != nil {
				t.Error(err)
			}
			results <- r
		}()
	}
	return results
}

func expect(t *testing.T, n int, results <-chan freeswitchtest.Result, outcome, reason string) {
	t.Helper()
	for range n {
		r := <-results
		if r.Lost || !r.Continued || r.Vars["deflect_outcome"] != outcome || r.Vars["deflect_reason"] != reason {
			t.Errorf("a call ended with %v, lost %v, want %s (%s)", r.Vars, r.Lost, outcome, reason)
		}
	}
}

// texts makes n calls that get a text, in turns that a busy machine serves, too.
func texts(t *testing.T, n int, outbound string) {
	t.Helper()
	call := accepting
	call.Length = func(string, string) time.Duration { return 40 * time.Millisecond }
	for most := 50; n > 0; n -= most {
		now := min(n, most)
		expect(t, now, dial(t, now, outbound, call), "sent", "ok")
	}
}

var accepting = freeswitchtest.Call{
	ANI: "+14043438646", DNIS: "+18005550100", SocketResume: true, Answered: true,
	Script: []freeswitchtest.Action{freeswitchtest.Press("1")},
}

// TestTermDrains stops deflectd while callers wait for their texts.
func TestTermDrains(t *testing.T) {
	bothAPIs(t, termDrains)
}

func termDrains(t *testing.T, newAPI func() *watchedAPI) {
	const n = 20
	api := newAPI()
	arrived, open := make(chan struct{}, n), make(chan struct{})
	api.hold = func() {
		arrived <- struct{}{}
		<-open
	}
	section := strings.Replace(api.section(api.serve(t)), "live_deadline: 2s", "live_deadline: 1m", 1)
	p, outbound, web := launchCommand(t, command(t, configOf(t, section, freePort)))
	results := dial(t, n, outbound, accepting)
	for range n {
		<-arrived
	}
	p.signal()
	p.await("deflectd draining")
	resp, err := http.Get("http://" + web + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || string(body) != "draining\n" {
		t.Errorf("/readyz while draining = %d %q, %v", resp.StatusCode, body, err)
	}
	close(open)
	expect(t, n, results, "sent", "ok")
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, p.stderr.String())
	}
	if sent := len(api.texts()); sent != n {
		t.Errorf("%d texts were sent, want %d", sent, n)
	}
}

// TestSecondTermCuts stops deflectd while requests hang: the callers get back
// to the dialplan at once.
func TestSecondTermCuts(t *testing.T) {
	const n = 5
	arrived, gone := make(chan struct{}, n), make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		<-gone
	}))
	defer api.Close()
	defer close(gone)

	p, outbound, _ := launch(t, api.URL, freePort)
	results := dial(t, n, outbound, accepting)
	for range n {
		<-arrived
	}
	p.signal()
	p.await("deflectd draining")
	cutting := make(chan struct{})
	go func() {
		again := time.NewTicker(20 * time.Millisecond) // those that come with the first one do nothing
		defer again.Stop()
		for {
			select {
			case <-cutting:
				return
			case <-again.C:
				p.cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	}()
	p.await("deflectd cutting live calls")
	close(cutting)
	expect(t, n, results, "uncertain", "canceled")
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, p.stderr.String())
	}
}

// SIGHUP takes what the file says now, and nothing when it is bad.
func TestHangupReloads(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"success":"true","callId":"473513"}`)
	}))
	defer api.Close()
	p, outbound, _ := launch(t, api.URL, freePort)
	name := p.cmd.Args[len(p.cmd.Args)-1]
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(old, now string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(good), old, now)), 0o600); err != nil {
			t.Fatal(err)
		}
		p.send(syscall.SIGHUP)
	}
	write("cooldown: 0s", "cooldown: 0")
	p.await("configuration reloaded")
	write("cooldown: 0s", "percent: none")
	p.await("configuration not reloaded, going on with the one before")
	expect(t, 1, dial(t, 1, outbound, accepting), "sent", "ok")
	write("cooldown: 0s", "percent: 0")
	p.await("configuration reloaded")
	expect(t, 1, dial(t, 1, outbound, accepting), "ineligible", "not_sampled")
	p.signal()
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.stderr.String())
	}
}

// What is in the journal outlives a kill -9. It is for one process, and for its user alone.
func TestJournalOutlivesAKill(t *testing.T) {
	bothAPIs(t, func(t *testing.T, newAPI func() *watchedAPI) {
		api := newAPI()
		name := configOf(t, api.section(api.serve(t)), freePort+"\nstate: {dir: made/state}")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(data), "cooldown: 0s", "cooldown: 1h", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		outlivesAKill(t, name)
		if texts := api.texts(); len(texts) != 1 {
			t.Errorf("%d texts were sent", len(texts))
		}
	})
}

func outlivesAKill(t *testing.T, name string) {
	p, outbound, _ := launchCommand(t, command(t, name))
	expect(t, 1, dial(t, 1, outbound, accepting), "sent", "ok")

	dir := filepath.Join(filepath.Dir(name), "made", "state")
	second, err := command(t, name).CombinedOutput()
	if code := exitCode(t, err); code != 1 || !strings.Contains(string(second), "deflectd: not started: daemon: open the journal (state.dir): ") ||
		!strings.Contains(string(second), dir) || !strings.Contains(string(second), fmt.Sprint("process ", p.cmd.Process.Pid)) {
		t.Errorf("a second process on the journal: exit code %d\n%s", code, second)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%v in %s, error %v", files, dir, err)
	}
	for _, f := range append(files, nil) {
		at, want := dir, os.FileMode(0o700)
		if f != nil {
			at, want = filepath.Join(dir, f.Name()), 0o600
		}
		if info, err := os.Stat(at); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %v", at, info.Mode(), err, want)
		}
	}

	p.send(syscall.SIGKILL)
	p.cmd.Wait() //nolint:errcheck // killed
	p, outbound, _ = launchCommand(t, command(t, name))
	expect(t, 1, dial(t, 1, outbound, accepting), "ineligible", "cooldown")
	p.signal()
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.stderr.String())
	}
}

// SIGTERM ends a process that still reads its configuration, whatever it was told
// before.
func TestTermDuringLoad(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "deflectd.yaml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, fifo)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	hanging, err := os.OpenFile(fifo, os.O_WRONLY, 0) // once it is read
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	for range 10 {
		cmd.Process.Signal(syscall.SIGHUP)
		time.Sleep(time.Millisecond) // or the kernel makes one of them
	}
	cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if code := exitCode(t, err); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	case <-time.After(20 * time.Second):
		t.Error("SIGTERM does not end it")
	}
}

// A log that nobody reads, and one whose reader has died, are in the way neither of
// calls nor of the end.
func TestLogNobodyReads(t *testing.T) {
	for _, died := range []bool{false, true} {
		t.Run(fmt.Sprintf("died %v", died), func(t *testing.T) {
			const n = 600 // several times what a pipe holds
			api := httptest.NewServer(livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "opensesame"}))
			defer api.Close()
			p, outbound, web := launch(t, api.URL, freePort+"\nlog: {level: debug}")
			if died {
				p.pipe.Close()
			}
			texts(t, n, outbound)
			resp, err := http.Get("http://" + web + "/readyz")
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("/readyz: %v, %v", resp, err)
			}
			ended := make(chan error, 1)
			go func() { ended <- p.cmd.Wait() }()
			p.signal()
			select {
			case err := <-ended:
				if code := exitCode(t, err); code != 0 {
					t.Errorf("exit code %d, want 0", code)
				}
			case <-time.After(20 * time.Second): // less than the drain time
				t.Error("SIGTERM does not end it")
			}
		})
	}
}

// A disk that is full from the start is in the way neither of calls nor of the end, and
// what it loses is counted.
func TestLogFullDisk(t *testing.T) {
	const n = 600
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var addrs [2]string
	for i := range addrs {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addrs[i] = ln.Addr().String()
		ln.Close()
	}
	outbound, web := addrs[0], addrs[1]
	api := httptest.NewServer(livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "opensesame"}))
	defer api.Close()
	name := configFile(t, api.URL, fmt.Sprintf("http: {listen: %q}\nlog: {level: debug}", web))
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(text), "127.0.0.1:0", outbound, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, name)
	cmd.Stderr = full
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	get := func(path string) string {
		resp, err := http.Get("http://" + web + path)
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	for range 2000 {
		if get("/readyz") == "ok\n" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	texts(t, n, outbound)
	if text := get("/metrics"); !strings.Contains(text, "\ndeflectd_log_dropped_total ") || strings.Contains(text, "\ndeflectd_log_dropped_total 0\n") {
		t.Error("/metrics does not show that lines are lost")
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if code := exitCode(t, err); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	case <-time.After(20 * time.Second): // less than the drain time
		t.Error("SIGTERM does not end it")
	}
}

// With few descriptors, more calls than there are of them, and scrapers that keep their
// connections: who is let in is served, texts included, and the rest goes on at once.
func TestFewDescriptorsLoseNoCall(t *testing.T) {
	const calls, scrapers, limit = 2000, 1100, 1024
	var own syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own); err != nil || own.Cur < calls+scrapers+1000 {
		t.Skipf("the test itself needs some 4,000 descriptors, and has %d (%v)", own.Cur, err)
	}
	api := httptest.NewServer(livedeflecttest.New(livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "opensesame"}))
	defer api.Close()
	cmd := command(t, configFile(t, api.URL, freePort))
	cmd.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, limit), cmd.Path}, cmd.Args[1:]...)
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = sh
	p, outbound, web := launchCommand(t, cmd)
	lowered := p.await("max_calls lowered: more do not fit into the limit of open files; raise it (ulimit -n, LimitNOFILE=)")
	if to := lowered["to"].(float64); to < limit/2 || to > limit*9/10 || lowered["open_files"].(float64) != limit {
		t.Errorf("%v", lowered)
	}
	for range scrapers {
		c, err := net.Dial("tcp", web)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	}

	results := make(chan freeswitchtest.Result, calls)
	for i := range calls {
		c := accepting
		c.Prompts = map[string]time.Duration{"offer.wav": 100 * time.Millisecond, "ivrdeflect/en/sent.wav": time.Millisecond}
		if i%10 >= 3 {
			c.Script = nil
		}
		go func() {
			r, err := c.Dial(context.Background(), outbound)
			if err != nil {
				t.Error(err)
			}
			results <- r
		}()
	}
	got := map[string]int{}
	for i := range calls {
		r := <-results
		if i%200 == 0 { // 503 says that it is full
			resp, err := http.Get("http://" + web + "/readyz")
			if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("/readyz during the load: %v, %v", resp, err)
			}
			resp.Body.Close()
		}
		if r.Lost || !r.Continued {
			t.Errorf("a call was lost: %v", r.Timeline)
		}
		got[r.Vars["deflect_outcome"]+" "+r.Vars["deflect_reason"]]++
	}
	for why := range got {
		if why != "sent ok" && why != "no_input no_key" && why != " " {
			t.Errorf("%d calls ended with %q", got[why], why)
		}
	}
	// But for a few whose channel data comes too late on a busy machine.
	if served := got["sent ok"] + got["no_input no_key"]; got["sent ok"] == 0 || served < int(lowered["to"].(float64))*9/10 {
		t.Errorf("outcomes %v, want %v calls served", got, lowered["to"])
	}
	resp, err := http.Get("http://" + web + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %v, %v", resp, err)
	}
	p.signal()
	if code := p.exitCode(); code != 0 || strings.Contains(p.stderr.String(), "too many open files") {
		t.Errorf("exit code %d:\n%s", code, p.stderr.String())
	}
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name, more string
		code       int
		stderr     string
	}{
		{"bad configuration", freePort + "\ncolour: blue", exitUsage, ":6: colour: is not a known key"},
		{"port taken", fmt.Sprintf("http: {listen: %q}", taken.Addr()), exitRuntime, "not started: daemon: listen for HTTP"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := command(t, configFile(t, "http://127.0.0.1:1", tt.more))
			timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
			defer timer.Stop()
			out, err := cmd.CombinedOutput()
			if code := exitCode(t, err); code != tt.code || !strings.Contains(string(out), tt.stderr) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tt.code, tt.stderr, out)
			}
		})
	}
}
