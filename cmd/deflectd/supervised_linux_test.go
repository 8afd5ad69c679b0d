package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// shelf has the sockets that a systemd holds, and starts processes with them.
type shelf struct {
	calls, web         *net.TCPListener
	callsFile, webFile *os.File
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{}
	for _, l := range []struct {
		ln   **net.TCPListener
		file **os.File
	}{{&s.calls, &s.callsFile}, {&s.web, &s.webFile}} {
		// By its number, as systemd has it: one that the kernel has chosen does not
		// outlive the pause.
		free, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		free.Close()
		ln, err := net.ListenTCP("tcp", free.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		file, err := ln.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		*l.ln, *l.file = ln, file
	}
	return s
}

// command is one that deflectd is started by, with the sockets under names. LISTEN_PID is
// that of the process that is to take them.
func (s *shelf) command(t *testing.T, config, names string) *exec.Cmd {
	t.Helper()
	direct := command(t, config)
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, direct.Args...)...)
	cmd.Env = append(direct.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = []*os.File{s.callsFile, s.webFile}
	return cmd
}

// refuses tells whether nobody listens.
func refuses(addr string) bool {
	nc, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err == nil {
		nc.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// With sockets that the supervisor holds, who calls between two processes is served by the
// next one; while one is full, and while one drains, callers are refused, so that they go
// on in the dialplan or at its next host.
func TestSocketsOfSupervisor(t *testing.T) {
	api := livedeflecttest.RunT(t, livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "opensesame"})
	s := newShelf(t)
	calls, web := s.calls.Addr().String(), s.web.Addr().String()
	config := configFile(t, api.URL(), freePort)
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(`listen: "127.0.0.1:0"`), []byte(`listen: "127.0.0.1:0", max_calls: 1`), 1)
	if err := os.WriteFile(config, data, 0o600); err != nil {
		t.Fatal(err)
	}
	names := "calls:http"
	first := s.command(t, config, names) // built before somebody waits for it

	early := dial(t, 1, calls, accepting)
	probed := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + web + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		probed <- err
	}()
	p, outbound, onHTTP := launchCommand(t, first)
	if outbound != calls || onHTTP != web {
		t.Errorf("listens on %s and %s, want %s and %s", outbound, onHTTP, calls, web)
	}
	ready := func() bool { return status(t, "http://"+web+"/readyz") == http.StatusOK }
	full := func() bool { return !ready() }
	expect(t, 1, early, "sent", "ok")
	if err := <-probed; err != nil {
		t.Errorf("who asked for health before the start: %v", err)
	}

	// Full, and open again.
	held := accepting
	held.Script, held.Prompts = nil, map[string]time.Duration{"offer.wav": time.Hour}
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := held.Dial(ctx, calls); gone <- err }()
	until(t, "full", full)
	if !refuses(calls) {
		t.Error("a caller is let in who has to wait for room")
	}
	hangUp()
	<-gone
	until(t, "room", ready)
	expect(t, 1, dial(t, 1, calls, accepting), "sent", "ok")
	until(t, "room", ready)

	// The drain refuses; the next process takes who comes after it.
	last := dial(t, 1, calls, held)
	until(t, "full", full)
	p.signal()
	p.await("deflectd draining")
	if !refuses(calls) {
		t.Error("a caller is let in who has to wait for the drain")
	}
	time.Sleep(150 * time.Millisecond)
	p.signal() // cuts
	expect(t, 1, last, "failed", "shutdown")
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.stderr.String())
	}
	between := dial(t, 1, calls, accepting)
	time.Sleep(100 * time.Millisecond)
	next, _, _ := launchCommand(t, s.command(t, config, names))
	expect(t, 1, between, "sent", "ok")

	// A process that is killed leaves them as well.
	until(t, "room", ready)
	next.cmd.Process.Kill()
	next.cmd.Wait()
	between = dial(t, 1, calls, accepting)
	third, _, _ := launchCommand(t, s.command(t, config, names))
	expect(t, 1, between, "sent", "ok")

	// One that is killed while it is full leaves its pause besides.
	until(t, "room", ready)
	last = dial(t, 1, calls, held)
	until(t, "full", full)
	third.cmd.Process.Kill()
	third.cmd.Wait()
	<-last
	if !refuses(calls) {
		t.Error("a pause has ended with its process")
	}
	fourth, _, _ := launchCommand(t, s.command(t, config, names))
	expect(t, 1, dial(t, 1, calls, accepting), "sent", "ok")
	fourth.signal()
	if code := fourth.exitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, fourth.stderr.String())
	}
	if refuses(calls) {
		t.Error("whoever comes after the end is refused")
	}
}

