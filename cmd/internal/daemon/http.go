package daemon

import (
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// reloadAnswer is how long an answer waits for a reload, whose files may be long or on
// a file system that hangs. It is less than the server's WriteTimeout.
const reloadAnswer = 25 * time.Second

// newHTTPServer serves metrics, health and readiness, and reloads for whoever is on
// this machine. Its limits are for whoever reaches the port.
func newHTTPServer(reg *prometheus.Registry, ready func() (bool, string), reload func() error, log *slog.Logger) *http.Server {
	errors := slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		ErrorLog:            errors,
		MaxRequestsInFlight: 8,
		EnableOpenMetrics:   true,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		switch takesCalls, about := ready(); {
		case !takesCalls, about != "" && r.URL.Query().Has("inbound"):
			answer(w, http.StatusServiceUnavailable, about)
		case about != "":
			answer(w, http.StatusOK, "ok\n"+about)
		default:
			answer(w, http.StatusOK, "ok")
		}
	})
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, r *http.Request) {
		// The port may be open to a whole network for the sake of /metrics.
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !peer.Addr().Unmap().IsLoopback() {
			answer(w, http.StatusForbidden, "only from this machine; or send SIGHUP")
			return
		}
		// A page in a browser on this machine is no operator.
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			answer(w, http.StatusForbidden, "not from a browser")
			return
		}
		ended := make(chan error, 1)
		go func() { ended <- reload() }()
		select {
		case err := <-ended:
			if err != nil {
				answer(w, http.StatusInternalServerError, "not reloaded, going on with the configuration before:\n"+err.Error())
				return
			}
			answer(w, http.StatusOK, "ok")
		case <-time.After(reloadAnswer):
			answer(w, http.StatusGatewayTimeout, "not reloaded yet: reading the files takes long; the log will say what came of it")
		case <-r.Context().Done():
		}
	})
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          errors,
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}
