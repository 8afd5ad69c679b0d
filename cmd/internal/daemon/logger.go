package daemon

import (
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// Level returns the level that a configuration asks for.
func Level(l config.Log) slog.Level {
	switch l.Level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// NewLogger returns the logger that a configuration asks for, and its level, which
// may be changed. That lines of it are lost is said at any level. In JSON a duration
// is a number of seconds, as in the metrics.
func NewLogger(q *LogQueue, l config.Log) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	level.Set(Level(l))
	format := handlers(l.Format, level)
	q.setFormat(format)
	return slog.New(format(q)), level
}

// LibraryLog takes what libraries say through package log, without what they quote:
// that may be anybody's. A Write waits until the queue of log is written, for a second
// at most: after log.Fatal the process ends.
func LibraryLog(log *slog.Logger, q *LogQueue) io.Writer { return libraryLog{log, q} }

type libraryLog struct {
	log *slog.Logger
	q   *LogQueue
}

func (l libraryLog) Write(p []byte) (int, error) {
	said, _, _ := strings.Cut(string(p), `"`)
	l.log.Warn("a library says", "what", strings.TrimSpace(said))
	l.q.flush()
	return len(p), nil
}

// handlers makes handlers of a format.
func handlers(format string, level slog.Leveler) func(io.Writer) slog.Handler {
	opts := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, opts) }
	}
	opts.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.Float64Value(a.Value.Duration().Round(time.Microsecond).Seconds())
		}
		return a
	}
	return func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, opts) }
}
