package daemon

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// version is set by who builds a package:
// -ldflags "-X github.com/ivrdeflect/ivrdeflect/cmd/internal/daemon.version=1.2.3".
var version string

// Build says what program this is.
type Build struct {
	Version   string // module version, or "devel"
	Revision  string // commit, or "unknown"
	GoVersion string
}

// ReadBuild returns what the Go toolchain wrote into the program.
func ReadBuild() Build {
	b := Build{Version: cmp.Or(version, "devel"), Revision: "unknown", GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; version == "" && v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && s.Value != "" {
			b.Revision = s.Value
		}
	}
	return b
}

// String is the line that --version prints after the name of the program.
func (b Build) String() string {
	return fmt.Sprintf("%s (revision %s, %s)", b.Version, b.Revision, b.GoVersion)
}

func (b Build) collector() prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "deflectd_build_info",
		Help:        "Always 1; the labels tell which program runs.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": b.GoVersion},
	})
	g.Set(1)
	return g
}
