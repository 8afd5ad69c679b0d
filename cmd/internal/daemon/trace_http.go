package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// traceHandler tells of calls that were traced, to whoever is on this machine. Every answer
// is JSON.
type traceHandler struct {
	traces *traces
	log    *slog.Logger
}

func (h *traceHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := h.answer(w, r)
	answerJSON(w, out, err)
}

func (h *traceHandler) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	if not := notHere(r); not != "" {
		return nil, refusal(http.StatusForbidden, "traces are not told: %s; ask on the machine itself (deflectctl trace)", not)
	}
	method := http.MethodPost
	switch r.URL.Path {
	case state.PathTraces:
		method = http.MethodGet
	case state.PathTraceAbout, state.PathTraceNext:
	default:
		return nil, refusal(http.StatusNotFound, "there is no such path; there are GET %s, POST %s and %s", state.PathTraces, state.PathTraceAbout, state.PathTraceNext)
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		return nil, refusal(http.StatusMethodNotAllowed, "must be asked with %s", method)
	}
	switch r.URL.Path {
	case state.PathTraceAbout:
		return h.about(w, r)
	case state.PathTraceNext:
		var next state.TraceNext
		if err := readJSON(w, r, &next, fmt.Sprintf(`{"calls": 1}, up to %d`, state.MostTraced), func() bool { return next.Calls >= 0 && next.Calls <= state.MostTraced }); err != nil {
			return nil, err
		}
		h.traces.setNext(next.Calls)
		h.log.Info("the next calls are traced", "calls", next.Calls)
	}
	return h.traces.list(nil, false), nil
}

// about tells of the calls that somebody asks for.
func (h *traceHandler) about(w http.ResponseWriter, r *http.Request) (any, error) {
	var of state.TraceRequest
	err := readJSON(w, r, &of, `{"call_id": "3e0068c6-dcda-4c96"} or {"number": "+14043438646"}`, func() bool { return (of.CallID != "") != (of.Number != "") })
	if err != nil {
		return nil, err
	}
	which := func(c *traced) bool {
		return of.CallID == c.id || of.CallID == deflect.LogID(c.id) || of.CallID == c.uuid || of.CallID == c.apiID
	}
	if of.Number != "" {
		spellings, err := state.Spellings(of.Number, h.traces.region)
		if err != nil {
			return nil, err
		}
		which = func(c *traced) bool { return c.of(spellings, h.traces.region) }
	}
	all := h.traces.list(which, of.Reveal)
	if len(all.Calls) == 0 {
		return nil, refusal(http.StatusNotFound, "there is no trace of such a call: %s", h.traces.why(all))
	}
	if of.Reveal {
		h.log.Info("traces of calls are shown with all that is in them", "calls", len(all.Calls))
	}
	return all, nil
}

// why says why a call may not have been traced.
func (t *traces) why(all state.Traces) string {
	if len(all.Profiles)+all.Next == 0 {
		return "no calls are traced; let the next ones be (deflectctl trace --next 5), or those of a profile (trace: true)"
	}
	return fmt.Sprintf("it was not traced, came before that was switched on, or was forgotten (the last %d calls are kept, fewer when they are long, and none for more than a day)", state.MostTraced)
}

// forgetful is a Keeper that forgets a number in the traces too. Without a journal there is
// nothing else.
type forgetful struct {
	state.Keeper // nil without a journal
	traces       *traces
}

// Forget erases a number.
func (f forgetful) Forget(ctx context.Context, number string) (state.Forgotten, error) {
	n, err := f.traces.forget(number)
	if err != nil {
		return state.Forgotten{}, err
	}
	all := state.Forgotten{Number: phone.Number(number).String()}
	if f.Keeper != nil {
		all, err = f.Keeper.Forget(ctx, number)
	}
	all.Traces = n
	return all, err
}
