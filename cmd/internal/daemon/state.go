package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

// openJournal opens the journal of a configuration; nil where it has none.
func openJournal(file config.File, log *slog.Logger) (*journal.Journal, error) {
	if file.StateDir == "" {
		return nil, nil
	}
	j, err := journal.Open(file.StateDir, journal.Options{MaxCooldowns: file.Deflect.MaxCooldowns, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("daemon: open the journal (state.dir): %w", err)
	}
	return j, nil
}

// sayGone warns of texts that wait, and will be dropped because their profile is gone.
func (d *Daemon) sayGone(profiles []freeswitch.Profile) {
	if d.journal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	open, _ := d.journal.Open(ctx) // who needs the journal tells of its trouble
	there := names(profiles)
	texts, gone := 0, []string{}
	for _, e := range open {
		if e.State == deflect.Waiting && !slices.Contains(there, e.Policy) {
			texts, gone = texts+1, append(gone, e.Policy)
		}
	}
	if texts > 0 {
		slices.Sort(gone)
		d.log.Warn("texts wait whose profile is gone: they are dropped when they are due; put it back to have them sent",
			"texts", texts, "profiles", slices.Compact(gone))
	}
}

const (
	stateAnswer = 25 * time.Second // how long one waits for the disk, less than the server's WriteTimeout
	mostAsked   = 4 << 10
)

// stateHandler shows and changes the journal, for whoever is on this machine. Every
// answer is JSON.
type stateHandler struct {
	keeper state.Keeper  // nil without a journal
	traces *traces       // forget too
	turn   chan struct{} // holds who is answered: one at a time
	log    *slog.Logger
}

func newStateHandler(keeper state.Keeper, t *traces, log *slog.Logger) *stateHandler {
	return &stateHandler{keeper: keeper, traces: t, turn: make(chan struct{}, 1), log: log}
}

func (h *stateHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := h.answer(w, r)
	answerJSON(w, out, err)
}

func answerJSON(w http.ResponseWriter, out any, err error) {
	status := http.StatusOK
	if err != nil {
		no, told := errors.AsType[*state.Error](err)
		if !told {
			no = &state.Error{Status: http.StatusInternalServerError, Text: err.Error()}
		}
		status, out = no.Status, no
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out) //nolint:errcheck // whoever asked has gone
}

func refusal(status int, format string, args ...any) *state.Error {
	return &state.Error{Status: status, Text: fmt.Sprintf(format, args...)}
}

func (h *stateHandler) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	if not := notHere(r); not != "" {
		return nil, refusal(http.StatusForbidden, "the state is not told: %s; ask on the machine itself (deflectctl state)", not)
	}
	method, byID := http.MethodPost, false
	switch r.URL.Path {
	case state.PathList:
		method = http.MethodGet
	case state.PathCancel:
		byID = true
	case state.PathAbout, state.PathForget, state.PathRelease:
	default:
		return nil, refusal(http.StatusNotFound, "there is no such path; there are GET %s, POST %s, %s, %s and %s",
			state.PathList, state.PathAbout, state.PathForget, state.PathCancel, state.PathRelease)
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		return nil, refusal(http.StatusMethodNotAllowed, "must be asked with %s", method)
	}
	var of state.Request
	if method == http.MethodPost {
		var err error
		if of, err = requested(w, r, byID); err != nil {
			return nil, err
		}
	}
	if h.keeper == nil && r.URL.Path != state.PathForget {
		return nil, refusal(http.StatusNotFound, "this deflectd keeps no journal (state.dir is not set): what it knows is in its memory, and ends with it")
	}
	ctx, cancel := context.WithTimeout(r.Context(), stateAnswer)
	defer cancel()
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return nil, refusal(http.StatusServiceUnavailable, "somebody else is still being answered: try again")
	}
	return h.do(ctx, r.URL.Path, of)
}

func (h *stateHandler) do(ctx context.Context, path string, of state.Request) (out any, err error) {
	switch path {
	case state.PathAbout:
		return h.keeper.About(ctx, of.Number)
	case state.PathForget:
		var f state.Forgotten
		if f, err = (forgetful{h.keeper, h.traces}).Forget(ctx, of.Number); err == nil {
			h.log.Info("number forgotten", "number", f.Number, "waiting", f.Waiting, "doubted", f.Doubted, "ended", f.Ended, "cooldowns", f.Cooldowns, "traces", f.Traces)
		}
		return f, err
	case state.PathCancel:
		var c state.Cancelled
		if c, err = h.keeper.Cancel(ctx, of.ExternalID); err == nil {
			h.log.Info("waiting text cancelled", "call_id", c.ExternalID)
		}
		return c, err
	case state.PathRelease:
		var f state.Released
		if f, err = h.keeper.Release(ctx, of.Number); err == nil && f.Cooldowns > 0 {
			h.log.Info("cooldowns ended", "number", f.Number, "cooldowns", f.Cooldowns)
		}
		return f, err
	}
	return h.keeper.List(ctx)
}

// requested reads what is asked for. It is to be called JSON, as no form of a page is.
func requested(w http.ResponseWriter, r *http.Request, byID bool) (of state.Request, err error) {
	form := `{"number": "+14043438646"}`
	if byID {
		form = `{"external_id": "3e0068c6-dcda-4c96"}`
	}
	err = readJSON(w, r, &of, form, func() bool { return byID == (of.ExternalID != "") && byID != (of.Number != "") })
	return of, err
}

// readJSON reads a body that has to be of a form, and about which something has to be true.
func readJSON(w http.ResponseWriter, r *http.Request, to any, form string, is func() bool) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refusal(http.StatusUnsupportedMediaType, "the Content-Type must be application/json")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostAsked))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return refusal(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", mostAsked)
	} else if err != nil {
		return refusal(http.StatusBadRequest, "the body could not be read")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil || dec.More() || !is() {
		return refusal(http.StatusBadRequest, "the body must be as %s", form)
	}
	return nil
}
