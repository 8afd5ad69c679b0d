package daemon

import (
	"io"
	"log/slog"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// NewLogger returns the logger that a configuration asks for. In JSON a duration
// is a number of seconds, as in the metrics.
func NewLogger(w io.Writer, l config.Log) *slog.Logger {
	opts := &slog.HandlerOptions{}
	switch l.Level {
	case "debug":
		opts.Level = slog.LevelDebug
	case "warn":
		opts.Level = slog.LevelWarn
	case "error":
		opts.Level = slog.LevelError
	}
	if l.Format == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	opts.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.Float64Value(a.Value.Duration().Round(time.Microsecond).Seconds())
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
