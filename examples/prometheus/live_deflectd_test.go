//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/fleet/fleettest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// buildDeflectd builds the daemon of this repository.
func buildDeflectd(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "deflectd")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/deflectd")
	cmd.Dir = "../.." // a module of its own
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// deflectd is a process with neighbours of its own, and callers.
type deflectd struct {
	name   string
	binary string
	home   string
	config string
	text   string // of the configuration

	api   *livedeflecttest.Server
	c2m   *c2mtest.Server
	redis *fleettest.Proxy
	sw    *freeswitchtest.Switch

	cmd           *exec.Cmd
	log           *os.File // what it says comes from here
	said          *tail
	outbound, web string

	hangUp  context.CancelFunc // ends the traffic
	callers sync.WaitGroup
	calls   atomic.Int64

	mend func() // what the test has broken
}

// endsWithUs ends a process also when the test does not come to that.
var endsWithUs = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

const listedNumber = "+14043439999"

// newDeflectd starts a deflectd with all that one can have, and callers: some each
// second, who are texted. Edit changes its configuration.
func newDeflectd(t *testing.T, binary, redis, name string, edit ...string) *deflectd {
	t.Helper()
	d := &deflectd{name: name, binary: binary, home: t.TempDir(), said: &tail{}}
	d.config = filepath.Join(d.home, "deflectd.yaml")
	d.api = livedeflecttest.RunT(t, livedeflecttest.Config{
		ConsumerKey: "key", ConsumerSecret: "opensesame",
		Report: livedeflecttest.Report{Conversation: func(livedeflecttest.Deflection) (time.Duration, bool) { return time.Second, true }},
	})
	d.c2m = c2mtest.RunT(t, c2mtest.Config{ClientID: "id", ClientSecret: "opensesame"})
	d.redis = fleettest.StartProxy(t, redis)
	d.sw = &freeswitchtest.Switch{}
	if err := d.sw.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.sw.Stop)
	d.write(t, "key", strings.Repeat("0123456789abcdef", 4)+"\n")
	d.write(t, "list", listedNumber+"\n")
	d.text = strings.NewReplacer(edit...).Replace(fmt.Sprintf(`
livedeflect: {site_id: "1", base_url: %q, consumer_key: key}
c2m: {account: "1", domain_url: %q, client_id: id, handoff_id: H1}
breaker: {failures: 5, open_for: 3s}
report: {every: 3s, lookback: 1m}
settle: {after: 1s, limit: 1h}
state: {dir: state}
redis: {url: %q, key_file: key, prefix: "%s:", timeout: 2s}
freeswitch:
  outbound: {listen: "127.0.0.1:0", max_calls: 1000}
  inbound: [{name: fs1, address: %q}]
http: {listen: "127.0.0.1:0"}
profiles:
  - {name: %s, skill: sales, cooldown: 1s, do_not_text_file: list, later: {failed: 20s}}
  - {name: support, skill: support, cooldown: 0s, dialed: ["+18005550199"]}
  - {name: chat, api: c2m, skill: chat, cooldown: 0s, dialed: ["+18005550142"]}
`, d.api.URL(), d.c2m.URL(), "redis://"+d.redis.Addr, name, d.sw.Addr(), d.profile()))
	d.write(t, "deflectd.yaml", d.text)

	ctx, hangUp := context.WithCancel(context.Background())
	d.hangUp = hangUp
	t.Cleanup(func() {
		hangUp()
		d.kill()
		d.callers.Wait()
		d.log.Close()
	})
	d.start(t)
	d.callers.Go(func() { d.traffic(ctx) })
	return d
}

// profile is the one that serves most callers, and those of no other deflectd.
func (d *deflectd) profile() string { return "of-" + d.name }

