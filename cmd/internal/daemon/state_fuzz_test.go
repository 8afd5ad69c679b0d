package daemon

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

// asked is a Keeper that notes what it is asked to do.
type asked struct{ number, id string }

func (a *asked) List(context.Context) (state.Listing, error) {
	return state.Listing{}, nil
}

func (a *asked) About(_ context.Context, number string) (state.Listing, error) {
	a.number = number
	return state.Listing{}, nil
}

func (a *asked) Forget(_ context.Context, number string) (state.Forgotten, error) {
	a.number = number
	return state.Forgotten{}, nil
}

func (a *asked) Cancel(_ context.Context, id string) (state.Cancelled, error) {
	a.id = id
	return state.Cancelled{}, nil
}

func (a *asked) Release(_ context.Context, number string) (state.Released, error) {
	a.number = number
	return state.Released{}, nil
}

// Whatever a stranger sends is answered with JSON, and does nothing unless it comes from this
// machine, by POST and as JSON.
func FuzzStateRequests(f *testing.F) {
	f.Add("POST", state.PathForget, "127.0.0.1:9180", "127.0.0.1:1", "application/json", `{"number": "+14043438646"}`)
	f.Add("POST", state.PathCancel, "localhost", "[::1]:1", "application/json; charset=utf-8", `{"external_id": "x"}`)
	f.Add("GET", state.PathList, "evil.example", "127.0.0.1:1", "", "")
	f.Add("POST", state.PathRelease, "127.0.0.1", "10.0.0.7:1", "text/plain", `{"number": "+14043438646"}`)
	f.Fuzz(func(t *testing.T, method, path, host, peer, kind, body string) {
		keeper := &asked{}
		r := httptest.NewRequest(http.MethodPost, "/state", strings.NewReader(body))
		r.Method, r.URL.Path, r.Host, r.RemoteAddr = method, path, host, peer
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		newStateHandler(keeper, newTraces("US", nil), slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
		var answer map[string]any
		if err := jsonOf(w, &answer); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if *keeper == (asked{}) {
			return
		}
		from, err := netip.ParseAddrPort(peer)
		if err != nil || !from.Addr().Unmap().IsLoopback() || method != http.MethodPost || !strings.Contains(strings.ToLower(kind), "application/json") || w.Code != http.StatusOK {
			t.Errorf("%s %s from %s, Content-Type %q: %d, did %+v", method, path, peer, kind, w.Code, keeper)
		}
		var of state.Request
		if json.Unmarshal([]byte(body), &of) != nil || of.Number != keeper.number || of.ExternalID != keeper.id {
			t.Errorf("%s did %+v", body, keeper)
		}
	})
}
