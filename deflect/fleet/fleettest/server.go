package fleettest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a process of redis-server or redis-sentinel.
type Server struct {
	Addr string // host:port, the same after a Restart
	Dir  string // its folder

	t        testing.TB
	binary   string
	args     []string
	password string // of account

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
	timer *time.Timer   // ends a stall
}

// Start starts a redis-server, and waits until it answers. Args are those of its command
// line, such as "--appendonly", "yes"; without any, nothing is written to the disk.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, "redis-server", rand.Text(), nil, args...)
}

// StartReplica starts a redis-server that replicates another one, and waits until it has
// all that the other one has.
func StartReplica(t testing.TB, master *Server, args ...string) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	s := start(t, "redis-server", master.password, nil, append([]string{"--replicaof", host + " " + port}, args...)...)
	s.until("its link to the master is up", func() bool { return s.Info("replication")["master_link_status"] == "up" })
	return s
}

// MasterName is what sentinels of StartSentinels call the master.
const MasterName = "fleet"

// StartSentinels starts n redis-sentinels that watch a master, and waits until they know
// its replicas and one another. A majority decides that the master is gone, a second and a
// half after it is; a replica is the master about a second later.
func StartSentinels(t testing.TB, master *Server, n int) []*Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	replicas := master.Info("replication")["connected_slaves"]
	var all []*Server
	for range n {
		all = append(all, start(t, "redis-sentinel", master.password, []string{
			fmt.Sprintf("sentinel monitor %s %s %s %d", MasterName, host, port, n/2+1),
			fmt.Sprintf("sentinel auth-user %s %s", MasterName, account),
			fmt.Sprintf("sentinel auth-pass %s %s", MasterName, master.password),
			fmt.Sprintf("sentinel down-after-milliseconds %s 1500", MasterName),
			fmt.Sprintf("sentinel failover-timeout %s 3000", MasterName),
		}))
	}
	for _, s := range all {
		s.until("it knows replicas and sentinels", func() bool {
			line := s.Info("sentinel")["master0"]
			return strings.Contains(line, ",slaves="+replicas+",") && strings.HasSuffix(line, fmt.Sprintf(",sentinels=%d", n))
		})
	}
	return all
}

// account is a user of every server: what rigs need works whatever a test does to the other
// users. Its password is another one for each server, but for those that replicate it, so
// that nobody takes a stranger on the same port for it.
const account = "fleettest"

// attempts is how many ports are tried: somebody may take a free one first.
const attempts = 10

func start(t testing.TB, binary, password string, lines []string, args ...string) *Server {
	t.Helper()
	path, err := exec.LookPath(binary)
	if err != nil {
		t.Skipf("fleettest: no Redis to test with: %v", err)
	}
	s := &Server{t: t, binary: path, password: password}
	for i := range attempts {
		// A folder of its own each time: a sentinel writes into its configuration.
		s.Dir, s.Addr = t.TempDir(), freeAddr(t)
		if i == 0 {
			t.Cleanup(s.Kill) // before the folder goes
		}
		_, port, _ := net.SplitHostPort(s.Addr)
		file := filepath.Join(s.Dir, "redis.conf")
		text := strings.Join(append([]string{
			"bind 127.0.0.1", "port " + port, "dir " + s.Dir, "logfile " + filepath.Join(s.Dir, "log"),
			fmt.Sprintf("user %s on >%s ~* &* +@all", account, password),
		}, lines...), "\n") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatalf("fleettest: %v", err)
		}
		s.args = []string{file}
		if binary == "redis-server" {
			s.args = append(s.args, "--save", "", "--repl-diskless-sync-delay", "0", "--masteruser", account, "--masterauth", password)
		}
		s.args = append(s.args, args...)
		if err = s.launch(); err == nil {
			return s
		}
		if !strings.Contains(err.Error(), "Address already in use") {
			break
		}
	}
	t.Fatalf("fleettest: %s does not start: %v", binary, err)
	return nil
}

