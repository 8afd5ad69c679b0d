package daemon

import (
	"net/http"
	"net/http/pprof"
	"sync/atomic"
)

// profiles serves what Go knows of this process: where its time and its memory go. That
// costs time of the calls, so it is on request, and for whoever is on this machine.
func profiles(on *atomic.Bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch no := notHere(r); {
		case no != "":
			answer(w, http.StatusForbidden, "no profiles: "+no+"; ask on the machine itself")
		case !on.Load():
			answer(w, http.StatusNotFound, "no profiles: they are off (http.pprof); a reload switches them on")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}
