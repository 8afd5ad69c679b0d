package daemon

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

// reloadAnswer is how long an answer waits for a reload, whose files may be long or on
// a file system that hangs. It is less than the server's WriteTimeout.
const reloadAnswer = 25 * time.Second

// endpoints are what the HTTP port serves: metrics, health and readiness to whoever reaches
// it, the rest as each says. A handler that is nil is not there.
type endpoints struct {
	registry *prometheus.Registry
	ready    func() (takesCalls, watches bool, about string)
	reload   func() error
	state    http.Handler // /state and below
	status   http.Handler // / and below /status/
	trace    http.Handler // /trace and below
	api      http.Handler // /-/api
	pprof    http.Handler // below /debug/pprof/
	log      *slog.Logger
}

// newHTTPServer serves them. Its limits are for whoever reaches the port.
func newHTTPServer(e endpoints) *http.Server {
	errors := slog.NewLogLogger(e.log.Handler(), slog.LevelWarn)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{
		ErrorLog:            errors,
		MaxRequestsInFlight: 8,
		EnableOpenMetrics:   true,
	}))
	healthy := func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok")
	}
	isReady := func(w http.ResponseWriter, r *http.Request) {
		switch takesCalls, watches, about := e.ready(); {
		case !takesCalls, !watches && r.URL.Query().Has("inbound"):
			answer(w, http.StatusServiceUnavailable, about)
		case about != "":
			answer(w, http.StatusOK, "ok\n"+about)
		default:
			answer(w, http.StatusOK, "ok")
		}
	}
	for _, path := range []string{"/healthz", "/-/healthy"} {
		mux.HandleFunc("GET "+path, healthy)
	}
	for _, path := range []string{"/readyz", "/-/ready"} {
		mux.HandleFunc("GET "+path, isReady)
	}
	mux.HandleFunc("POST /-/reload", func(w http.ResponseWriter, r *http.Request) {
		if no := notHere(r); no != "" {
			answer(w, http.StatusForbidden, "not reloaded: "+no+"; ask on the machine itself (curl -X POST http://127.0.0.1:PORT/-/reload), or send SIGHUP")
			return
		}
		ended := make(chan error, 1)
		go func() { ended <- e.reload() }()
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
	for pattern, h := range map[string]http.Handler{
		"/state": e.state, "/state/": e.state,
		"/{$}": e.status, "/status/": e.status,
		"/trace": e.trace, "/trace/": e.trace,
		"/debug/pprof/":        e.pprof,
		"GET " + state.PathAPI: e.api,
	} {
		if h != nil {
			mux.Handle(pattern, h)
		}
	}
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          newServerLog(e.log),
	}
}

// notHere says why a request is not one of somebody on this machine, "" for one that is.
// The port may be open to a whole network for the sake of /metrics, and what reaches it
// from this machine can be a proxy, or a page in a browser: also one whose name was
// changed to this machine's address, which is to itself the page's own server.
func notHere(r *http.Request) string {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err != nil || !peer.Addr().Unmap().IsLoopback() {
		return "the request comes from another machine"
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(host); !strings.EqualFold(host, "localhost") && (err != nil || !ip.Unmap().IsLoopback()) {
		return "its Host is neither localhost nor a loopback address"
	}
	if !r.ProtoAtLeast(1, 1) { // nginx's, unless told otherwise, with the address that it dials as Host
		return "it is of HTTP/1.0, as a proxy's are"
	}
	for name := range r.Header { // an empty one is one too
		switch {
		case name == "Origin", name == "Referer", strings.HasPrefix(name, "Sec-Fetch-"):
			return "it comes from a browser"
		case name == "Forwarded", name == "Via", name == "X-Real-Ip", strings.HasPrefix(name, "X-Forwarded"),
			name == "X-Client-Ip", name == "True-Client-Ip", strings.HasPrefix(name, "Cf-"):
			return "it comes through a proxy"
		}
	}
	return ""
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}
