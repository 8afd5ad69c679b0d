package daemon

import (
	"context"
	"net/http"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

const (
	proveWithin = 5 * time.Second
	proveEvery  = 5 * time.Second // however many ask
	mostProving = 4               // who wait for it: each keeps a connection of the port
)

// apiHandler tells whether the API is a simulator, for whoever plans a load test: by what
// it proves just now, not by its address, behind which it can be another one tomorrow.
type apiHandler struct {
	prove    func(context.Context) error
	outbound string

	waits chan struct{} // holds who wait
	turn  chan struct{} // holds who asks
	asked time.Time
	last  state.API
}

func newAPIHandler(prove func(context.Context) error, outbound string) *apiHandler {
	return &apiHandler{prove: prove, outbound: outbound, waits: make(chan struct{}, mostProving), turn: make(chan struct{}, 1)}
}

func (h *apiHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case h.waits <- struct{}{}:
		defer func() { <-h.waits }()
	default:
		w.Header().Set("Retry-After", "5")
		answer(w, http.StatusServiceUnavailable, "as many ask as may")
		return
	}
	select {
	case h.turn <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	if h.asked.IsZero() || time.Since(h.asked) >= proveEvery {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), proveWithin)
		err := h.prove(ctx)
		cancel()
		h.asked, h.last = time.Now(), state.API{Simulated: err == nil, Outbound: h.outbound}
		if err != nil {
			h.last.Why = err.Error()
		}
	}
	told := h.last
	<-h.turn
	answerJSON(w, told, nil)
}