// freeAddr is an address that nobody listens at, and that no system gives to those who do
// not care which one they get: it stays free while the server is down.
func freeAddr(t testing.TB) string {
	t.Helper()
	var err error
	for range 100 {
		var l net.Listener
		addr := fmt.Sprintf("127.0.0.1:%d", 10_000+mathrand.IntN(20_000))
		if l, err = net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatalf("fleettest: no free port: %v", err)
	return ""
}

// launch starts the process and waits until it answers.
func (s *Server) launch() error {
	cmd, ended := exec.Command(s.binary, s.args...), make(chan struct{})
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		cmd.Wait()
		close(ended)
	}()
	s.mu.Lock()
	s.cmd, s.ended = cmd, ended
	s.mu.Unlock()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		select {
		case <-ended:
			log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
			return fmt.Errorf("it ended with %v\n%s%s", cmd.ProcessState, out.Bytes(), log)
		default:
		}
		// Whoever else has the port does not know the account.
		answer, err := s.ask("PING")
		if err == nil && answer == "PONG" {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("it does not answer: %w", err)
		}
	}
}

// Pid is the process's id.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

// Kill ends the process in the hardest way, and waits for the end.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.cmd != nil {
		s.cmd.Process.Kill()
		<-s.ended
	}
}

// Restart kills the process if it runs, and starts it again on its port with its folder.
// It has its data again if it was started with "--appendonly", "yes".
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	var err error
	for range 10 * attempts {
		if err = s.launch(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Fatalf("fleettest: Redis does not start again: %v", err)
}

// Stall lets the process stand still, and returns at once; it goes on by itself after
// lasts. Systems without SIGSTOP skip the test.
func (s *Server) Stall(lasts time.Duration) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	process := s.cmd.Process
	if err := halt(process); err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			s.t.Skip("fleettest: a process cannot be stopped for a while here")
		}
		s.t.Errorf("fleettest: Redis cannot be stalled: %v", err)
	}
	s.timer = time.AfterFunc(lasts, func() { goOn(process) })
}

// Do asks the server, and returns its answer: a string, an int64, nil or an []any of them.
// It may do all, whatever the rights and passwords of others are. An error fails the test.
func (s *Server) Do(command ...string) any {
	s.t.Helper()
	answer, err := s.ask(command...)
	if err != nil {
		s.t.Errorf("fleettest: %s: %v", command[0], err)
	}
	return answer
}

// Info is a section of what the server says of itself, by INFO.
func (s *Server) Info(section string) map[string]string {
	s.t.Helper()
	text, _ := s.Do("INFO", section).(string)
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// Calls is how often each command was called since the start, or since CONFIG RESETSTAT,
// by its name in lower case. Those of scripts count as well.
func (s *Server) Calls() map[string]int {
	s.t.Helper()
	calls := map[string]int{}
	for name, value := range s.Info("commandstats") {
		count, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		calls[strings.TrimPrefix(name, "cmdstat_")], _ = strconv.Atoi(count)
	}
	return calls
}

// DropClients ends the connections of all clients but those of replicas.
func (s *Server) DropClients() {
	s.t.Helper()
	s.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
}

// CutReplicas ends the connections of replicas, and refuses them new ones until
// MendReplicas: what is written from now on is here alone.
func (s *Server) CutReplicas() {
	s.t.Helper()
	s.Do("ACL", "SETUSER", account, "-psync", "-sync", "-replconf")
	s.Do("CLIENT", "KILL", "TYPE", "replica")
}

// MendReplicas ends what CutReplicas began.
func (s *Server) MendReplicas() {
	s.t.Helper()
	s.Do("ACL", "SETUSER", account, "+psync", "+sync", "+replconf")
	// One that was refused a part of its greeting would replicate as of old, which WAIT and
	// Sentinels know nothing of.
	s.Do("CLIENT", "KILL", "USER", account, "SKIPME", "yes")
}

// Master is whom a sentinel takes for the master, as host:port.
func (s *Server) Master() string {
	s.t.Helper()
	answer, _ := s.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName).([]any)
	if len(answer) != 2 {
		return ""
	}
	return net.JoinHostPort(fmt.Sprint(answer[0]), fmt.Sprint(answer[1]))
}

// Addrs are the addresses of servers.
func Addrs(servers ...*Server) (addrs []string) {
	for _, s := range servers {
		addrs = append(addrs, s.Addr)
	}
	return slices.Clip(addrs)
}

func (s *Server) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("fleettest: it never comes that %s", what)
		}
	}
}