func (d *deflectd) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.home, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts the process, after a kill where it was before. It logs into a named pipe,
// whose reader can go and come back.
func (d *deflectd) start(t *testing.T) {
	t.Helper()
	fifo := filepath.Join(d.home, "log")
	if d.cmd == nil {
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
	} else {
		d.log.Close()
		d.write(t, "deflectd.yaml", strings.NewReplacer(
			`outbound: {listen: "127.0.0.1:0"`, fmt.Sprintf(`outbound: {listen: %q`, d.outbound),
			`http: {listen: "127.0.0.1:0"`, fmt.Sprintf(`http: {listen: %q`, d.web)).Replace(d.text))
	}
	d.openLog(t)
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.cmd = exec.Command(d.binary, "--config", d.config)
	d.cmd.Env = append(os.Environ(), "DEFLECT_CONSUMER_SECRET=opensesame", "DEFLECT_CLIENT_SECRET=opensesame", "DEFLECT_FREESWITCH_PASSWORD_FS1=ClueCon")
	d.cmd.Stderr, d.cmd.SysProcAttr = w, endsWithUs
	err = d.cmd.Start()
	w.Close() // so that the pipe ends with the process
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(d.log)
	for lines.Scan() {
		d.said.Write(append(lines.Bytes(), '\n'))
		var line struct{ Msg, Outbound, HTTP string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "deflectd started" {
			if d.outbound == "" { // else callers read it
				d.outbound, d.web = line.Outbound, line.HTTP
			}
			go d.read(d.log)
			return
		}
	}
	t.Fatalf("deflectd does not start:\n%s", d.said)
}

func (d *deflectd) openLog(t *testing.T) {
	t.Helper()
	var err error
	if d.log, err = os.OpenFile(filepath.Join(d.home, "log"), os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		t.Fatal(err)
	}
}

func (d *deflectd) read(log *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := log.Read(buf)
		d.said.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

func (d *deflectd) kill() {
	d.cmd.Process.Kill()
	d.cmd.Wait()
}

func (d *deflectd) reload(t *testing.T, text string) {
	t.Helper()
	d.write(t, "deflectd.yaml", text)
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// traffic calls some times a second, and lets somebody wait in the queue.
func (d *deflectd) traffic(ctx context.Context) {
	tick := time.NewTicker(400 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		d.callers.Go(func() { d.call(ctx, freeswitchtest.Call{DNIS: "+18005550100"}) })
		if n := d.calls.Load(); n%10 == 1 {
			d.callers.Go(func() { d.call(ctx, freeswitchtest.Call{DNIS: "+18005550142"}) })
			w := d.sw.Park(freeswitchtest.Call{ANI: caller(n), DNIS: "+18005550199"})
			w.Announce()
			w.Press("1")
			time.AfterFunc(time.Second, w.HangUp)
		}
	}
}

func caller(n int64) string { return fmt.Sprintf("+1404343%04d", n%9000) }

// call lets somebody call and press 1.
func (d *deflectd) call(ctx context.Context, c freeswitchtest.Call) {
	c.ANI, c.SocketResume, c.Answered = caller(d.calls.Add(1)), true, true
	if c.Length == nil {
		c.Length = func(string, string) time.Duration { return 100 * time.Millisecond }
		c.Script = []freeswitchtest.Action{freeswitchtest.Press("1")}
	}
	c.Leave = ctx.Done()
	if _, err := c.Dial(context.WithoutCancel(ctx), d.outbound); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		d.said.Write([]byte("a call: " + err.Error() + "\n"))
	}
}

// hold lets callers call, ten a second and so many at most, who listen to the offer until
// they are told to leave.
func (d *deflectd) hold(t *testing.T, most int) (leave func()) {
	ctx, leave := context.WithCancel(context.Background())
	t.Cleanup(leave)
	d.callers.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for range most {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			d.callers.Go(func() {
				d.call(ctx, freeswitchtest.Call{DNIS: "+18005550100", Length: func(string, string) time.Duration { return time.Hour }})
			})
		}
	})
	return leave
}