// Callers do not wait for a process that cannot start, nor long for one that is slow.
func TestStartOfSocketsThatFails(t *testing.T) {
	t.Run("cannot", func(t *testing.T) {
		for _, tt := range []struct{ name, config, names, says string }{
			{"configuration", "nonsense", "calls:http", "not started"},
			{"name", "", "calls:other", "FileDescriptorName=calls or http"},
			{"twice", "", "calls:calls", "keep one"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				s := newShelf(t)
				config := configFile(t, "http://127.0.0.1:1", freePort)
				if tt.config != "" {
					if err := os.WriteFile(config, []byte(tt.config), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				waiting, err := net.Dial("tcp", s.calls.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer waiting.Close()
				out, err := s.command(t, config, tt.names).CombinedOutput()
				if exitCode(t, err) == 0 || !strings.Contains(string(out), tt.says) {
					t.Errorf("exit code %d:\n%s", exitCode(t, err), out)
				}
				if tt.name == "twice" {
					return // which one is for calls it cannot know
				}
				waiting.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.ReadAll(waiting); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("who called before waits on")
				}
				if !refuses(s.calls.Addr().String()) {
					t.Error("who calls now waits for nothing")
				}
			})
		}
	})
	t.Run("slow", func(t *testing.T) {
		api := livedeflecttest.RunT(t, livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "opensesame"})
		s := newShelf(t)
		calls := s.calls.Addr().String()
		config := configFile(t, api.URL(), freePort)
		data, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		pipe := filepath.Join(t.TempDir(), "pipe.yaml")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := s.command(t, pipe, "calls:http")
		waiting, err := net.Dial("tcp", calls)
		if err != nil {
			t.Fatal(err)
		}
		defer waiting.Close()
		go func() {
			waiting.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.ReadAll(waiting); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("who called before waits on")
			}
			if !refuses(calls) {
				t.Error("who calls now waits for a slow start")
			}
			if err := os.WriteFile(pipe, data, 0o600); err != nil {
				t.Error(err)
			}
		}()
		p, _, _ := launchCommand(t, cmd)
		expect(t, 1, dial(t, 1, calls, accepting), "sent", "ok")
		p.signal()
		if code := p.exitCode(); code != 0 {
			t.Errorf("exit code %d:\n%s", code, p.stderr.String())
		}
	})
}

// A process that is stopped feeds no watchdog.
func TestStoppedFeedsNoWatchdog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	told := make(chan string, 10_000)
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := ln.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	cmd := command(t, configFile(t, "http://127.0.0.1:1", freePort))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=80000")
	p, _, _ := launchCommand(t, cmd)
	await := func(want string) {
		t.Helper()
		for !strings.HasPrefix(<-told, want) {
		}
	}
	await("READY=1")
	await("WATCHDOG=1")
	p.send(syscall.SIGSTOP)
	until(t, "it is stopped", func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
		return err == nil && strings.Contains(string(stat), ") T ")
	})
	for len(told) > 0 {
		<-told
	}
	select {
	case m := <-told:
		t.Errorf("a stopped process tells %q", m)
	case <-time.After(240 * time.Millisecond):
	}
	p.send(syscall.SIGCONT)
	await("WATCHDOG=1")
	p.signal()
	await("STOPPING=1")
	if code := p.exitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.stderr.String())
	}
}
