package daemon

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

// mostCost of a password's hash: one of cost 14 takes about a second of a CPU.
const mostCost = 14

// CheckWebConfig reports whether the HTTP port can be served as a file says, which is one
// of Prometheus' exporters (--web.config.file): TLS, users and their passwords' hashes.
// "" is no file.
func CheckWebConfig(name string) error {
	err := checkWebConfig(name)
	if err == nil {
		return nil
	}
	return fmt.Errorf("--web.config.file %s cannot be used, and nobody is let onto the HTTP port without it: %w", name, err)
}

func checkWebConfig(name string) error {
	if name == "" {
		return nil
	}
	if err := web.Validate(name); err != nil {
		return state.Unquoted(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var file struct {
		Users map[string]string `yaml:"basic_auth_users"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return state.Unquoted(err)
	}
	for _, hash := range file.Users {
		if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost > mostCost {
			return fmt.Errorf("a hash in basic_auth_users is of cost %d: checking a password would keep one CPU from the calls for seconds; make one of cost 10 (htpasswd -nBC 10 USER), %d is the most", cost, mostCost)
		}
	}
	return nil
}

// serveHTTP serves the HTTP port, as a file says if there is one. The file is read anew for
// each request and each connection.
func serveHTTP(srv *http.Server, ln net.Listener, file string, log *slog.Logger) error {
	if file == "" {
		return srv.Serve(ln)
	}
	// What limits a guest goes by connections, each with one request at a time.
	srv.Protocols = &http.Protocols{}
	srv.Protocols.SetHTTP1(true)
	guesses := newGuesses()
	srv.Handler = guesses.checked(srv.Handler)
	// The toolkit puts its handler before that, and then serves: nobody is served before.
	srv.BaseContext = func(net.Listener) context.Context {
		srv.Handler = guesses.limit(srv.Handler)
		return context.Background()
	}
	return web.Serve(ln, srv, &web.FlagConfig{WebConfigFile: &file}, slog.New(&toolkitLog{Handler: log.Handler()}))
}

// toolkitLog has what matters of the toolkit's log: that its file cannot be used any more,
// which it would say for each request.
type toolkitLog struct {
	slog.Handler
	often often
}

// Enabled leaves out what is no error.
func (*toolkitLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle logs that, without what the error quotes of the file.
func (l *toolkitLog) Handle(ctx context.Context, r slog.Record) error {
	if !l.often.may() {
		return nil
	}
	said := slog.NewRecord(r.Time, slog.LevelError, "nobody is let onto the HTTP port: the file of --web.config.file cannot be used", 0)
	r.Attrs(func(a slog.Attr) bool {
		said.AddAttrs(slog.String(a.Key, state.Unquoted(fmt.Errorf("%v", a.Value)).Error()))
		return true
	})
	return l.Handler.Handle(ctx, said)
}

// serverLog is what net/http says, some lines a minute: whoever reaches the port can have
// it say of each connection that its handshake failed, and with which words.
type serverLog struct {
	log   *slog.Logger
	often often
}

func newServerLog(to *slog.Logger) *log.Logger { return log.New(&serverLog{log: to}, "", 0) }

// Write logs a line.
func (l *serverLog) Write(p []byte) (int, error) {
	if !l.often.may() {
		return len(p), nil
	}
	said := strings.TrimSpace(string(p))
	if strings.HasPrefix(said, "http: TLS handshake error") {
		said, _, _ = strings.Cut(state.Unquoted(errors.New(said)).Error(), `"`)
	}
	l.log.Warn(said)
	return len(p), nil
}

// often lets so many lines a minute into the log.
type often struct {
	mu    sync.Mutex
	since time.Time
	lines int
}

const linesAMinute = 10

func (o *often) may() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := time.Now(); now.Sub(o.since) >= time.Minute {
		o.since, o.lines = now, 0
	}
	o.lines++
	return o.lines <= linesAMinute
}
