package daemon

import (
	"io"
	"log/slog"
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
// may be changed. In JSON a duration is a number of seconds, as in the metrics.
func NewLogger(w io.Writer, l config.Log) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	level.Set(Level(l))
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "text" {
		return slog.New(slog.NewTextHandler(w, opts)), level
	}
	opts.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.Float64Value(a.Value.Duration().Round(time.Microsecond).Seconds())
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(w, opts)), level
}
