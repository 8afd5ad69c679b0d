package daemon

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

func TestLoggerKeepsToLevelAndFormat(t *testing.T) {
	tests := []struct {
		level, format string
		lines         int
		begin         string
	}{
		{"debug", "json", 4, "{"},
		{"info", "json", 3, "{"},
		{"warn", "text", 2, "time="},
		{"error", "text", 1, "time="},
	}
	for _, tt := range tests {
		var b strings.Builder
		q := NewLogQueue(&b)
		log, _ := NewLogger(q, config.Log{Level: tt.level, Format: tt.format})
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			log.Log(t.Context(), level, "said")
		}
		q.Close()
		if got := strings.Count(b.String(), "\n"); got != tt.lines || !strings.HasPrefix(b.String(), tt.begin) {
			t.Errorf("%s, %s: %d lines, want %d that begin with %s:\n%s", tt.level, tt.format, got, tt.lines, tt.begin, b.String())
		}
	}
}

func TestNewLoggerDurations(t *testing.T) {
	for format, want := range map[string]string{"json": `"duration":0.25`, "text": "duration=250ms"} {
		var b strings.Builder
		q := NewLogQueue(&b)
		log, _ := NewLogger(q, config.Log{Level: "info", Format: format})
		log.Info("said", "duration", 250*time.Millisecond)
		q.Close()
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: %q does not have %s", format, b.String(), want)
		}
	}
}

func TestReadBuild(t *testing.T) {
	b := ReadBuild()
	if b.Version == "" || b.Revision == "" || !strings.HasPrefix(b.GoVersion, "go") {
		t.Errorf("ReadBuild() = %+v", b)
	}
}
